"""The recipe of a drawn picture: shown, drawn again, and read back from a file into the controls."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ti_core.drawing.recipe import SCHEDULER_LABELS, Recipe, read_recipe, to_parameters
from ti_core.drawing.settings import SIZE_STEP
from ti_core.model.base import BaseModel
from ti_core.words.concept import Concept
from ui.frame import Frame
from ui.parts.controls import (
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    MAX_STRENGTH,
    NO_GUIDANCE,
    DrawingControls,
)
from ui.parts.events import HIDDEN, bind
from ui.parts.prompt_box import all_words
from ui.parts.results import ResultArea
from ui.server.drawing import Drawn, served
from ui.server.errors import plainly
from ui.server.studio import Studio
from ui.texts import Language, label, language_of, say


@dataclass(frozen=True)
class Chosen:
    """The picture of the gallery that was clicked: its file, and where it is shown."""

    path: gr.State
    group: gr.Group
    facts: gr.HTML
    parameters: gr.Textbox
    download: gr.DownloadButton
    to_style: gr.Button
    same_seed: gr.Button
    same_settings: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """In the order of :func:`show_recipe`."""
        return [self.group, self.path, self.facts, self.parameters, self.download]


def place_chosen(area: ResultArea) -> Chosen:
    """Place what is shown of a picture once it is clicked."""
    with gr.Group(visible=False, elem_id="generate-chosen") as group:
        facts = gr.HTML(padding=True)
        with gr.Row():
            same_seed = gr.Button(label("generate_same_seed"), size="sm", min_width=140)
            same_settings = gr.Button(label("generate_same_settings"), size="sm", min_width=140)
            to_style = gr.Button(label("generate_to_style"), size="sm", min_width=140)
            name: Any = label("generate_download")  # gradio's own hint takes no translated text
            download = gr.DownloadButton(name, size="sm", min_width=140)
        parameters = gr.Textbox(
            label=label("generate_parameters"),
            info=label("generate_parameters_info"),
            lines=3,
            interactive=False,
            buttons=["copy"],
        )
    chosen = Chosen(gr.State(), group, facts, parameters, download, to_style, same_seed, same_settings)

    @plainly
    def choose(event: gr.SelectData, request: gr.Request, drawn: tuple[Drawn, ...]) -> list[Any]:
        return show_recipe(language_of(request), drawn[event.index].path)

    area.gallery.select(choose, area.drawn, chosen.outputs, trigger_mode="always_last", **HIDDEN)
    return chosen


def show_recipe(language: Language, path: Path) -> list[Any]:
    """Updates of :attr:`Chosen.outputs`. Raises :class:`RecipeError` if the picture is no longer kept."""
    recipe = read_recipe(path)
    return [
        gr.update(visible=True),
        path,
        recipe_html(language, recipe),
        to_parameters(recipe),
        gr.update(value=served(path)),
    ]


def recipe_html(language: Language, recipe: Recipe) -> str:
    """The recipe as a list of terms; what it does not say is left out."""
    words = ", ".join(
        use.token if use.strength == 1 else f"{use.token} × {use.strength:g}" for use in recipe.concepts
    )
    facts = {
        "drawing_prompt": recipe.prompt,
        "drawing_negative": recipe.negative_prompt,
        "generate_words": words,
        "drawing_seed": recipe.seed,
        "drawing_steps": recipe.steps,
        "drawing_guidance": f"{recipe.guidance_scale:g}",
        "drawing_scheduler": SCHEDULER_LABELS.get(recipe.scheduler, recipe.scheduler),
        "generate_size": f"{recipe.width} × {recipe.height}" if recipe.width and recipe.height else "",
        "frame_model": recipe.model,
    }
    rows = "".join(
        f"<dt>{html.escape(say(language, key))}</dt><dd>{html.escape(str(value))}</dd>"
        for key, value in facts.items()
        if value != ""
    )
    return f'<dl class="recipe">{rows}</dl>'


def build(
    studio: Studio,
    frame: Frame,
    chosen: Chosen,
    prompt: gr.Textbox,
    controls: DrawingControls,
    strength: gr.Slider,
) -> None:
    """Place where a file's settings are taken from, and connect the buttons of the chosen picture."""
    with gr.Accordion(label("generate_from_file"), open=False, elem_id="generate-from-file"):
        gr.Markdown(label("generate_file_info"))
        file = gr.File(
            label=label("generate_file"),
            show_label=False,
            height=120,
            elem_id="generate-file",
        )
        remarks = gr.HTML(elem_id="generate-remarks", elem_classes="if-filled")
    fields = [strength, prompt, *controls.inputs, remarks]
    for event, handler, source, outputs in (
        (file.upload, take_settings, file, fields),
        (chosen.same_settings.click, take_settings, chosen.path, fields),
        (chosen.to_style.click, send_to_style, chosen.path, [frame.style_picture, frame.tabs, frame.tab]),
    ):
        event(bind(studio, handler), source, outputs, **HIDDEN)
    chosen.same_seed.click(bind(studio, take_seed), chosen.path, controls.seed, **HIDDEN).success(
        None, js="() => oneWord.focusSeed()", **HIDDEN
    )


