"""Let a visitor choose among their words, or get some if they have too few."""

from __future__ import annotations

import html
from collections.abc import Container, Sequence
from dataclasses import dataclass

import gradio as gr

from ti_core.words.library import Entry
from ui.frame import Frame, TabName
from ui.parts.events import QUIET
from ui.parts.word_card import cards_html, choice_card, place_cards
from ui.texts import Language, label, say


@dataclass(frozen=True)
class WordChooser:
    """The words as cards, a button that opens the Train tab, and one that adds ready-made words."""

    cards: gr.HTML
    teach: gr.Button
    ready: gr.Button


def place_chooser(frame: Frame, tab: TabName) -> WordChooser:
    cards = place_cards(f"{tab}-cards")
    with gr.Row(elem_id=f"{tab}-offers"):
        teach = gr.Button(
            label("cards_teach"), variant="primary", size="md", visible=False, elem_id=f"{tab}-teach"
        )
        ready = gr.Button(label("cards_ready"), size="md", min_width=240, elem_id=f"{tab}-ready")
    teach.click(lambda: (gr.Tabs(selected="train"), "train"), None, [frame.tabs, frame.tab], **QUIET)
    return WordChooser(cards, teach, ready)


def chooser_html(
    language: Language,
    hint: str,
    entries: Sequence[Entry],
    usable: Container[str],
    chosen: Container[str],
) -> str:
    """Render a hint and a card for each word; a word that is not ``usable`` is disabled and says why."""
    cards = cards_html(_card(language, entry, usable, chosen) for entry in entries)
    return f'<p class="cards-hint" role="status">{html.escape(hint)}</p>{cards}'


def _card(language: Language, entry: Entry, usable: Container[str], chosen: Container[str]) -> str:
    concept, is_usable = entry.concept, entry.concept.token in usable
    facts = say(language, f"cards_{concept.kind}")
    if not is_usable:
        facts = say(language, "cards_other_model", model=concept.base.id)
    return choice_card(
        concept.token,
        facts,
        entry.thumbnail,
        chosen=concept.token in chosen,
        disabled=not is_usable,
    )
