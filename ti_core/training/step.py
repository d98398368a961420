"""One optimisation step, in which the loss of textual inversion is computed.

    v* = argmin_v  E over z ~ E(x), y, noise, t   || noise - eps_theta(z_t, t, c_theta(y; S* -> v)) ||^2

(Gal et al., arXiv 2208.01618, equation 2.) A step is a pure function of (seed, step): picture, posterior
sample, noise, timestep and sentence all derive from these two, so a run can be resumed exactly. The rows of a
batch may belong to several runs, because a frozen model computes each row independently of the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import torch

from ti_core.config import TrainingConfig
from ti_core.errors import TrainingError
from ti_core.messages import Message, both, template
from ti_core.model.backbone import Backbone
from ti_core.model.memory import MEMORY_IS_FULL, out_of_memory_as
from ti_core.model.text_encoding import Conditioning
from ti_core.training.rows import Rows, TrainingData, mask_of, masked_mean, noisy_rows, seeded_generator
from ti_core.training.state import TrainingState, timestep_bias

LOSS_FAILED = template("The loss of {runs} is no longer a number: start again with a lower learning rate.")
GRADIENT_FAILED = template(
    "The gradient of {runs} is no longer a number: start again with a lower learning rate."
)


@out_of_memory_as(TrainingError, MEMORY_IS_FULL)
def train_step(backbone: Backbone, states: Sequence[TrainingState]) -> list[float]:
    """Take one optimisation step of every run in shared passes; return the loss of each run.

    If memory runs out, the step is repeated with the next memory level; if scaled gradients overflow, with
    half the scale. Raises :class:`TrainingError` if memory does not suffice, or if a loss or a gradient is
    not finite; then no run has changed.
    """
    for scale in _gradient_scales(backbone, states[0].data):
        losses = backbone.memory.with_fallback(partial(_gradients, backbone, states, scale))
        check_finite(LOSS_FAILED, states, map(math.isfinite, losses))
        if all(map(_has_finite_gradient, states)):
            break
    check_finite(GRADIENT_FAILED, states, map(_has_finite_gradient, states))
    for state in states:
        _update(backbone, state, scale)
    return losses


def _gradients(backbone: Backbone, states: Sequence[TrainingState], scale: float) -> list[float]:
    """Compute the gradient of each run's loss, times ``scale``, at its vectors; return each run's loss."""
    for state in states:
        state.optimizer.zero_grad()
    losses = torch.zeros(len(states), device=backbone.device)
    with backbone.gradient_checkpointing(_needs_checkpointing(backbone, states)):
        for taking_part, batches in _passes(backbone, states):
            runs = [states[index] for index in taking_part]
            latents = torch.cat([rows.latents for rows in batches])  # z (b, c, h, w)
            noise = torch.cat([rows.noise for rows in batches])  # (b, c, h, w)
            timesteps = torch.cat([rows.timesteps for rows in batches])  # t (b,)
            conditioning = _encode_rows(backbone, runs, batches)  # c_theta(y; S* -> v) (b, l, d)
            noisy = backbone.add_noise(latents, noise, timesteps)  # z_t (b, c, h, w)
            prediction = backbone.predict(noisy, timesteps, conditioning)  # eps_theta (b, c, h, w)
            errors = (prediction - backbone.target(latents, noise, timesteps)).square()  # (b, c, h, w)
            shares = _loss_shares(backbone, runs, batches, errors)  # (runs,)
            (shares.sum() * scale).backward()
            losses[taking_part] += shares.detach()
    return losses.tolist()


def _needs_checkpointing(backbone: Backbone, states: Sequence[TrainingState]) -> bool:
    """Whether a run asks for gradient checkpointing, or the memory is too small for a pass without it."""
    if any(state.config.gradient_checkpointing for state in states):
        return True
    rows = sum(state.config.batch_size for state in states)
    return backbone.memory.needs_checkpointing(rows, lambda: backbone.activation_bytes_per_row)


def _passes(backbone: Backbone, states: Sequence[TrainingState]) -> Iterator[tuple[list[int], list[Rows]]]:
    """For each pass of a step, yield the indices of the runs that take part, and the rows of each.

    A pass has all of a batch, or at the lowest memory level a single row.
    """
    for number in range(max(state.config.gradient_accumulation for state in states)):
        taking_part = [
            index for index, state in enumerate(states) if number < state.config.gradient_accumulation
        ]
        batches = [_draw_rows(backbone, states[index], number) for index in taking_part]
        if backbone.memory.level != "least":
            yield taking_part, batches
            continue
        for index, rows in zip(taking_part, batches, strict=True):
            for row in range(len(rows)):
                yield [index], [rows[row : row + 1]]


def _draw_rows(backbone: Backbone, state: TrainingState, number: int) -> Rows:
    """The rows of pass ``number`` of the next step: pictures in order, everything else random."""
    config = state.config
    generator = seeded_generator(config.seed, state.step, number)
    first = (state.step * config.gradient_accumulation + number) * config.batch_size
    pictures = torch.arange(first, first + config.batch_size) % len(state.data)
    return noisy_rows(backbone, state.data, pictures, generator, bias=timestep_bias(backbone, config))


def _encode_rows(
    backbone: Backbone, states: Sequence[TrainingState], batches: Sequence[Rows]
) -> Conditioning:
    prompts, words = [], []
    for state, rows in zip(states, batches, strict=True):
        for picture, choice in zip(rows.pictures.tolist(), rows.choice.tolist(), strict=True):
            sentences = state.data.prompts[picture]
            prompts.append(sentences[int(choice * len(sentences))])
            words.append(state.words)
    return backbone.encode_prompts(prompts, words)


def _loss_shares(
    backbone: Backbone, states: Sequence[TrainingState], batches: Sequence[Rows], errors: torch.Tensor
) -> torch.Tensor:
    """What a pass adds to the loss (runs,) of each run; ``errors`` (b, c, h, w) are those of all rows.

    The loss of a step is the mean over all rows of all its passes.
    """
    shares = []
    own_errors = errors.split([len(rows) for rows in batches])
    for state, rows, own in zip(states, batches, own_errors, strict=True):
        losses = masked_mean(own, mask_of(state.data, rows))  # (rows,)
        if state.config.snr_gamma is not None:
            losses = losses * backbone.min_snr_weights(rows.timesteps, state.config.snr_gamma)
        rows_per_step = state.config.batch_size * state.config.gradient_accumulation
        shares.append(losses.mean() * (len(rows) / rows_per_step))
    return torch.stack(shares)


def check_finite(failure: str, states: Sequence[TrainingState], finite: Iterable[bool]) -> None:
    """Raise :class:`TrainingError` with the template ``failure`` if any state is not ``finite``."""
    failed = [state for state, is_finite in zip(states, finite, strict=True) if not is_finite]
    if failed:
        runs = [
            Message("{token} (step {step})", token=state.config.token, step=state.step) for state in failed
        ]
        raise TrainingError(failure, runs=both(runs), states=failed)


def _has_finite_gradient(state: TrainingState) -> bool:
    gradients = [rows.grad for rows in state.vectors.values() if rows.grad is not None]
    return all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def _gradient_scales(backbone: Backbone, data: TrainingData) -> Iterator[float]:
    """The factors by which to scale the loss for the backward pass, to be tried until one does not overflow.

    They are descending powers of two, and just 1 unless the model is in float16. The loss is a mean over all
    numbers of a row's latents, so its gradient for each of them would underflow in float16 (loss scaling,
    arXiv 1710.03740).
    """
    exponent = 0
    if backbone.dtype == torch.float16:
        exponent = round(math.log2(data.posterior.mean[0].numel()))
    return (2.0**power for power in range(exponent, -1, -1))


def _update(backbone: Backbone, state: TrainingState, scale: float) -> None:
    """Apply the optimiser to gradients that are scaled by ``scale``, and count the step."""
    config = state.config
    for rows in state.vectors.values():
        if rows.grad is not None:
            rows.grad /= scale
    for group in state.optimizer.param_groups:
        group["lr"] = group["peak_lr"] * _schedule(config, state.step)
    if config.max_grad_norm is not None:
        for rows in state.vectors.values():
            torch.nn.utils.clip_grad_norm_([rows], config.max_grad_norm)
    state.step += 1  # first, so that an interrupted update is not mistaken for the step before
    state.optimizer.step()
    if config.norm_control == "fixed":
        with torch.no_grad():
            for name, rows in backbone.vocabulary.with_mean_norms(state.vectors).items():
                state.vectors[name].copy_(rows)


def _schedule(config: TrainingConfig, step: int) -> float:
    """The factor on the learning rate at a step, from 0 to 1."""
    warmup = min(1.0, (step + 1) / (config.lr_warmup_steps + 1))
    share = step / config.steps
    decay = {"constant": 1.0, "linear": 1 - share, "cosine": (1 + math.cos(math.pi * share)) / 2}
    return warmup * decay[config.lr_schedule]
