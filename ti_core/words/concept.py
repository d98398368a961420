"""A learned word in memory: its token, its vectors and its base model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import torch

from ti_core.config import KINDS, MAX_VECTORS
from ti_core.errors import ConceptError, ConfigError, IncompatibleConceptError, TokenNameError
from ti_core.messages import series, template
from ti_core.model.base import BaseModel
from ti_core.model.families import FAMILIES
from ti_core.prompts.names import token_for_name
from ti_core.prompts.templates import Kind

EMBEDDING_FILES = ("learned_embeds.safetensors", "learned_embeds_2.safetensors")


@dataclass(frozen=True)
class Concept:
    """A learned word: ``vectors`` maps each text encoder to float32 ``(n, d)`` on the CPU.

    Construction raises :class:`TokenNameError` for an invalid token, and :class:`ConceptError` for an
    unknown kind or family, or vectors that do not fit the base model's encoders or are not finite.
    """

    token: str
    vectors: Mapping[str, torch.Tensor]
    kind: Kind
    base: BaseModel
    initializer: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if token_for_name(self.token) != self.token:
            raise TokenNameError("{token} is not a concept token: write it as <our-cat>.", token=self.token)
        if self.kind not in KINDS:
            raise ConceptError(
                "{token} is of the unknown kind {kind!r}: object or style.", token=self.token, kind=self.kind
            )
        if self.base.family not in FAMILIES:
            raise ConceptError(
                "{token} belongs to the unknown family {family!r} of models.",
                token=self.token,
                family=self.base.family,
            )
        if set(self.vectors) != set(self.base.widths):
            raise ConceptError(
                "{token} has vectors for {encoders}, but {model} needs {needed}.",
                token=self.token,
                encoders=series(sorted(self.vectors)),
                model=self.base.id,
                needed=series(sorted(self.base.widths)),
            )
        own = {name: rows.detach().to("cpu", torch.float32) for name, rows in self.vectors.items()}
        for encoder, rows in own.items():
            width = self.base.widths[encoder]
            if rows.ndim != 2 or rows.shape[1] != width or not 1 <= rows.shape[0] <= MAX_VECTORS:
                raise ConceptError(
                    "{token} has vectors of shape {shape} for {encoder}; it takes 1 to {most} rows of "
                    "{width}.",
                    token=self.token,
                    shape=tuple(rows.shape),
                    encoder=encoder,
                    most=MAX_VECTORS,
                    width=width,
                )
            if not bool(torch.isfinite(rows).all()):
                raise ConceptError(
                    "{token} has vectors that are not finite: it cannot be used.", token=self.token
                )
        if len({rows.shape[0] for rows in own.values()}) > 1:
            raise ConceptError(
                "{token} has another number of vectors for each text encoder.", token=self.token
            )
        object.__setattr__(self, "vectors", {name: rows.contiguous() for name, rows in own.items()})

    @property
    def name(self) -> str:
        """The token without its angle brackets."""
        return self.token[1:-1]

    def initial_word(self) -> str:
        """Return the initializer word. Raises :class:`ConceptError` if it is not recorded."""
        if not self.initializer:
            raise ConceptError(
                "{token} does not say which word it started from: learn it here to know.", token=self.token
            )
        return self.initializer

    @property
    def num_vectors(self) -> int:
        """Vectors per text encoder."""
        return next(iter(self.vectors.values())).shape[0]

    @property
    def files(self) -> dict[str, str]:
        """The file name of each text encoder's vectors in the native format."""
        return dict(zip(self.base.widths, EMBEDDING_FILES, strict=False))

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the vectors alone."""
        digest = hashlib.sha256()
        for encoder in sorted(self.vectors):
            digest.update(encoder.encode())
            digest.update(self.vectors[encoder].numpy().tobytes())
        return digest.hexdigest()

    def check_fits(self, base: BaseModel) -> None:
        """Raise :class:`IncompatibleConceptError`, naming both models, unless the concept fits ``base``."""
        if self.base.fits(base):
            return
        if self.base.id == base.id:
            raise IncompatibleConceptError(
                "{token} was learned on another version of {model}: choose that model, or learn the word "
                "again.",
                token=self.token,
                model=base.id,
            )
        raise IncompatibleConceptError(
            "{token} was learned on {model} ({family}), not for {other} ({other_family}): choose that "
            "model, or learn the word again.",
            token=self.token,
            model=self.base.id,
            family=self.base.family,
            other=base.id,
            other_family=base.family,
        )


_OTHER_MODELS = template(
    "{first} was learned on {model} and {second} on {other}: choose concepts of the same model."
)
_OTHER_VERSIONS = template(
    "{first} was learned on {model} and {second} on another version of {other}: choose concepts of the same "
    "model."
)


def vectors_by_token(concepts: Sequence[Concept], base: BaseModel) -> dict[str, Mapping[str, torch.Tensor]]:
    """Return the vectors of several concepts by token, after checking that they can be used together.

    Raises :class:`IncompatibleConceptError` if they do not fit each other or ``base``, and
    :class:`ConfigError` if two share a token.
    """
    for first, second in combinations(concepts, 2):
        if not first.base.fits(second.base):
            raise IncompatibleConceptError(
                _OTHER_VERSIONS if first.base.id == second.base.id else _OTHER_MODELS,
                first=first.token,
                model=first.base.id,
                second=second.token,
                other=second.base.id,
            )
        if first.token == second.token:
            raise ConfigError("Two concepts are called {token}: rename one of them.", token=first.token)
    for concept in concepts:
        concept.check_fits(base)
    return {concept.token: concept.vectors for concept in concepts}
