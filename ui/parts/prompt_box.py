"""A prompt box: the visitor's words as buttons below it, the prompt's length, and its problems.

The buttons work in the browser alone (``prompt_box.js``).
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from ti_core.errors import IncompatibleConceptError, PromptError, UnknownTokenError
from ti_core.model.text_encoding import CHUNK_TOKENS, TokenCount
from ti_core.words.concept import Concept
from ui.frame import Frame, TabName
from ui.parts.events import QUIET, bind
from ui.server.studio import Studio
from ui.server.words import MAX_PROMPT_LENGTH, all_words, concepts_in, fitting_words
from ui.texts import Language, explain, label, language_of, no_word, say

CHIPS_SCRIPT = (Path(__file__).resolve().parent / "prompt_box.js").read_text(encoding="utf-8")

SuggestPrompts = Callable[[Sequence[Concept]], Sequence[str]]
"""Makes whole prompts to try from the visitor's words."""


def make_prompt(tab: TabName) -> gr.Textbox:
    """Create a tab's prompt, to be placed later: Enter draws, Shift+Enter begins a new line."""
    return gr.Textbox(
        "",
        label=label("drawing_prompt"),
        info=label("drawing_prompt_info"),
        placeholder=label("drawing_prompt_placeholder"),
        lines=1,
        max_lines=8,
        max_length=MAX_PROMPT_LENGTH,
        elem_id=f"{tab}-prompt",
        render=False,
    )


def place_note(studio: Studio, frame: Frame, tab: TabName, prompt: gr.Textbox) -> None:
    """Place the note on a tab's prompt; it is updated with the prompt and the words."""
    note = gr.HTML(elem_id=f"{tab}-note", elem_classes=["snug", "if-filled"], js_on_load=CHIPS_SCRIPT)
    changes = [prompt.change, frame.words_changed.change]
    gr.on(changes, bind(studio, take_note, tab), prompt, note, **QUIET)


def place_words(
    studio: Studio, frame: Frame, tab: TabName, prompt: gr.Textbox, suggest: SuggestPrompts
) -> None:
    """Place buttons that write the visitor's words, or whole prompts to try, into a tab's prompt."""
    words = gr.HTML(elem_id=f"{tab}-words", elem_classes="snug", js_on_load=CHIPS_SCRIPT)
    # Update on focus too: the model may have changed meanwhile.
    changes = [frame.demo.load, frame.words_changed.change, prompt.focus]
    gr.on(changes, bind(studio, list_words, tab, suggest), None, words, **QUIET)


def take_note(studio: Studio, request: gr.Request, tab: TabName, prompt: str) -> str:
    return chips_for(f"{tab}-prompt", note_html(studio, request, prompt))


def list_words(studio: Studio, request: gr.Request, tab: TabName, suggest: SuggestPrompts) -> str:
    buttons = words_html(language_of(request), fitting_words(studio, request), suggest)
    return chips_for(f"{tab}-prompt", buttons)


def words_html(language: Language, words: Sequence[Concept], suggest: SuggestPrompts) -> str:
    """Render two rows of buttons: words to insert at the cursor, and whole prompts to try."""
    rows = ""
    if words:
        hint = f'<span class="hint" hidden>{html.escape(say(language, "drawing_tab_completes"))}</span>'
        tokens = "".join(chip(word.token, token=word.token) for word in words)
        rows = chip_row(tokens + hint, say(language, "drawing_your_words"))
    prompts = "".join(chip(prompt, prompt=prompt) for prompt in suggest(words))
    return rows + chip_row(prompts, say(language, "drawing_examples"))


def note_html(studio: Studio, request: gr.Request, prompt: str) -> str:
    """Say what is wrong with a prompt, with buttons to fix it; else its length, if a model is loaded."""
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
    """Render a problem and a button for each fix: its label, the text to replace, and the replacement."""
    buttons = "".join(chip(text, **{"replace": old, "with": new}) for text, old, new in fixes)
    return f'<p class="prompt-problem" role="alert">{html.escape(sentence)} {buttons}</p>'


def chip_row(chips: str, title: str = "") -> str:
    """Put chips in a row, after the title if there is one."""
    return f'<div class="prompt-row">{f"<span>{html.escape(title)}</span>" if title else ""}{chips}</div>'


def chip(text: str, **data: str) -> str:
    """Render a button that writes into a box: a ``prompt`` replaces its text, a ``token`` is inserted."""
    attributes = "".join(f' data-{name}="{html.escape(value)}"' for name, value in data.items())
    return f'<button type="button" class="chip"{attributes}>{html.escape(text)}</button>'


def chips_for(box: str, content: str) -> str:
    """Wrap the chips in ``content`` with the id of the box that they write to."""
    return f'<div data-for="{box}">{content}</div>'
