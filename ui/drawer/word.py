"""One word in the drawer: its facts, and the actions on it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ti_core.errors import IncompatibleConceptError
from ti_core.model.backbone import Backbone
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.words.concept import Concept
from ti_core.words.folder import picture_files
from ti_core.words.formats import LAYOUTS, Layout, layouts_for
from ti_core.words.inspection import NormReport, inspect_concept
from ti_core.words.library import Entry
from ui.frame import Frame, TabName
from ui.parts.events import HIDDEN, Updates, bind
from ui.parts.publish import PublishPanel, Word, bind_panel, place_panel
from ui.parts.thumbnails import thumbnail_uri
from ui.parts.word_card import picture_html
from ui.server.downloads import export_word
from ui.server.studio import Studio
from ui.texts import Language, explain, label, language_of, say

PICTURES_SHOWN = 4

ENDINGS = {"levelled": "levelled", "steps": "all_steps", "by hand": "by_hand"}
"""How a training ended, as concepts record it, and the text of each."""


@dataclass(frozen=True)
class WordPanel:
    """The components of the chosen word; ``chosen`` is its token, "" for none."""

    chosen: gr.State
    column: gr.Column
    head: gr.HTML
    insert: gr.Button
    facts: gr.HTML
    name: gr.Textbox
    rename: gr.Button
    layout: gr.Dropdown
    export: gr.Button
    archive: gr.DownloadButton
    delete: gr.Button
    hub: PublishPanel

    @property
    def outputs(self) -> list[Block]:
        """The components that :func:`show_word` updates."""
        return [self.chosen, self.column, self.head, self.insert, self.facts, self.name, self.layout]


def place_word() -> WordPanel:
    """Place the panel of a word, hidden until one is chosen."""
    narrow: dict[str, Any] = {"min_width": 100}
    with gr.Column(visible=False, elem_id="words-chosen") as column:
        head = gr.HTML(apply_default_css=False)
        insert = gr.Button(label("library_insert"), variant="primary", elem_id="words-insert")
        facts = gr.HTML(apply_default_css=False)
        with gr.Row(elem_classes="words-row"):
            name = gr.Textbox(label=label("library_name"), max_length=100, elem_id="words-name", **narrow)
            rename = gr.Button(label("library_rename"), size="sm", elem_id="words-rename", **narrow)
        layout = gr.Dropdown(
            list(LAYOUTS), value="native", label=label("library_layout"), elem_id="words-layout"
        )
        with gr.Row(elem_classes="words-row"):
            export = gr.Button(label("library_export"), size="sm", elem_id="words-export", **narrow)
            delete = gr.Button(
                label("library_delete"), size="sm", variant="stop", elem_id="words-delete", **narrow
            )
        hub = place_panel("words")
    # Outside the column: Gradio would show it together with the column.
    archive = gr.DownloadButton(visible="hidden", elem_id="words-archive")
    return WordPanel(
        gr.State(""), column, head, insert, facts, name, rename, layout, export, archive, delete, hub
    )


def bind_word(studio: Studio, frame: Frame, panel: WordPanel) -> None:
    prompts = list(frame.prompts.values())
    panel.insert.click(
        bind(studio, insert_word, frame),
        [panel.chosen, frame.tab, *prompts],
        [frame.tabs, *prompts],
        **HIDDEN,
    ).success(None, js="() => oneWord.leaveWords()", **HIDDEN)
    gr.on(
        [panel.rename.click, panel.name.submit],
        bind(studio, rename_word, panel, frame),
        [panel.chosen, panel.name, frame.words_changed],
        [*panel.outputs, frame.words_changed],
        **HIDDEN,
    )
    # When this hidden button gets its file, the browser downloads it.
    panel.export.click(
        bind(studio, download_word), [panel.chosen, panel.layout], panel.archive, **HIDDEN
    ).success(None, js="() => document.querySelector('#words-archive').click()", **HIDDEN)
    bind_panel(studio, panel.hub, panel.chosen, find_word, panel.head.change)


# --- actions on the word ----------------------------------------------------------------------------------


def show_word(studio: Studio, request: gr.Request, panel: WordPanel, token: str) -> Updates:
    """Show a word, or hide the panel if no word has that token any more."""
    entries, _ = studio.home(request).library.entries()
    entry = next((entry for entry in entries if entry.concept.token == token), None)
    if entry is None:
        return {panel.chosen: "", panel.column: gr.Column(visible=False)}
    language, backbone, concept = language_of(request), studio.models.backbone, entry.concept
    is_usable = backbone is None or concept.base.fits(backbone.base)
    return {
        panel.chosen: token,
        panel.column: gr.Column(visible=True),
        panel.head: head_html(language, entry, backbone),
        panel.insert: gr.Button(interactive=is_usable),
        panel.facts: facts_html(language, concept, backbone),
        panel.name: concept.name,
        panel.layout: gr.Dropdown(choices=layout_choices(language, concept), value="native"),
    }


def insert_word(
    studio: Studio, request: gr.Request, frame: Frame, token: str, tab: TabName, *prompts: str
) -> Updates:
    """Put a word into the prompt of the open tab; from a tab without a prompt, open the Generate tab."""
    concept = studio.home(request).library.find(token).concept
    written = dict(zip(frame.prompts, prompts, strict=True))
    updates: Updates = {}
    if tab not in written:
        tab = "generate"
        updates[frame.tabs] = gr.Tabs(selected=tab)
    updates[frame.prompts[tab]] = with_word(written[tab] or "", concept, sentence=tab != "style")
    return updates


def with_word(text: str, concept: Concept, *, sentence: bool) -> str:
    """Append a word to a text; with ``sentence``, an empty text becomes a whole sentence."""
    if text.strip():
        return f"{text.rstrip()} {concept.token}"
    return fill_template(PLAIN_TEMPLATES[concept.kind], concept.token) if sentence else concept.token


def rename_word(
    studio: Studio,
    request: gr.Request,
    panel: WordPanel,
    frame: Frame,
    token: str,
    name: str,
    words_changed: int,
) -> Updates:
    """Rename a word and show it. Raises the errors of :meth:`Library.rename`."""
    entry = studio.home(request).library.rename(token, name)
    updates = show_word(studio, request, panel, entry.concept.token)
    return {**updates, frame.words_changed: words_changed + 1}


def download_word(studio: Studio, request: gr.Request, token: str, layout: Layout) -> str:
    return export_word(studio.home(request).library, token, layout)


def find_word(studio: Studio, request: gr.Request, token: str) -> Word:
    """Find a word to publish. Raises the errors of :meth:`Library.find`."""
    entry = studio.home(request).library.find(token)
    return Word(entry.concept, entry.folder)


def layout_choices(language: Language, concept: Concept) -> list[tuple[str, Layout]]:
    """Return the file layouts that can hold a word, each with its name."""
    return [
        (say(language, f"library_layout_{layout.replace('-', '_')}"), layout)
        for layout in layouts_for(concept)
    ]


# --- the word's facts -------------------------------------------------------------------------------------


def head_html(language: Language, entry: Entry, backbone: Backbone | None) -> str:
    """Render a word's token and pictures, and the reason if the word cannot be used."""
    concept, reason = entry.concept, ""
    if backbone is not None:
        try:
            concept.check_fits(backbone.base)
        except IncompatibleConceptError as error:
            reason = f'<p class="reason">{html.escape(explain(language, error))}</p>'
    files = picture_files(entry.folder)[:PICTURES_SHOWN]
    pictures = "".join(picture_html(uri) for uri in map(thumbnail_uri, files) if uri)
    return f'<h3><code>{html.escape(concept.token)}</code></h3>{reason}<div class="pictures">{pictures}</div>'


