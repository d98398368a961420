"""Draw pictures for prompts, from noise or from another picture."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ti_core.config import check_whole
from ti_core.drawing.recipe import Recipe
from ti_core.drawing.settings import SIZE_STEP, GenerationSettings, Order
from ti_core.errors import Cancelled, ConfigError, GenerationError
from ti_core.messages import Message, setting
from ti_core.model.backbone import Backbone
from ti_core.model.memory import out_of_memory_as
from ti_core.pictures.prepare import fit_source, picture_sha256
from ti_core.prompts.grammar import concept_tokens
from ti_core.words.arithmetic import recorded_use
from ti_core.words.concept import Concept, vectors_by_token

MAX_BATCH = 8
BATCH_PIXELS = 2 * 512 * 512  # pixels per batch by default
CPU_BATCH_PIXELS = 512 * 256  # the same on a CPU, where one large picture keeps all cores busy
TOO_LARGE = Message("The memory of the device is full: draw smaller pictures, or choose a smaller model.")
OnProgress = Callable[["Progress"], None]
"""Called after every denoising step."""
ShouldStop = Callable[[], bool]
"""Returns whether drawing is to be stopped."""


@dataclass(frozen=True)
class GeneratedPicture:
    """A drawn picture with its recipe.

    If the model's safety checker has ``hidden`` it, the image is a sign that says so.
    """

    image: Image.Image
    recipe: Recipe
    hidden: bool = False


@dataclass(frozen=True)
class Progress:
    """The number of denoising steps done and in total, over all pictures of a call."""

    done: int
    total: int


def generate(
    backbone: Backbone,
    settings: GenerationSettings,
    concepts: Sequence[Concept] = (),
    *,
    source: Image.Image | None = None,
    batch_size: int | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[GeneratedPicture]:
    """Draw ``settings.count`` pictures, from noise or from a ``source``; yield each batch when it is done.

    Picture i depends only on its own seed, ``settings.seed + i``, and not on its batch (up to rounding).
    A source is cropped around its centre and resampled to the size of the pictures.

    The call itself raises errors of the request: :class:`ConfigError`, :class:`PromptError`,
    :class:`UnknownTokenError`, :class:`IncompatibleConceptError`. The iterator raises :class:`Cancelled` once
    ``should_stop``, called after every denoising step, returns true, and :class:`GenerationError` if numbers
    overflow or the device runs out of memory.
    """
    return generate_all(
        backbone,
        [Order(settings, tuple(concepts), source)],
        batch_size=batch_size,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def generate_all(
    backbone: Backbone,
    orders: Sequence[Order],
    *,
    batch_size: int | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[GeneratedPicture]:
    """Draw several orders, one after the other; progress is reported over all of them.

    Pictures of different orders share a batch if they differ only in prompt, seed and source. The call itself
    raises errors of any order, before the first is drawn. Otherwise as :func:`generate`.
    """
    if batch_size is not None:
        check_whole("batch_size", batch_size, 1, 1024)
    drawings = [_prepare(backbone, order) for order in orders]
    return _draw(backbone, drawings, batch_size, on_progress, should_stop)


@dataclass(frozen=True)
class _Drawing:
    """An order prepared for a sampler; ``rows`` are the sampler's keyword arguments, (1, ...) each."""

    settings: GenerationSettings
    sampler: Any
    rows: dict[str, torch.Tensor]
    recipe: Recipe

    @property
    def shared(self) -> dict[str, Any]:
        """The sampler's keyword arguments that all pictures of a batch share."""
        recipe = self.recipe
        shared = {"num_inference_steps": recipe.steps, "guidance_scale": recipe.guidance_scale}
        if recipe.strength is None:
            return shared | {"width": recipe.width, "height": recipe.height}
        return shared | {"strength": recipe.strength}

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """What must be equal for pictures to share a batch."""
        recipe = self.recipe
        shapes = tuple((name, rows.shape) for name, rows in self.rows.items())
        size = (recipe.width, recipe.height)
        return (recipe.scheduler, recipe.steps, recipe.strength, recipe.guidance_scale, size, shapes)


_Waiting = tuple[_Drawing, int]
"""A picture that is still to be drawn: its drawing and its seed."""


