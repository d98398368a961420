"""Show a drawing on the page: its buttons, its progress and its gallery."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block

from ui.parts.events import QUIET, Updates, bind
from ui.server.downloads import serve_copy
from ui.server.drawing import Draw, DrawingProgress, Drawn, draw_in_turn
from ui.server.studio import Studio
from ui.texts import Language, duration, label, language_of, say

GALLERY_COLUMNS = 4
Caption = Callable[[int, Drawn], str]
"""The text under a picture, from its number, which counts from 0, and the picture."""


@dataclass(frozen=True)
class ResultArea:
    """The components that show a drawing.

    ``drawn`` holds the gallery's pictures, a tuple of :class:`~ui.server.drawing.Drawn`.
    """

    draw: gr.Button
    cancel: gr.Button
    progress: gr.HTML
    gallery: gr.Gallery
    drawn: gr.State

    @property
    def outputs(self) -> list[Block]:
        """The components that :func:`show_drawing` updates."""
        return [self.progress, self.gallery, self.drawn, self.cancel]


def place_results(studio: Studio, tab: str) -> ResultArea:
    """Place the buttons, the progress and the gallery of a tab."""
    with gr.Row():
        draw = gr.Button(
            label("drawing_draw"), variant="primary", elem_id=f"{tab}-draw", scale=3, min_width=120
        )
        cancel = gr.Button(
            label("drawing_cancel"),
            variant="stop",
            interactive=False,
            elem_id=f"{tab}-cancel",
            scale=1,
            min_width=90,
        )
    progress = gr.HTML(elem_id=f"{tab}-progress", elem_classes=["snug", "if-filled"])
    gallery = gr.Gallery(
        label=label("drawing_pictures"),
        show_label=False,
        format="png",
        type="filepath",
        columns=GALLERY_COLUMNS,
        object_fit="contain",
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_id=f"{tab}-gallery",
        elem_classes="drawn",
    )
    cancel.click(bind(studio, stop_drawing), None, None, queue=False, api_visibility="private")
    return ResultArea(draw, cancel, progress, gallery, gr.State(()))


def hide_with_old_pictures(studio: Studio, area: ResultArea, *blocks: Block) -> None:
    """Hide the components that belong to one drawing's pictures once the next drawing empties the gallery."""
    area.drawn.change(bind(studio, hide_old, blocks), area.drawn, list(blocks), **QUIET)


def hide_old(studio: Studio, request: gr.Request, blocks: Sequence[Block], drawn: Sequence[Drawn]) -> Updates:
    return {} if drawn else {block: gr.update(visible=False) for block in blocks}


def show_drawing(
    studio: Studio,
    request: gr.Request,
    area: ResultArea,
    draw: Draw,
    caption: Caption | None = None,
    columns: int = GALLERY_COLUMNS,
) -> Iterator[Updates]:
    """Draw when it is this visitor's turn; yield updates of the area, the last with all the pictures.

    The default caption is the seed. Raises the errors of :func:`~ui.server.drawing.draw_in_turn`.
    """
    language = language_of(request)
    shown = -1
    try:
        for progress in draw_in_turn(studio, request, draw):
            going_on = progress.phase not in ("done", "stopped")
            updates: Updates = {
                area.progress: progress_html(language, progress),
                area.cancel: gr.update(interactive=going_on),
            }
            # The pictures would flicker if they were sent with every step. The last update repeats them: a
            # busy browser merges updates that arrive together, and one without the pictures might win.
            if len(progress.pictures) != shown or not going_on:
                shown = len(progress.pictures)
                items = [
                    (
                        serve_copy(drawn.path),
                        caption(number, drawn) if caption else seed_caption(language, drawn),
                    )
                    for number, drawn in enumerate(progress.pictures)
                ]
                updates[area.gallery] = gr.update(value=items, columns=columns)
                updates[area.drawn] = progress.pictures
            yield updates
    except Exception:
        yield {area.progress: "", area.cancel: gr.update(interactive=False)}
        raise


def progress_html(language: Language, progress: DrawingProgress) -> str:
    """Render a drawing's progress; screen readers do not announce the part that changes with every step."""
    left = ""
    if progress.seconds_left is not None:
        left = say(language, "drawing_left", duration=duration(language, progress.seconds_left))
    if progress.phase == "drawing" and progress.done:
        text = say(language, "drawing_now", done=progress.done, total=progress.total) + left
        text = html.escape(text)
        bar = f'<progress max="{progress.total}" value="{progress.done}" aria-label="{text}"></progress>'
        return f'<div class="progress">{bar}<span>{text}</span></div>'
    if progress.phase == "waiting":
        text = say(language, "drawing_waiting", place=progress.place) + left
    elif progress.phase == "drawing":
        text = say(language, "drawing_begins")
    else:
        text = say(language, f"drawing_{progress.phase}", count=len(progress.pictures))
    if seeds := [str(drawn.recipe.seed) for drawn in progress.pictures if drawn.hidden]:
        text += " " + say(language, "drawing_hidden", seeds=", ".join(seeds))
    return f'<div class="progress" role="status">{html.escape(text)}</div>'


def seed_caption(language: Language, drawn: Drawn) -> str:
    return say(language, "drawing_caption", seed=drawn.recipe.seed)


def stop_drawing(studio: Studio, request: gr.Request) -> None:
    """Stop the drawings of this page after the current step; the pictures drawn so far stay."""
    studio.stop_drawing(request)
