"""The state of a training run in memory, and the snapshot of it after each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.messages import Said
from ti_core.model.backbone import Backbone
from ti_core.model.text_encoding import KnownWords
from ti_core.training.rows import TrainingData
from ti_core.training.selection import LossEvaluation, best_of
from ti_core.words.concept import Concept

Finish = Literal["levelled", "steps"]
"""Why training ended by itself: the loss levelled off, or the last step was taken."""


@dataclass(frozen=True)
class Snapshot:
    """What is known of a run after a step.

    - ``loss``: the loss of this step's batch, which is mostly noise
    - ``norm``: the mean norm of the vectors in each text encoder
    - ``evaluation``: set if one was due
    - ``nearest``: set with ``evaluation``; the vocabulary words closest to the first vector, with their
      cosine similarities
    - ``preview``: set if one was due; if it could not be drawn, ``preview_error`` says why
    - ``finish``: set after the last step
    """

    step: int
    loss: float
    norm: Mapping[str, float]
    evaluation: LossEvaluation | None = None
    nearest: tuple[tuple[str, float], ...] = ()
    preview: Image.Image | None = None
    preview_error: Said | None = None
    finish: Finish | None = None


@dataclass(eq=False)
class TrainingState:
    """The state of one run in memory. It holds everything that a step changes."""

    config: TrainingConfig
    data: TrainingData
    initializer: str
    vectors: dict[str, torch.Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0
    evaluations: list[LossEvaluation] = field(default_factory=list)
    recent: list[dict[str, torch.Tensor]] = field(default_factory=list)
    """The vectors at the last evaluations, at most ``config.stop_window``."""
    finish: Finish | None = None

    @property
    def words(self) -> KnownWords:
        """The current vectors by their token, as :meth:`Backbone.encode_prompts` takes them."""
        return {self.config.token: self.vectors}

    @property
    def best_evaluation(self) -> LossEvaluation:
        """The evaluation that :func:`best_of` selects; :attr:`best` holds its vectors."""
        return best_of(self.evaluations, self.config.stop_window)

    @property
    def best(self) -> dict[str, torch.Tensor]:
        """The vectors at :attr:`best_evaluation`."""
        return self.recent[self.evaluations.index(self.best_evaluation) - len(self.evaluations)]


def learned_concept(backbone: Backbone, state: TrainingState) -> Concept:
    """The vectors of :attr:`TrainingState.best` as a concept that records how it was learned."""
    config, best = state.config, state.best_evaluation
    groups = zip(state.vectors, state.optimizer.param_groups, strict=True)
    training = {
        "steps": state.step,
        "best_step": best.step,
        "evaluation_loss": best.loss,
        "first_evaluation_loss": state.evaluations[0].loss,
        "batch_size": config.batch_size * config.gradient_accumulation,
        "learning_rate": {name: group["peak_lr"] for name, group in groups},
        "timestep_bias": timestep_bias(backbone, config),
        "norm_control": config.norm_control,
        "pictures": len(state.data) // (2 if config.flip else 1),
        "seed": config.seed,
        "stopped": state.finish or "by hand",
    }
    return Concept(config.token, state.best, config.kind, backbone.base, state.initializer, training)


def current_concept(backbone: Backbone, state: TrainingState) -> Concept:
    """A copy of the current vectors as a concept, for a preview."""
    config = state.config
    return Concept(config.token, copy_of(state.vectors), config.kind, backbone.base, state.initializer)


def copy_of(vectors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A copy of the vectors, detached from the gradient's graph."""
    return {name: rows.detach().clone() for name, rows in vectors.items()}


def timestep_bias(backbone: Backbone, config: TrainingConfig) -> float:
    """The timestep bias that a run trains with: the setting, or by default the model's for objects.

    The default for styles is 0, because a style also shows at high noise.
    """
    if config.timestep_bias is not None:
        return config.timestep_bias
    return backbone.timestep_bias if config.kind == "object" else 0.0
