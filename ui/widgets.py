"""Controls that several tabs show, and how a drawing gets onto the page."""

from __future__ import annotations

import html
import inspect
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ti_core.config import check_whole
from ti_core.generation import SIZE_STEP, GenerationSettings
from ti_core.recipe import SCHEDULER_LABELS
from ui.drawing import Draw, Drawn, draw_in_turn, progress_html, served
from ui.frame import Frame
from ui.studio import Studio, plainly
from ui.texts import Language, label, language_of, say

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""How an event is set up that the page shows in its own way, if at all. It is queued: only then is an error
shown, and the change of a state noticed."""
QUIET: dict[str, Any] = {"queue": False, "trigger_mode": "always_last", **HIDDEN}
"""How an event is set up that waits for nothing, and that shows the last of many changes too: by Gradio's own
default, one of several triggers does nothing while the event is under way."""

COLUMNS = 4
MAX_COUNT = 8
MAX_STEPS = 100
MAX_STRENGTH = 1.5  # of a word
MAX_GUIDANCE = 20
NO_GUIDANCE = 1  # as anything below; 0 stands for the model's own
MAX_SIDE = 1536  # pixels
OWN_SCHEDULER = "auto"
MAX_SEED = 2**53 - 1  # a browser's numbers are exact up to here

Caption = Callable[[int, Drawn], str]
"""What stands under a picture, by its number from 0 on."""


@dataclass(frozen=True)
class DrawingControls:
    """How to draw; :attr:`inputs` in the order that :func:`read_settings` takes them after the prompt."""

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
        return [
            self.negative,
            self.count,
            self.steps,
            self.guidance,
            self.seed,
            self.scheduler,
            self.width,
            self.height,
        ]


def drawing_controls(count: int = 4) -> DrawingControls:
    """Place the controls: count and seed in sight, the rest folded away."""
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
    """The controls' values as the core takes them; 0, an empty field or ``OWN_SCHEDULER`` stands for the
    model's own.

    Raises :class:`ConfigError`; for a number out of bounds, too, for Gradio would tell it in English.
    """
    check_whole("seed", int(seed or 0), 0, MAX_SEED)
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


@dataclass(frozen=True)
class ResultArea:
    """Where a drawing appears; :attr:`outputs` in the order of :func:`show_drawing`."""

    draw: gr.Button
    cancel: gr.Button
    progress: gr.HTML
    gallery: gr.Gallery
    drawn: gr.State
    """The pictures of the gallery, a tuple of :class:`~ui.drawing.Drawn`."""

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.progress, self.gallery, self.drawn, self.cancel]


def result_area(studio: Studio, name: str) -> ResultArea:
    """Place the buttons, the line on how far it is, and the gallery; ``name`` is that of the tab."""
    with gr.Row():
        draw = gr.Button(
            label("drawing_draw"), variant="primary", elem_id=f"{name}-draw", scale=3, min_width=120
        )
        cancel = gr.Button(
            label("drawing_cancel"),
            variant="stop",
            interactive=False,
            elem_id=f"{name}-cancel",
            scale=1,
            min_width=90,
        )
    progress = gr.HTML(elem_id=f"{name}-progress", elem_classes=["snug", "if-filled"])
    gallery = gr.Gallery(
        label=label("drawing_pictures"),
        show_label=False,
        format="png",
        type="filepath",
        columns=COLUMNS,
        object_fit="contain",
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_id=f"{name}-gallery",
        elem_classes="drawn",
    )
    cancel.click(bind(studio, stop_drawing), None, None, queue=False, api_visibility="private")
    return ResultArea(draw, cancel, progress, gallery, gr.State(()))


def drawing_events(
    studio: Studio,
    area: ResultArea,
    handler: Callable[..., Iterator[Any]],
    inputs: Sequence[gr.components.Component],
    triggers: Sequence[Callable[..., Any]],
    outputs: Sequence[gr.components.Component] = (),
) -> None:
    """Draw into the area when one of the ``triggers`` happens.

    ``handler(studio, request, *values)`` yields what :func:`show_drawing` does, and after it the values of
    ``outputs`` where there are any.
    """
    gr.on(
        list(triggers),
        bind(studio, handler),
        list(inputs),
        [*area.outputs, *outputs],
        show_progress="hidden",
        api_visibility="private",
    )


def show_drawing(
    studio: Studio, request: gr.Request, draw: Draw, caption: Caption | None = None, columns: int = COLUMNS
) -> Iterator[list[Any]]:
    """Draw in turn; yields updates of :attr:`ResultArea.outputs` (default caption: the seed)."""
    language = language_of(request)
    shown = -1
    try:
        for sheet in draw_in_turn(studio, request, draw):
            going_on = sheet.phase not in ("done", "stopped")
            pictures = [gr.skip(), gr.skip()]
            # Sent with every step they would flicker. The last update has them, for a busy browser merges
            # those that come at once, and then an empty one counts.
            if len(sheet.pictures) != shown or not going_on:
                shown = len(sheet.pictures)
                items = [
                    (served(drawn.path), caption(number, drawn) if caption else seed_caption(language, drawn))
                    for number, drawn in enumerate(sheet.pictures)
                ]
                pictures = [gr.update(value=items, columns=columns), sheet.pictures]
            yield [progress_html(language, sheet), *pictures, gr.update(interactive=going_on)]
    except Exception:
        yield ["", gr.skip(), gr.skip(), gr.update(interactive=False)]
        raise


def seed_caption(language: Language, drawn: Drawn) -> str:
    return say(language, "drawing_caption", seed=drawn.recipe.seed)


def stop_drawing(studio: Studio, request: gr.Request) -> None:
    """The drawings of this page end after the step under way; what is drawn stays."""
    studio.stop_drawing(request)


def refusal(language: Language, key: str, **values: object) -> gr.Error:
    """An error to raise that says, in the text of a key, what to do next."""
    told = html.escape(say(language, key, **values))
    return gr.Error(told, title=say(language, "frame_error"), print_exception=False)


def bind(studio: Studio, handler: Callable[..., Any]) -> Callable[..., Any]:
    """``handler(studio, request, *values)`` as Gradio calls it, with its errors in plain words."""
    told = plainly(handler)

    def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
        yield from told(studio, request, *values)

    def call(request: gr.Request, *values: Any) -> Any:
        return told(studio, request, *values)

    return stream if inspect.isgeneratorfunction(handler) else call


def outlast_reload(
    frame: Frame, name: str, fields: Sequence[gr.components.Component]
) -> gr.events.Dependency:
    """Let the browser keep what is in the fields while its tab is open, and fill it in as the page is loaded:
    also when that is for another language. Returns what fills it in."""
    arguments = f"'{name}', values"
    gr.on(
        [field.change for field in fields],  # type: ignore[attr-defined]
        None,
        list(fields),
        None,
        js=f"(...values) => oneWord.keep({arguments})",
        **HIDDEN,
    )
    return frame.demo.load(
        None, list(fields), list(fields), js=f"(...values) => oneWord.kept({arguments})", **HIDDEN
    )
