"""A grid of pictures over two settings, and its contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args

import gradio as gr

from ti_core.drawing.settings import Order
from ti_core.model.backbone import Backbone
from ti_core.prompts.grammar import concept_tokens
from ti_core.training.runs import concept_at
from ti_core.words.concept import Concept
from ui.parts.contact_sheet import show_contact_sheet
from ui.parts.controls import DrawingControls, read_settings
from ui.parts.events import HIDDEN, QUIET, Updates, bind
from ui.parts.results import ResultArea, show_drawing
from ui.server.drawing import Drawn, at_strength, draw_orders
from ui.server.errors import refusal
from ui.server.learned import find_training
from ui.server.people import Home
from ui.server.studio import Studio
from ui.server.words import all_words, concepts_in
from ui.tabs.generate.axes import SUGGESTED, Axis, AxisName, Cell, read_axis, suggest_values
from ui.texts import Language, label, language_of, say

MAX_CELLS = 36


@dataclass(frozen=True)
class AxisControls:
    """The controls of an axis: the setting to vary, and its values as typed."""

    name: gr.Dropdown
    values: gr.Textbox


@dataclass(frozen=True)
class GridControls:
    columns: AxisControls
    rows: AxisControls
    draw: gr.Button

    @property
    def inputs(self) -> list[gr.components.Component]:
        """The grid's own inputs of :func:`draw_grid`."""
        return [self.columns.name, self.columns.values, self.rows.name, self.rows.values]


def place_grid() -> GridControls:
    with gr.Accordion(label("generate_grid"), open=False, elem_id="generate-grid"):
        gr.Markdown(label("generate_grid_info"))
        columns = _place_axis("columns", "strength")
        rows = _place_axis("rows", "none")
        draw = gr.Button(label("generate_grid_draw"), elem_id="generate-grid-draw")
    return GridControls(columns, rows, draw)


def _place_axis(side: Literal["columns", "rows"], first: AxisName) -> AxisControls:
    with gr.Row():
        name = gr.Dropdown(
            [(label(f"generate_axis_{choice}"), choice) for choice in get_args(AxisName)],
            value=first,
            label=label(f"generate_grid_{side}"),
            min_width=130,
            scale=2,
        )
        values = gr.Textbox(
            SUGGESTED[first],
            label=label("generate_grid_values"),
            placeholder="1, 2, 3",
            max_length=500,
            min_width=150,
            scale=3,
        )
    return AxisControls(name, values)


def bind_grid(
    studio: Studio,
    grid: GridControls,
    area: ResultArea,
    sheet: gr.Image,
    prompt: gr.Textbox,
    controls: DrawingControls,
    strength: gr.Slider,
) -> None:
    for axis in (grid.columns, grid.rows):
        suggest = bind(studio, suggest_values)
        axis.name.input(suggest, [axis.name, prompt, controls.seed], axis.values, **QUIET)
    grid.draw.click(
        bind(studio, draw_grid, area, sheet),
        [*grid.inputs, strength, prompt, *controls.inputs],
        [*area.outputs, sheet],
        **HIDDEN,
    )


def draw_grid(
    studio: Studio,
    request: gr.Request,
    area: ResultArea,
    sheet: gr.Image,
    column_name: AxisName,
    column_values: str,
    row_name: AxisName,
    row_values: str,
    strength: float,
    prompt: str,
    *controls: Any,
) -> Iterator[Updates]:
    """Draw a picture for each pair of values, row by row, then their contact sheet."""
    language = language_of(request)
    columns = read_axis(language, column_name, column_values)
    rows = read_axis(language, row_name, row_values)
    first = Cell(replace(read_settings(prompt, *controls), count=1), strength)
    cells = cells_of(language, columns, rows, first)
    concepts = concepts_of(language, studio.home(request), cells)
    titles = [axis.labels(say(language, f"generate_axis_{axis.name}")) for axis in (columns, rows)]
    captions = [" · ".join(filter(None, pair)) for pair in _pairs(*titles)]

    def plan(backbone: Backbone) -> list[Order]:
        return [
            Order(cell.settings, at_strength(backbone, known, cell.strength))
            for cell, known in zip(cells, concepts, strict=True)
        ]

    def caption(number: int, _: Drawn) -> str:
        return captions[number]

    drawing = draw_orders(plan)
    for updates in show_drawing(studio, request, area, drawing, caption, len(columns.values)):
        yield updates
    yield updates | show_contact_sheet(
        sheet, columns.labels(columns.title), rows.labels(rows.title), updates[area.drawn]
    )


def cells_of(language: Language, columns: Axis, rows: Axis, cell: Cell) -> list[Cell]:
    """Make the grid's cells, row by row.

    Raises :class:`gr.Error` if there are too many, or if the prompt lacks the word to vary.
    """
    names = {columns.name, rows.name}
    if not cell.settings.prompt:
        raise refusal(language, "generate_empty")
    if len(names) == 1:
        raise refusal(language, "generate_grid_same_axes")
    count = len(columns.values) * len(rows.values)
    if count > MAX_CELLS:
        raise refusal(language, "generate_grid_too_large", count=count, most=MAX_CELLS)
    if names & {"word", "strength", "saved_step"} and not concept_tokens(cell.settings.prompt):
        raise refusal(language, "generate_no_word")
    return [
        cell.at(columns.name, column).at(rows.name, row)
        for column, row in _pairs(columns.values, rows.values)
    ]


def _pairs(columns: Sequence[Any], rows: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [(column, row) for row in rows for column in columns]


def concepts_of(language: Language, home: Home, cells: Sequence[Cell]) -> list[tuple[Concept, ...]]:
    """Return the concepts in each cell's prompts, the first of them as of the cell's saved step.

    Raises :class:`UnknownTokenError`, :class:`RunError` if a step is not saved, and :class:`gr.Error` if the
    word's training is not kept here.
    """
    words = all_words(home.library)
    find = cache(lambda token: find_training(home, words[token]))
    result = []
    for cell in cells:
        concepts = concepts_in(words, cell.settings.prompt, cell.settings.negative_prompt)
        if cell.saved_step is not None and concepts:
            token = concepts[0].token
            run = find(token)
            if run is None:
                raise refusal(language, "generate_no_run", token=token)
            concepts = (replace(concept_at(run, cell.saved_step), token=token), *concepts[1:])
        result.append(concepts)
    return result
