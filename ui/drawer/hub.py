"""The browser of words that others have published on the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import gradio as gr
from gradio.blocks import Block
from huggingface_hub import constants

from ti_core.hub import FoundConcept, Pulled, pull_concept, search_concepts
from ti_core.model.presets import PRESETS
from ti_core.words.card import REPOSITORY
from ui.frame import Frame
from ui.parts.events import HIDDEN, Updates, bind, bind_event
from ui.parts.publish import place_sign_in, status_line
from ui.parts.word_card import cards_html, clicked_word, link_card, place_cards
from ui.server.studio import Studio
from ui.texts import Language, label, language_of, say

WORDS_AT_ONCE = 24


@dataclass(frozen=True)
class Search:
    """A search on the Hub, and how many of the words found are shown."""

    query: str = ""
    author: str = ""
    base_model: str = ""
    shown: int = WORDS_AT_ONCE


@dataclass(frozen=True)
class HubBrowser:
    """The browser's components; ``asked`` holds the :class:`Search` whose ``results`` are shown."""

    query: gr.Textbox
    author: gr.Textbox
    base: gr.Dropdown
    search: gr.Button
    status: gr.HTML
    results: gr.HTML
    more: gr.Button
    asked: gr.State

    @property
    def outputs(self) -> list[Block]:
        """The components that :func:`show_found` updates."""
        return [self.status, self.results, self.more, self.asked]


def build(studio: Studio, frame: Frame) -> None:
    bind_browser(studio, frame, place_browser())


def place_browser() -> HubBrowser:
    """Place the browser, folded away."""
    bases = [(preset.about, preset.source) for preset in PRESETS if REPOSITORY.fullmatch(preset.source)]
    with gr.Accordion(label("hub_browse_title"), open=False, elem_id="hub-browser"):
        gr.HTML(f"<p>{label('hub_browse_about')}</p>", elem_classes="hub-line")
        place_sign_in()
        query = gr.Textbox(label=label("hub_query"), placeholder=label("hub_query_what"), max_length=100)
        author = gr.Textbox(label=label("hub_author"), placeholder=label("hub_author_what"), max_length=100)
        base = gr.Dropdown(
            [(label("hub_base_any"), ""), *bases],
            value="",
            label=label("hub_base"),
            info=label("hub_base_info"),
            allow_custom_value=True,
        )
        search = gr.Button(label("hub_search"))
        status = gr.HTML(elem_classes="hub-line")
        results = place_cards("hub-results")
        more = gr.Button(label("hub_more"), visible=False, size="sm")
    return HubBrowser(query, author, base, search, status, results, more, gr.State(Search()))


def bind_browser(studio: Studio, frame: Frame, browser: HubBrowser) -> None:
    gr.on(
        [browser.search.click, browser.query.submit, browser.author.submit],
        bind(studio, search_words, browser),
        [browser.query, browser.author, browser.base],
        browser.outputs,
        **HIDDEN,
    )
    browser.more.click(bind(studio, show_more, browser), browser.asked, browser.outputs, **HIDDEN).success(
        None, js="() => document.querySelector('#hub-results li.new a')?.focus()", **HIDDEN
    )
    # A separate event updates `words_changed`: Gradio does not notice a change of state made by a generator.
    browser.results.select(bind_event(studio, add_clicked, browser), None, browser.status, **HIDDEN).success(
        lambda changes: changes + 1, frame.words_changed, frame.words_changed, **HIDDEN
    )


# --- finding ----------------------------------------------------------------------------------------------


def search_words(
    studio: Studio, request: gr.Request, browser: HubBrowser, query: str, author: str, base: str | None
) -> Iterator[Updates]:
    search = Search(query.strip(), author.strip(), (base or "").strip())
    yield from show_found(studio, request, browser, search)


def show_more(studio: Studio, request: gr.Request, browser: HubBrowser, asked: Search) -> Iterator[Updates]:
    search = replace(asked, shown=asked.shown + WORDS_AT_ONCE)
    yield from show_found(studio, request, browser, search, new=asked.shown)


def show_found(
    studio: Studio, request: gr.Request, browser: HubBrowser, search: Search, new: int | None = None
) -> Iterator[Updates]:
    """Search the Hub and show the results; the word numbered ``new`` is the first one not shown before.

    Raises as :func:`search_concepts`.
    """
    language = language_of(request)
    yield {browser.status: status_line(say(language, "hub_searching"))}
    try:
        found = search_concepts(
            search.query,
            search.author,
            search.base_model,
            limit=search.shown + 1,  # one extra shows whether there are more
            token=studio.homes.token_of(request),
        )
    except Exception:
        yield {browser.status: ""}
        raise
    is_more, found = len(found) > search.shown, found[: search.shown]
    key = "hub_found_more" if is_more else "hub_found" if found else "hub_none_found"
    yield {
        browser.status: status_line(say(language, key, count=len(found))),
        browser.results: results_html(language, found, new),
        browser.more: gr.Button(visible=is_more),
        browser.asked: search,
    }


def results_html(language: Language, found: Sequence[FoundConcept], new: int | None = None) -> str:
    return cards_html((_card(language, concept) for concept in found), new)


def _card(language: Language, concept: FoundConcept) -> str:
    base = concept.base_model or say(language, "hub_base_unknown")
    return link_card(
        concept.repo_id,
        f"{base} · {say(language, 'hub_downloads', count=concept.downloads)}",
        concept.thumbnail or "",
        address=f"{constants.ENDPOINT}/{concept.repo_id}",
        look=say(language, "hub_look_named", name=concept.repo_id),
        act=say(language, "hub_add"),
        act_on=say(language, "hub_add_named", name=concept.repo_id),
    )


# --- adding -----------------------------------------------------------------------------------------------


def add_clicked(
    studio: Studio, request: gr.Request, browser: HubBrowser, event: gr.EventData
) -> Iterator[Updates]:
    yield from add_word(studio, request, browser, clicked_word(event))


def add_word(studio: Studio, request: gr.Request, browser: HubBrowser, repo_id: str) -> Iterator[Updates]:
    """Add a word to the visitor's library under a free name. Raises the errors of :func:`pull_concept`."""
    language, library = language_of(request), studio.home(request).library
    yield {browser.status: status_line(say(language, "hub_adding", name=repo_id))}
    try:
        pulled = pull_concept(repo_id, token=studio.homes.token_of(request))
        token = library.free_token(pulled.concept.name)
        library.add(replace(pulled.concept, token=token), pulled.pictures)
    except Exception:
        yield {browser.status: ""}
        raise
    yield {browser.status: added_html(language, token, pulled)}


def added_html(language: Language, token: str, pulled: Pulled) -> str:
    key = "hub_guessed" if pulled.guessed else "hub_added"
    return status_line(say(language, key, token=token, model=pulled.concept.base.id))
