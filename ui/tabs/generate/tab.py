"""The tab that draws a prompt with the visitor's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.model.backbone import Backbone
from ti_core.prompts.grammar import replace_token
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.words.concept import Concept
from ui.frame import Frame
from ui.parts.contact_sheet import place_contact_sheet
from ui.parts.controls import MAX_WORD_STRENGTH, DrawingControls, place_controls, read_settings
from ui.parts.events import HIDDEN, Updates, bind
from ui.parts.prompt_box import place_note, place_words
from ui.parts.results import ResultArea, hide_with_old_pictures, place_results, seed_caption, show_drawing
from ui.server.drawing import Drawn, at_strength, draw_orders
from ui.server.errors import refusal
from ui.server.studio import Studio
from ui.server.words import all_words, concepts_in
from ui.tabs.generate.grid import GridControls, bind_grid, place_grid
from ui.tabs.generate.picture import ChosenPicture, bind_chosen, place_chosen
from ui.tabs.generate.recipe import RecipeFields, bind_fields, place_file
from ui.texts import label, language_of

EXAMPLES = ("a monster on the beach", "a watercolor painting of a house in the snow", "a red mug on a table")


@dataclass(frozen=True)
class GenerateTab:
    area: ResultArea
    chosen: ChosenPicture
    sheet: gr.Image
    controls: DrawingControls
    strength: gr.Slider
    pairs: gr.Checkbox
    grid: GridControls
    file: gr.File
    fields: RecipeFields


def build(studio: Studio, frame: Frame) -> None:
    tab = place_tab(studio, frame)
    prompt = frame.generate_prompt
    gr.on(
        [tab.area.draw.click, prompt.submit],
        bind(studio, draw_pictures, tab.area),
        [tab.strength, tab.pairs, prompt, *tab.controls.inputs],
        tab.area.outputs,
        **HIDDEN,
    )
    hide_with_old_pictures(studio, tab.area, tab.chosen.group, tab.sheet)
    bind_grid(studio, tab.grid, tab.area, tab.sheet, prompt, tab.controls, tab.strength)
    bind_chosen(studio, frame, tab.area, tab.chosen, tab.controls.seed)
    bind_fields(studio, tab.fields, tab.file, tab.chosen)


def place_tab(studio: Studio, frame: Frame) -> GenerateTab:
    prompt = frame.generate_prompt
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            prompt.render()
            place_note(studio, frame, "generate", prompt)
            place_words(studio, frame, "generate", prompt, suggest_prompts)
            area = place_results(studio, "generate")
            chosen = place_chosen()
            sheet = place_contact_sheet("generate")
        with gr.Column(scale=2, min_width=320):
            controls = place_controls()
            strength = gr.Slider(
                0,
                MAX_WORD_STRENGTH,
                1,
                step=0.05,
                label=label("generate_strength"),
                info=label("generate_strength_info"),
            )
            pairs = gr.Checkbox(label=label("generate_pairs"), info=label("generate_pairs_info"))
            grid = place_grid()
            file, remarks = place_file()
    fields = RecipeFields(prompt, strength, controls, remarks)
    return GenerateTab(area, chosen, sheet, controls, strength, pairs, grid, file, fields)


def suggest_prompts(words: Sequence[Concept]) -> list[str]:
    """Suggest prompts that the embedded model can draw, the first two with the newest word."""
    if not words:
        return list(EXAMPLES)
    token = words[0].token
    thing = fill_template(PLAIN_TEMPLATES[words[0].kind], token)
    return [thing, f"{thing} on the beach", *EXAMPLES]


def draw_pictures(
    studio: Studio,
    request: gr.Request,
    area: ResultArea,
    strength: float,
    pairs: bool,
    prompt: str,
    *controls: Any,
) -> Iterator[Updates]:
    """Draw the prompt; with ``pairs``, also draw each picture with the concepts' initial words."""
    language = language_of(request)
    settings = read_settings(prompt, *controls)
    if not settings.prompt:
        raise refusal(language, "generate_empty")
    known = all_words(studio.home(request).library)
    concepts = concepts_in(known, settings.prompt, settings.negative_prompt)
    if pairs:
        yield from draw_pairs(studio, request, area, settings, concepts, strength)
        return

    def plan(backbone: Backbone) -> list[Order]:
        return [Order(settings, at_strength(backbone, concepts, strength))]

    yield from show_drawing(studio, request, area, draw_orders(plan))


def draw_pairs(
    studio: Studio,
    request: gr.Request,
    area: ResultArea,
    settings: GenerationSettings,
    concepts: Sequence[Concept],
    strength: float,
) -> Iterator[Updates]:
    """Draw each seed with the concepts and, beside it, with their initial words."""
    language = language_of(request)
    if not concepts:
        raise refusal(language, "generate_no_word")
    plain = replace(
        settings,
        prompt=without(settings.prompt, concepts),
        negative_prompt=without(settings.negative_prompt, concepts),
        count=1,
    )

    def plan(backbone: Backbone) -> list[Order]:
        changed = at_strength(backbone, concepts, strength)
        orders = []
        for seed in range(settings.seed, settings.seed + settings.count):
            orders.append(Order(replace(settings, count=1, seed=seed), changed))
            orders.append(Order(replace(plain, seed=seed)))
        return orders

    names = [" + ".join(words) for words in zip(*((c.token, c.initializer) for c in concepts), strict=True)]

    def caption(number: int, drawn: Drawn) -> str:
        return f"{names[number % 2]} · {seed_caption(language, drawn)}"

    yield from show_drawing(studio, request, area, draw_orders(plan), caption)


def without(text: str, concepts: Sequence[Concept]) -> str:
    """Replace each concept's token with its initial word.

    Raises :class:`ConceptError` if a concept does not record its initial word.
    """
    for concept in concepts:
        text = replace_token(text, concept.token, concept.initial_word())
    return text
