"""The drawer with the visitor's words: find and choose a word, import others, restore a deleted one."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.blocks import Block

from ti_core.errors import ConceptError
from ti_core.languages import tell
from ti_core.messages import renamed
from ti_core.model.backbone import Backbone
from ti_core.words.concept import Concept
from ti_core.words.library import Entry, Imported
from ui.drawer import hub
from ui.drawer.word import WordPanel, bind_word, place_word, show_word
from ui.frame import Frame
from ui.parts.events import HIDDEN, QUIET, Updates, bind, bind_event
from ui.parts.word_card import cards_html, choice_card, clicked_word, place_cards
from ui.server.studio import Studio
from ui.texts import Language, label, language_of, say


@dataclass(frozen=True)
class UndoBar:
    """The components that restore the last deleted word; ``deleted`` is its token."""

    deleted: gr.State
    row: gr.Row
    text: gr.HTML
    button: gr.Button

    @property
    def outputs(self) -> list[Block]:
        return [self.deleted, self.row, self.text]


@dataclass(frozen=True)
class WordList:
    """The words that match the search, or, for a visitor without words, a way to learn the first."""

    search: gr.Textbox
    cards: gr.HTML
    teach: gr.Button

    @property
    def outputs(self) -> list[Block]:
        """The components that :func:`list_words` updates."""
        return [self.cards, self.teach]


def build(studio: Studio, frame: Frame) -> None:
    """Place the drawer, and keep it up to date."""
    gr.HTML(f"<h2>{label('library_title')}</h2>")
    bar = place_undo()
    words = place_list()
    panel = place_word()
    upload = gr.UploadButton(
        label("library_import"),  # type: ignore[arg-type]  # Gradio takes it here too
        size="sm",
        elem_id="words-import",
    )
    hub.build(studio, frame)
    bind_list(studio, frame, words, panel)
    bind_word(studio, frame, panel)
    bind_changes(studio, frame, bar, panel, upload)


def place_undo() -> UndoBar:
    with gr.Row(visible=False, elem_id="words-undo") as row:
        text = gr.HTML()
        button = gr.Button(label("library_undo"), size="sm", elem_id="words-undo-button")
    return UndoBar(gr.State(""), row, text, button)


def place_list() -> WordList:
    search = gr.Textbox(
        label=label("library_search"),
        placeholder=label("library_search_what"),
        container=False,
        max_length=200,
        elem_id="words-search",
    )
    cards = place_cards("words-cards")
    teach = gr.Button(label("library_teach"), visible=False, variant="primary", elem_id="words-teach")
    return WordList(search, cards, teach)


def bind_list(studio: Studio, frame: Frame, words: WordList, panel: WordPanel) -> None:
    """List the words and show the chosen one whenever the words, the search or the choice changes."""
    gr.on(
        [frame.demo.load, frame.words_changed.change, words.search.change],
        bind(studio, list_words, words),
        [words.search, panel.chosen],
        words.outputs,
        **QUIET,
    )
    gr.on(
        [frame.demo.load, frame.words_changed.change],
        bind(studio, show_word, panel),
        panel.chosen,
        panel.outputs,
        **QUIET,
    )
    words.cards.select(
        bind_event(studio, choose_word, words, panel),
        words.search,
        [*words.outputs, *panel.outputs],
        **QUIET,
    ).then(None, js="() => oneWord.showDetails()", **HIDDEN)
    words.teach.click(lambda: gr.Tabs(selected="train"), None, frame.tabs, **QUIET).then(
        None, js="() => oneWord.leaveWords()", **HIDDEN
    )


def bind_changes(
    studio: Studio, frame: Frame, bar: UndoBar, panel: WordPanel, upload: gr.UploadButton
) -> None:
    """Let words be imported, deleted and brought back.

    The events are queued: otherwise Gradio neither shows an error nor notices a change of state.
    """
    changed = [*panel.outputs, frame.words_changed]
    upload.upload(bind(studio, import_word, panel, frame), [upload, frame.words_changed], changed, **HIDDEN)
    panel.delete.click(
        bind(studio, delete_word, bar, panel, frame),
        [panel.chosen, frame.words_changed],
        [*bar.outputs, *changed],
        **HIDDEN,
    ).success(None, js="() => document.querySelector('#words-undo-button')?.focus()", **HIDDEN)
    bar.button.click(
        bind(studio, restore_word, bar, panel, frame),
        [bar.deleted, frame.words_changed],
        [*bar.outputs, *changed],
        **HIDDEN,
    )


# --- the list ---------------------------------------------------------------------------------------------


def choose_word(
    studio: Studio, request: gr.Request, words: WordList, panel: WordPanel, event: gr.EventData, query: str
) -> Updates:
    token = clicked_word(event)
    listed = list_words(studio, request, words, query, token)
    return {**listed, **show_word(studio, request, panel, token)}


def list_words(studio: Studio, request: gr.Request, words: WordList, query: str, chosen: str) -> Updates:
    """List the words that match, and offer to teach a first word if there is none at all."""
    language, library = language_of(request), studio.home(request).library
    entries, errors = library.entries()
    content = entries_html(language, entries, studio.models.backbone, query, chosen)
    if not entries and not errors:
        content = f"<p>{html.escape(say(language, 'library_empty'))}</p>"
    content += damaged_html(language, library.root, errors)
    return {words.cards: content, words.teach: gr.Button(visible=not entries and not errors)}


def entries_html(
    language: Language, entries: Sequence[Entry], backbone: Backbone | None, query: str, chosen: str
) -> str:
    """Render a card for each word that matches, or say that none does."""
    matching = [entry for entry in entries if matches(language, entry.concept, query)]
    if entries and not matching:
        return f"<p>{html.escape(say(language, 'library_no_match'))}</p>"
    return cards_html(_card(language, entry, backbone, chosen) for entry in matching)


def _card(language: Language, entry: Entry, backbone: Backbone | None, chosen: str) -> str:
    """Render the card of a word; if it belongs to another model, the card is greyed and says why."""
    concept = entry.concept
    of_other_model = backbone is not None and not concept.base.fits(backbone.base)
    about = concept.base.id
    if backbone is not None and of_other_model:
        about = say(language, "library_other_model", other=concept.base.id, model=backbone.base.id)
    return choice_card(
        concept.token,
        f"{say(language, f'library_{concept.kind}')} · {about}",
        entry.thumbnail,
        alt=say(language, "library_first_picture", token=concept.token),
        chosen=concept.token == chosen,
        greyed=of_other_model,
    )


def matches(language: Language, concept: Concept, query: str) -> bool:
    """Whether every word of the query occurs in the card's text or in the initial word."""
    kind = say(language, f"library_{concept.kind}")
    text = " ".join((concept.token, concept.kind, kind, concept.base.id, concept.initializer)).casefold()
    return all(part in text for part in query.casefold().split())


