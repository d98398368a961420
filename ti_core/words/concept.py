"""A learned word in memory: its token, its vectors, and the model it belongs to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import torch

from ti_core.config import KINDS, MAX_VECTORS, Kind
from ti_core.errors import ConceptError, ConfigError, IncompatibleConceptError, TokenNameError
from ti_core.model.base import BaseModel
from ti_core.model.families import FAMILIES
from ti_core.prompts.names import token_for_name

EMBEDDING_FILES = ("learned_embeds.safetensors", "learned_embeds_2.safetensors")


@dataclass(frozen=True)
class Concept:
    """A word and its vectors, float32 ``(n, d)`` on the CPU for each text encoder.

    Raises :class:`ConceptError` when made of vectors that no text encoder could take.
    """

    token: str
    vectors: Mapping[str, torch.Tensor]
    kind: Kind
    base: BaseModel
    initializer: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if token_for_name(self.token) != self.token:
            raise TokenNameError(f"{self.token} is not a concept token: write it as <our-cat>.")
        if self.kind not in KINDS:
            raise ConceptError(f"{self.token} is of the unknown kind {self.kind!r}: object or style.")
        if self.base.family not in FAMILIES:
            raise ConceptError(f"{self.token} belongs to the unknown family {self.base.family!r} of models.")
        if set(self.vectors) != set(self.base.widths):
            raise ConceptError(
                f"{self.token} has vectors for {', '.join(sorted(self.vectors))}, "
                f"but {self.base.id} needs {', '.join(sorted(self.base.widths))}."
            )
        own = {name: rows.detach().to("cpu", torch.float32) for name, rows in self.vectors.items()}
        for encoder, rows in own.items():
            width = self.base.widths[encoder]
            if rows.ndim != 2 or rows.shape[1] != width or not 1 <= rows.shape[0] <= MAX_VECTORS:
                raise ConceptError(
                    f"{self.token} has vectors of shape {tuple(rows.shape)} for {encoder}; "
                    f"it takes 1 to {MAX_VECTORS} rows of {width}."
                )
            if not bool(torch.isfinite(rows).all()):
                raise ConceptError(f"{self.token} has vectors that are not finite: it cannot be used.")
        if len({rows.shape[0] for rows in own.values()}) > 1:
            raise ConceptError(f"{self.token} has another number of vectors for each text encoder.")
        object.__setattr__(self, "vectors", {name: rows.contiguous() for name, rows in own.items()})

    @property
    def name(self) -> str:
        """The token without its brackets."""
        return self.token[1:-1]

    def initial_word(self) -> str:
        """The word it started from. Raises :class:`ConceptError` if it does not say which that was."""
        if not self.initializer:
            raise ConceptError(
                f"{self.token} does not say which word it started from: learn it here to know."
            )
        return self.initializer

    @property
    def num_vectors(self) -> int:
        return next(iter(self.vectors.values())).shape[0]

    @property
    def files(self) -> dict[str, str]:
        """The native file of each text encoder's vectors."""
        return dict(zip(self.base.widths, EMBEDDING_FILES, strict=False))

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the vectors alone."""
        digest = hashlib.sha256()
        for encoder in sorted(self.vectors):
            digest.update(encoder.encode())
            digest.update(self.vectors[encoder].numpy().tobytes())
        return digest.hexdigest()

    def check_fits(self, base: BaseModel) -> None:
        """Raises :class:`IncompatibleConceptError` naming both models."""
        if self.base.fits(base):
            return
        if self.base.id == base.id:
            reason = f"was learned on another version of {base.id}"
        else:
            reason = f"was learned on {self.base.id} ({self.base.family}), not for {base.id} ({base.family})"
        raise IncompatibleConceptError(f"{self.token} {reason}: choose that model, or learn the word again.")


def known_words(concepts: Sequence[Concept], base: BaseModel) -> dict[str, Mapping[str, torch.Tensor]]:
    """The vectors of concepts by token, all checked against each other and the model.

    Raises :class:`IncompatibleConceptError`, or :class:`ConfigError` if two share a token.
    """
    for first, second in combinations(concepts, 2):
        if not first.base.fits(second.base):
            same_id = first.base.id == second.base.id
            other = f"another version of {second.base.id}" if same_id else second.base.id
            raise IncompatibleConceptError(
                f"{first.token} was learned on {first.base.id} and {second.token} on {other}: "
                "choose concepts of the same model."
            )
        if first.token == second.token:
            raise ConfigError(f"Two concepts are called {first.token}: rename one of them.")
    for concept in concepts:
        concept.check_fits(base)
    return {concept.token: concept.vectors for concept in concepts}
