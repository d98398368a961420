"""Decide which of the evaluated vectors become the result, and when the loss has levelled off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LossEvaluation:
    """The loss on the fixed evaluation batch after ``step`` steps."""

    step: int
    loss: float


def best_of(evaluations: Sequence[LossEvaluation], window: int) -> LossEvaluation:
    """The evaluation with the lowest loss among the last ``window``.

    The evaluation batch is small: by chance, even the initial word can have a lower loss than all vectors
    learned later. So older evaluations do not count, nor does the initial word's once there is another.
    """
    last = evaluations[-window:]
    learned = [evaluation for evaluation in last if evaluation.step > 0] or last
    return min(learned, key=lambda evaluation: evaluation.loss)


def has_levelled(losses: Sequence[float], window: int, threshold: float) -> bool:
    """Whether the last ``window`` losses vary too little to go on (arXiv 2302.04841).

    Their variance must be below ``threshold`` times the variance of all losses, of which there must be at
    least ``window`` + 2.
    """
    if len(losses) < window + 2:
        return False
    whole = np.var(losses)
    return bool(whole > 0 and np.var(losses[-window:]) / whole < threshold)
