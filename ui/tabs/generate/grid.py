"""A grid of pictures over two settings: the single pictures, and all of them in one with labels."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeVar, get_args

import gradio as gr
from PIL import Image, ImageDraw, ImageFont

from ti_core.drawing.generate import GeneratedPicture, OnProgress, ShouldStop
from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.model.backbone import Backbone
from ti_core.prompts.grammar import concept_tokens, replace_token
from ti_core.training.runs import concept_at, saved_steps
from ti_core.words.concept import Concept
from ui.parts.controls import MAX_STEPS, DrawingControls, read_settings
from ui.parts.events import QUIET, bind
from ui.parts.prompt_box import all_words, concepts_in, fitting_words
from ui.parts.results import ResultArea, drawing_events, show_drawing
from ui.server.drawing import Drawn, DrawSlice, at_strength, draw_orders
from ui.server.errors import refusal
from ui.server.people import Home
from ui.server.studio import Studio
from ui.tabs.train.result import find_training
from ui.texts import Language, label, language_of, say

Value = TypeVar("Value")
AxisName = Literal["none", "word", "strength", "guidance", "steps", "seed", "saved_step"]

READERS: Mapping[AxisName, Callable[[str], Any]] = {
    "word": str,
    "strength": float,
    "guidance": float,
    "steps": int,
    "seed": int,
    "saved_step": int,
}
SUGGESTED = {"none": "", "strength": "0, 0.5, 1, 1.25", "guidance": "1, 2, 4, 8", "steps": "5, 10, 25, 50"}
MOST_SUGGESTED = 5
MAX_CELLS = 36

TILE = 192  # pixels: the larger side of a picture in the labelled one
TEXT, PADDING = 16, 8
INK, PAPER = "#1e293b", "#ffffff"


@dataclass(frozen=True)
class Axis:
    """A setting and the values it takes; of ``none`` there is one, which changes nothing."""

    name: AxisName
    values: tuple[Any, ...]

    @property
    def title(self) -> str:
        """In English, as the labelled picture has it."""
        return self.name.replace("_", " ")

    def labels(self, title: str) -> list[str]:
        """One for each value, which begins with the title where the values are numbers."""
        if self.name == "none":
            return [""]
        start = "" if self.name == "word" else title + " "
        return [start + (f"{value:g}" if isinstance(value, float) else str(value)) for value in self.values]


@dataclass(frozen=True)
class Cell:
    """What one picture of a grid is drawn with; ``saved_step`` is one of the prompt's first word."""

    settings: GenerationSettings
    strength: float
    saved_step: int | None = None

    def at(self, name: AxisName, value: Any) -> Cell:
        """The same with one setting at another value."""
        if name == "strength":
            return replace(self, strength=value)
        if name == "saved_step":
            return replace(self, saved_step=value)
        settings = self.settings
        if name == "word":
            first = concept_tokens(settings.prompt)[0]
            settings = replace(settings, prompt=replace_token(settings.prompt, first, value))
        elif name == "guidance":
            settings = replace(settings, guidance_scale=value or None)  # as the slider has it
        elif name == "steps":
            settings = replace(settings, steps=value)
        elif name == "seed":
            settings = replace(settings, seed=value)
        return replace(self, settings=settings)


def place_sheet(tab: str) -> gr.Image:
    """Place the labelled picture of a tab's grid, hidden until there is one."""
    return gr.Image(
        label=label("generate_grid_sheet"),
        show_label=False,  # it would cover those of the grid
        format="png",
        type="pil",
        interactive=False,
        visible=False,
        buttons=["download", "fullscreen"],
        elem_id=f"{tab}-grid-sheet",
    )


def build(
    studio: Studio,
    area: ResultArea,
    sheet: gr.Image,
    prompt: gr.Textbox,
    controls: DrawingControls,
    strength: gr.Slider,
) -> None:
    """Place the grid's controls; its pictures appear in the area of all others."""
    with gr.Accordion(label("generate_grid"), open=False, elem_id="generate-grid"):
        gr.Markdown(label("generate_grid_info"))
        columns, column_values = _axis_controls(studio, prompt, controls.seed, "columns", "strength")
        rows, row_values = _axis_controls(studio, prompt, controls.seed, "rows", "none")
        draw = gr.Button(label("generate_grid_draw"), elem_id="generate-grid-draw")
    drawing_events(
        studio,
        area,
        draw_grid,
        [columns, column_values, rows, row_values, strength, prompt, *controls.inputs],
        [draw.click],
        [sheet],
    )


def _axis_controls(
    studio: Studio, prompt: gr.Textbox, seed: gr.Number, side: str, first: AxisName
) -> tuple[gr.Dropdown, gr.Textbox]:
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
    name.input(
        bind(studio, suggest_values),
        [name, prompt, seed],
        values,
        **QUIET,
    )
    return name, values


