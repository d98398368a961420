"""Textual inversion: learn the vectors of a word by the frozen model's own denoising loss.

    v* = argmin_v  E over z ~ E(x), y, noise, t   || noise - eps_theta(z_t, t, c_theta(y; S* -> v)) ||^2

(Gal et al., arXiv 2208.01618, equation 2.) A step is a pure function of (seed, step): picture, posterior
sample, noise, timestep and sentence all derive from the two, so a run can be resumed exactly. Rows of one
batch may belong to several runs, because rows do not mix in a frozen model.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import torch
from PIL import Image

from ti_core.backbone import Backbone, LatentPosterior
from ti_core.concept import Concept
from ti_core.config import TrainingConfig
from ti_core.errors import ConfigError, GenerationError, PictureError, PromptError, TrainingError
from ti_core.generation import GenerationSettings, generate
from ti_core.images import Picture, loss_mask, to_pixels
from ti_core.initial_word import OnCandidate, choose_initializer
from ti_core.inspection import nearest_words
from ti_core.memory import MEMORY_ADVICE, out_of_memory_as
from ti_core.noising import (
    EVALUATION,
    Rows,
    TrainingData,
    mask_of,
    masked_mean,
    noisy_rows,
    predictions_for,
    rows_in_turn,
    seeded_generator,
)
from ti_core.prompts import PLAIN_TEMPLATES, caption_prompt, fill_template, is_plain, templates_for
from ti_core.text_encoding import Conditioning, KnownWords

PREVIEW_STEPS = 15

Finish = Literal["levelled", "steps"]


@dataclass(frozen=True)
class Evaluation:
    """The loss on the fixed evaluation batch after ``step`` steps."""

    step: int
    loss: float


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
    evaluation: Evaluation | None = None
    nearest: tuple[tuple[str, float], ...] = ()
    preview: Image.Image | None = None
    preview_error: str = ""
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
    evaluations: list[Evaluation] = field(default_factory=list)
    recent: list[dict[str, torch.Tensor]] = field(default_factory=list)
    """The vectors of the last evaluations, ``config.stop_window`` at most."""
    finish: Finish | None = None

    @property
    def words(self) -> KnownWords:
        return {self.config.token: self.vectors}

    @property
    def best_evaluation(self) -> Evaluation:
        """By :func:`best_of`; its vectors are :attr:`best`."""
        return best_of(self.evaluations, self.config.stop_window)

    @property
    def best(self) -> dict[str, torch.Tensor]:
        return self.recent[self.evaluations.index(self.best_evaluation) - len(self.evaluations)]


def best_of(evaluations: Sequence[Evaluation], window: int) -> Evaluation:
    """The lowest of the last ``window`` evaluations.

    On a few rows even the initial word may by chance have a lower loss than all that is learned later, so
    earlier ones do not count, nor the initial word's once there is another.
    """
    last = evaluations[-window:]
    learned = [evaluation for evaluation in last if evaluation.step > 0] or last
    return min(learned, key=lambda evaluation: evaluation.loss)


def check_words(backbone: Backbone, pictures: Sequence[Picture], config: TrainingConfig) -> None:
    """Check what training will read, before anything is computed.

    Raises :class:`ConfigError` for an initial word that is unreadable or that no prompt can hold,
    :class:`PromptError` for a caption that cannot be encoded.
    """
    if config.initializer != "auto":
        if not is_plain(config.initializer):
            raise ConfigError(
                f"The initial word {config.initializer!r} cannot stand in a prompt: write plain words, "
                "without brackets, weights and learned words."
            )
        backbone.phrase_vectors(config.initializer)
    placeholder = {name: torch.zeros(config.vectors, width) for name, width in backbone.base.widths.items()}
    for picture in pictures:
        if picture.caption:
            [sentence] = _prompts_of(picture, config)
            try:
                backbone.count_tokens(sentence, {config.token: placeholder})
            except PromptError as error:
                raise PromptError(f"The caption of {picture.name} cannot be used. {error}") from error


def prepare(
    backbone: Backbone,
    pictures: Sequence[Picture],
    config: TrainingConfig,
    initializer: str | None = None,
    on_candidate: OnCandidate | None = None,
) -> TrainingState:
    """Encode the pictures once and place the word at its start.

    ``initializer`` is the word that an earlier preparation chose, if there was one; ``on_candidate`` hears
    of the choice as in :func:`~ti_core.initial_word.choose_initializer`. Raises
    :class:`PictureError` for no pictures, :class:`ConfigError` for an unreadable initial word,
    :class:`PromptError` for a caption that cannot be encoded, :class:`TrainingError` if the device's memory
    does not suffice.
    """
    if not pictures:
        raise PictureError("There is no picture to learn from: give three to five.")
    check_words(backbone, pictures, config)
    data = _encode(backbone, pictures, config)
    initializer = initializer or config.initializer
    if initializer == "auto":
        initializer = choose_initializer(backbone, data, config, on_candidate)
    start = backbone.initial_vectors(initializer, config.vectors)
    if config.norm_control == "fixed":
        start = backbone.with_mean_norms(start)
    vectors = {name: rows.to(backbone.device).requires_grad_() for name, rows in start.items()}
    rates = backbone.learning_rates()
    groups = [{"params": [rows], "lr": config.learning_rate or rates[name]} for name, rows in vectors.items()]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.0)
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    return TrainingState(config, data, initializer, vectors, optimizer)


def train(
    backbone: Backbone, states: list[TrainingState]
) -> Generator[tuple[TrainingState, Snapshot], None, None]:
    """Step all unfinished runs in ``states`` together until each has finished; yield what is known.

    Runs may be added to or removed from the list between yields. Each learns the vectors that it would
    learn alone, to within the rounding of a larger batch. Raises :class:`TrainingError` if a loss or a
    gradient is not finite or the device's memory does not suffice.
    """
    while active := [state for state in states if state.finish is None]:
        yield from zip(active, advance(backbone, active), strict=True)


def advance(backbone: Backbone, states: Sequence[TrainingState]) -> list[Snapshot]:
    """One step of unfinished runs together, with the evaluations that are due; what is known of each.

    Raises as :func:`train`. A run that an exception leaves in the middle of this has no snapshot of its step.
    """
    evaluate(backbone, [state for state in states if not state.evaluations])
    losses = train_step(backbone, states)
    evaluate(backbone, [state for state in states if _evaluation_due(state)])
    for state in states:
        if state.evaluations[-1].step == state.step:
            state.finish = _finish(state)
    return [_snapshot(backbone, state, loss) for state, loss in zip(states, losses, strict=True)]


@out_of_memory_as(TrainingError, MEMORY_ADVICE)
def train_step(backbone: Backbone, states: Sequence[TrainingState]) -> list[float]:
    """One optimisation step of every run through shared forward and backward passes; each one's loss.

    Where memory runs out, the same step is done once more in a way that needs less, and where scaled
    gradients overflow, at half the scale. Raises :class:`TrainingError` if a loss or a gradient is not
    finite; no run has changed then.
    """
    for scale in _gradient_scales(backbone, states[0].data):
        losses = backbone.memory.once_more(partial(_gradients, backbone, states, scale))
        _check_finite("loss", states, map(math.isfinite, losses))
        if all(map(_has_finite_gradient, states)):
            break
    _check_finite("gradient", states, map(_has_finite_gradient, states))
    for state in states:
        _update(backbone, state, scale)
    return losses


@out_of_memory_as(TrainingError, MEMORY_ADVICE)
@torch.no_grad()
def evaluate(backbone: Backbone, states: Sequence[TrainingState]) -> None:
    """Measure each run's loss on its own fixed batch, the same rows every time, and keep the vectors a while.

    Raises :class:`TrainingError` if a loss is not finite; no run has changed then.
    """
    if not states:
        return
    prompts = [fill_template(templates_for(state.config.kind)[0], state.config.token) for state in states]
    encoded = backbone.encode_prompts(prompts, [state.words for state in states])
    losses = []
    for index, state in enumerate(states):
        rows = _evaluation_rows(backbone, state)
        losses.append(_fixed_loss(backbone, state.data, rows, encoded[index : index + 1], state.config))
    _check_finite("loss", states, map(math.isfinite, losses))
    for state, loss in zip(states, losses, strict=True):
        state.evaluations.append(Evaluation(state.step, loss))
        state.recent.append(_copy_of(state.vectors))
        del state.recent[: -state.config.stop_window]


def has_levelled(losses: Sequence[float], window: int, threshold: float) -> bool:
    """Whether the last ``window`` losses vary less than ``threshold`` of all (arXiv 2302.04841)."""
    if len(losses) < window + 2:
        return False
    whole = np.var(losses)
    return bool(whole > 0 and np.var(losses[-window:]) / whole < threshold)


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
        "timestep_bias": _timestep_bias(backbone, config),
        "norm_control": config.norm_control,
        "pictures": len(state.data) // (2 if config.flip else 1),
        "seed": config.seed,
        "stopped": state.finish or "by hand",
    }
    return Concept(config.token, state.best, config.kind, backbone.base, state.initializer, training)


def current_concept(backbone: Backbone, state: TrainingState) -> Concept:
    """The vectors as they are now, for a preview; later steps do not change it."""
    config = state.config
    return Concept(config.token, _copy_of(state.vectors), config.kind, backbone.base, state.initializer)


def _copy_of(vectors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: rows.detach().clone() for name, rows in vectors.items()}


# --- inside a step ----------------------------------------------------------------------------------------


def _gradients(backbone: Backbone, states: Sequence[TrainingState], scale: float) -> list[float]:
    """Place the gradient of each run's loss, ``scale`` times as large, at its vectors; each one's loss."""
    sums = [torch.zeros((), device=backbone.device) for _ in states]
    for state in states:
        state.optimizer.zero_grad()
    rows_together = sum(state.config.batch_size for state in states)
    checkpointing = any(
        state.config.gradient_checkpointing for state in states
    ) or backbone.memory.asks_for_checkpointing(rows_together, lambda: backbone.kept_bytes_per_row)
    with backbone.gradient_checkpointing(checkpointing):
        for taking_part, batches in _passes(backbone, states):
            latents = torch.cat([rows.latents for rows in batches])  # (b, c, h, w)
            noise = torch.cat([rows.noise for rows in batches])  # (b, c, h, w)
            timesteps = torch.cat([rows.timesteps for rows in batches])  # (b,)
            conditioning = _encode_rows(
                backbone, [states[index] for index in taking_part], batches
            )  # (b, l, d)
            noisy = backbone.add_noise(latents, noise, timesteps)
            prediction = backbone.predict(noisy, timesteps, conditioning)
            errors = (prediction - backbone.target(latents, noise, timesteps)).square()
            total, first = torch.zeros((), device=backbone.device), 0
            for index, rows in zip(taking_part, batches, strict=True):
                own = errors[first : first + len(rows)]
                first += len(rows)
                share = len(rows) / (
                    states[index].config.batch_size * states[index].config.gradient_accumulation
                )
                loss = _loss(backbone, states[index], rows, own) * share
                total = total + loss
                sums[index] += loss.detach()
            (total * scale).backward()
    return torch.stack(sums).tolist()


def _passes(backbone: Backbone, states: Sequence[TrainingState]) -> Iterator[tuple[list[int], list[Rows]]]:
    """Which runs take part in each pass of a step, with which rows: all together, or a row at a time."""
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


@out_of_memory_as(TrainingError, MEMORY_ADVICE)
def _encode(backbone: Backbone, pictures: Sequence[Picture], config: TrainingConfig) -> TrainingData:
    pixels = to_pixels(pictures)
    mask = loss_mask(pictures) if config.use_mask else None
    if config.flip:
        pixels = np.concatenate([pixels, pixels[..., ::-1]])
        mask = None if mask is None else np.concatenate([mask, mask[..., ::-1]])
    batches = [
        backbone.memory.once_more(partial(backbone.encode_pictures, torch.from_numpy(picture.copy())[None]))
        for picture in pixels
    ]
    posterior = LatentPosterior(
        torch.cat([batch.mean for batch in batches]), torch.cat([batch.std for batch in batches])
    )
    small = None
    if mask is not None:
        small = torch.nn.functional.avg_pool2d(torch.from_numpy(mask.copy()), backbone.pixels_per_latent).to(
            backbone.device
        )
    sentences = tuple(_prompts_of(picture, config) for picture in pictures)
    return TrainingData(posterior, small, sentences * (2 if config.flip else 1))


def _prompts_of(picture: Picture, config: TrainingConfig) -> tuple[str, ...]:
    if picture.caption:
        return (caption_prompt(picture.caption, config.token, config.kind),)
    return tuple(fill_template(template, config.token) for template in templates_for(config.kind))


def _draw_rows(backbone: Backbone, state: TrainingState, number: int) -> Rows:
    """The rows of pass ``number`` of the next step: pictures in turn, everything else at random."""
    config = state.config
    generator = seeded_generator(config.seed, state.step, number)
    first = (state.step * config.gradient_accumulation + number) * config.batch_size
    pictures = torch.arange(first, first + config.batch_size) % len(state.data)
    return noisy_rows(backbone, state.data, pictures, generator, bias=_timestep_bias(backbone, config))


def _timestep_bias(backbone: Backbone, config: TrainingConfig) -> float:
    """That of the settings, else the model's own for things; a style shows where there is much noise, too."""
    if config.timestep_bias is not None:
        return config.timestep_bias
    return backbone.timestep_bias if config.kind == "object" else 0.0


