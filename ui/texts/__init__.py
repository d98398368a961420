"""All texts of the page.

Each part of the page has a module here with its English texts by key; the catalogues of the other languages
use the same keys (:mod:`ti_core.languages`). Static texts are translated in the browser (:func:`label`),
texts that the server composes on the server (:func:`say`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ti_core.errors import OneWordError, UnknownTokenError
from ti_core.languages import choose_language, languages, tell, translator
from ti_core.messages import either, in_words
from ui.texts import compose, drawing, frame, generate, hub, library, style, train, verdicts

Language = str
"""The code of a language that the program speaks, such as ``en``."""

TEXTS: dict[str, str] = {
    key: text
    for part in (frame, library, hub, drawing, train, generate, compose, style, verdicts)
    for key, text in part.TEXTS.items()
}
"""The English texts by their keys."""


def page_text(language: Language, key: str) -> str:
    """Return the text of a key with unfilled ``{placeholders}``."""
    return translator(language)(TEXTS[key], key)


label = gr.I18n(**{language: {key: page_text(language, key) for key in TEXTS} for language in languages()})
"""``label(key)``: a text that the browser translates; also what ``launch(i18n=...)`` takes."""


def say(language: Language, key: str, **values: Any) -> str:
    """Return the text of a key with its ``{placeholders}`` filled in."""
    translate = translator(language)
    words = {name: in_words(value, translate) for name, value in values.items()}
    return page_text(language, key).format(**words)


def explain(language: Language, error: OneWordError) -> str:
    """Return the core's error message in the reader's language; the page calls concepts “words”."""
    if isinstance(error, UnknownTokenError):
        return " ".join(no_word(language, token, closest) for token, closest in error.unknown.items())
    return tell(language, error)


def no_word(language: Language, token: str, closest: Sequence[str]) -> str:
    """Say that there is no such word and what to do; ``closest`` are the likely intended words."""
    if not closest:
        return say(language, "drawing_no_word", token=token)
    return say(language, "drawing_no_word_but", token=token, closest=either(closest))


def duration(language: Language, seconds: float) -> str:
    """Format a duration, such as “40 s”, “3 min” or “2.5 h”."""
    if seconds < 90:
        return say(language, "frame_seconds", seconds=max(1, seconds))
    if seconds < 90 * 60:
        return say(language, "frame_minutes", minutes=seconds / 60)
    return say(language, "frame_hours", hours=seconds / 3600)


def language_of(request: gr.Request) -> Language:
    """Return the language chosen in the page's address, ``?lang=ja``, else the browser's preferred one."""
    accepted = request.headers.get("accept-language", "")  # browsers list them by preference
    wishes = [entry.partition(";")[0].strip() for entry in accepted.split(",")]
    return choose_language([request.query_params.get("lang", ""), *wishes])
