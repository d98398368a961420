"""Everything the page says, in English and Japanese.

Each part of the page has a module here with two tables of the same keys, ``EN`` and ``JA``. What stands
still is translated in the browser (:func:`label`); what the server composes, on the server (:func:`say`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import gradio as gr

from ti_core.errors import OneWordError, UnknownTokenError
from ui.texts import compose, drawing, frame, generate, hub, library, style, train, verdicts
from ui.texts.core import in_japanese

Language = Literal["en", "ja"]
PARTS = (frame, library, hub, drawing, train, generate, compose, style, verdicts)

TEXTS: dict[Language, dict[str, str]] = {
    "en": {key: text for part in PARTS for key, text in part.EN.items()},
    "ja": {key: text for part in PARTS for key, text in part.JA.items()},
}
OR: dict[Language, str] = {"en": " or ", "ja": "、"}
label = gr.I18n(**TEXTS)
"""``label(key)``: a text that the browser translates; also what ``launch(i18n=...)`` takes."""


def say(language: Language, key: str, **values: object) -> str:
    """The text of a key with its ``{placeholders}`` filled in."""
    return TEXTS[language][key].format(**values)


def explain(language: Language, error: OneWordError) -> str:
    """What the core says of an error, in the reader's language; its concepts are the page's words."""
    if isinstance(error, UnknownTokenError):
        return " ".join(no_word(language, token, closest) for token, closest in error.unknown.items())
    return translate(language, str(error))


def no_word(language: Language, token: str, closest: Sequence[str]) -> str:
    """That there is no such word, and what to do; ``closest`` are those that may be meant."""
    if not closest:
        return say(language, "drawing_no_word", token=token)
    return say(language, "drawing_no_word_but", token=token, closest=OR[language].join(closest))


def translate(language: Language, message: str) -> str:
    """A sentence of the core in the reader's language."""
    return message if language == "en" else in_japanese(message) or message


def duration(language: Language, seconds: float) -> str:
    """Such as “40 s”, “3 min” or “2.5 h”."""
    if seconds < 90:
        return say(language, "frame_seconds", seconds=max(1, seconds))
    if seconds < 90 * 60:
        return say(language, "frame_minutes", minutes=seconds / 60)
    return say(language, "frame_hours", hours=seconds / 3600)


def language_of(request: gr.Request) -> Language:
    """The language chosen in the page's address, ``?lang=ja``, else the one that the browser asks for."""
    chosen = request.query_params.get("lang", "").split("-")[0].lower()
    if chosen in TEXTS:
        return chosen
    accepted = request.headers.get("accept-language", "")
    for entry in accepted.split(","):  # browsers list them by preference
        language = entry.split(";")[0].strip().split("-")[0].lower()
        if language in TEXTS:
            return language
    return "en"
