"""Choose the initial word automatically, by the predictions of the frozen model."""

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
    INITIALIZATION_KEY,
    MIDDLE_TIMESTEPS,
    TrainingData,
    mask_of,
    predictions_for,
    rows_in_turn,
    seeded_generator,
)

CANDIDATE_ROWS = (4, 8, 16)  # noisy rows on which each candidate is scored, in each round
CANDIDATES_PER_SURVIVOR = 4  # one in this many candidates goes on to the next round

OnCandidate = Callable[[int, int], None]
"""Called with the number of candidates scored so far and in total, counted over all rounds."""


def candidate_words(backbone: Backbone, kind: Kind) -> list[str]:
    """The words among which :func:`choose_initializer` chooses.

    They are those of this program's list for the kind that are one token; if none is, the whole list.
    """
    known = backbone.vocabulary.whole_words
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
    """Choose the word whose guidance best corrects the frozen model's predictions for the pictures.

    The score of a word is the cosine similarity of its effect and the error to be corrected. The effect is
    the prediction for the word minus that for an empty prompt; the error is the target minus the prediction
    for an empty prompt. The highest score means the lowest loss if each word may have the guidance scale that
    suits it best (arXiv 2207.12598, equation 6). A fixed scale of 1 would rank words that the model hardly
    knows above words that are nearly right.

    All candidates are scored on the same noise, at timesteps in the middle of the schedule, where objects are
    told apart best (arXiv 2303.16203). Only the better ones are scored on further rows (successive halving,
    arXiv 1502.07943). ``on_candidate`` is called after each candidate and may raise to cancel.
    """
    candidates = candidate_words(backbone, config.kind)
    template = templates_for(config.kind)[0]
    rounds = candidates_per_round(len(candidates))
    done, total = 0, sum(rounds)
    empty = backbone.encode_prompts([""])
    for count, kept in zip(CANDIDATE_ROWS, (*rounds[1:], 1), strict=False):
        rows = rows_in_turn(
            backbone, data, count, seeded_generator(config.seed, INITIALIZATION_KEY, count), MIDDLE_TIMESTEPS
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


def candidates_per_round(count: int) -> list[int]:
    """The number of candidates in each round, starting with ``count``."""
    rounds = [count]
    while len(rounds) < len(CANDIDATE_ROWS) and rounds[-1] // CANDIDATES_PER_SURVIVOR > 1:
        rounds.append(rounds[-1] // CANDIDATES_PER_SURVIVOR)
    return rounds


def _cosine(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor | None) -> float:
    """The cosine similarity of two tensors (b, c, h, w), each flattened to one vector.

    A mask (b, 1, h, w) weights its terms. The result is 0 if either tensor is 0.
    """
    if mask is not None:
        one, other = one * mask.sqrt(), other * mask.sqrt()
    return torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0).item()
