"""The drawer with a person's words: find one, look at it, use it, rename, delete, import and export."""

from __future__ import annotations

import html
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ti_core.errors import ConceptError, IncompatibleConceptError
from ti_core.languages import tell
from ti_core.messages import renamed
from ti_core.model.backbone import Backbone
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.words.concept import Concept
from ti_core.words.folder import picture_files
from ti_core.words.formats import LAYOUTS, Layout, layouts_for
from ti_core.words.inspection import NormReport, inspect_concept
from ti_core.words.library import Entry, Imported
from ui.drawer.hub import PublishPanel, Word, bind_panel, build_browser, place_panel
from ui.frame import Frame
from ui.parts.events import HIDDEN, QUIET, bind
from ui.parts.thumbnails import thumbnail_uri
from ui.server.drawing import served
from ui.server.errors import plainly
from ui.server.studio import Studio
from ui.texts import Language, explain, label, language_of, say

PICTURES_SHOWN = 4

ENDINGS = {"levelled": "levelled", "steps": "all_steps", "by hand": "by_hand"}
"""How a training ended, as concepts record it, and the text of each."""

# The cards stay as they are when one is chosen, so that the focus of the keyboard stays too.
CHOOSE = """
element.addEventListener("click", (event) => {
  const card = event.target.closest("[data-token]");
  if (!card) return;
  for (const other of element.querySelectorAll("[data-token]"))
    other.setAttribute("aria-pressed", other === card);
  trigger("select", { token: card.dataset.token });
});
"""


@dataclass(frozen=True)
class WordView:
    """What is shown of the chosen word; :attr:`outputs` in the order of :func:`show_word`."""

    chosen: gr.State
    """Its token, "" for none."""
    panel: gr.Column
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
    def outputs(self) -> list[gr.blocks.Block]:
        return [self.chosen, self.panel, self.head, self.insert, self.facts, self.name, self.layout]


def build(studio: Studio, frame: Frame) -> None:
    """Place the drawer, and keep it up to date."""
    gr.HTML(f"<h2>{label('library_title')}</h2>")
    deleted = gr.State("")
    with gr.Row(visible=False, elem_id="words-undo") as undo_bar:
        undo_text = gr.HTML()
        undo = gr.Button(label("library_undo"), size="sm", elem_id="words-undo-button")
    search = gr.Textbox(
        label=label("library_search"),
        placeholder=label("library_search_what"),
        container=False,
        max_length=200,
        elem_id="words-search",
    )
    cards = gr.HTML(elem_id="words-cards", js_on_load=CHOOSE, apply_default_css=False)
    teach = gr.Button(label("library_teach"), visible=False, variant="primary", elem_id="words-teach")
    word = _place_word()
    upload = gr.UploadButton(
        label("library_import"),  # type: ignore[arg-type]  # Gradio takes it here too
        size="sm",
        elem_id="words-import",
    )
    build_browser(studio, frame)

    changes = [frame.demo.load, frame.words_changed.change]
    list_inputs, listed = [search, word.chosen], [cards, teach]
    gr.on(changes, bind(studio, list_words), list_inputs, listed, **QUIET)
    search.change(bind(studio, list_words), list_inputs, listed, **QUIET)
    gr.on(changes, bind(studio, show_word), word.chosen, word.outputs, **QUIET)

    @plainly
    def on_card(request: gr.Request, event: gr.EventData) -> list[Any]:
        return show_word(studio, request, str(event._data["token"]))

    cards.select(on_card, None, word.outputs, **QUIET).then(None, js="() => oneWord.showDetails()", **HIDDEN)
    teach.click(lambda: gr.Tabs(selected="train"), None, frame.tabs, **QUIET).then(
        None, js="() => oneWord.leaveWords()", **HIDDEN
    )
    _bind_actions(studio, frame, word, upload)
    bind_panel(studio, word.hub, word.chosen, find_word, word.head.change)
    # Queued, as those actions are: only then is an error shown, and a change of a state noticed.
    bar, changed = [deleted, undo_bar, undo_text], [*word.outputs, frame.words_changed]
    word.delete.click(
        bind(studio, delete_word), [word.chosen, frame.words_changed], [*bar, *changed], **HIDDEN
    ).success(None, js="() => document.querySelector('#words-undo-button')?.focus()", **HIDDEN)
    undo.click(bind(studio, restore_word), [deleted, frame.words_changed], [*bar, *changed], **HIDDEN)