def take_seed(studio: Studio, request: gr.Request, path: Path) -> int:
    return read_recipe(path).seed


def send_to_style(studio: Studio, request: gr.Request, path: Path) -> tuple[str, Any, str]:
    return served(path), gr.update(selected="style"), "style"


def take_settings(studio: Studio, request: gr.Request, path: str | Path) -> list[Any]:
    """The words' strength, the prompt, the controls' values and a sentence on each setting that could not be
    taken over.

    Raises :class:`RecipeError`.
    """
    language, backbone = language_of(request), studio.models.backbone
    recipe = read_recipe(Path(path))
    words = all_words(studio.home(request).library)
    base = backbone.base if backbone is not None else None
    values, remarks = settings_of(language, recipe, base, words)
    sentences = [say(language, "generate_taken"), *remarks]
    listed = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return [*values, f'<ul class="remarks" role="status">{listed}</ul>']


def settings_of(
    language: Language, recipe: Recipe, base: BaseModel | None, words: Mapping[str, Concept]
) -> tuple[list[Any], list[str]]:
    """The words' strength, the prompt and the controls' values, and a sentence on each setting that is not as
    in the recipe."""
    remarks: list[str] = []

    def remark(key: str, **values: object) -> None:
        remarks.append(say(language, key, **values))

    same_model = base is None or recipe.model in ("", base.id)
    if base is not None and not same_model:
        remark("generate_other_model", model=recipe.model, base=base.id)
    for use in recipe.concepts:
        if use.token not in words:
            remark("generate_other_word", token=use.token)
        elif not words[use.token].sha256.startswith(use.sha256):
            remark("generate_other_version", token=use.token)
    if recipe.strength is not None:
        remark("generate_from_picture")
    if recipe.scheduler not in SCHEDULER_LABELS:
        remark("generate_other_scheduler", scheduler=recipe.scheduler)
    if not 0 <= recipe.seed <= MAX_SEED:
        remark("generate_other_seed", seed=recipe.seed)
    steps = min(max(recipe.steps, 1), MAX_STEPS)
    if steps != recipe.steps:
        remark("generate_bounded", name=say(language, "drawing_steps"), value=recipe.steps, now=steps)
    guidance = min(max(recipe.guidance_scale, NO_GUIDANCE), MAX_GUIDANCE)
    if guidance != recipe.guidance_scale:
        remark(
            "generate_bounded",
            name=say(language, "drawing_guidance"),
            value=recipe.guidance_scale,
            now=guidance,
        )
    size = recipe.width, recipe.height
    if not same_model:
        size = 0, 0
    elif max(size) > MAX_SIDE or any(side % SIZE_STEP for side in size):
        remark("generate_other_size", width=recipe.width, height=recipe.height)
        size = 0, 0
    strengths = {use.strength for use in recipe.concepts} or {1.0}
    if len(strengths) > 1 or not 0 <= max(strengths) <= MAX_STRENGTH:
        shown = ", ".join(f"{use.token} {use.strength:g}" for use in recipe.concepts)
        remark("generate_other_strength", strengths=shown)
        strengths = {1.0}
    values = [
        strengths.pop(),
        recipe.prompt,
        recipe.negative_prompt,
        gr.skip(),  # how many
        steps,
        guidance,
        recipe.seed if 0 <= recipe.seed <= MAX_SEED else gr.skip(),
        recipe.scheduler if recipe.scheduler in SCHEDULER_LABELS else gr.skip(),
        *size,
    ]
    return values, remarks
