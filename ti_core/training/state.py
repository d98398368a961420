"""A training run in memory, and what is known of it after each step."""

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


@dataclass(frozen=True)
class Snapshot:
    """What is known after a step.

    ``loss`` is the step's own, mostly noise; ``evaluation`` and ``nearest`` (the closest vocabulary
    words of the first vector, with their cosines) are there when an evaluation was due, ``preview``
    when a picture was, or ``preview_error`` says why it could not be drawn. ``norm`` is the mean length of
    the vectors in each text encoder.
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
    """One run in memory. Everything that a step changes is here, and only here."""

    config: TrainingConfig
    data: TrainingData
    initializer: str
    vectors: dict[str, torch.Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0
    evaluations: list[LossEvaluation] = field(default_factory=list)
    recent: list[dict[str, torch.Tensor]] = field(default_factory=list)
    """The vectors of the last evaluations, ``config.stop_window`` at most."""
    finish: Finish | None = None

    @property
    def words(self) -> KnownWords:
        return {self.config.token: self.vectors}

    @property
    def best_evaluation(self) -> LossEvaluation:
        """By :func:`best_of`; its vectors are :attr:`best`."""
        return best_of(self.evaluations, self.config.stop_window)

    @property
    def best(self) -> dict[str, torch.Tensor]:
        return self.recent[self.evaluations.index(self.best_evaluation) - len(self.evaluations)]


def learned_concept(backbone: Backbone, state: TrainingState) -> Concept:
    """The best of the last vectors as a concept, with how they were learned."""
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
    """The vectors as they are now, for a preview; later steps do not change it."""
    config = state.config
    return Concept(config.token, copy_of(state.vectors), config.kind, backbone.base, state.initializer)


def copy_of(vectors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: rows.detach().clone() for name, rows in vectors.items()}


def timestep_bias(backbone: Backbone, config: TrainingConfig) -> float:
    """That of the settings, else the model's own for things; a style shows where there is much noise, too."""
    if config.timestep_bias is not None:
        return config.timestep_bias
    return backbone.timestep_bias if config.kind == "object" else 0.0
