"""A visitor's words: all of them, those that the model in use can draw, and those that a prompt mentions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr

from ti_core.model.base import BaseModel
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
    """The concepts of a library by their tokens, newest first."""
    return {entry.concept.token: entry.concept for entry in library.entries()[0]}


def usable_words(entries: Sequence[Entry], base: BaseModel | None) -> dict[str, Concept]:
    """The concepts that fit a model, or all of them if it is None, by their tokens."""
    words = [entry.concept for entry in entries]
    return {word.token: word for word in words if base is None or word.base.fits(base)}


def fitting_words(studio: Studio, request: gr.Request) -> list[Concept]:
    """The visitor's words that fit the model in use, newest first; all of them while none is loaded."""
    backbone = studio.models.backbone
    entries, _ = studio.home(request).library.entries()
    return list(usable_words(entries, backbone.base if backbone else None).values())


def concepts_in(words: Mapping[str, Concept], *prompts: str) -> tuple[Concept, ...]:
    """The words whose tokens stand in the prompts, in the order in which they do.

    Raises :class:`UnknownTokenError` with the closest words, and :class:`PromptError`, also for a prompt of
    more than :data:`MAX_PROMPT_LENGTH`.
    """
    for prompt in prompts:
        check_length(prompt, MAX_PROMPT_LENGTH)
        check_tokens(prompt, words)
    return tuple(words[token] for token in concept_tokens("\n".join(prompts)))


def take_ready_words(studio: Studio, request: gr.Request) -> list[Concept]:
    """Give the visitor the words that come with the program, as far as the model in use can draw them.

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
