"""Fill the fields from the recipe inside a picture, as far as the recipe can be used."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr
from gradio.blocks import Block

from ti_core.drawing.recipe import SCHEDULER_LABELS, Recipe, read_recipe
from ti_core.drawing.settings import SIZE_STEP
from ti_core.model.base import BaseModel
from ti_core.words.concept import Concept
from ui.parts.controls import (
    MAX_BROWSER_SEED,
    MAX_GUIDANCE,
    MAX_SIDE,
    MAX_STEPS,
    MAX_WORD_STRENGTH,
    NO_GUIDANCE,
    DrawingControls,
)
from ui.parts.events import HIDDEN, Updates, bind
from ui.server.studio import Studio
from ui.server.words import all_words
from ui.tabs.generate.picture import ChosenPicture
from ui.texts import Language, label, language_of, say


@dataclass(frozen=True)
class RecipeFields:
    """The fields that a recipe fills in, and the remarks on what could not be filled in."""

    prompt: gr.Textbox
    strength: gr.Slider
    controls: DrawingControls
    remarks: gr.HTML

    @property
    def outputs(self) -> list[Block]:
        return [self.prompt, self.strength, *self.controls.inputs, self.remarks]


def place_file() -> tuple[gr.File, gr.HTML]:
    """Place the upload that reads a picture's settings, and the remarks on them."""
    with gr.Accordion(label("generate_from_file"), open=False, elem_id="generate-from-file"):
        gr.Markdown(label("generate_file_info"))
        file = gr.File(
            label=label("generate_file"),
            show_label=False,
            height=120,
            elem_id="generate-file",
        )
        remarks = gr.HTML(elem_id="generate-remarks", elem_classes="if-filled")
    return file, remarks


def bind_fields(studio: Studio, fields: RecipeFields, file: gr.File, chosen: ChosenPicture) -> None:
    """Fill the fields in from an uploaded file, or from the chosen picture."""
    take = bind(studio, take_settings, fields)
    file.upload(take, file, fields.outputs, **HIDDEN)
    chosen.same_settings.click(take, chosen.path, fields.outputs, **HIDDEN)


def take_settings(studio: Studio, request: gr.Request, fields: RecipeFields, path: str | Path) -> Updates:
    """Fill the fields in from a picture's recipe, and list what could not be taken over.

    Raises :class:`RecipeError` if there is no recipe in it.
    """
    language, backbone = language_of(request), studio.models.backbone
    recipe, base = read_recipe(Path(path)), backbone.base if backbone is not None else None
    words = all_words(studio.home(request).library)
    sentences = [say(language, "generate_taken"), *remarks_on(language, recipe, base, words)]
    listed = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return fill_in(fields, recipe, base) | {
        fields.remarks: f'<ul class="remarks" role="status">{listed}</ul>'
    }


def fill_in(fields: RecipeFields, recipe: Recipe, base: BaseModel | None) -> Updates:
    """Fill in the parts of a recipe that can be used with a base model.

    The number of pictures stays unchanged, and so do the seed and the sampler if the recipe's are unusable.
    """
    controls, usable, strength = fields.controls, within_bounds(recipe, base), common_strength(recipe)
    updates: Updates = {
        fields.prompt: recipe.prompt,
        fields.strength: 1.0 if strength is None else strength,
        controls.negative: recipe.negative_prompt,
        controls.steps: usable.steps,
        controls.guidance: usable.guidance_scale,
        controls.width: usable.width,
        controls.height: usable.height,
    }
    if 0 <= recipe.seed <= MAX_BROWSER_SEED:
        updates[controls.seed] = recipe.seed
    if recipe.scheduler in SCHEDULER_LABELS:
        updates[controls.scheduler] = recipe.scheduler
    return updates


def remarks_on(
    language: Language, recipe: Recipe, base: BaseModel | None, words: Mapping[str, Concept]
) -> Iterator[str]:
    """Explain each setting that is not used exactly as in the recipe."""
    usable = within_bounds(recipe, base)
    if base is not None and not is_drawn_with(recipe, base):
        yield say(language, "generate_other_model", model=recipe.model, base=base.id)
    for use in recipe.concepts:
        if use.token not in words:
            yield say(language, "generate_other_word", token=use.token)
        elif not words[use.token].sha256.startswith(use.sha256):
            yield say(language, "generate_other_version", token=use.token)
    if recipe.strength is not None:
        yield say(language, "generate_from_picture")
    if recipe.scheduler not in SCHEDULER_LABELS:
        yield say(language, "generate_other_scheduler", scheduler=recipe.scheduler)
    if not 0 <= recipe.seed <= MAX_BROWSER_SEED:
        yield say(language, "generate_other_seed", seed=recipe.seed)
    for key, value, now in (
        ("drawing_steps", recipe.steps, usable.steps),
        ("drawing_guidance", recipe.guidance_scale, usable.guidance_scale),
    ):
        if now != value:
            yield say(language, "generate_bounded", name=say(language, key), value=value, now=now)
    is_resized = (usable.width, usable.height) != (recipe.width, recipe.height)
    if is_resized and is_drawn_with(recipe, base):
        yield say(language, "generate_other_size", width=recipe.width, height=recipe.height)
    if common_strength(recipe) is None:
        strengths = ", ".join(f"{use.token} {use.strength:g}" for use in recipe.concepts)
        yield say(language, "generate_other_strength", strengths=strengths)


def within_bounds(recipe: Recipe, base: BaseModel | None) -> Recipe:
    """Clamp steps, guidance scale and size to the bounds of their controls.

    A size that cannot be drawn, or belongs to another model, becomes 0, which means the model's own size.
    """
    width, height = recipe.width, recipe.height
    fits = max(width, height) <= MAX_SIDE and width % SIZE_STEP == height % SIZE_STEP == 0
    if not fits or not is_drawn_with(recipe, base):
        width = height = 0
    return replace(
        recipe,
        steps=min(max(recipe.steps, 1), MAX_STEPS),
        guidance_scale=min(max(recipe.guidance_scale, NO_GUIDANCE), MAX_GUIDANCE),
        width=width,
        height=height,
    )


def is_drawn_with(recipe: Recipe, base: BaseModel | None) -> bool:
    """Whether a recipe belongs to this base model, as far as both are known."""
    return base is None or recipe.model in ("", base.id)


def common_strength(recipe: Recipe) -> float | None:
    """Return the strength that all words of a recipe share, None if the slider cannot set it for all."""
    strengths = {use.strength for use in recipe.concepts} or {1.0}
    strength = strengths.pop()
    return None if strengths or not 0 <= strength <= MAX_WORD_STRENGTH else strength