def _place_word() -> WordView:
    narrow: dict[str, Any] = {"min_width": 100}
    with gr.Column(visible=False, elem_id="words-chosen") as panel:
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
    # Not in the column: Gradio would show it together with that.
    archive = gr.DownloadButton(visible="hidden", elem_id="words-archive")
    return WordView(
        gr.State(""), panel, head, insert, facts, name, rename, layout, export, archive, delete, hub
    )


def _bind_actions(studio: Studio, frame: Frame, word: WordView, upload: gr.UploadButton) -> None:
    """What is done with the chosen word, and how another comes in."""
    prompts = list(frame.prompts.values())
    changed = [*word.outputs, frame.words_changed]
    word.insert.click(
        bind(studio, insert_word), [word.chosen, frame.tab, *prompts], [frame.tabs, *prompts], **HIDDEN
    ).success(None, js="() => oneWord.leaveWords()", **HIDDEN)
    gr.on(
        [word.rename.click, word.name.submit],
        bind(studio, rename_word),
        [word.chosen, word.name, frame.words_changed],
        changed,
        **HIDDEN,
    )
    # The browser fetches what another button points to, once it does.
    word.export.click(bind(studio, export_word), [word.chosen, word.layout], word.archive, **HIDDEN).success(
        None, js="() => document.querySelector('#words-archive').click()", **HIDDEN
    )
    upload.upload(bind(studio, import_word), [upload, frame.words_changed], changed, **HIDDEN)


# --- what happens -----------------------------------------------------------------------------------------


def list_words(studio: Studio, request: gr.Request, query: str, chosen: str) -> list[Any]:
    """The cards of the words that match, and whether there is none at all yet."""
    language = language_of(request)
    entries, errors = studio.home(request).library.entries()
    matching = [entry for entry in entries if matches(language, entry.concept, query)]
    content = cards_html(language, matching, studio.models.backbone, chosen)
    if not entries and not errors:
        content = f"<p>{html.escape(say(language, 'library_empty'))}</p>"
    elif not matching and entries:
        content = f"<p>{html.escape(say(language, 'library_no_match'))}</p>"
    content += damaged_html(language, studio.home(request).library.root, errors)
    return [content, gr.Button(visible=not entries and not errors)]


def show_word(studio: Studio, request: gr.Request, token: str) -> list[Any]:
    """What there is to say about a word and to do with it; nothing if it is not there any more."""
    entries, _ = studio.home(request).library.entries()
    entry = next((entry for entry in entries if entry.concept.token == token), None)
    if entry is None:
        return ["", gr.Column(visible=False), *[gr.skip()] * 5]
    language, backbone = language_of(request), studio.models.backbone
    usable = backbone is None or entry.concept.base.fits(backbone.base)
    return [
        token,
        gr.Column(visible=True),
        head_html(language, entry, backbone),
        gr.Button(interactive=usable),
        facts_html(language, entry.concept, backbone),
        entry.concept.name,
        gr.Dropdown(choices=layout_choices(language, entry.concept), value="native"),
    ]


def layout_choices(language: Language, concept: Concept) -> list[tuple[str, str]]:
    """The layouts that can hold a word, as people call them."""
    return [
        (say(language, f"library_layout_{layout.replace('-', '_')}"), layout)
        for layout in layouts_for(concept)
    ]


def insert_word(studio: Studio, request: gr.Request, token: str, tab: str, *prompts: str) -> list[Any]:
    """Put a word into the prompt of the open tab; the tab that has none leads to the one that draws."""
    concept = studio.home(request).library.find(token).concept
    names = ("generate", "compose", "style")
    target = tab if tab in names else "generate"
    texts = [
        _with_word(text or "", concept, sentence=name != "style") if name == target else gr.skip()
        for name, text in zip(names, prompts, strict=True)
    ]
    return [gr.skip() if tab == target else gr.Tabs(selected=target), *texts]


