"""The axes of a grid: the setting that each axis varies, and its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import gradio as gr

from ti_core.drawing.settings import GenerationSettings
from ti_core.prompts.grammar import concept_tokens, replace_token
from ti_core.training.runs import saved_steps
from ui.parts.controls import MAX_STEPS, read_list
from ui.server.errors import refusal
from ui.server.learned import find_training
from ui.server.studio import Studio
from ui.server.words import all_words, fitting_words
from ui.texts import Language

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
MAX_SUGGESTED = 5


@dataclass(frozen=True)
class Axis:
    """A setting and its values. The axis ``none`` has one value, which changes nothing."""

    name: AxisName
    values: tuple[Any, ...]

    @property
    def title(self) -> str:
        """The setting's name in English, for the contact sheet."""
        return self.name.replace("_", " ")

    def labels(self, title: str) -> list[str]:
        """Label each value; numbers are preceded by the title."""
        if self.name == "none":
            return [""]
        start = "" if self.name == "word" else title + " "
        return [start + (f"{value:g}" if isinstance(value, float) else str(value)) for value in self.values]


@dataclass(frozen=True)
class Cell:
    """The inputs of one picture of a grid; ``saved_step`` is a saved step of the prompt's first word."""

    settings: GenerationSettings
    strength: float
    saved_step: int | None = None

    def at(self, name: AxisName, value: Any) -> Cell:
        """Return the cell with another value for one setting."""
        if name == "strength":
            return replace(self, strength=value)
        if name == "saved_step":
            return replace(self, saved_step=value)
        settings = self.settings
        if name == "word":
            first = concept_tokens(settings.prompt)[0]
            settings = replace(settings, prompt=replace_token(settings.prompt, first, value))
        elif name == "guidance":
            settings = replace(settings, guidance_scale=value or None)  # 0 means None, as on the slider
        elif name == "steps":
            settings = replace(settings, steps=value)
        elif name == "seed":
            settings = replace(settings, seed=value)
        return replace(self, settings=settings)


def read_axis(language: Language, name: AxisName, text: str) -> Axis:
    """Read comma-separated values. Raises :class:`gr.Error` if there is none, or one is not a number."""
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


def suggest_values(
    studio: Studio, request: gr.Request, name: AxisName, prompt: str, seed: float | None
) -> str:
    """Suggest values of a setting, as a person would type them."""
    values: Sequence[object]
    if name == "seed":
        values = range(int(seed or 0), int(seed or 0) + 4)
    elif name == "word":
        values = [word.token for word in fitting_words(studio, request)[:MAX_SUGGESTED]]
    elif name == "saved_step":
        values = _saved_steps(studio, request, prompt)
    else:
        return SUGGESTED[name]
    return ", ".join(map(str, values))


def _saved_steps(studio: Studio, request: gr.Request, prompt: str) -> list[int]:
    """Return a few saved steps of the prompt's first word, including the first and the last."""
    home = studio.home(request)
    words = all_words(home.library)
    word = next((words[token] for token in concept_tokens(prompt) if token in words), None)
    run = find_training(home, word) if word else None
    steps = saved_steps(run) if run else []
    count = min(len(steps), MAX_SUGGESTED)
    return [steps[round(number * (len(steps) - 1) / max(count - 1, 1))] for number in range(count)]
