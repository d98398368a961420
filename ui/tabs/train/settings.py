"""How a word is learned: its name, the presets, and a control for every setting of a run."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from ti_core.config import MAX_VECTORS, TrainingConfig
from ti_core.errors import ConceptError, ConfigError, TokenNameError
from ti_core.prompts.names import token_for_name
from ti_core.training.pace import expected_seconds
from ui.server.people import Home
from ui.server.studio import Studio
from ui.texts import Language, duration, explain, label, say

FIELDS = tuple(field.name for field in dataclasses.fields(TrainingConfig))
"""The order in which the page hands the settings on."""
OPTIONAL = ("learning_rate", "max_grad_norm", "snr_gamma", "timestep_bias")
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"steps": 100, "batch_size": 4, "stop": "never", "preview_every": 20},
    "balanced": {"steps": 300, "batch_size": 4, "stop": "auto", "preview_every": 40},
    "thorough": {"steps": 1000, "batch_size": 8, "stop": "auto", "preview_every": 160},
}
"""What each preset sets; the previews come with an evaluation, so that their vectors can be kept."""
DEFAULT_PRESET = "balanced"
OWN = "own"  # in place of a preset, for settings that are none
PRESET_FIELDS = ("steps", "batch_size", "stop", "preview_every")
UNNAMED = "word"  # stands for a name that is not written yet

Control = gr.Textbox | gr.Radio | gr.Number | gr.Slider | gr.Dropdown | gr.Checkbox

_DEFAULTS = dataclasses.replace(TrainingConfig(UNNAMED), **PRESETS[DEFAULT_PRESET])


def config_controls() -> dict[str, Control]:
    """Place a control for every setting but the name, the kind and the initial word, which stand alone."""
    controls: dict[str, Control] = {}
    with gr.Row():
        controls["steps"] = _whole("steps")
        controls["batch_size"] = _whole("batch_size")
        controls["gradient_accumulation"] = _whole("gradient_accumulation")
    with gr.Row():
        controls["vectors"] = gr.Slider(
            1,
            MAX_VECTORS,
            _DEFAULTS.vectors,
            step=1,
            label=label("train_vectors"),
            info=label("train_vectors_info"),
        )
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
            _DEFAULTS.stop_threshold,
            step=0.01,
            label=label("train_stop_threshold"),
            info=label("train_stop_threshold_info"),
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


def read_config(values: Sequence[Any]) -> TrainingConfig:
    """The controls' values, in the order of :data:`FIELDS`; of :data:`OPTIONAL` ones 0 stands for none.

    Raises :class:`ConfigError` or :class:`TokenNameError` for one that cannot work.
    """
    settings = dict(zip(FIELDS, values, strict=True))
    return TrainingConfig(**settings | {name: settings[name] or None for name in OPTIONAL})


def name_html(home: Home, language: Language, name: str) -> tuple[str, str | None]:
    """What a name becomes, or why it cannot be used; with a free token where that one is taken."""
    if not name.strip():
        return "", None
    try:
        token, free = token_for_name(name), home.library.free_token(name)
    except (TokenNameError, ConceptError) as error:
        return line_html(explain(language, error), wrong=True), None
    if token != free:
        return line_html(say(language, "train_name_taken", token=token), wrong=True), free
    return line_html(say(language, "train_name_becomes", token=token)), None


def preset_of(values: Sequence[Any]) -> str:
    """The preset that the settings are, :data:`OWN` if they are none."""
    settings = dict(zip(FIELDS, values, strict=True))
    return next((name for name, preset in PRESETS.items() if preset.items() <= settings.items()), OWN)


def preset_choices(
    studio: Studio, language: Language, pictures: int, values: Sequence[Any]
) -> list[tuple[str, str]]:
    """The presets, and settings that are none of them, each with the minutes that it takes on this machine at
    most."""
    offered = PRESETS if preset_of(values) in PRESETS else {**PRESETS, OWN: {}}
    if studio.slices is not None:  # how long a lent GPU takes is not known before
        return [(say(language, f"train_preset_{name}"), name) for name in offered]
    return [
        (
            say(
                language,
                "train_preset_time",
                preset=say(language, f"train_preset_{name}"),
                time=_time(studio, language, pictures, values, preset),
            ),
            name,
        )
        for name, preset in offered.items()
    ]


def time_html(studio: Studio, language: Language, pictures: int, values: Sequence[Any]) -> str:
    """How long the run as it is set takes at most, or what is wrong with a setting."""
    try:
        steps = _named(values).steps
    except ConfigError as error:
        return line_html(explain(language, error), wrong=True)
    if studio.slices is not None:
        return line_html(say(language, "train_time_slices", steps=steps))
    time = _time(studio, language, pictures, values, {})
    return line_html(say(language, "train_time", time=time, steps=steps))


def _time(
    studio: Studio,
    language: Language,
    pictures: int,
    values: Sequence[Any],
    changed: Mapping[str, Any],
) -> str:
    """The expected duration beside those who train already, “…” while the model is not loaded, a setting is
    wrong, or nobody knows."""
    if studio.models.status.phase != "ready":
        return "…"
    _, pace = studio.models.wait()
    if pace is None:
        return "…"
    try:
        config = dataclasses.replace(_named(values), **changed)
    except ConfigError:
        return "…"
    together = 1 + studio.trainer.active()  # whose rows go through the model in one batch
    return duration(language, together * expected_seconds(pace, config, max(pictures, 1)))


def _named(values: Sequence[Any]) -> TrainingConfig:
    """The settings under a name that is fine, whatever the name so far."""
    token, *others = values
    return read_config([UNNAMED, *others])


def line_html(text: str, *, wrong: bool = False) -> str:
    """A line below a control; what is wrong stands out."""
    kind = "train-line wrong" if wrong else "train-line"
    return f'<p class="{kind}" role="status">{html.escape(text)}</p>'


def _whole(name: str) -> gr.Number:
    return gr.Number(
        getattr(_DEFAULTS, name),
        precision=0,
        label=label(f"train_{name}"),
        info=label(f"train_{name}_info"),
        min_width=180,
    )


def _optional(name: str) -> gr.Number:
    """A number that 0 leaves to the program: a box that is empty would show 0 as well."""
    return gr.Number(
        0,
        label=label(f"train_{name}"),
        info=label(f"train_{name}_info"),
        min_width=180,
    )


def _choice(name: str, choices: Sequence[str]) -> gr.Dropdown:
    return gr.Dropdown(
        [(label(f"train_{name}_{choice}"), choice) for choice in choices],
        value=getattr(_DEFAULTS, name),
        label=label(f"train_{name}"),
        info=label(f"train_{name}_info"),
        min_width=180,
    )


def _switch(name: str) -> gr.Checkbox:
    return gr.Checkbox(
        getattr(_DEFAULTS, name),
        label=label(f"train_{name}"),
        info=label(f"train_{name}_info"),
        min_width=180,
    )
