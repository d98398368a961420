"""How long training takes on this machine: measured on a few passes, then counted as training counts.

`measure_pace` once for a model on its device → `expected_seconds` for any settings.
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
from ti_core.training.initial_word import CANDIDATE_ROWS, candidate_words, candidates_in_rounds
from ti_core.training.loop import PREVIEW_STEPS
from ti_core.training.preparation import prepare
from ti_core.training.rows import MIN_PASS_ROWS
from ti_core.training.step import train_step

MANY_ROWS = 4  # a pass of one row and one of so many show what a pass costs and what a row
REPEATS = 3
LONG_ENOUGH = 5.0  # seconds: what takes longer is not repeated, for starting up hardly counts in it
GUIDED_ROWS = 2  # rows of a sampler's pass for one picture: with the prompt and without (arXiv 2207.12598)
WORD = "cat"
PROMPT = f"a photo of a {WORD}"


@dataclass(frozen=True)
class PassCost:
    """Seconds of a forward pass: ``per_pass`` whatever its size, and ``per_row``."""

    per_pass: float
    per_row: float

    def seconds(self, rows: int, passes: int = 1) -> float:
        """Of so many rows, over all of the passes."""
        return passes * self.per_pass + rows * self.per_row


@dataclass(frozen=True)
class Pace:
    """What training costs on this machine with this model, in seconds: fixed per pass and per row."""

    training: PassCost
    """From the sentences through the denoiser and back to the vectors."""
    denoising: PassCost
    """The denoiser alone, without gradients."""
    sentences: PassCost
    """The text encoders, without gradients."""
    encoding: float
    """One picture to its latents."""
    decoding: float
    """Latents to one picture."""
    candidates: Mapping[Kind, int]
    """How many words the initializer ``auto`` chooses from."""


@out_of_memory_as(TrainingError, MEMORY_IS_FULL)
def measure_pace(backbone: Backbone) -> Pace:
    """Time the parts of training on a blank picture: a second or two on the embedded model.

    Of each part the quickest of its repeats counts, for other programs only ever slow it down. Every work
    ends with a number that is read, which waits for the device. Raises :class:`TrainingError` if the device's
    memory does not suffice for a step of ``MANY_ROWS`` rows.
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
    """Seconds that a run on so many pictures takes with its preparation, if it goes to its last step."""
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
    seconds += pace.sentences.seconds(1)  # the empty prompt, which every round begins with
    for rows, candidates in zip(
        CANDIDATE_ROWS, candidates_in_rounds(pace.candidates[config.kind]), strict=False
    ):
        seconds += pace.sentences.seconds(candidates) + (1 + candidates) * _fixed_rows(pace, config, rows)
    return seconds


def _steps(pace: Pace, config: TrainingConfig) -> float:
    passes = config.steps * config.gradient_accumulation
    seconds = pace.training.seconds(passes * config.batch_size, passes)
    if config.gradient_checkpointing:  # the way back computes the denoiser's way forward once more
        seconds += pace.denoising.seconds(passes * config.batch_size, passes)
    return seconds


def _evaluations(pace: Pace, config: TrainingConfig) -> float:
    count = 1 + math.ceil(config.steps / config.eval_every)  # before the first step, when due, after the last
    return count * (pace.sentences.seconds(1) + _fixed_rows(pace, config, config.eval_rows))


def _previews(pace: Pace, config: TrainingConfig) -> float:
    count = config.steps // config.preview_every if config.preview_every else 0
    drawing = pace.denoising.seconds(PREVIEW_STEPS * GUIDED_ROWS, PREVIEW_STEPS)
    return count * (pace.sentences.seconds(2) + drawing + pace.decoding)


def _fixed_rows(pace: Pace, config: TrainingConfig, rows: int) -> float:
    """Seconds of the predictions for rows that are the same every time."""
    return pace.denoising.seconds(rows, passes=math.ceil(rows / max(config.batch_size, MIN_PASS_ROWS)))


def _pass_cost(work: Callable[[int], None]) -> PassCost:
    """The line through the seconds of one row and of many; a line that falls or starts below 0 is noise."""
    one = _quickest(lambda: work(1))
    if one > LONG_ENOUGH:  # then its rows are all that counts
        return PassCost(0.0, one)
    many = _quickest(lambda: work(MANY_ROWS))
    per_row = min(max(many - one, 0.0) / (MANY_ROWS - 1), many / MANY_ROWS)
    return PassCost(many - MANY_ROWS * per_row, per_row)


def _quickest(work: Callable[[], object]) -> float:
    """Seconds of the quickest of a few repeats."""
    taken: list[float] = []
    while len(taken) < REPEATS and sum(taken) < LONG_ENOUGH:
        start = perf_counter()
        work()
        taken.append(perf_counter() - start)
    return min(taken)
