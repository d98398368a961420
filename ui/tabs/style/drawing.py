"""Draw for the Style tab: subjects in the style of a word, or a redrawn picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from gradio.blocks import Block
from PIL import Image

from ti_core.drawing.settings import Order
from ti_core.pictures.decode import open_picture
from ti_core.pictures.prepare import fit_source
from ti_core.prompts.composition import restyle_prompt, style_prompts
from ui.parts.controls import read_settings
from ui.parts.events import Updates
from ui.parts.results import GALLERY_COLUMNS, ResultArea, seed_caption, show_drawing
from ui.server.downloads import serve_copy
from ui.server.drawing import Drawn, draw_orders
from ui.server.errors import refusal
from ui.server.studio import Studio
from ui.server.words import all_words, concepts_in
from ui.texts import language_of

Way = Literal["subjects", "picture"]

MAX_PICTURES_AT_ONCE = 24


@dataclass(frozen=True)
class StyleResults:
    """The components for the results, including the visitor's picture as redrawn, beside the chosen one."""

    area: ResultArea
    before: gr.State
    comparison: gr.ImageSlider

    @property
    def outputs(self) -> list[Block]:
        return [*self.area.outputs, self.before, self.comparison]


def draw(
    studio: Studio,
    request: gr.Request,
    results: StyleResults,
    way: Way,
    token: str,
    subjects: str,
    picture: str | None,
    strength: float,
    *controls: Any,
) -> Iterator[Updates]:
    """Draw for the open half of the tab, in the style of the word."""
    if token not in all_words(studio.home(request).library):
        raise refusal(language_of(request), "style_no_word")
    if way == "subjects":
        yield from draw_subjects(studio, request, results, token, subjects, *controls)
    else:
        yield from restyle_picture(studio, request, results, token, picture, strength, *controls)


def draw_subjects(
    studio: Studio, request: gr.Request, results: StyleResults, token: str, subjects: str, *controls: Any
) -> Iterator[Updates]:
    """Draw each line of ``subjects`` with every seed."""
    language, known = language_of(request), all_words(studio.home(request).library)
    lines = [line.strip() for line in subjects.splitlines() if line.strip()]
    if not lines:
        raise refusal(language, "style_no_subjects")
    wanted = [read_settings(prompt, *controls) for prompt in style_prompts(token, lines)]
    count = wanted[0].count
    if count * len(wanted) > MAX_PICTURES_AT_ONCE:
        raise refusal(language, "style_many_pictures", count=count * len(wanted), most=MAX_PICTURES_AT_ONCE)
    orders = [
        Order(settings, concepts_in(known, settings.prompt, settings.negative_prompt)) for settings in wanted
    ]

    def caption(number: int, drawn: Drawn) -> str:
        return f"{lines[number // count]} · {seed_caption(language, drawn)}"

    columns = count if count > 1 else min(len(lines), GALLERY_COLUMNS)
    drawing = draw_orders(lambda _: orders)
    for updates in show_drawing(studio, request, results.area, drawing, caption, columns):
        yield {**updates, results.before: None, results.comparison: gr.update(visible=False)}


def restyle_picture(
    studio: Studio,
    request: gr.Request,
    results: StyleResults,
    token: str,
    picture: str | None,
    strength: float,
    *controls: Any,
) -> Iterator[Updates]:
    """Redraw a picture, and show the first result beside it."""
    language, known = language_of(request), all_words(studio.home(request).library)
    if not picture:
        raise refusal(language, "style_no_picture")
    source, _, _ = open_picture(picture, alpha="flatten")
    settings = read_settings(restyle_prompt(token), *controls, strength=strength)
    order = Order(settings, concepts_in(known, settings.prompt, settings.negative_prompt), source)
    before = None
    for updates in show_drawing(studio, request, results.area, draw_orders(lambda _: [order])):
        drawn: Sequence[Drawn] = updates.get(results.area.drawn, ())
        if drawn:
            before = before or fit_source(source, drawn[0].recipe.width, drawn[0].recipe.height)
            updates[results.before] = before
            updates[results.comparison] = side_by_side(before, drawn[0])
        elif before is None:
            updates[results.before] = None
            updates[results.comparison] = gr.update(visible=False)
        yield updates


def compare_picture(
    studio: Studio,
    request: gr.Request,
    results: StyleResults,
    event: gr.EventData,
    before: Image.Image | None,
    drawn: Sequence[Drawn],
) -> Updates:
    return {results.comparison: side_by_side(before, drawn[event.index])} if before else {}


def side_by_side(before: Image.Image, after: Drawn) -> Any:
    return gr.update(value=(before, serve_copy(after.path)), visible=True)
