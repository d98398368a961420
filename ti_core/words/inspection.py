"""Compare a learned word with the vocabulary, and measure how far it moved from its initial word."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F

from ti_core.errors import ConfigError
from ti_core.model.backbone import Backbone
from ti_core.model.text_encoding import Vectors
from ti_core.words.arithmetic import initial_vectors
from ti_core.words.concept import Concept

CHUNK_ROWS = 8192  # rows of the embedding table that are converted to float32 at a time
Neighbour = tuple[str, float]
"""A vocabulary word and its cosine similarity."""


@dataclass(frozen=True)
class NormReport:
    """The L2 norm of each vector, and the mean, 5th and 95th percentile of the vocabulary's norms."""

    vectors: tuple[float, ...]
    vocabulary_mean: float
    vocabulary_p5: float
    vocabulary_p95: float


@dataclass(frozen=True)
class Travel:
    """The L2 distance and cosine similarity of each vector to its initial vector."""

    l2: tuple[float, ...]
    cosine: tuple[float, ...]


@dataclass(frozen=True)
class ConceptReport:
    """What can be measured of a concept without drawing a picture; the mappings are by text encoder."""

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
    """None if the concept does not record its initial word."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as values that JSON can hold."""
        return asdict(self)


def inspect_concept(backbone: Backbone, concept: Concept) -> ConceptReport:
    """Measure a concept. Raises :class:`IncompatibleConceptError` if it belongs to another model."""
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
    """Find the ``count`` nearest vocabulary words of each vector by cosine similarity, best first.

    Only words that are a single token are candidates. ``vectors`` (n, d) may cover some of the text encoders
    only; the result has n lists for each of them. Token ids come from the first tokenizer, because SDXL's
    second one has the same vocabulary. Raises :class:`ConfigError` if ``count`` is below 1.
    """
    if count < 1:
        raise ConfigError("count is {count}: ask for one word or more.", count=count)
    words, tables = backbone.vocabulary.whole_words, backbone.vocabulary.tables()
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
    """Measure the L2 norm of each vector and the norms of the model's own embeddings, by text encoder."""
    result = {}
    for encoder, table in backbone.vocabulary.tables().items():
        vocabulary = torch.cat([part.float().norm(dim=-1) for part in table.split(CHUNK_ROWS)]).cpu()
        low, high = vocabulary.quantile(torch.tensor([0.05, 0.95])).tolist()
        lengths = tuple(vectors[encoder].float().norm(dim=-1).tolist())
        result[encoder] = NormReport(lengths, vocabulary.mean().item(), low, high)
    return result


def distance_travelled(backbone: Backbone, concept: Concept) -> dict[str, Travel]:
    """Measure how far each vector is from the initial word's, by text encoder.

    Raises :class:`ConceptError` if the concept does not record its initial word.
    """
    result = {}
    for encoder, start in initial_vectors(backbone, concept).items():
        rows = concept.vectors[encoder]
        cosine = F.cosine_similarity(rows, start, dim=-1)
        result[encoder] = Travel(tuple((rows - start).norm(dim=-1).tolist()), tuple(cosine.tolist()))
    return result