@dataclass
class _ProgressReporter:
    """Reports the progress of a call, and stops it on request. ``total`` and ``done`` are denoising steps."""

    total: int
    on_progress: OnProgress | None
    should_stop: ShouldStop | None
    done: int = 0
    """Only the steps of the pictures that are finished."""

    def report(self, steps: int) -> None:
        """Report ``steps`` more, of a batch. Raises :class:`Cancelled` if drawing is to stop."""
        if self.on_progress is not None:
            self.on_progress(Progress(self.done + steps, self.total))
        if self.should_stop is not None and self.should_stop():
            raise Cancelled("Drawing was stopped.")


@out_of_memory_as(GenerationError, TOO_LARGE)
def _prepare(backbone: Backbone, order: Order) -> _Drawing:
    """Check an order and encode its prompts and source. Raises errors of the order, as :func:`generate`."""
    settings, source = order.settings, order.source
    width, height = _size(backbone, settings)
    _check_source_and_steps(backbone, order)
    words = vectors_by_token(order.concepts, backbone.base)
    with torch.no_grad():  # together, so that both get the same number of chunks
        conditioning = backbone.encode_prompts([settings.prompt, settings.negative_prompt], words)
    rows = backbone.sampler_conditioning(conditioning[:1], conditioning[1:])
    scheduler = settings.scheduler or backbone.scheduler
    sampler = backbone.sampler("text" if source is None else "picture", scheduler)
    if not settings.negative_prompt and sampler.config.get("force_zeros_for_empty_prompt"):
        # SDXL was trained with zeros for "no prompt", which differ from the encoding of an empty prompt.
        for name in ("negative_prompt_embeds", "negative_pooled_prompt_embeds"):
            rows[name] = torch.zeros_like(rows[name])
    recipe = _recipe(backbone, order, scheduler, width, height)
    if source is not None:
        fitted = fit_source(source, width, height)
        rows["image"] = _encode_source(backbone, fitted)
        recipe = dataclasses.replace(recipe, source_sha256=picture_sha256(fitted))
    return _Drawing(settings, sampler, rows, recipe)


def _check_source_and_steps(backbone: Backbone, order: Order) -> None:
    settings = order.settings
    if (order.source is None) != (settings.strength is None):
        raise ConfigError("A picture to start from and its strength belong together: give both or neither.")
    if settings.steps > backbone.num_timesteps:
        raise ConfigError(
            "steps is {steps}: the model has {most}, give fewer.",
            steps=settings.steps,
            most=backbone.num_timesteps,
        )


def _recipe(backbone: Backbone, order: Order, scheduler: str, width: int, height: int) -> Recipe:
    """The recipe of an order's first picture, without its source."""
    settings = order.settings
    guidance = backbone.guidance_scale if settings.guidance_scale is None else settings.guidance_scale
    used = concept_tokens(f"{settings.prompt}\n{settings.negative_prompt}")
    return Recipe(
        prompt=settings.prompt,
        negative_prompt=settings.negative_prompt,
        seed=settings.seed,
        steps=settings.steps,
        guidance_scale=float(guidance),
        scheduler=scheduler,
        width=width,
        height=height,
        model=backbone.base.id,
        model_family=backbone.base.family,
        concepts=tuple(recorded_use(concept) for concept in order.concepts if concept.token in used),
        strength=settings.strength,
    )