def suggest_values(
    studio: Studio, request: gr.Request, name: AxisName, prompt: str, seed: float | None
) -> str:
    """Values to begin with, as they are written into the field."""
    values: Sequence[object]
    if name == "seed":
        values = range(int(seed or 0), int(seed or 0) + 4)
    elif name == "word":
        values = [word.token for word in fitting_words(studio, request)[:MOST_SUGGESTED]]
    elif name == "saved_step":
        home = studio.home(request)
        words = all_words(home.library)
        word = next((words[token] for token in concept_tokens(prompt) if token in words), None)
        run = find_training(home, word) if word else None
        values = _thinned(saved_steps(run)) if run else []
    else:
        return SUGGESTED[name]
    return ", ".join(map(str, values))


def _thinned(steps: Sequence[int]) -> list[int]:
    """The first, the last and some evenly between them."""
    count = min(len(steps), MOST_SUGGESTED)
    return [steps[round(number * (len(steps) - 1) / max(count - 1, 1))] for number in range(count)]


def draw_grid(
    studio: Studio,
    request: gr.Request,
    column_name: AxisName,
    column_values: str,
    row_name: AxisName,
    row_values: str,
    strength: float,
    prompt: str,
    *controls: Any,
) -> Iterator[list[Any]]:
    """Draw a picture for each pair of values, row by row; at the end the labelled one."""
    language, home = language_of(request), studio.home(request)
    columns = read_axis(language, column_name, column_values)
    rows = read_axis(language, row_name, row_values)
    cells = cells_of(
        language, columns, rows, Cell(replace(read_settings(prompt, *controls), count=1), strength)
    )
    concepts = concepts_of(language, home, cells)
    column_names, row_names = (
        axis.labels(say(language, f"generate_axis_{axis.name}")) for axis in (columns, rows)
    )
    names = [" · ".join(filter(None, pair)) for pair in _pairs(column_names, row_names)]
    images: list[Image.Image] = []

    def plan(backbone: Backbone) -> list[Order]:
        return [
            Order(cell.settings, at_strength(backbone, known, cell.strength))
            for cell, known in zip(cells, concepts, strict=True)
        ]

    def draw(
        backbone: Backbone,
        on_progress: OnProgress,
        should_stop: ShouldStop,
        draw_slice: DrawSlice | None = None,
    ) -> Iterator[GeneratedPicture]:
        for picture in draw_orders(plan)(backbone, on_progress, should_stop, draw_slice):
            images.append(picture.image)
            yield picture

    def caption(number: int, _: Drawn) -> str:
        return names[number]

    for update in show_drawing(studio, request, draw, caption, len(columns.values)):
        yield [*update, gr.skip()]
    if images:
        sheet = label_sheet(columns.labels(columns.title), rows.labels(rows.title), images)
        yield [*update, gr.update(value=sheet, visible=True)]


def read_axis(language: Language, name: AxisName, text: str) -> Axis:
    """The values between commas. Raises ``gr.Error`` for none, or for one that is no number."""
    if name == "none":
        return Axis(name, (None,))
    try:
        values = read_list(text, READERS[name])
    except ValueError as error:
        raise refusal(language, "generate_grid_bad_values", values=text) from error
    if not values:
        raise refusal(language, "generate_grid_no_values")
    if name == "steps" and max(values) > MAX_STEPS:
        raise refusal(language, "generate_grid_many_steps", most=MAX_STEPS)
    return Axis(name, values)


def read_list(text: str, read: Callable[[str], Value]) -> tuple[Value, ...]:
    """The values between commas, Japanese ones too; full-width characters are read as plain ones.

    Raises as ``read``.
    """
    parts = re.split(r"[,、\n]", unicodedata.normalize("NFKC", text))
    return tuple(read(part.strip()) for part in parts if part.strip())


def cells_of(language: Language, columns: Axis, rows: Axis, cell: Cell) -> list[Cell]:
    """The cells row by row. Raises ``gr.Error`` for too many, or if the prompt lacks a word to change."""
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
    """The concepts in each cell's prompts, the first of them as it was at the cell's saved step.

    Raises :class:`UnknownTokenError`, :class:`RunError` for a step that is not saved, and ``gr.Error`` for a
    word whose training is not here.
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


def label_sheet(columns: Sequence[str], rows: Sequence[str], pictures: Sequence[Image.Image]) -> Image.Image:
    """The pictures, row by row, in one with a label over each column and before each row.

    Pictures that are missing at the end stay blank.
    """
    font = ImageFont.load_default(TEXT)
    columns, rows = ([_ascii(text) for text in texts] for texts in (columns, rows))
    width, height = (round(side * TILE / max(pictures[0].size)) for side in pictures[0].size)
    left = PADDING + (round(max(map(font.getlength, rows))) + PADDING if any(rows) else 0)
    top = TEXT + 2 * PADDING
    size = left + len(columns) * (width + PADDING), top + len(rows) * (height + PADDING)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, text in enumerate(columns):
        while font.getlength(text) > width:
            text = text[:-1]
        draw.text((left + number * (width + PADDING), PADDING), text, INK, font)
    for number, text in enumerate(rows):
        draw.text((PADDING, top + number * (height + PADDING) + height // 2), text, INK, font, "lm")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, len(columns))
        place = left + column * (width + PADDING), top + row * (height + PADDING)
        sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS), place)
    return sheet


def _ascii(text: str) -> str:
    """As the font that comes with Pillow can write it."""
    return text.encode("ascii", "replace").decode()