def _evaluation_rows(backbone: Backbone, state: TrainingState) -> Rows:
    generator = seeded_generator(state.config.seed, EVALUATION)
    bias = _timestep_bias(backbone, state.config)
    return rows_in_turn(backbone, state.data, state.config.eval_rows, generator, bias=bias)


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


def _fixed_loss(
    backbone: Backbone, data: TrainingData, rows: Rows, conditioning: Conditioning, config: TrainingConfig
) -> float:
    """The mean loss of the rows, all under one conditioning (1, ...)."""
    predictions = predictions_for(backbone, rows, conditioning, config.batch_size)
    errors = (predictions - backbone.target(rows.latents, rows.noise, rows.timesteps)).square()
    return masked_mean(errors, mask_of(data, rows)).mean().item()


def _loss(backbone: Backbone, state: TrainingState, rows: Rows, errors: torch.Tensor) -> torch.Tensor:
    losses = masked_mean(errors, mask_of(state.data, rows))
    if state.config.snr_gamma is not None:
        losses = losses * backbone.min_snr_weights(rows.timesteps, state.config.snr_gamma)
    return losses.mean()


def _check_finite(what: str, states: Sequence[TrainingState], finite: Iterable[bool]) -> None:
    failed = [state for state, is_finite in zip(states, finite, strict=True) if not is_finite]
    if failed:
        named = " and ".join(f"{state.config.token} (step {state.step})" for state in failed)
        raise TrainingError(
            f"The {what} of {named} is no longer a number: start again with a lower learning rate.",
            states=failed,
        )