def _draw(
    backbone: Backbone,
    drawings: Sequence[_Drawing],
    batch_size: int | None,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> Iterator[GeneratedPicture]:
    """Draw the pictures of all drawings in batches; yield each batch when it is done."""
    waiting: list[_Waiting] = [
        (drawing, drawing.settings.seed + number)
        for drawing in drawings
        for number in range(drawing.settings.count)
    ]
    total = sum(drawing.settings.denoising_steps for drawing, _ in waiting)
    progress = _ProgressReporter(total, on_progress, should_stop)
    while waiting:
        with out_of_memory_as(GenerationError, TOO_LARGE):
            latents = backbone.memory.with_fallback(
                partial(_draw_batch, backbone, waiting, batch_size, progress)
            )
        for latent in latents:
            drawing, seed = waiting.pop(0)
            image = decode_picture(backbone, latent)
            recipe = dataclasses.replace(drawing.recipe, seed=seed)
            hidden = backbone.is_unsafe(image)
            yield GeneratedPicture(_hidden_sign(image.size, seed) if hidden else image, recipe, hidden)
            progress.done += drawing.settings.denoising_steps


def _draw_batch(
    backbone: Backbone, waiting: Sequence[_Waiting], batch_size: int | None, progress: _ProgressReporter
) -> torch.Tensor:
    """Draw the next batch of the waiting pictures; return its latents (b, c, h / f, w / f)."""
    batch = _next_batch(backbone, waiting, batch_size)
    first, _ = batch[0]

    def after_step(_pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        progress.report((step + 1) * len(batch))
        return tensors

    rows = {name: torch.cat([drawing.rows[name] for drawing, _ in batch]) for name in first.rows}
    with torch.no_grad(), backbone.memory.on_device("unet"):
        latents: torch.Tensor = first.sampler(
            **rows,
            **first.shared,
            generator=[torch.Generator("cpu").manual_seed(seed) for _, seed in batch],
            callback_on_step_end=after_step,
            output_type="latent",
        ).images
    return latents


def _next_batch(
    backbone: Backbone, waiting: Sequence[_Waiting], batch_size: int | None
) -> Sequence[_Waiting]:
    """The first of the waiting pictures, and those after it that can share a batch with it."""
    first, _ = waiting[0]
    most = 1 if backbone.memory.level == "least" else batch_size or _default_batch(backbone, first.recipe)
    return list(takewhile(lambda picture: picture[0].batch_key == first.batch_key, waiting[:most]))


def _default_batch(backbone: Backbone, recipe: Recipe) -> int:
    """The number of pictures that share a batch by default."""
    pixels = CPU_BATCH_PIXELS if backbone.device.type == "cpu" else BATCH_PIXELS
    return min(max(pixels // (recipe.width * recipe.height), 1), MAX_BATCH)


def _hidden_sign(size: tuple[int, int], seed: int) -> Image.Image:
    """Make the sign that replaces a hidden picture; nobody should mistake it for a drawn one."""
    sign = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sign)
    text = f"hidden by the\nsafety checker\nseed {seed}"
    font = ImageFont.load_default(max(size[0] // 12, 8))
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline="black", width=max(size[0] // 64, 1))
    draw.multiline_text((size[0] / 2, size[1] / 2), text, "black", font, anchor="mm", align="center")
    return sign


@out_of_memory_as(GenerationError, TOO_LARGE)
def _encode_source(backbone: Backbone, fitted: Image.Image) -> torch.Tensor:
    """The mean of the picture's latent posterior (1, c, h / f, w / f)."""
    pixels = torch.from_numpy(np.array(fitted)).permute(2, 0, 1)[None] / 127.5 - 1  # (1, 3, h, w)
    return backbone.memory.with_fallback(lambda: backbone.encode_pictures(pixels)).mean


@out_of_memory_as(GenerationError, TOO_LARGE)
def decode_picture(backbone: Backbone, latent: torch.Tensor) -> Image.Image:
    """Decode a latent (c, h, w) to a picture.

    Raises :class:`GenerationError` if the numbers have overflowed; diffusers would return a black picture.
    """
    [pixels] = backbone.memory.with_fallback(  # (3, h * f, w * f) in [-1, 1]
        lambda: backbone.decode_latents(latent[None])
    )
    if not bool(torch.isfinite(pixels).all()):
        raise GenerationError(
            "The picture cannot be computed in {dtype}, its numbers overflow: load the model in float32, or "
            "lower the guidance scale.",
            dtype=str(backbone.dtype).removeprefix("torch."),
        )
    levels = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())


def _size(backbone: Backbone, settings: GenerationSettings) -> tuple[int, int]:
    """The width and height of the pictures in pixels. Raises :class:`ConfigError` for an unusable size."""
    multiple = math.lcm(SIZE_STEP, backbone.pixels_per_latent)
    for name in ("width", "height"):
        value = getattr(settings, name)
        if value is not None and value % multiple:
            near = max(round(value / multiple), 1) * multiple
            raise ConfigError(
                "{name} is {value}: give a multiple of {multiple}, such as {near}.",
                name=setting(name),
                value=value,
                multiple=multiple,
                near=near,
            )
    return settings.width or backbone.resolution, settings.height or backbone.resolution
