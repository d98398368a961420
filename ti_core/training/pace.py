"""Estimate how long training takes on this machine.

:func:`measure_pace` times a few passes, once for each model and device. :func:`expected_seconds` then
estimates a run with any settings, by counting the passes that training will make.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

import torch
from PIL import Image

from ti_core.config import KINDS, TrainingConfig
from ti_core.errors import TrainingError
from ti_core.model.backbone import Backbone
from ti_core.model.memory import MEMORY_IS_FULL, out_of_memory_as
from ti_core.pictures.prepare import Picture, to_pixels
from ti_core.prompts.templates import Kind
from ti_core.training.initial_word import CANDIDATE_ROWS, candidate_words, candidates_per_round
from ti_core.training.loop import PREVIEW_STEPS
from ti_core.training.preparation import prepare
from ti_core.training.rows import MIN_PASS_ROWS
from ti_core.training.step import train_step

MANY_ROWS = 4  # timing a pass of one row and one of this many separates the cost per pass and per row
REPEATS = 3
LONG_ENOUGH = 5.0  # seconds; work that takes longer is not repeated, because warming up hardly matters in it
GUIDED_ROWS = 2  # rows per picture in a sampler's pass: with the prompt and without (arXiv 2207.12598)
WORD = "cat"
PROMPT = f"a photo of a {WORD}"


@dataclass(frozen=True)
class PassCost:
    """Seconds that a pass takes: ``per_pass`` regardless of its size, plus ``per_row`` for each row."""

    per_pass: float
    per_row: float

    def seconds(self, rows: int, passes: int = 1) -> float:
        """Seconds for ``rows`` rows in total, divided among ``passes`` passes."""
        return passes * self.per_pass + rows * self.per_row


@dataclass(frozen=True)
class Pace:
    """What the parts of training cost with this model on this machine, in seconds."""

    training: PassCost
    """A training pass: text encoders and denoiser, forward and backward, and the optimiser."""
    denoising: PassCost
    """The denoiser alone, without gradients."""
    sentences: PassCost
    """The text encoders, without gradients."""
    encoding: float
    """Encoding one picture to latents."""
    decoding: float
    """Decoding one picture from latents."""
    candidates: Mapping[Kind, int]
    """The number of words that the initializer ``auto`` chooses from."""


@out_of_memory_as(TrainingError, MEMORY_IS_FULL)
def measure_pace(backbone: Backbone) -> Pace:
    """Time the parts of training on a blank picture. This takes a second or two on the embedded model.

    The fastest repeat of each part counts, because other programs can only slow it down. Every timed function
    ends by reading a number, which waits for the device. Raises :class:`TrainingError` if the device has not
    enough memory for a step of ``MANY_ROWS`` rows.
    """
    size = (backbone.resolution, backbone.resolution)
    blank = Picture("blank", Image.new("RGB", size, "gray"), None, None, size, ())
    config = TrainingConfig(token="<measured-word>", initializer=WORD)
    state = prepare(backbone, [blank], config)
    pixels = torch.from_numpy(to_pixels([blank]))  # (1, 3, h, w)
    latents = state.data.posterior.mean  # (1, c, h, w)

    def learn(rows: int) -> None:
        state.config = dataclasses.replace(config, batch_size=rows)
        train_step(backbone, [state])

    def read(rows: int) -> None:
        backbone.encode_prompts([PROMPT] * rows).hidden.sum().item()

    def denoise(rows: int) -> None:
        same = torch.zeros(rows, dtype=torch.long, device=backbone.device)
        timesteps = torch.full_like(same, backbone.num_timesteps // 2)
        backbone.predict(latents[same], timesteps, conditioning[same]).sum().item()

    with torch.no_grad():
        conditioning = backbone.encode_prompts([PROMPT])
        sentences, denoising = _pass_cost(read), _pass_cost(denoise)
    return Pace(
        training=_pass_cost(learn),
        denoising=denoising,
        sentences=sentences,
        encoding=_quickest(lambda: backbone.encode_pictures(pixels).mean.sum().item()),
        decoding=_quickest(lambda: backbone.decode_latents(latents).sum().item()),
        candidates={kind: len(candidate_words(backbone, kind)) for kind in KINDS},
    )


def expected_seconds(pace: Pace, config: TrainingConfig, pictures: int) -> float:
    """Seconds that a run takes, preparation included, if it goes to its last step.

    ``pictures`` is the number of pictures, without mirror images.
    """
    return (
        _preparation(pace, config, pictures)
        + _steps(pace, config)
        + _evaluations(pace, config)
        + _previews(pace, config)
    )


def _preparation(pace: Pace, config: TrainingConfig, pictures: int) -> float:
    seconds = pictures * (2 if config.flip else 1) * pace.encoding
    if config.initializer != "auto":
        return seconds
    seconds += pace.sentences.seconds(1)  # the empty prompt, encoded once
    for rows, candidates in zip(
        CANDIDATE_ROWS, candidates_per_round(pace.candidates[config.kind]), strict=False
    ):
        seconds += pace.sentences.seconds(candidates) + (1 + candidates) * _fixed_rows(pace, config, rows)
    return seconds


def _steps(pace: Pace, config: TrainingConfig) -> float:
    passes = config.steps * config.gradient_accumulation
    seconds = pace.training.seconds(passes * config.batch_size, passes)
    if config.gradient_checkpointing:  # the backward pass repeats the denoiser's forward pass
        seconds += pace.denoising.seconds(passes * config.batch_size, passes)
    return seconds


def _evaluations(pace: Pace, config: TrainingConfig) -> float:
    count = 1 + math.ceil(config.steps / config.eval_every)  # one of them before the first step
    return count * (pace.sentences.seconds(1) + _fixed_rows(pace, config, config.eval_rows))


def _previews(pace: Pace, config: TrainingConfig) -> float:
    count = config.steps // config.preview_every if config.preview_every else 0
    drawing = pace.denoising.seconds(PREVIEW_STEPS * GUIDED_ROWS, PREVIEW_STEPS)
    return count * (pace.sentences.seconds(2) + drawing + pace.decoding)


def _fixed_rows(pace: Pace, config: TrainingConfig, rows: int) -> float:
    """Seconds to predict ``rows`` rows as :func:`~ti_core.training.rows.predictions_for` does."""
    return pace.denoising.seconds(rows, passes=math.ceil(rows / max(config.batch_size, MIN_PASS_ROWS)))


def _pass_cost(work: Callable[[int], None]) -> PassCost:
    """Fit a line through the seconds of one row and of many.

    The slope and the intercept are kept from being negative, which can only come from noise.
    """
    one = _quickest(lambda: work(1))
    if one > LONG_ENOUGH:  # then the cost per pass is negligible
        return PassCost(0.0, one)
    many = _quickest(lambda: work(MANY_ROWS))
    per_row = min(max(many - one, 0.0) / (MANY_ROWS - 1), many / MANY_ROWS)
    return PassCost(many - MANY_ROWS * per_row, per_row)


def _quickest(work: Callable[[], object]) -> float:
    """The seconds of the fastest of a few repeats."""
    taken: list[float] = []
    while len(taken) < REPEATS and sum(taken) < LONG_ENOUGH:
        start = perf_counter()
        work()
        taken.append(perf_counter() - start)
    return min(taken)
