"""A word as a card: its picture, its name, and a line of facts.

Every list of words on the page consists of these cards: in Compose and Style, in the drawer, and in the
search results of the Hub. A click on a card's button sends a ``select`` event with the word's name
(``word_card.js``): its repository for a word on the Hub, otherwise its token.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path

import gradio as gr

from ui.parts.thumbnails import thumbnail_uri

CARDS_SCRIPT = (Path(__file__).resolve().parent / "word_card.js").read_text(encoding="utf-8")


def place_cards(elem_id: str) -> gr.HTML:
    """Place a list of cards; :func:`clicked_word` reads its ``select`` event."""
    return gr.HTML(elem_id=elem_id, elem_classes="snug", js_on_load=CARDS_SCRIPT, apply_default_css=False)


def clicked_word(event: gr.EventData) -> str:
    return str(event.word)


def cards_html(cards: Iterable[str], new: int | None = None) -> str:
    """Put cards into a list, "" for none; the card numbered ``new`` is marked as the first new one."""
    items = "".join(
        f"<li{' class=new' if number == new else ''}>{card}</li>" for number, card in enumerate(cards)
    )
    return f'<ul class="word-cards">{items}</ul>' if items else ""


def choice_card(
    token: str,
    facts: str,
    thumbnail: Path | None,
    *,
    alt: str = "",
    chosen: bool = False,
    greyed: bool = False,
    disabled: bool = False,
) -> str:
    """Render a word to choose: the whole card is a button.

    ``alt`` describes the picture. A ``disabled`` card is greyed out and cannot be chosen.
    """
    picture = picture_html(thumbnail_uri(thumbnail) if thumbnail else "", alt)
    return (
        f'<button type="button" class="word-card{" greyed" if greyed or disabled else ""}" '
        f'data-word="{html.escape(token)}" aria-pressed="{"true" if chosen else "false"}"'
        f"{' disabled' if disabled else ''}>"
        f'{picture}<span class="about"><b>{html.escape(token)}</b><small>{html.escape(facts)}</small></span>'
        "</button>"
    )


def link_card(name: str, facts: str, picture: str, *, address: str, look: str, act: str, act_on: str) -> str:
    """Render a word from elsewhere: its name links to its page, and a button fetches it.

    ``look`` is the accessible name of the link and ``act_on`` that of the button; both contain the word's
    name. ``act`` is the button's visible label.
    """
    link = (
        f'<a href="{html.escape(address)}" target="_blank" rel="noopener" aria-label="{html.escape(look)}">'
        f"{html.escape(name)}</a>"
    )
    button = (
        f'<button type="button" data-word="{html.escape(name)}" '
        f'aria-label="{html.escape(act_on)}">{html.escape(act)}</button>'
    )
    return (
        f'<div class="word-card">{picture_html(picture)}'
        f'<span class="about"><b>{link}</b><small>{html.escape(facts)}</small>{button}</span></div>'
    )


def picture_html(source: str, alt: str = "") -> str:
    """Render the picture at an address, or a placeholder without an address."""
    if not source:
        return '<span class="picture"></span>'
    return (
        f'<img src="{html.escape(source)}" alt="{html.escape(alt)}" class="picture" loading="lazy" '
        'referrerpolicy="no-referrer">'
    )
