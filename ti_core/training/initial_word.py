"""The choice of the initial word by the frozen model itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ti_core.config import TrainingConfig
from ti_core.errors import TrainingError
from ti_core.model.backbone import Backbone
from ti_core.model.memory import MEMORY_IS_FULL, out_of_memory_as
from ti_core.prompts.initializers import OBJECT_WORDS, STYLE_WORDS
from ti_core.prompts.templates import Kind, fill_template, templates_for
from ti_core.training.rows import (
    INITIALIZATION,
    MIDDLE,
    TrainingData,
    mask_of,
    predictions_for,
    rows_in_turn,
    seeded_generator,
)

CANDIDATE_ROWS = (4, 8, 16)  # noisy rows each candidate word is judged by, round after round
CANDIDATES_KEPT = 4  # one in so many goes on to the next round

OnCandidate = Callable[[int, int], None]
"""Takes how many times a candidate for the initial word has been judged, and how often one will be."""


def candidate_words(backbone: Backbone, kind: Kind) -> list[str]:
    """The words that :func:`choose_initializer` chooses from: those listed that are one token, else all."""
    known = backbone.whole_words
    listed = OBJECT_WORDS if kind == "object" else STYLE_WORDS
    return [word for word in listed if word in known] or list(listed)


@out_of_memory_as(TrainingError, MEMORY_IS_FULL)
@torch.no_grad()
def choose_initializer(
    backbone: Backbone,
    data: TrainingData,
    config: TrainingConfig,
    on_candidate: OnCandidate | None = None,
) -> str:
    """The known word that tells the frozen model most about the pictures: it is its own classifier.

    What the model predicts differently for the word than for an empty prompt points most, by its cosine, to
    what the prediction for the empty prompt misses. That is the lowest loss once each word guides
    at the scale that suits it (arXiv 2207.12598, equation 6); at the scale of 1, words that the model hardly
    knows come before those that are nearly right. All candidates see the same noise, at timesteps in the
    middle, which tell things apart best (arXiv 2303.16203), and only the better ones go on to further rows
    (successive halving, arXiv 1502.07943). ``on_candidate`` is called after each of them, and ends the choice
    by raising.
    """
    candidates = candidate_words(backbone, config.kind)
    template = templates_for(config.kind)[0]
    rounds = candidates_in_rounds(len(candidates))
    done, total = 0, sum(rounds)
    empty = backbone.encode_prompts([""])
    for count, kept in zip(CANDIDATE_ROWS, (*rounds[1:], 1), strict=False):
        rows = rows_in_turn(
            backbone, data, count, seeded_generator(config.seed, INITIALIZATION, count), MIDDLE
        )
        without = predictions_for(backbone, rows, empty, config.batch_size)
        missed = backbone.target(rows.latents, rows.noise, rows.timesteps) - without
        mask = mask_of(data, rows)
        encoded = backbone.encode_prompts([fill_template(template, word) for word in candidates])
        scores = []
        for index in range(len(candidates)):
            more = predictions_for(backbone, rows, encoded[index : index + 1], config.batch_size) - without
            scores.append(_cosine(more, missed, mask))
            done += 1
            if on_candidate is not None:
                on_candidate(done, total)
        best_first = np.argsort([-score for score in scores], kind="stable")
        candidates = [candidates[index] for index in best_first[:kept]]
    return candidates[0]


def candidates_in_rounds(count: int) -> list[int]:
    """How many of so many candidates are judged in each round, with the rows of :data:`CANDIDATE_ROWS`."""
    rounds = [count]
    while len(rounds) < len(CANDIDATE_ROWS) and rounds[-1] // CANDIDATES_KEPT > 1:
        rounds.append(rounds[-1] // CANDIDATES_KEPT)
    return rounds


def _cosine(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor | None) -> float:
    """Of all rows (b, c, h, w) as one, over the masked part if there is a mask; 0 where one of them is 0."""
    if mask is not None:
        one, other = one * mask.sqrt(), other * mask.sqrt()
    return torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0).item()
