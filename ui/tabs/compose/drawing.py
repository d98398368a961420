"""Draw for the Compose tab: words in one picture, a grid over their weights, or a blend of two."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.prompts.composition import restyle_prompt, weighted_prompt
from ti_core.prompts.grammar import concept_tokens
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.words.arithmetic import blend
from ti_core.words.concept import Concept
from ui.parts.contact_sheet import show_contact_sheet
from ui.parts.controls import read_list, read_settings
from ui.parts.events import Updates
from ui.parts.results import ResultArea, show_drawing
from ui.parts.verdicts import WordFinder
from ui.server.drawing import Drawn, draw_orders
from ui.server.errors import refusal
from ui.server.people import Home
from ui.server.studio import Studio
from ui.server.words import all_words, concepts_in
from ui.tabs.compose.choice import MAX_COMPOSED, Tokens
from ui.texts import Language, language_of, say

MAX_WEIGHT_PAIRS = 25


@dataclass(frozen=True)
class ComposeResults:
    """The components for the pictures, the remark on the judge's marks, and a grid's contact sheet."""

    area: ResultArea
    marks: gr.HTML
    sheet: gr.Image

    @property
    def outputs(self) -> list[Block]:
        return [*self.area.outputs, self.marks, self.sheet]


def draw_pictures(
    studio: Studio, request: gr.Request, results: ComposeResults, chosen: Tokens, prompt: str, *values: Any
) -> Iterator[Updates]:
    """Draw the words together; ``values`` are their weights, then the drawing controls."""
    settings = read_settings(prompt, *values[MAX_COMPOSED:])
    weights = weights_of(settings.prompt, chosen, values[:MAX_COMPOSED])
    language, home = language_of(request), studio.home(request)
    words = words_for(home, settings, weights)
    order = compose_order(settings, words, weights)
    finder = WordFinder(language, home, [word for word in words if word.token in weights])
    drawing = draw_orders(lambda _: [order])
    for updates in show_drawing(studio, request, results.area, drawing, finder.caption):
        yield {**updates, results.marks: finder.remark_html}


def draw_grid(
    studio: Studio,
    request: gr.Request,
    results: ComposeResults,
    down: str,
    across: str,
    chosen: Tokens,
    prompt: str,
    *values: Any,
) -> Iterator[Updates]:
    """Draw a picture for each pair of weights of the first two words, then their contact sheet."""
    language, home = language_of(request), studio.home(request)
    settings = replace(read_settings(prompt, *values[MAX_COMPOSED:]), count=1)
    weights = weights_of(settings.prompt, chosen, values[:MAX_COMPOSED])
    words = words_for(home, settings, weights)
    rows, columns = read_weights(language, down), read_weights(language, across)
    if len(rows) * len(columns) > MAX_WEIGHT_PAIRS:
        count = len(rows) * len(columns)
        raise refusal(language, "compose_grid_large", count=count, most=MAX_WEIGHT_PAIRS)
    first, second = (*weights, "", "")[:2]
    orders = [
        compose_order(settings, words, {**weights, first: row, second: column})
        for row in rows
        for column in columns
    ]
    finder = WordFinder(language, home, [word for word in words if word.token in weights])

    def caption(number: int, drawn: Drawn) -> str:
        row, column = divmod(number, len(columns))
        return " · ".join([f"{rows[row]:g}", f"{columns[column]:g}", *finder.marks(drawn)])

    drawing = draw_orders(lambda _: orders)
    for updates in show_drawing(studio, request, results.area, drawing, caption, len(columns)):
        yield {**updates, results.marks: finder.remark_html}
    labels = [f"{second} {weight:g}" for weight in columns], [f"{first} {weight:g}" for weight in rows]
    yield {
        **updates,
        **show_contact_sheet(results.sheet, *labels, updates[results.area.drawn]),
        results.marks: finder.remark_html,
    }


def draw_blend(
    studio: Studio,
    request: gr.Request,
    results: ComposeResults,
    chosen: Tokens,
    share: float,
    name: str,
    *controls: Any,
) -> Iterator[Updates]:
    """Draw the word between the two chosen ones; clear the marks of an earlier drawing."""
    home = studio.home(request)
    blended = blend_of(home, language_of(request), chosen, share, name)
    if blended.kind == "style":
        prompt = restyle_prompt(blended.token)
    else:
        prompt = fill_template(PLAIN_TEMPLATES["object"], blended.token)
    settings = read_settings(prompt, *controls)
    order = Order(settings, (blended, *concepts_in(all_words(home.library), settings.negative_prompt)))
    for updates in show_drawing(studio, request, results.area, draw_orders(lambda _: [order])):
        yield {**updates, results.marks: ""}


def keep_blend(
    studio: Studio,
    request: gr.Request,
    chosen: Tokens,
    share: float,
    name: str,
    drawn: Sequence[Drawn],
    words_changed: int,
) -> int:
    """Add the blend to the visitor's words, with the pictures just drawn of it.

    Returns the new value of :attr:`Frame.words_changed`.
    """
    language, home = language_of(request), studio.home(request)
    blended = blend_of(home, language, chosen, share, name)
    pictures = [
        picture.open()
        for picture in drawn
        if not picture.hidden and any(use.sha256 == blended.sha256 for use in picture.recipe.concepts)
    ]
    home.library.add(blended, pictures)
    text = say(language, "compose_kept", token=blended.token)
    gr.Info(html.escape(text), title=say(language, "frame_info"))
    return words_changed + 1


def weights_of(prompt: str, chosen: Tokens, weights: Sequence[float]) -> dict[str, float]:
    """Return the weight of each chosen word, and 1 for each other word that the prompt mentions."""
    tokens = dict.fromkeys([*chosen, *concept_tokens(prompt)], 1.0)
    return tokens | dict(zip(chosen, weights, strict=False))


def words_for(home: Home, settings: GenerationSettings, weights: Mapping[str, float]) -> list[Concept]:
    """Return the concepts that have a weight, and those in the negative prompt.

    Raises :class:`UnknownTokenError` if a token in a prompt is not one of the person's words.
    """
    known = all_words(home.library)
    mentioned = concepts_in(known, settings.prompt, settings.negative_prompt)
    tokens = dict.fromkeys([*weights, *(word.token for word in mentioned)])
    return [known[token] for token in tokens if token in known]


def compose_order(
    settings: GenerationSettings, words: Sequence[Concept], weights: Mapping[str, float]
) -> Order:
    """Write the weights into the prompt. Raises the errors of :func:`weighted_prompt`."""
    composed = [word.token for word in words if word.token in weights]
    prompt = weighted_prompt(settings.prompt, composed, [weights[token] for token in composed])
    return Order(replace(settings, prompt=prompt), tuple(words))


def read_weights(language: Language, text: str) -> tuple[float, ...]:
    """Read comma-separated numbers. Raises :class:`gr.Error` if there is none, or if one is invalid."""
    try:
        weights = read_list(text, float)
    except ValueError as error:
        raise refusal(language, "compose_bad_weights") from error
    if not weights:
        raise refusal(language, "compose_bad_weights")
    return weights


def blend_of(home: Home, language: Language, chosen: Tokens, share: float, name: str) -> Concept:
    """Blend the two chosen words.

    Raises the errors of :func:`blend`, and :class:`gr.Error` unless exactly two words are chosen.
    """
    if len(chosen) != 2:
        raise refusal(language, "compose_blend_two")
    first, second = (home.library.find(token).concept for token in chosen)
    return blend(first, second, share, name)
