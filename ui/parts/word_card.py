"""A person's words as cards to choose from; those of another model are greyed, with the reason."""

from __future__ import annotations

import html
from collections.abc import Container, Sequence
from pathlib import Path

import gradio as gr

from ti_core.model.base import BaseModel
from ti_core.pictures.decode import open_picture
from ti_core.resources import ASSETS
from ti_core.words.concept import Concept
from ti_core.words.folder import load_concept, picture_files
from ti_core.words.library import Entry
from ui.frame import Frame
from ui.parts.events import QUIET
from ui.parts.thumbnails import thumbnail_uri
from ui.server.errors import refusal
from ui.server.studio import Studio
from ui.texts import Language, label, language_of, say

READY_WORDS = ASSETS / "words"

# Sent anew, the cards have lost the focus of the keyboard: the one that was clicked gets it back.
SCRIPT = """
let clicked = null;
element.addEventListener("click", (event) => {
  const card = event.target.closest("[data-token]");
  if (!card) return;
  clicked = card.dataset.token;
  trigger("select", { token: clicked });
});
watch("value", () => {
  if (clicked) element.querySelector(`[data-token="${CSS.escape(clicked)}"]`)?.focus();
  clicked = null;
});
"""


def place_cards(name: str) -> gr.HTML:
    """Where the cards of the tab ``name`` appear; :func:`clicked_token` reads its ``select`` event."""
    return gr.HTML(elem_id=f"{name}-cards", elem_classes="snug", js_on_load=SCRIPT)


def place_offers(frame: Frame, name: str) -> tuple[gr.Button, gr.Button]:
    """What the tab ``name`` offers: to teach a word, to a person who has too few, and to try with those that
    came with the program, to anyone."""
    with gr.Row(elem_id=f"{name}-offers"):
        teach = gr.Button(
            label("cards_teach"), variant="primary", size="md", visible=False, elem_id=f"{name}-teach"
        )
        ready = gr.Button(label("cards_ready"), size="md", min_width=240, elem_id=f"{name}-ready")
    teach.click(lambda: (gr.Tabs(selected="train"), "train"), None, [frame.tabs, frame.tab], **QUIET)
    return teach, ready


def take_ready_words(studio: Studio, request: gr.Request) -> list[Concept]:
    """The words that came with the program, where the model in use can draw them; the person has them now.

    Raises :class:`gr.Error` if it can draw none.
    """
    library, backbone = studio.home(request).library, studio.models.backbone
    own = {entry.concept.token for entry in library.entries()[0]}
    ready = {folder: load_concept(folder) for folder in sorted(READY_WORDS.iterdir())}
    fitting = {
        folder: concept
        for folder, concept in ready.items()
        if backbone is None or concept.base.fits(backbone.base)
    }
    if not fitting:
        key = "cards_ready_nowhere" if studio.homes.shared else "cards_ready_elsewhere"
        raise refusal(language_of(request), key)
    for folder, concept in fitting.items():
        if concept.token not in own:
            library.add(concept, [open_picture(file)[0] for file in picture_files(folder)])
    return list(fitting.values())


def clicked_token(event: gr.EventData) -> str:
    return str(event._data["token"])


def usable_words(entries: Sequence[Entry], base: BaseModel | None) -> dict[str, Concept]:
    """The words of the model in use, or all while none is loaded, by their tokens."""
    words = [entry.concept for entry in entries]
    return {word.token: word for word in words if base is None or word.base.fits(base)}


def cards_html(
    language: Language,
    hint: str,
    entries: Sequence[Entry],
    usable: Container[str],
    chosen: Container[str],
) -> str:
    """A sentence, and a button for each word with its first picture, its token and its kind."""
    cards = "".join(
        _card(language, entry, entry.concept.token in usable, entry.concept.token in chosen)
        for entry in entries
    )
    sentence = f'<p class="cards-hint" role="status">{html.escape(hint)}</p>'
    return f'{sentence}<div class="word-cards">{cards}</div>' if cards else sentence


def _card(language: Language, entry: Entry, usable: bool, chosen: bool) -> str:
    concept = entry.concept
    note = say(language, f"cards_{concept.kind}")
    if not usable:
        note = say(language, "cards_other_model", model=concept.base.id)
    pressed, disabled = "true" if chosen else "false", "" if usable else " disabled"
    token = html.escape(concept.token)
    return (
        f'<button type="button" class="word-card" data-token="{token}" aria-pressed="{pressed}"{disabled}>'
        f"{_picture(entry.thumbnail)}<b>{token}</b><small>{html.escape(note)}</small></button>"
    )


def _picture(thumbnail: Path | None) -> str:
    source = thumbnail_uri(thumbnail) if thumbnail else ""
    return f'<img src="{source}" alt="">' if source else '<span class="no-picture"></span>'
