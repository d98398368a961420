"""What a learned word is close to in the vocabulary, and how far it moved from its initial word."""

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
        raise ConfigError("count is {count}: ask for one word or more.", count=count)
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
    for encoder, start in initial_vectors(backbone, concept).items():
        rows = concept.vectors[encoder]
        cosine = F.cosine_similarity(rows, start, dim=-1)
        result[encoder] = Travel(tuple((rows - start).norm(dim=-1).tolist()), tuple(cosine.tolist()))
    return result
