"""The training loop: steps of all runs together, with evaluations and previews when they are due."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence

import torch
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.drawing.generate import generate
from ti_core.drawing.settings import GenerationSettings
from ti_core.errors import GenerationError, TrainingError
from ti_core.messages import Said
from ti_core.model.backbone import Backbone
from ti_core.model.memory import MEMORY_IS_FULL, out_of_memory_as
from ti_core.model.text_encoding import Conditioning
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template, templates_for
from ti_core.training.rows import (
    EVALUATION_KEY,
    Rows,
    TrainingData,
    mask_of,
    masked_mean,
    predictions_for,
    rows_in_turn,
    seeded_generator,
)
from ti_core.training.selection import LossEvaluation, has_levelled
from ti_core.training.state import Finish, Snapshot, TrainingState, copy_of, current_concept, timestep_bias
from ti_core.training.step import LOSS_FAILED, check_finite, train_step
from ti_core.words.inspection import nearest_words

PREVIEW_STEPS = 15  # denoising steps of a preview


def train(
    backbone: Backbone, states: list[TrainingState]
) -> Generator[tuple[TrainingState, Snapshot], None, None]:
    """Train all unfinished runs in ``states`` together until each has finished; yield a snapshot per step.

    Runs may be added to or removed from the list between yields. Each run learns the vectors that it would
    learn alone, up to the rounding of a larger batch. Raises :class:`TrainingError` if a loss or a gradient
    is not finite, or if the device runs out of memory.
    """
    while active := [state for state in states if state.finish is None]:
        yield from zip(active, advance(backbone, active), strict=True)


def advance(backbone: Backbone, states: Sequence[TrainingState]) -> list[Snapshot]:
    """Take one step of unfinished runs together, with the evaluations that are due; return their snapshots.

    Raises as :func:`train`. If an exception interrupts this, the step has no snapshot.
    """
    evaluate_loss(backbone, [state for state in states if not state.evaluations])
    losses = train_step(backbone, states)
    evaluate_loss(backbone, [state for state in states if _evaluation_due(state)])
    for state in states:
        if state.evaluations[-1].step == state.step:
            state.finish = _finish_reason(state)
    return [_snapshot(backbone, state, loss) for state, loss in zip(states, losses, strict=True)]


@out_of_memory_as(TrainingError, MEMORY_IS_FULL)
@torch.no_grad()
def evaluate_loss(backbone: Backbone, states: Sequence[TrainingState]) -> None:
    """Measure each run's loss on its fixed evaluation batch, and append loss and vectors to its state.

    The batch has the same rows every time. Raises :class:`TrainingError` if a loss is not finite; then no run
    has changed.
    """
    if not states:
        return
    prompts = [fill_template(templates_for(state.config.kind)[0], state.config.token) for state in states]
    encoded = backbone.encode_prompts(prompts, [state.words for state in states])
    losses = []
    for index, state in enumerate(states):
        rows = _evaluation_rows(backbone, state)
        losses.append(_fixed_loss(backbone, state.data, rows, encoded[index : index + 1], state.config))
    check_finite(LOSS_FAILED, states, map(math.isfinite, losses))
    for state, loss in zip(states, losses, strict=True):
        state.evaluations.append(LossEvaluation(state.step, loss))
        state.recent.append(copy_of(state.vectors))
        del state.recent[: -state.config.stop_window]


def _evaluation_rows(backbone: Backbone, state: TrainingState) -> Rows:
    generator = seeded_generator(state.config.seed, EVALUATION_KEY)
    bias = timestep_bias(backbone, state.config)
    return rows_in_turn(backbone, state.data, state.config.eval_rows, generator, bias=bias)


def _fixed_loss(
    backbone: Backbone, data: TrainingData, rows: Rows, conditioning: Conditioning, config: TrainingConfig
) -> float:
    """The mean loss of the rows, all with the same conditioning (1, ...)."""
    predictions = predictions_for(backbone, rows, conditioning, config.batch_size)
    errors = (predictions - backbone.target(rows.latents, rows.noise, rows.timesteps)).square()
    return masked_mean(errors, mask_of(data, rows)).mean().item()


def _evaluation_due(state: TrainingState) -> bool:
    return state.step % state.config.eval_every == 0 or state.step >= state.config.steps


def _finish_reason(state: TrainingState) -> Finish | None:
    config = state.config
    if state.step >= config.steps:
        return "steps"
    losses = [evaluation.loss for evaluation in state.evaluations]
    if config.stop == "auto" and has_levelled(losses, config.stop_window, config.stop_threshold):
        return "levelled"
    return None


def _snapshot(backbone: Backbone, state: TrainingState, loss: float) -> Snapshot:
    evaluated = state.evaluations[-1] if state.evaluations[-1].step == state.step else None
    nearest: tuple[tuple[str, float], ...] = ()
    if evaluated:
        encoder, rows = next(iter(state.vectors.items()))
        [words] = nearest_words(backbone, {encoder: rows[:1]})[encoder]
        nearest = tuple(words)
    every = state.config.preview_every
    preview, preview_error = _preview(backbone, state) if every and state.step % every == 0 else (None, None)
    return Snapshot(
        step=state.step,
        loss=loss,
        norm={name: float(rows.detach().norm(dim=1).mean()) for name, rows in state.vectors.items()},
        evaluation=evaluated,
        nearest=nearest,
        preview=preview,
        preview_error=preview_error,
        finish=state.finish,
    )


def _preview(backbone: Backbone, state: TrainingState) -> tuple[Image.Image | None, Said | None]:
    """Draw one picture with the current vectors, always from the same noise.

    Returns the picture and None, or None and the reason why it could not be drawn.
    """
    template = "{}" if state.config.kind == "object" else PLAIN_TEMPLATES["style"]
    settings = GenerationSettings(
        prompt=fill_template(template, state.config.token),
        count=1,
        seed=state.config.seed,
        steps=PREVIEW_STEPS,
    )
    try:
        [picture] = generate(backbone, settings, [current_concept(backbone, state)])
    except GenerationError as error:  # training does not depend on previews
        return None, error.message
    return picture.image, None
