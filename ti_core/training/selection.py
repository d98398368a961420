"""Which of the evaluated vectors become the result, and when training has levelled off."""

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
    """The lowest of the last ``window`` evaluations.

    On a few rows even the initial word may by chance have a lower loss than all that is learned later, so
    earlier ones do not count, nor the initial word's once there is another.
    """
    last = evaluations[-window:]
    learned = [evaluation for evaluation in last if evaluation.step > 0] or last
    return min(learned, key=lambda evaluation: evaluation.loss)


def has_levelled(losses: Sequence[float], window: int, threshold: float) -> bool:
    """Whether the last ``window`` losses vary less than ``threshold`` of all (arXiv 2302.04841)."""
    if len(losses) < window + 2:
        return False
    whole = np.var(losses)
    return bool(whole > 0 and np.var(losses[-window:]) / whole < threshold)
