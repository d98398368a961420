"""The lines below the form's settings: the token that a name becomes, and how long a run takes."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from typing import Any

from ti_core.errors import ConceptError, ConfigError, TokenNameError
from ti_core.prompts.names import token_for_name
from ti_core.training.pace import expected_seconds
from ui.server.people import Home
from ui.server.studio import Studio
from ui.tabs.train.presets import OWN, PRESETS, Values, preset_of, read_unnamed_config
from ui.texts import Language, duration, explain, say


def name_html(home: Home, language: Language, name: str) -> tuple[str, str | None]:
    """Say which token a name becomes, or why it is unusable; also return a free token if it is taken."""
    if not name.strip():
        return "", None
    try:
        token, free = token_for_name(name), home.library.free_token(name)
    except (TokenNameError, ConceptError) as error:
        return line_html(explain(language, error), wrong=True), None
    if token != free:
        return line_html(say(language, "train_name_taken", token=token), wrong=True), free
    return line_html(say(language, "train_name_becomes", token=token)), None


def preset_choices(
    studio: Studio, language: Language, pictures: int, values: Values
) -> list[tuple[str, str]]:
    """List the presets and the person's own settings, each with the longest time that it takes here."""
    offered = PRESETS if preset_of(values) in PRESETS else {**PRESETS, OWN: {}}
    choices = []
    for name, changed in offered.items():
        text = say(language, f"train_preset_{name}")
        if studio.slices is None:  # a lent GPU's pace is not known in advance
            time = _time(studio, language, pictures, values, changed)
            text = say(language, "train_preset_time", preset=text, time=time)
        choices.append((text, name))
    return choices


def time_html(studio: Studio, language: Language, pictures: int, values: Values) -> str:
    """Say how long the run takes at most, or what is wrong with a setting."""
    try:
        steps = read_unnamed_config(values).steps
    except ConfigError as error:
        return line_html(explain(language, error), wrong=True)
    if studio.slices is not None:
        return line_html(say(language, "train_time_slices", steps=steps))
    time = _time(studio, language, pictures, values, {})
    return line_html(say(language, "train_time", time=time, steps=steps))


def line_html(text: str, *, wrong: bool = False) -> str:
    """Render a line below a control; errors stand out."""
    kind = "train-line wrong" if wrong else "train-line"
    return f'<p class="{kind}" role="status">{html.escape(text)}</p>'


def _time(
    studio: Studio, language: Language, pictures: int, values: Values, changed: Mapping[str, Any]
) -> str:
    """Say the expected duration, given the runs already in training.

    Returns “…” if the model is not loaded, a setting is wrong, or the duration is unknown.
    """
    if studio.models.status.phase != "ready":
        return "…"
    _, pace = studio.models.wait()
    if pace is None:
        return "…"
    try:
        config = dataclasses.replace(read_unnamed_config(values), **changed)
    except ConfigError:
        return "…"
    together = 1 + studio.trainer.active()  # all runs share one batch
    return duration(language, together * expected_seconds(pace, config, max(pictures, 1)))
