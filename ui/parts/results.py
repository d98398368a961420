"""How a drawing gets onto the page: its buttons, its progress and its gallery."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.parts.events import bind
from ui.server.drawing import Draw, Drawn, Sheet, draw_in_turn, served
from ui.server.studio import Studio
from ui.texts import Language, duration, label, language_of, say


def progress_html(language: Language, sheet: Sheet) -> str:
    """A bar and a line on how far it is; what changes with every step is not announced to screen readers."""
    if sheet.phase == "drawing" and sheet.done:
        text = say(language, "drawing_now", done=sheet.done, total=sheet.total) + _left(language, sheet)
        text = html.escape(text)
        bar = f'<progress max="{sheet.total}" value="{sheet.done}" aria-label="{text}"></progress>'
        return f'<div class="progress">{bar}<span>{text}</span></div>'
    if sheet.phase == "waiting":
        text = say(language, "drawing_waiting", place=sheet.place) + _left(language, sheet)
    elif sheet.phase == "drawing":
        text = say(language, "drawing_begins")
    else:
        text = say(language, f"drawing_{sheet.phase}", count=len(sheet.pictures))
    if seeds := [str(drawn.recipe.seed) for drawn in sheet.pictures if drawn.hidden]:
        text += " " + say(language, "drawing_hidden", seeds=", ".join(seeds))
    return f'<div class="progress" role="status">{html.escape(text)}</div>'


def _left(language: Language, sheet: Sheet) -> str:
    if sheet.seconds_left is None:
        return ""
    return say(language, "drawing_left", duration=duration(language, sheet.seconds_left))


COLUMNS = 4
Caption = Callable[[int, Drawn], str]
"""What stands under a picture, by its number from 0 on."""


@dataclass(frozen=True)
class ResultArea:
    """Where a drawing appears; :attr:`outputs` in the order of :func:`show_drawing`."""

    draw: gr.Button
    cancel: gr.Button
    progress: gr.HTML
    gallery: gr.Gallery
    drawn: gr.State
    """The pictures of the gallery, a tuple of :class:`~ui.server.drawing.Drawn`."""

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