def _has_finite_gradient(state: TrainingState) -> bool:
    gradients = [rows.grad for rows in state.vectors.values() if rows.grad is not None]
    return all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def _gradient_scales(backbone: Backbone, data: TrainingData) -> Iterator[float]:
    """What the loss is multiplied by before the backward pass: powers of two, the next if one overflows.

    The loss is a mean over a row's numbers, so each one's share of the gradient would underflow in float16
    (loss scaling, arXiv 1710.03740).
    """
    exponent = 0
    if backbone.dtype == torch.float16:
        exponent = round(math.log2(data.posterior.mean[0].numel()))
    return (2.0**power for power in range(exponent, -1, -1))


def _update(backbone: Backbone, state: TrainingState, scale: float) -> None:
    """Adam's step on gradients that are ``scale`` times the loss's."""
    config = state.config
    for rows in state.vectors.values():
        if rows.grad is not None:
            rows.grad /= scale
    for group in state.optimizer.param_groups:
        group["lr"] = group["peak_lr"] * _schedule(config, state.step)
    if config.max_grad_norm is not None:
        for rows in state.vectors.values():
            torch.nn.utils.clip_grad_norm_([rows], config.max_grad_norm)
    state.step += 1  # first, so that an update that is interrupted does not pass for the step before
    state.optimizer.step()
    if config.norm_control == "fixed":
        with torch.no_grad():
            for name, rows in backbone.with_mean_norms(state.vectors).items():
                state.vectors[name].copy_(rows)


