"""What to draw: the settings, and an order, which adds the concepts and the source picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from ti_core.config import MAX_SEED, check_whole
from ti_core.errors import ConfigError
from ti_core.messages import series, setting
from ti_core.model.schedulers import SCHEDULERS
from ti_core.words.concept import Concept

SIZE_STEP = 8  # diffusers' pipelines refuse sizes that are not multiples of 8


@dataclass(frozen=True)
class GenerationSettings:
    """What to draw. The constructor raises :class:`ConfigError` for a value that cannot work."""

    prompt: str
    negative_prompt: str = ""
    count: int = 4
    seed: int = 0
    """The seed of the first picture; each following picture has the next number."""
    steps: int = 25
    guidance_scale: float | None = None
    """The scale of classifier-free guidance (arXiv 2207.12598); 1 turns it off, None is the model's own."""
    scheduler: str | None = None
    """A name in :data:`~ti_core.model.schedulers.SCHEDULERS`; None is the model's own."""
    width: int | None = None
    """Pixels; None is the model's own resolution."""
    height: int | None = None
    """Pixels; None is the model's own resolution."""
    strength: float | None = None
    """The share of the steps that redraw the source, above 0, at most 1; for image-to-image only."""

    def __post_init__(self) -> None:
        check_whole("count", self.count, 1, 10_000)
        check_whole("seed", self.seed, 0, MAX_SEED + 1 - self.count)
        check_whole("steps", self.steps, 1, 1000)
        for name in ("width", "height"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), SIZE_STEP, 8192)
        if self.guidance_scale is not None and not 0 <= self.guidance_scale <= 100:
            raise ConfigError(
                "{name} is {value!r}: give a number from 0 to 100.",
                name=setting("guidance_scale"),
                value=self.guidance_scale,
            )
        if self.scheduler not in (None, *SCHEDULERS):
            raise ConfigError(
                "There is no scheduler called {scheduler}: choose {names}.",
                scheduler=self.scheduler,
                names=series(SCHEDULERS),
            )
        if self.strength is not None:
            if not 0 < self.strength <= 1:
                raise ConfigError(
                    "{name} is {value!r}: give a number above 0, at most 1.",
                    name=setting("strength"),
                    value=self.strength,
                )
            if self.denoising_steps == 0:
                least = math.ceil(1000 / self.steps) / 1000
                raise ConfigError(
                    "strength {strength:g} leaves none of {steps} steps: give at least {least:g}.",
                    strength=self.strength,
                    steps=self.steps,
                    least=least,
                )

    @property
    def denoising_steps(self) -> int:
        """The number of denoising steps that are taken: all, or the share given by ``strength``."""
        # The same expression as in diffusers, so that rounding is the same.
        return self.steps if self.strength is None else min(int(self.steps * self.strength), self.steps)


@dataclass(frozen=True)
class Order:
    """The request for one drawing: settings, concepts, and the source picture, if any.

    It holds the arguments of one call of :func:`~ti_core.drawing.generate.generate`.
    """

    settings: GenerationSettings
    concepts: tuple[Concept, ...] = ()
    source: Image.Image | None = None