def damaged_html(language: Language, root: Path, errors: Sequence[ConceptError]) -> str:
    """List the names of the folders that hold no readable word, without their paths."""
    title = html.escape(say(language, "library_damaged"))
    return "".join(
        f'<p class="damaged"><b>{title}</b> {html.escape(_reason(language, root, error))}</p>'
        for error in errors
    )


def _reason(language: Language, root: Path, error: ConceptError) -> str:
    return tell(language, renamed(error.message, f"{root}{os.sep}", ""))


# --- importing, deleting, bringing back -------------------------------------------------------------------


def import_word(
    studio: Studio, request: gr.Request, panel: WordPanel, frame: Frame, file: str, words_changed: int
) -> Updates:
    """Add the words in a file, describe them, and show the first.

    Raises the errors of :meth:`Library.import_file`.
    """
    language = language_of(request)
    imported = studio.home(request).library.import_file(Path(file))
    gr.Info(html.escape(imported_text(language, imported)), title=say(language, "frame_info"))
    updates = show_word(studio, request, panel, imported[0].entry.concept.token)
    return {**updates, frame.words_changed: words_changed + 1}


def imported_text(language: Language, imported: Sequence[Imported]) -> str:
    """Say what was read from a file, for which base model, and what is unusual about it."""
    sentences = []
    for each in imported:
        concept = each.entry.concept
        key = "library_imported_guess" if each.guessed else "library_imported"
        facts = {"token": concept.token, "source": each.source, "model": concept.base.id}
        sentences.append(say(language, key, **facts))
    remarks = dict.fromkeys(remark for each in imported for remark in each.remarks)
    sentences += [tell(language, remark) for remark in remarks]
    return (" " if language == "en" else "").join(sentences)


def delete_word(
    studio: Studio,
    request: gr.Request,
    bar: UndoBar,
    panel: WordPanel,
    frame: Frame,
    token: str,
    words_changed: int,
) -> Updates:
    """Delete a word, and offer to bring it back."""
    studio.home(request).library.delete(token)
    text = html.escape(say(language_of(request), "library_deleted", token=token))
    return {
        bar.deleted: token,
        bar.row: gr.Row(visible=True),
        bar.text: f'<p role="status">{text}</p>',
        frame.words_changed: words_changed + 1,
        **show_word(studio, request, panel, ""),
    }


def restore_word(
    studio: Studio,
    request: gr.Request,
    bar: UndoBar,
    panel: WordPanel,
    frame: Frame,
    token: str,
    words_changed: int,
) -> Updates:
    """Restore a deleted word and show it. Raises the errors of :meth:`Library.restore`."""
    studio.home(request).library.restore(token)
    return {
        bar.deleted: "",
        bar.row: gr.Row(visible=False),
        bar.text: "",
        frame.words_changed: words_changed + 1,
        **show_word(studio, request, panel, token),
    }