def facts_html(language: Language, concept: Concept, backbone: Backbone | None) -> str:
    """List what a word is, its nearest words, and how it was trained."""
    facts = {
        "library_kind": say(language, f"library_{concept.kind}"),
        "library_model": concept.base.id,
        "library_initializer": concept.initializer,
        "library_vectors": str(concept.num_vectors),
        **vector_facts(language, concept, backbone),
        **training_facts(language, concept.training),
    }
    rows = (
        f"<dt>{html.escape(say(language, key))}</dt><dd>{html.escape(text)}</dd>"
        for key, text in facts.items()
        if text
    )
    return f"<dl>{''.join(rows)}</dl>"


def vector_facts(language: Language, concept: Concept, backbone: Backbone | None) -> dict[str, str]:
    """Return the nearest words and the norm of the vectors, which need the model's vocabulary."""
    if backbone is None or not concept.base.fits(backbone.base):
        return {"library_nearest": say(language, "library_nearest_later")}
    report = inspect_concept(backbone, concept)
    nearest = [
        ", ".join(f"{word} {cosine:.2f}" for word, cosine in neighbours)
        for rows in report.nearest.values()
        for neighbours in rows
    ]
    norms = [norms_in_words(language, norm) for norm in report.norms.values()]
    return {"library_nearest": "; ".join(nearest), "library_norm": "; ".join(norms)}


def norms_in_words(language: Language, report: NormReport) -> str:
    norms = ", ".join(f"{norm:.2f}" for norm in report.vectors)
    return say(
        language, "library_norm_range", norms=norms, low=report.vocabulary_p5, high=report.vocabulary_p95
    )


def training_facts(language: Language, training: Mapping[str, Any]) -> dict[str, str]:
    """Say how a word was trained. The record of an imported word may hold anything, or nothing."""
    loss = [training.get(key) for key in ("first_evaluation_loss", "evaluation_loss", "best_step")]
    facts = {"library_training": _course(language, training)}
    if all(isinstance(value, int | float) for value in loss):
        first, last, step = loss
        facts["library_loss"] = say(language, "library_loss_fell", first=first, last=last, step=step)
    ending = ENDINGS.get(str(training.get("stopped")))
    facts["library_ended"] = say(language, f"library_{ending}") if ending else ""
    blended = training.get("blended_from")
    if isinstance(blended, list):
        facts["library_made_of"] = ", ".join(
            str(part["token"]) for part in blended if isinstance(part, dict) and "token" in part
        )
    return facts


def _course(language: Language, training: Mapping[str, Any]) -> str:
    """Say the steps, pictures, batch size and seed of a training, as far as they are known."""
    course = [
        say(language, f"library_{key}", **{key: value})
        for key, value in (
            ("steps", training.get("steps")),
            ("pictures", training.get("pictures")),
            ("batch", training.get("batch_size")),
            ("seed", training.get("seed")),
        )
        if isinstance(value, int)
    ]
    return " · ".join(course)