def rename_word(studio: Studio, request: gr.Request, token: str, name: str, changes: int) -> list[Any]:
    entry = studio.home(request).library.rename(token, name)
    return [*show_word(studio, request, entry.concept.token), changes + 1]


def delete_word(studio: Studio, request: gr.Request, token: str, changes: int) -> list[Any]:
    """Delete a word, and offer to undo it."""
    studio.home(request).library.delete(token)
    text = html.escape(say(language_of(request), "library_deleted", token=token))
    bar = [token, gr.Row(visible=True), f'<p role="status">{text}</p>']
    return [*bar, *show_word(studio, request, ""), changes + 1]


def restore_word(studio: Studio, request: gr.Request, token: str, changes: int) -> list[Any]:
    studio.home(request).library.restore(token)
    return ["", gr.Row(visible=False), "", *show_word(studio, request, token), changes + 1]


def find_word(studio: Studio, request: gr.Request, token: str) -> Word:
    """A word to publish."""
    entry = studio.home(request).library.find(token)
    return Word(entry.concept, entry.folder)


def import_word(studio: Studio, request: gr.Request, file: str, changes: int) -> list[Any]:
    """Add the words in a file, say what they are, and show the first."""
    language = language_of(request)
    imported = studio.home(request).library.import_file(Path(file))
    gr.Info(html.escape(imported_text(language, imported)), title=say(language, "frame_info"))
    return [*show_word(studio, request, imported[0].entry.concept.token), changes + 1]


def imported_text(language: Language, imported: Sequence[Imported]) -> str:
    """What was read from a file, for which base model, and what is strange about it."""
    sentences = []
    for each in imported:
        concept = each.entry.concept
        key = "library_imported_guess" if each.guessed else "library_imported"
        facts = {"token": concept.token, "source": each.source, "model": concept.base.id}
        sentences.append(say(language, key, **facts))
    remarks = dict.fromkeys(remark for each in imported for remark in each.remarks)
    sentences += [tell(language, remark) for remark in remarks]
    return (" " if language == "en" else "").join(sentences)


def export_word(studio: Studio, request: gr.Request, token: str, layout: Layout = "native") -> str:
    """A word as a file that the browser may fetch; several files come in an archive."""
    library, name = studio.home(request).library, token.strip("<>")
    with tempfile.TemporaryDirectory() as folder:
        if layout == "native":
            return served(library.export_archive(token, Path(folder) / f"{name}.zip"))
        files = library.export_file(token, layout, Path(folder) / name)
        if len(files) == 1:
            return served(files[0])
        archive = shutil.make_archive(str(Path(folder) / f"{name}-{layout}"), "zip", folder, name)
        return served(Path(archive))


def matches(language: Language, concept: Concept, query: str) -> bool:
    """Whether every word of the query stands in what the card says, or in the initial word."""
    kind = say(language, f"library_{concept.kind}")
    text = " ".join((concept.token, concept.kind, kind, concept.base.id, concept.initializer)).casefold()
    return all(part in text for part in query.casefold().split())


def _with_word(text: str, concept: Concept, *, sentence: bool) -> str:
    """The text with a word at its end; an empty prompt becomes a whole sentence."""
    if text.strip():
        return f"{text.rstrip()} {concept.token}"
    return fill_template(PLAIN_TEMPLATES[concept.kind], concept.token) if sentence else concept.token


# --- what is shown ----------------------------------------------------------------------------------------


def cards_html(language: Language, entries: list[Entry], backbone: Backbone | None, chosen: str) -> str:
    """A button for each word; those of another model than the one in use are greyed, and say so."""
    if not entries:
        return ""
    cards = "".join(f"<li>{_card(language, entry, backbone, chosen)}</li>" for entry in entries)
    return f'<ul class="words">{cards}</ul>'


