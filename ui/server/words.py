"""Select a visitor's words: all, those that the model in use can draw, or those that a prompt mentions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr

from ti_core.pictures.decode import open_picture
from ti_core.prompts.checks import check_length, check_tokens
from ti_core.prompts.grammar import concept_tokens
from ti_core.resources import ASSETS
from ti_core.words.concept import Concept
from ti_core.words.folder import load_concept, picture_files
from ti_core.words.library import Entry, Library
from ui.server.errors import refusal
from ui.server.studio import Studio
from ui.texts import language_of

MAX_PROMPT_LENGTH = 4000  # characters
READY_WORDS = ASSETS / "words"


def all_words(library: Library) -> dict[str, Concept]:
    """Return the concepts of a library by token, newest first."""
    return {entry.concept.token: entry.concept for entry in library.entries()[0]}


def can_draw(studio: Studio, concept: Concept) -> bool:
    """Whether a concept fits the model in use; while no model is loaded, every concept does."""
    backbone = studio.models.backbone
    return backbone is None or concept.base.fits(backbone.base)


def usable_words(studio: Studio, entries: Sequence[Entry]) -> dict[str, Concept]:
    """Return the concepts that the model in use can draw, by token, in the order of the entries."""
    return {entry.concept.token: entry.concept for entry in entries if can_draw(studio, entry.concept)}


def fitting_words(studio: Studio, request: gr.Request) -> list[Concept]:
    """Return the visitor's words that fit the model in use, newest first; all while no model is loaded."""
    entries, _ = studio.home(request).library.entries()
    return list(usable_words(studio, entries).values())


def concepts_in(words: Mapping[str, Concept], *prompts: str) -> tuple[Concept, ...]:
    """Return the words whose tokens occur in the prompts, in order of occurrence.

    Raises :class:`UnknownTokenError` with the closest words if a token is unknown, and :class:`PromptError`
    if a prompt is invalid or longer than :data:`MAX_PROMPT_LENGTH`.
    """
    for prompt in prompts:
        check_length(prompt, MAX_PROMPT_LENGTH)
        check_tokens(prompt, words)
    return tuple(words[token] for token in concept_tokens("\n".join(prompts)))


def take_ready_words(studio: Studio, request: gr.Request) -> list[Concept]:
    """Give the visitor those words that ship with the program and that the model in use can draw.

    Raises :class:`gr.Error` if the model can draw none of them.
    """
    library = studio.home(request).library
    own = {entry.concept.token for entry in library.entries()[0]}
    ready = {folder: load_concept(folder) for folder in sorted(READY_WORDS.iterdir())}
    fitting = {folder: concept for folder, concept in ready.items() if can_draw(studio, concept)}
    if not fitting:
        key = "cards_ready_nowhere" if studio.homes.shared else "cards_ready_elsewhere"
        raise refusal(language_of(request), key)
    for folder, concept in fitting.items():
        if concept.token not in own:
            library.add(concept, [open_picture(file)[0] for file in picture_files(folder)])
    return list(fitting.values())
