"""The tab where a person draws with their words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from ti_core.drawing.settings import Order
from ti_core.model.backbone import Backbone
from ti_core.prompts.grammar import replace_token
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.words.concept import Concept
from ui.frame import Frame
from ui.parts.controls import MAX_STRENGTH, drawing_controls, read_settings
from ui.parts.events import QUIET
from ui.parts.prompt_box import all_words, concepts_in, place_prompt
from ui.parts.prompt_box import make_prompt as make_prompt_box
from ui.parts.results import drawing_events, result_area, seed_caption, show_drawing
from ui.server.drawing import Drawn, at_strength, draw_orders
from ui.server.errors import refusal
from ui.server.studio import Studio
from ui.tabs.generate import grid, recipes
from ui.texts import label, language_of

EXAMPLES = ("a monster on the beach", "a watercolor painting of a house in the snow", "a red mug on a table")


def make_prompt() -> gr.Textbox:
    return make_prompt_box("generate")


def build(studio: Studio, frame: Frame) -> None:
    prompt = frame.generate_prompt
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            place_prompt(studio, frame, "generate", prompt, suggest_prompts)
            area = result_area(studio, "generate")
            chosen = recipes.place_chosen(area)
            sheet = grid.place_sheet("generate")
        with gr.Column(scale=2, min_width=320):
            controls = drawing_controls()
            strength = gr.Slider(
                0,
                MAX_STRENGTH,
                1,
                step=0.05,
                label=label("generate_strength"),
                info=label("generate_strength_info"),
            )
            pairs = gr.Checkbox(label=label("generate_pairs"), info=label("generate_pairs_info"))
            grid.build(studio, area, sheet, prompt, controls, strength)
            recipes.build(studio, frame, chosen, prompt, controls, strength)
    drawing_events(
        studio,
        area,
        draw_pictures,
        [strength, pairs, prompt, *controls.inputs],
        [area.draw.click, prompt.submit],
    )
    area.drawn.change(hide_old, area.drawn, [chosen.group, sheet], **QUIET)


def suggest_prompts(words: Sequence[Concept]) -> list[str]:
    """Prompts that the embedded model can draw, the first two with the newest word."""
    if not words:
        return list(EXAMPLES)
    token = words[0].token
    thing = fill_template(PLAIN_TEMPLATES[words[0].kind], token)
    return [thing, f"{thing} on the beach", *EXAMPLES]


def hide_old(drawn: tuple[Drawn, ...]) -> tuple[Any, Any]:
    """Once a new drawing has emptied the gallery, what belongs to the one before goes, too."""
    return (gr.skip(), gr.skip()) if drawn else (gr.update(visible=False), gr.update(visible=False))


def draw_pictures(
    studio: Studio, request: gr.Request, strength: float, pairs: bool, prompt: str, *controls: Any
) -> Iterator[list[Any]]:
    """Draw the prompt; with ``pairs`` each picture also with the initial words in place of the concepts."""
    language = language_of(request)
    settings = read_settings(prompt, *controls)
    if not settings.prompt:
        raise refusal(language, "generate_empty")
    texts = settings.prompt, settings.negative_prompt
    concepts = concepts_in(all_words(studio.home(request).library), *texts)
    if not pairs:
        yield from show_drawing(
            studio,
            request,
            draw_orders(lambda backbone: [Order(settings, at_strength(backbone, concepts, strength))]),
        )
        return
    if not concepts:
        raise refusal(language, "generate_no_word")
    plain_prompt, plain_negative = (without(text, concepts) for text in texts)

    def plan(backbone: Backbone) -> list[Order]:
        changed = at_strength(backbone, concepts, strength)
        orders = []
        for seed in range(settings.seed, settings.seed + settings.count):
            one = replace(settings, count=1, seed=seed)
            orders += [
                Order(one, changed),
                Order(replace(one, prompt=plain_prompt, negative_prompt=plain_negative)),
            ]
        return orders

    names = [" + ".join(words) for words in zip(*((c.token, c.initializer) for c in concepts), strict=True)]

    def caption(number: int, drawn: Drawn) -> str:
        return f"{names[number % 2]} · {seed_caption(language, drawn)}"

    yield from show_drawing(studio, request, draw_orders(plan), caption)


def without(text: str, concepts: Sequence[Concept]) -> str:
    """A prompt with the word that each concept started from in its place.

    Raises :class:`ConceptError` if one does not say which word that was.
    """
    for concept in concepts:
        text = replace_token(text, concept.token, concept.initial_word())
    return text