def _card(language: Language, entry: Entry, backbone: Backbone | None, chosen: str) -> str:
    concept = entry.concept
    token = html.escape(concept.token)
    kind, model = say(language, f"library_{concept.kind}"), html.escape(concept.base.id)
    facts, usable = f"{html.escape(kind)} · {model}", ""
    if backbone is not None and not concept.base.fits(backbone.base):
        reason = say(language, "library_other_model", other=concept.base.id, model=backbone.base.id)
        facts, usable = f"{html.escape(kind)} · {html.escape(reason)}", " other"
    picture = ""
    if entry.thumbnail:
        alt = html.escape(say(language, "library_first_picture", token=concept.token))
        picture = _picture(entry.thumbnail, alt)
    pressed = "true" if concept.token == chosen else "false"
    return (
        f'<button type="button" class="word{usable}" data-token="{token}" aria-pressed="{pressed}">'
        f'<span class="thumbnail">{picture}</span>'
        f'<span class="about"><code>{token}</code><span class="facts">{facts}</span></span></button>'
    )


def _picture(file: Path, alt: str) -> str:
    """A small copy inside the page: no address that others could ask for."""
    source = thumbnail_uri(file)
    return f'<img src="{source}" alt="{alt}">' if source else ""


def damaged_html(language: Language, root: Path, errors: list[ConceptError]) -> str:
    """The folders that hold no readable word, by their names alone."""
    title = html.escape(say(language, "library_damaged"))
    return "".join(
        f'<p class="damaged"><b>{title}</b> {html.escape(_reason(language, root, error))}</p>'
        for error in errors
    )


def _reason(language: Language, root: Path, error: ConceptError) -> str:
    return tell(language, renamed(error.message, f"{root}{os.sep}", ""))


def head_html(language: Language, entry: Entry, backbone: Backbone | None) -> str:
    """A word's token and pictures, and why it cannot be used where it cannot."""
    concept, reason = entry.concept, ""
    if backbone is not None:
        try:
            concept.check_fits(backbone.base)
        except IncompatibleConceptError as error:
            reason = f'<p class="reason">{html.escape(explain(language, error))}</p>'
    pictures = "".join(_picture(file, "") for file in _some_pictures(entry))
    return f'<h3><code>{html.escape(concept.token)}</code></h3>{reason}<div class="pictures">{pictures}</div>'


def _some_pictures(entry: Entry) -> list[Path]:
    return picture_files(entry.folder)[:PICTURES_SHOWN]


def facts_html(language: Language, concept: Concept, backbone: Backbone | None) -> str:
    """What a word is, what it is near to, and how it was trained."""
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
    """The nearest words and the length of the vectors, for which the model's vocabulary is needed."""
    if backbone is None or not concept.base.fits(backbone.base):
        return {"library_nearest": say(language, "library_nearest_later")}
    report = inspect_concept(backbone, concept)
    nearest = [
        ", ".join(f"{word} {cosine:.2f}" for word, cosine in neighbours)
        for rows in report.nearest.values()
        for neighbours in rows
    ]
    norms = [_norms(language, norm) for norm in report.norms.values()]
    return {"library_nearest": "; ".join(nearest), "library_norm": "; ".join(norms)}


def _norms(language: Language, report: NormReport) -> str:
    norms = ", ".join(f"{norm:.2f}" for norm in report.vectors)
    return say(
        language, "library_norm_range", norms=norms, low=report.vocabulary_p5, high=report.vocabulary_p95
    )


def training_facts(language: Language, training: Mapping[str, Any]) -> dict[str, str]:
    """How a word was trained; of an imported one, nothing is known of what its record says."""
    steps = [
        say(language, f"library_{key}", **{key: value})
        for key, value in (
            ("steps", training.get("steps")),
            ("pictures", training.get("pictures")),
            ("batch", training.get("batch_size")),
            ("seed", training.get("seed")),
        )
        if isinstance(value, int)
    ]
    loss = [training.get(key) for key in ("first_evaluation_loss", "evaluation_loss", "best_step")]
    facts = {"library_training": " · ".join(steps)}
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
