"""The picture that was clicked in the gallery: its recipe, and the actions on it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ti_core.drawing.recipe import SCHEDULER_LABELS, Recipe, read_recipe, to_parameters
from ui.frame import Frame
from ui.parts.events import HIDDEN, Updates, bind, bind_event
from ui.parts.results import ResultArea
from ui.server.downloads import serve_copy
from ui.server.drawing import Drawn
from ui.server.studio import Studio
from ui.texts import Language, label, language_of, say


@dataclass(frozen=True)
class ChosenPicture:
    """The components about the picture that was clicked in the gallery; ``path`` is its file."""

    path: gr.State
    group: gr.Group
    facts: gr.HTML
    parameters: gr.Textbox
    download: gr.DownloadButton
    to_style: gr.Button
    same_seed: gr.Button
    same_settings: gr.Button


def place_chosen() -> ChosenPicture:
    with gr.Group(visible=False, elem_id="generate-chosen") as group:
        facts = gr.HTML(padding=True)
        with gr.Row():
            same_seed = gr.Button(label("generate_same_seed"), size="sm", min_width=140)
            same_settings = gr.Button(label("generate_same_settings"), size="sm", min_width=140)
            to_style = gr.Button(label("generate_to_style"), size="sm", min_width=140)
            name: Any = label("generate_download")  # Gradio's type hint does not allow a translated text
            download = gr.DownloadButton(name, size="sm", min_width=140)
        parameters = gr.Textbox(
            label=label("generate_parameters"),
            info=label("generate_parameters_info"),
            lines=3,
            interactive=False,
            buttons=["copy"],
        )
    return ChosenPicture(gr.State(), group, facts, parameters, download, to_style, same_seed, same_settings)


def bind_chosen(
    studio: Studio, frame: Frame, area: ResultArea, chosen: ChosenPicture, seed: gr.Number
) -> None:
    area.gallery.select(
        bind_event(studio, choose_picture, chosen),
        area.drawn,
        [chosen.group, chosen.path, chosen.facts, chosen.parameters, chosen.download],
        trigger_mode="always_last",
        **HIDDEN,
    )
    chosen.to_style.click(
        bind(studio, send_to_style, frame),
        chosen.path,
        [frame.style_picture, frame.tabs, frame.tab],
        **HIDDEN,
    )
    chosen.same_seed.click(bind(studio, take_seed), chosen.path, seed, **HIDDEN).success(
        None, js="() => oneWord.focusSeed()", **HIDDEN
    )


def choose_picture(
    studio: Studio,
    request: gr.Request,
    chosen: ChosenPicture,
    event: gr.EventData,
    drawn: tuple[Drawn, ...],
) -> Updates:
    return show_recipe(language_of(request), chosen, drawn[event.index].path)


def show_recipe(language: Language, chosen: ChosenPicture, path: Path) -> Updates:
    """Show the recipe inside a picture. Raises :class:`RecipeError` if the picture is no longer kept."""
    recipe = read_recipe(path)
    return {
        chosen.group: gr.update(visible=True),
        chosen.path: path,
        chosen.facts: recipe_html(language, recipe),
        chosen.parameters: to_parameters(recipe),
        chosen.download: gr.update(value=serve_copy(path)),
    }


def recipe_html(language: Language, recipe: Recipe) -> str:
    """Render a recipe as a list of terms, without the entries that it lacks."""
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


def send_to_style(studio: Studio, request: gr.Request, frame: Frame, path: Path) -> Updates:
    """Put a picture into the Style tab and open that tab."""
    return {
        frame.style_picture: serve_copy(path),
        frame.tabs: gr.update(selected="style"),
        frame.tab: "style",
    }


def take_seed(studio: Studio, request: gr.Request, path: Path) -> int:
    return read_recipe(path).seed
