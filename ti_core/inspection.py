"""What a learned word is near to, how far it went, and simple arithmetic on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F

from ti_core.backbone import Backbone, Vectors
from ti_core.concept import Concept
from ti_core.errors import ConceptError, ConfigError, IncompatibleConceptError
from ti_core.prompts import token_for_name
from ti_core.recipe import ConceptUse

CHUNK_ROWS = 8192  # of the embedding table that are in float32 at once

Neighbour = tuple[str, float]
"""A word of the vocabulary and its cosine."""


@dataclass(frozen=True)
class NormReport:
    """The norm of each vector beside the vocabulary's: mean, 5th and 95th percentile."""

    vectors: tuple[float, ...]
    vocabulary_mean: float
    vocabulary_p5: float
    vocabulary_p95: float


@dataclass(frozen=True)
class Travel:
    """How far each vector is from where it started."""

    l2: tuple[float, ...]
    cosine: tuple[float, ...]


@dataclass(frozen=True)
class ConceptReport:
    """What can be said of a concept without drawing a picture; each mapping is by text encoder."""

    token: str
    kind: str
    model: str
    family: str
    initializer: str
    num_vectors: int
    sha256: str
    nearest: dict[str, list[list[Neighbour]]]
    norms: dict[str, NormReport]
    travel: dict[str, Travel] | None
    """None if the concept does not say which word it started from."""

    def to_dict(self) -> dict[str, Any]:
        """JSON ready."""
        return asdict(self)


def inspect_concept(backbone: Backbone, concept: Concept) -> ConceptReport:
    """Raises :class:`IncompatibleConceptError` if the concept belongs to another model."""
    concept.check_fits(backbone.base)
    return ConceptReport(
        token=concept.token,
        kind=concept.kind,
        model=concept.base.id,
        family=concept.base.family,
        initializer=concept.initializer,
        num_vectors=concept.num_vectors,
        sha256=concept.sha256,
        nearest=nearest_words(backbone, concept.vectors),
        norms=norms(backbone, concept.vectors),
        travel=distance_travelled(backbone, concept) if concept.initializer else None,
    )


@torch.no_grad()
def nearest_words(backbone: Backbone, vectors: Vectors, count: int = 5) -> dict[str, list[list[Neighbour]]]:
    """The words of the vocabulary that are one token, by cosine: for each encoder and row the best ``count``.

    ``vectors`` may be those of some of the encoders. The ids are the first tokenizer's; SDXL's second
    tokenizer has the same words.
    """
    if count < 1:
        raise ConfigError(f"count is {count}: ask for one word or more.")
    words, tables = backbone.whole_words, backbone.tables()
    names = list(words)
    result = {}
    for encoder, given in vectors.items():
        table = tables[encoder]
        ids = torch.tensor(list(words.values()), device=table.device)
        rows = F.normalize(given.to(table.device, torch.float32), dim=-1)
        cosines = torch.cat(
            [rows @ F.normalize(table[part].float(), dim=-1).T for part in ids.split(CHUNK_ROWS)], dim=1
        )  # (n, words)
        best = cosines.topk(min(count, len(names)))
        result[encoder] = [
            [(names[index], value) for index, value in zip(indices, values, strict=True)]
            for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
    return result


@torch.no_grad()
def norms(backbone: Backbone, vectors: Vectors) -> dict[str, NormReport]:
    """The L2 norm of each row, and how long the model's own embeddings are."""
    result = {}
    for encoder, table in backbone.tables().items():
        vocabulary = torch.cat([part.float().norm(dim=-1) for part in table.split(CHUNK_ROWS)]).cpu()
        low, high = vocabulary.quantile(torch.tensor([0.05, 0.95])).tolist()
        lengths = tuple(vectors[encoder].float().norm(dim=-1).tolist())
        result[encoder] = NormReport(lengths, vocabulary.mean().item(), low, high)
    return result


def distance_travelled(backbone: Backbone, concept: Concept) -> dict[str, Travel]:
    """L2 distance and cosine from the initial word's vectors, for each encoder.

    Raises :class:`ConceptError` if the concept does not say which word that was.
    """
    result = {}
    for encoder, start in _initial_vectors(backbone, concept).items():
        rows = concept.vectors[encoder]
        cosine = F.cosine_similarity(rows, start, dim=-1)
        result[encoder] = Travel(tuple((rows - start).norm(dim=-1).tolist()), tuple(cosine.tolist()))
    return result


def blend(a: Concept, b: Concept, weight: float, token: str) -> Concept:
    """A concept on the straight line between two: ``(1 - weight) * a + weight * b``.

    Raises :class:`ConfigError` for a weight outside 0 to 1, :class:`IncompatibleConceptError` for concepts
    of different models, and :class:`ConceptError` for different numbers of vectors.
    """
    if not 0 <= weight <= 1:
        raise ConfigError(f"weight is {weight!r}: give a number from 0 to 1.")
    if not a.base.fits(b.base):
        raise IncompatibleConceptError(
            f"{a.token} was learned on {a.base.id} and {b.token} on {b.base.id}: choose two of one model."
        )
    if a.num_vectors != b.num_vectors:
        raise ConceptError(
            f"{a.token} has {a.num_vectors} vectors and {b.token} has {b.num_vectors}: "
            "choose two with the same number."
        )
    nearer = a if weight <= 0.5 else b
    parts = [
        {"token": part.token, "sha256": part.sha256, "share": share}
        for part, share in ((a, 1 - weight), (b, weight))
    ]
    return Concept(
        token_for_name(token),
        {encoder: torch.lerp(rows, b.vectors[encoder], weight) for encoder, rows in a.vectors.items()},
        nearer.kind,
        a.base,
        training={"blended_from": parts},
    )


def interpolate_from_initial(backbone: Backbone, concept: Concept, strength: float) -> Concept:
    """``v0 + strength * (v - v0)``: 0 is the initial word, 1 the concept, more exaggerates it.

    Raises :class:`ConfigError` for a negative strength, :class:`ConceptError` if the concept does not say
    which word it started from.
    """
    if not 0 <= strength < math.inf:
        raise ConfigError(f"strength is {strength!r}: give 0 or a number above it.")
    start = _initial_vectors(backbone, concept)
    source = {"token": concept.token, "sha256": concept.sha256, "strength": strength}
    return replace(
        concept,
        vectors={
            encoder: torch.lerp(start[encoder], rows, strength) for encoder, rows in concept.vectors.items()
        },
        training={**concept.training, "changed_from": source},
    )


def recorded_use(concept: Concept) -> ConceptUse:
    """A concept as a recipe names it.

    One from :func:`interpolate_from_initial` is named as the word that it was made of, at its strength.
    """
    source = concept.training.get("changed_from")
    if isinstance(source, Mapping) and source.get("token") == concept.token:
        sha256, strength = source.get("sha256"), source.get("strength")
        if isinstance(sha256, str) and isinstance(strength, (int, float)):  # a foreign word has anything
            return ConceptUse(concept.token, sha256, float(strength))
    return ConceptUse(concept.token, concept.sha256)


def _initial_vectors(backbone: Backbone, concept: Concept) -> Vectors:
    concept.check_fits(backbone.base)
    rows = backbone.initial_vectors(concept.initial_word(), concept.num_vectors)
    if concept.training.get("norm_control") == "fixed":
        rows = backbone.with_mean_norms(rows)
    return {encoder: start.cpu() for encoder, start in rows.items()}
