"""The form for a new word: its pictures, its settings, and the parts that depend on both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ti_core.prompts.templates import Kind
from ui.frame import Frame
from ui.parts.events import HIDDEN, QUIET, Updates, bind, outlast_reload
from ui.server.studio import Studio
from ui.tabs.train.picture_set import (
    EXAMPLES,
    PictureSet,
    SetAside,
    delete_set,
    example_set,
    open_set,
    with_set_aside,
)
from ui.tabs.train.pictures import (
    IN_LINE,
    PRIVATE,
    PicturesPart,
    bind_pictures,
    bring_back,
    place_pictures,
    show_set,
    with_set,
)
from ui.tabs.train.presets import preset_of
from ui.tabs.train.settings import SettingsPart, bind_settings, place_settings
from ui.tabs.train.settings_view import line_html, preset_choices, time_html
from ui.tabs.train.suggestion import suggest_word
from ui.texts import label, language_of


@dataclass(frozen=True)
class Form:
    """The components of the form."""

    column: gr.Column
    pictures: PicturesPart
    settings: SettingsPart
    shown_times: gr.State
    """What the presets and the line below them say now."""
    start: gr.Button

    @property
    def inputs(self) -> set[Block]:
        """The inputs for starting a training."""
        return {*self.pictures.inputs, *self.settings.controls.values()}


def place_form() -> Form:
    """Place the form."""
    # Outside the group that is hidden and shown: Gradio would show these hidden components with it.
    set_name, opened = gr.Textbox("", visible="hidden"), gr.Textbox("", visible="hidden")
    with gr.Column(elem_id="train-form") as column:
        pictures, settings = place_pictures(set_name, opened), place_settings()
        start = gr.Button(label("train_start"), variant="primary", elem_id="train-start")
    return Form(column, pictures, settings, gr.State(), start)


def bind_form(studio: Studio, frame: Frame, form: Form) -> None:
    """Bind the form's events; :mod:`ui.tabs.train.run_panel` binds its start button."""
    bind_pictures(studio, form.pictures)
    bind_settings(studio, frame, form.settings)
    _bind_examples(studio, form)
    _bind_suggestion(studio, form)
    _bind_times(studio, frame, form)
    settings, pictures = form.settings, form.pictures
    begun = [settings.token, settings.kind, settings.initializer, pictures.set_name]
    outlast_reload(frame, "train", begun).then(
        bind(studio, bring_back, pictures),
        pictures.set_name,
        pictures.outputs,
        **HIDDEN,
        **IN_LINE,
    )


# --- examples ---------------------------------------------------------------------------------------------


def show_example(
    studio: Studio,
    request: gr.Request,
    form: Form,
    example: str,
    chosen: PictureSet,
    _opened: str,
    token: str,
    kind: Kind,
) -> Updates:
    """Show an example's pictures, name and kind; set the person's own aside."""
    set_aside = _own(chosen, token, kind) or chosen.set_aside
    free = studio.home(request).library.free_token(f"our-{example}")
    after = example_set(studio, request, example, set_aside)
    _leave(chosen)
    return {
        **show_set(studio, request, form.pictures, after),
        form.settings.token: free[1:-1],
        form.settings.kind: EXAMPLES[example],
    }


def put_back(
    studio: Studio,
    request: gr.Request,
    form: Form,
    chosen: PictureSet,
    _opened: str,
    token: str,
    kind: Kind,
) -> Updates:
    """Show the person's own pictures again; anything of their own in the current set is set aside in turn."""
    before, own = chosen.set_aside, _own(chosen, token, kind)
    if before is None:
        return {}
    after = open_set(studio.home(request), before.set_name)
    if own is not None:
        after = with_set_aside(after, own)
    _leave(chosen)
    return {
        **show_set(studio, request, form.pictures, after),
        form.settings.token: before.token,
        form.settings.kind: before.kind,
    }


def _own(chosen: PictureSet, token: str, kind: Kind) -> SetAside | None:
    """Return the set with its name and kind, or None if it holds nothing of the person's own."""
    if chosen.is_example or not chosen.pictures:
        return None
    return SetAside(chosen.name, token, kind)


def _leave(chosen: PictureSet) -> None:
    """Delete an example's set: it can be recreated, and must not push out another of the person's sets."""
    if chosen.is_example:
        delete_set(chosen)


def _bind_examples(studio: Studio, form: Form) -> None:
    named = [form.settings.token, form.settings.kind]
    inputs, outputs = [*form.pictures.inputs, *named], [*form.pictures.outputs, *named]
    for example, button in form.pictures.examples.items():
        show = with_set(studio, show_example, form, example)
        button.click(show, inputs, outputs, **PRIVATE, **IN_LINE)
    back = with_set(studio, put_back, form)
    form.pictures.put_back.click(back, inputs, outputs, **PRIVATE, **IN_LINE)


# --- the parts that depend on both ------------------------------------------------------------------------


def fill_in_word(
    studio: Studio, request: gr.Request, form: Form, set_name: str, kind: Kind, seed: int
) -> Iterator[Updates]:
    """Fill in the word that the model suggests. A line shows the progress, and disappears on failure."""
    part, chosen = form.settings, open_set(studio.home(request), set_name)
    try:
        for word, text in suggest_word(studio, request, chosen, kind, seed):
            updates: Updates = {part.word_line: line_html(text)}
            yield updates if word is None else {**updates, part.initializer: word}
    except Exception:
        yield {part.word_line: ""}
        raise


def show_times(studio: Studio, request: gr.Request, form: Form, values: Mapping[Block, Any]) -> Updates:
    """Show the preset that the settings match, and the times; send nothing if they are shown already."""
    language, settings = language_of(request), form.settings.read(values)
    count = len(open_set(studio.home(request), values[form.pictures.set_name]).pictures)
    preset, choices = preset_of(settings), preset_choices(studio, language, count, settings)
    time = time_html(studio, language, count, settings)
    if (preset, choices, time) == values[form.shown_times]:
        return {}
    return {
        form.shown_times: (preset, choices, time),
        form.settings.preset: gr.Radio(choices=choices, value=preset),
        form.settings.time: time,
    }


def _bind_suggestion(studio: Studio, form: Form) -> None:
    settings = form.settings
    settings.suggest.click(
        bind(studio, fill_in_word, form),
        [form.pictures.set_name, settings.kind, settings.controls["seed"]],
        [settings.initializer, settings.word_line],
        **HIDDEN,
    )


def _bind_times(studio: Studio, frame: Frame, form: Form) -> None:
    controls = form.settings.controls.values()
    gr.on(
        # `words_changed` also changes with the model, and each model has its own pace.
        [
            frame.demo.load,
            frame.words_changed.change,
            form.pictures.pictures.change,
            *(control.change for control in controls),
        ],
        bind(studio, show_times, form),
        {form.shown_times, form.pictures.set_name, *controls},
        [form.shown_times, form.settings.preset, form.settings.time],
        **QUIET,
    )