def _schedule(config: TrainingConfig, step: int) -> float:
    """The learning rate's factor at a step, 0 to 1."""
    warmup = min(1.0, (step + 1) / (config.lr_warmup_steps + 1))
    share = step / config.steps
    decay = {"constant": 1.0, "linear": 1 - share, "cosine": (1 + math.cos(math.pi * share)) / 2}
    return warmup * decay[config.lr_schedule]


def _evaluation_due(state: TrainingState) -> bool:
    return state.step % state.config.eval_every == 0 or state.step >= state.config.steps


def _finish(state: TrainingState) -> Finish | None:
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
    preview, preview_error = _preview(backbone, state) if every and state.step % every == 0 else (None, "")
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


def _preview(backbone: Backbone, state: TrainingState) -> tuple[Image.Image | None, str]:
    """A small sample of the word as it is now, always from the same noise; or why it could not be drawn."""
    template = "{}" if state.config.kind == "object" else PLAIN_TEMPLATES["style"]
    settings = GenerationSettings(
        prompt=fill_template(template, state.config.token),
        count=1,
        seed=state.config.seed,
        steps=PREVIEW_STEPS,
    )
    try:
        [picture] = generate(backbone, settings, [current_concept(backbone, state)])
    except GenerationError as error:  # nothing that is learned depends on it
        return None, str(error)
    return picture.image, ""
