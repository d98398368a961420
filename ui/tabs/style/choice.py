"""The choice of the word whose style is used."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from ui.parts.word_chooser import chooser_html
from ui.server.studio import Studio
from ui.server.words import take_ready_words, usable_words
from ui.texts import language_of, say


@dataclass(frozen=True)
class StyleChoice:
    """The token of the word whose style is used, "" for none yet.

    ``cards`` shows all words, of which ``usable`` can be chosen and ``styles`` are styles.
    """

    cards: str
    token: str
    usable: int
    styles: int


def choose_style(studio: Studio, request: gr.Request, token: str) -> StyleChoice:
    """Choose the word with this token if it is usable, else the newest style; list styles before things."""
    entries, _ = studio.home(request).library.entries()
    entries.sort(key=lambda entry: entry.concept.kind != "style")
    usable = usable_words(studio, entries)
    styles = [word.token for word in usable.values() if word.kind == "style"]
    if token not in usable:
        token = styles[0] if styles else ""
    key = "style_choose" if styles else "style_no_style" if usable else "style_none"
    hint = say(language_of(request), key)
    cards = chooser_html(language_of(request), hint, entries, usable, [token])
    return StyleChoice(cards, token, len(usable), len(styles))


def choose_ready_style(studio: Studio, request: gr.Request) -> StyleChoice:
    """Choose the style that ships with the program. Raises the errors of :func:`take_ready_words`."""
    words = take_ready_words(studio, request)
    return choose_style(studio, request, next((word.token for word in words if word.kind == "style"), ""))
