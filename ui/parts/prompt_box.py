"""A prompt with the person's words as buttons below it, how long it is, and what is wrong with it.

The buttons work in the browser alone (``prompt_box.js``).
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import gradio as gr

from ti_core.errors import IncompatibleConceptError, PromptError, UnknownTokenError
from ti_core.model.text_encoding import CHUNK_TOKENS, TokenCount
from ti_core.prompts.checks import check_length, check_tokens
from ti_core.prompts.grammar import concept_tokens
from ti_core.words.concept import Concept
from ti_core.words.library import Library
from ui.frame import Frame
from ui.parts.events import QUIET, bind
from ui.parts.word_card import usable_words
from ui.server.studio import Studio
from ui.texts import Language, explain, label, language_of, no_word, say

SCRIPT = (Path(__file__).resolve().parent / "prompt_box.js").read_text(encoding="utf-8")
MAX_LENGTH = 4000  # characters of a prompt or a caption

Suggest = Callable[[Sequence[Concept]], Sequence[str]]
"""Whole prompts to try, for a person's words."""


def make_prompt(name: str) -> gr.Textbox:
    """The prompt of the tab ``name``, to be placed later: Enter draws, shift and Enter begins a line."""
    return gr.Textbox(
        "",
        label=label("drawing_prompt"),
        info=label("drawing_prompt_info"),
        placeholder=label("drawing_prompt_placeholder"),
        lines=1,
        max_lines=8,
        max_length=MAX_LENGTH,
        elem_id=f"{name}-prompt",
        render=False,
    )


def place_prompt(studio: Studio, frame: Frame, name: str, prompt: gr.Textbox, suggest: Suggest) -> None:
    """Place a prompt, what there is to say about it, and the person's words and some examples as buttons."""

    def list_words(studio: Studio, request: gr.Request) -> str:
        return for_box(
            f"{name}-prompt", words_html(language_of(request), fitting_words(studio, request), suggest)
        )

    def take_note(studio: Studio, request: gr.Request, text: str) -> str:
        return for_box(f"{name}-prompt", note_html(studio, request, text))

    prompt.render()
    note = gr.HTML(elem_id=f"{name}-note", elem_classes=["snug", "if-filled"], js_on_load=SCRIPT)
    words = gr.HTML(elem_id=f"{name}-words", elem_classes="snug", js_on_load=SCRIPT)
    gr.on(
        [frame.demo.load, frame.words_changed.change, prompt.focus],  # the model may be another by then
        bind(studio, list_words),
        None,
        words,
        **QUIET,
    )
    gr.on(
        [prompt.change, frame.words_changed.change],
        bind(studio, take_note),
        prompt,
        note,
        **QUIET,
    )


def all_words(library: Library) -> dict[str, Concept]:
    """The concepts of a library by their tokens, newest first."""
    return {entry.concept.token: entry.concept for entry in library.entries()[0]}


def concepts_in(words: Mapping[str, Concept], *prompts: str) -> tuple[Concept, ...]:
    """Those of the words whose tokens stand in the prompts, in that order.

    Raises :class:`UnknownTokenError` with the closest words, and :class:`PromptError`, also for a prompt of
    more than :data:`MAX_LENGTH`.
    """
    for prompt in prompts:
        check_length(prompt, MAX_LENGTH)
        check_tokens(prompt, words)
    return tuple(words[token] for token in concept_tokens("\n".join(prompts)))


def fitting_words(studio: Studio, request: gr.Request) -> list[Concept]:
    """A person's words, newest first: those of the model in use, or all while none is."""
    backbone = studio.models.backbone
    entries, _ = studio.home(request).library.entries()
    return list(usable_words(entries, backbone.base if backbone else None).values())


def words_html(language: Language, words: Sequence[Concept], suggest: Suggest) -> str:
    """Buttons: the words, which go in at the cursor, and whole prompts to try."""
    rows = ""
    if words:
        hint = f'<span class="hint" hidden>{html.escape(say(language, "drawing_tab_completes"))}</span>'
        tokens = "".join(chip(word.token, token=word.token) for word in words)
        rows = chip_row(tokens + hint, say(language, "drawing_your_words"))
    prompts = "".join(chip(prompt, prompt=prompt) for prompt in suggest(words))
    return rows + chip_row(prompts, say(language, "drawing_examples"))


def note_html(studio: Studio, request: gr.Request, prompt: str) -> str:
    """What is wrong with a prompt, with buttons to mend it; else its length, if a model is loaded."""
    language, backbone = language_of(request), studio.models.backbone
    try:
        concepts = concepts_in(all_words(studio.home(request).library) if "<" in prompt else {}, prompt)
    except UnknownTokenError as error:
        return "".join(_no_word(language, token, closest) for token, closest in error.unknown.items())
    except PromptError as error:
        return _problem(explain(language, error), [])
    if backbone is None or not prompt.strip():
        return ""
    for concept in concepts:
        try:
            concept.check_fits(backbone.base)
        except IncompatibleConceptError as error:
            fixes = [(say(language, "drawing_remove"), concept.token, "")]
            return _problem(explain(language, error), fixes)
    count = backbone.count_tokens(prompt, {concept.token: concept.vectors for concept in concepts})
    return f'<p class="prompt-length">{html.escape(_length(language, count))}</p>'


def _length(language: Language, count: TokenCount) -> str:
    if count.chunks == 1:
        return say(language, "drawing_tokens", count=count.tokens, most=CHUNK_TOKENS)
    return say(language, "drawing_chunks", count=count.tokens, chunks=count.chunks, most=CHUNK_TOKENS)


def _no_word(language: Language, token: str, closest: Sequence[str]) -> str:
    fixes = [(say(language, "drawing_use", token=known), token, known) for known in closest]
    return _problem(no_word(language, token, closest), [*fixes, (say(language, "drawing_remove"), token, "")])


def _problem(sentence: str, fixes: Sequence[tuple[str, str, str]]) -> str:
    """A sentence on what is wrong; each fix is a button's text, what it replaces, and by what."""
    buttons = "".join(chip(text, **{"replace": old, "with": new}) for text, old, new in fixes)
    return f'<p class="prompt-problem" role="alert">{html.escape(sentence)} {buttons}</p>'


def chip_row(chips: str, title: str = "") -> str:
    """Chips in a row, after a title if there is one."""
    return f'<div class="prompt-row">{f"<span>{html.escape(title)}</span>" if title else ""}{chips}</div>'


def chip(text: str, **data: str) -> str:
    """A button: ``prompt`` replaces what a box holds, ``token`` goes in at its cursor."""
    attributes = "".join(f' data-{name}="{html.escape(value)}"' for name, value in data.items())
    return f'<button type="button" class="chip"{attributes}>{html.escape(text)}</button>'


def for_box(name: str, content: str) -> str:
    """The content, with the ``name`` of the box that its chips write to."""
    return f'<div data-for="{name}">{content}</div>'
