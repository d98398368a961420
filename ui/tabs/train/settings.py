"""The settings of the form: name, kind, initial word and preset; all others in a closed accordion."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ti_core.config import KINDS, MAX_VECTORS, TrainingConfig
from ui.frame import Frame
from ui.parts.events import HIDDEN, Updates, bind
from ui.server.studio import Studio
from ui.tabs.train.presets import DEFAULT_PRESET, OWN, PRESET_FIELDS, PRESETS, UNNAMED
from ui.tabs.train.settings_view import name_html
from ui.texts import label, language_of, say

TIGHT = "train-html"  # without a frame's padding, and hidden while empty

Control = gr.Textbox | gr.Radio | gr.Number | gr.Slider | gr.Dropdown | gr.Checkbox

_DEFAULTS = dataclasses.replace(TrainingConfig(UNNAMED), **PRESETS[DEFAULT_PRESET])


@dataclass(frozen=True)
class SettingsPart:
    """The components of this part: a control for each field of the configuration, and their surroundings."""

    controls: Mapping[str, Control]
    name_line: gr.HTML
    use_free: gr.Button
    suggest: gr.Button
    word_line: gr.HTML
    preset: gr.Radio
    time: gr.HTML

    @property
    def token(self) -> Control:
        return self.controls["token"]

    @property
    def kind(self) -> Control:
        return self.controls["kind"]

    @property
    def initializer(self) -> Control:
        return self.controls["initializer"]

    def read(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """Pick the controls' values, by field, from the values that a handler gets by component."""
        return {field: values[control] for field, control in self.controls.items()}


def place_settings() -> SettingsPart:
    """Place the part of the form with a word's name and settings."""
    with gr.Row():
        with gr.Column(min_width=240, elem_classes="train-cell"):
            token = _text("token", placeholder="our-cat")
            name_line = gr.HTML(elem_classes=TIGHT)
            use_free = gr.Button(visible=False, size="sm")
        with gr.Column(min_width=240, elem_classes="train-cell"):
            kind = _radio("kind", KINDS)
        with gr.Column(min_width=240, elem_classes="train-cell"):
            initializer = _text("initializer", value=_DEFAULTS.initializer)
            suggest = gr.Button(label("train_suggest"), size="sm")
            word_line = gr.HTML(elem_classes=TIGHT)
    preset = gr.Radio(
        [(label(f"train_preset_{name}"), name) for name in PRESETS],
        value=DEFAULT_PRESET,
        label=label("train_preset"),
        info=label("train_preset_info"),
    )
    with gr.Accordion(label("train_settings"), open=False):
        others = _other_controls()
    time = gr.HTML(elem_classes=TIGHT)
    return SettingsPart(
        controls={"token": token, "kind": kind, "initializer": initializer, **others},
        name_line=name_line,
        use_free=use_free,
        suggest=suggest,
        word_line=word_line,
        preset=preset,
        time=time,
    )


def bind_settings(studio: Studio, frame: Frame, part: SettingsPart) -> None:
    """Bind the events of the name and of the presets."""
    gr.on(
        [part.token.change, frame.words_changed.change],
        bind(studio, show_name, part),
        part.token,
        [part.name_line, part.use_free],
        trigger_mode="always_last",
        **HIDDEN,
    )
    part.use_free.click(bind(studio, take_free_name, part), part.token, [part.token], **HIDDEN)
    preset_controls = [part.controls[field] for field in PRESET_FIELDS]
    part.preset.input(bind(studio, apply_preset, part), part.preset, preset_controls, **HIDDEN)


def show_name(studio: Studio, request: gr.Request, part: SettingsPart, name: str) -> Updates:
    """Show the token that the name becomes, and offer a free one if it is taken."""
    language = language_of(request)
    line, free = name_html(studio.home(request), language, name)
    text = say(language, "train_use_free", token=free) if free else ""
    return {part.name_line: line, part.use_free: gr.Button(text, visible=free is not None)}


def take_free_name(studio: Studio, request: gr.Request, part: SettingsPart, name: str) -> Updates:
    return {part.token: studio.home(request).library.free_token(name)[1:-1]}


def apply_preset(studio: Studio, request: gr.Request, part: SettingsPart, name: str) -> Updates:
    """Set the controls to the preset; change nothing for the person's own settings."""
    if name == OWN:
        return {}
    return {part.controls[field]: value for field, value in PRESETS[name].items()}


def _other_controls() -> dict[str, Control]:
    """Place a control for every setting except the name, the kind and the initial word."""
    controls: dict[str, Control] = {}
    with gr.Row():
        controls["steps"] = _whole("steps")
        controls["batch_size"] = _whole("batch_size")
        controls["gradient_accumulation"] = _whole("gradient_accumulation")
    with gr.Row():
        controls["vectors"] = gr.Slider(1, MAX_VECTORS, _DEFAULTS.vectors, step=1, **_labels("vectors"))
        controls["seed"] = _whole("seed")
        controls["preview_every"] = _whole("preview_every")
    with gr.Row():
        controls["learning_rate"] = _optional("learning_rate")
        controls["lr_schedule"] = _choice("lr_schedule", ("constant", "linear", "cosine"))
        controls["lr_warmup_steps"] = _whole("lr_warmup_steps")
    with gr.Row():
        controls["stop"] = _choice("stop", ("auto", "never"))
        controls["stop_window"] = _whole("stop_window")
        controls["stop_threshold"] = gr.Number(
            _DEFAULTS.stop_threshold, step=0.01, **_labels("stop_threshold")
        )
    with gr.Row():
        controls["eval_every"] = _whole("eval_every")
        controls["eval_rows"] = _whole("eval_rows")
        controls["checkpoint_every"] = _whole("checkpoint_every")
    with gr.Row():
        controls["max_grad_norm"] = _optional("max_grad_norm")
        controls["norm_control"] = _choice("norm_control", ("free", "fixed"))
    with gr.Row():
        controls["snr_gamma"] = _optional("snr_gamma")
        controls["timestep_bias"] = _optional("timestep_bias")
    with gr.Row():
        controls["flip"] = _switch("flip")
        controls["use_mask"] = _switch("use_mask")
        controls["gradient_checkpointing"] = _switch("gradient_checkpointing")
    return controls


def _labels(name: str) -> dict[str, Any]:
    return {"label": label(f"train_{name}"), "info": label(f"train_{name}_info")}


def _text(name: str, value: str | None = None, placeholder: str | None = None) -> gr.Textbox:
    return gr.Textbox(value, placeholder=placeholder, max_lines=1, **_labels(name))


def _radio(name: str, choices: Sequence[str]) -> gr.Radio:
    return gr.Radio(_choices(name, choices), value=getattr(_DEFAULTS, name), **_labels(name))


def _choice(name: str, choices: Sequence[str]) -> gr.Dropdown:
    value = getattr(_DEFAULTS, name)
    return gr.Dropdown(_choices(name, choices), value=value, min_width=180, **_labels(name))


def _choices(name: str, choices: Sequence[str]) -> list[tuple[Any, str]]:
    return [(label(f"train_{name}_{choice}"), choice) for choice in choices]


def _whole(name: str) -> gr.Number:
    return gr.Number(getattr(_DEFAULTS, name), precision=0, min_width=180, **_labels(name))


def _optional(name: str) -> gr.Number:
    """Place a number whose value 0 means the program's choice: Gradio shows an empty box as 0 as well."""
    return gr.Number(0, min_width=180, **_labels(name))


def _switch(name: str) -> gr.Checkbox:
    return gr.Checkbox(getattr(_DEFAULTS, name), min_width=180, **_labels(name))
