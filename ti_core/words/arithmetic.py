"""Arithmetic on learned words: blend two, or scale one relative to its initial word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch

from ti_core.drawing.recipe import ConceptUse
from ti_core.errors import ConceptError, ConfigError, IncompatibleConceptError
from ti_core.messages import setting
from ti_core.model.backbone import Backbone
from ti_core.model.text_encoding import Vectors
from ti_core.prompts.names import token_for_name
from ti_core.words.concept import Concept


def blend(a: Concept, b: Concept, weight: float, token: str) -> Concept:
    """Interpolate linearly between two concepts: ``(1 - weight) * a + weight * b``.

    Raises :class:`ConfigError` for a weight outside 0 to 1, :class:`IncompatibleConceptError` for concepts
    of different models, and :class:`ConceptError` for different numbers of vectors.
    """
    if not 0 <= weight <= 1:
        raise ConfigError(
            "{name} is {value!r}: give a number from 0 to 1.", name=setting("weight"), value=weight
        )
    if not a.base.fits(b.base):
        raise IncompatibleConceptError(
            "{a} was learned on {model} and {b} on {other}: choose two of one model.",
            a=a.token,
            model=a.base.id,
            b=b.token,
            other=b.base.id,
        )
    if a.num_vectors != b.num_vectors:
        raise ConceptError(
            "{a} has {vectors} vectors and {b} has {others}: choose two with the same number.",
            a=a.token,
            vectors=a.num_vectors,
            b=b.token,
            others=b.num_vectors,
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
    """Scale a concept against its initial vectors: ``v0 + strength * (v - v0)``.

    A strength of 0 gives the initial word, 1 the concept, and more exaggerates the concept.
    Raises :class:`ConfigError` for a negative strength, and :class:`ConceptError` if the concept does not
    record its initial word.
    """
    if not 0 <= strength < math.inf:
        raise ConfigError(
            "{name} is {value!r}: give 0 or a number above it.", name=setting("strength"), value=strength
        )
    start = initial_vectors(backbone, concept)
    source = {"token": concept.token, "sha256": concept.sha256, "strength": strength}
    return replace(
        concept,
        vectors={
            encoder: torch.lerp(start[encoder], rows, strength) for encoder, rows in concept.vectors.items()
        },
        training={**concept.training, "changed_from": source},
    )


def recorded_use(concept: Concept) -> ConceptUse:
    """Return the entry for a concept in a recipe.

    For a concept made by :func:`interpolate_from_initial` this is the original concept and the strength.
    """
    source = concept.training.get("changed_from")
    if isinstance(source, Mapping) and source.get("token") == concept.token:
        sha256, strength = source.get("sha256"), source.get("strength")
        if isinstance(sha256, str) and isinstance(strength, (int, float)):  # imported: may hold anything
            return ConceptUse(concept.token, sha256, float(strength))
    return ConceptUse(concept.token, concept.sha256)


def initial_vectors(backbone: Backbone, concept: Concept) -> Vectors:
    """Return the vectors (n, d) that a concept's training started from, on the CPU, by text encoder.

    Raises :class:`IncompatibleConceptError` if the concept belongs to another model, and
    :class:`ConceptError` if it does not record its initial word.
    """
    concept.check_fits(backbone.base)
    rows = backbone.vocabulary.initial_vectors(concept.initial_word(), concept.num_vectors)
    if concept.training.get("norm_control") == "fixed":
        rows = backbone.vocabulary.with_mean_norms(rows)
    return {encoder: start.cpu() for encoder, start in rows.items()}
