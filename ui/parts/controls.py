"""The drawing controls that several tabs share, and the functions that read their values."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

import gradio as gr

from ti_core.config import check_whole
from ti_core.drawing.recipe import SCHEDULER_LABELS
from ti_core.drawing.settings import SIZE_STEP, GenerationSettings
from ui.texts import label

Value = TypeVar("Value")

MAX_COUNT = 8
MAX_STEPS = 100
MAX_WORD_STRENGTH = 1.5  # upper bound of a word's strength
MAX_GUIDANCE = 20
NO_GUIDANCE = 1  # the same as anything below; 0 means the model's own scale
MAX_SIDE = 1536  # pixels
OWN_SCHEDULER = "auto"
MAX_BROWSER_SEED = 2**53 - 1  # a browser's numbers are exact up to here


@dataclass(frozen=True)
class DrawingControls:
    """The controls, in the order in which :func:`read_settings` takes their values, after the prompt."""

    negative: gr.Textbox
    count: gr.Slider
    steps: gr.Slider
    guidance: gr.Slider
    seed: gr.Number
    scheduler: gr.Dropdown
    width: gr.Number
    height: gr.Number

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [getattr(self, field.name) for field in fields(self)]


def place_controls(count: int = 4) -> DrawingControls:
    """Place the controls: count and seed visible, the rest in a closed accordion."""
    with gr.Group():
        number = gr.Slider(1, MAX_COUNT, count, step=1, label=label("drawing_count"))
        seed = gr.Number(
            0,
            label=label("drawing_seed"),
            info=label("drawing_seed_info"),
            precision=0,
            elem_classes="seed",
        )
        again = gr.Button(label("drawing_new_seed"), size="sm")
    with gr.Accordion(label("drawing_more"), open=False):
        negative = gr.Textbox(
            "", label=label("drawing_negative"), info=label("drawing_negative_info"), lines=1
        )
        steps = gr.Slider(
            1, MAX_STEPS, 25, step=1, label=label("drawing_steps"), info=label("drawing_steps_info")
        )
        guidance = gr.Slider(
            0, MAX_GUIDANCE, 0, step=0.5, label=label("drawing_guidance"), info=label("drawing_guidance_info")
        )
        scheduler = gr.Dropdown(
            [
                (label("drawing_own_scheduler"), OWN_SCHEDULER),
                *((name, key) for key, name in SCHEDULER_LABELS.items()),
            ],
            value=OWN_SCHEDULER,
            label=label("drawing_scheduler"),
        )
        with gr.Row():
            width, height = (
                gr.Number(
                    0,
                    label=label(f"drawing_{side}"),
                    info=label("drawing_size_info"),
                    precision=0,
                    min_width=120,
                )
                for side in ("width", "height")
            )
    again.click(lambda: secrets.randbelow(2**31), None, seed, queue=False, api_visibility="private")
    return DrawingControls(negative, number, steps, guidance, seed, scheduler, width, height)


def read_settings(
    prompt: str,
    negative: str,
    count: float,
    steps: float,
    guidance: float,
    seed: float | None,
    scheduler: str,
    width: float | None,
    height: float | None,
    *,
    strength: float | None = None,
) -> GenerationSettings:
    """Convert the values of the controls to the core's settings.

    0, an empty field and ``OWN_SCHEDULER`` mean the model's own choice. Raises :class:`ConfigError` if a
    value is invalid, or outside its control's bounds, which Gradio would report in English only.
    """
    check_whole("seed", int(seed or 0), 0, MAX_BROWSER_SEED)
    for side, length in (("width", width), ("height", height)):
        if length:
            check_whole(side, int(length), SIZE_STEP, MAX_SIDE)
    return GenerationSettings(
        prompt=prompt.strip(),
        negative_prompt=negative.strip(),
        count=int(count),
        seed=int(seed or 0),
        steps=int(steps),
        guidance_scale=guidance or None,
        scheduler=None if scheduler == OWN_SCHEDULER else scheduler,
        width=int(width or 0) or None,
        height=int(height or 0) or None,
        strength=strength,
    )


def read_list(text: str, read: Callable[[str], Value]) -> tuple[Value, ...]:
    """Read each value of a list separated by commas, which may be Japanese.

    Full-width characters count as plain ones. Raises the errors of ``read``.
    """
    parts = re.split(r"[,、\n]", unicodedata.normalize("NFKC", text))
    return tuple(read(part.strip()) for part in parts if part.strip())
