"""Words on the Hugging Face Hub: a panel that publishes one, and a browser of those that others published."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency
from huggingface_hub import constants

from ti_core.hub import FoundConcept, Pulled, Pushed, account, pull_concept, push_concept, search_concepts
from ti_core.model.presets import PRESETS
from ti_core.pictures.decode import open_picture
from ti_core.words.card import REPOSITORY
from ti_core.words.concept import Concept
from ti_core.words.folder import picture_files
from ti_core.words.gallery import gallery_files
from ui.frame import Frame
from ui.parts.events import HIDDEN, bind
from ui.server.errors import plainly
from ui.server.people import people_sign_in
from ui.server.studio import Studio
from ui.texts import Language, label, language_of, say

WORDS_SHOWN = 24  # at a time


@dataclass(frozen=True)
class Word:
    """What there is to publish: a concept, and its folder with the pictures of it and those drawn with it."""

    concept: Concept
    folder: Path


@dataclass(frozen=True)
class PublishPanel:
    """What publishes a word; folded away until it is wanted."""

    fold: gr.Accordion
    who: gr.HTML
    name: gr.Textbox
    private: gr.Checkbox
    pictures: gr.Checkbox
    publish: gr.Button
    result: gr.HTML


@dataclass(frozen=True)
class Search:
    """What was looked for on the Hub, and how many words are shown of what was found."""

    query: str = ""
    author: str = ""
    base_model: str = ""
    shown: int = WORDS_SHOWN


FindWord = Callable[[Studio, gr.Request, Any], Word]

ADD = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-repository]");
  if (button) trigger("select", { repository: button.dataset.repository });
});
"""


# --- publishing -------------------------------------------------------------------------------------------


def place_panel(part: str) -> PublishPanel:
    """Place the panel in a part of the page, whose name its elements take."""
    with gr.Accordion(label("hub_publish_title"), open=False, elem_id=f"{part}-hub") as fold:
        gr.HTML(f"<p>{label('hub_publish_about')}</p>", elem_classes="hub-line")
        who = gr.HTML(elem_classes="hub-line")
        place_sign_in()
        name = gr.Textbox(label=label("hub_name"), info=label("hub_name_info"), max_length=200)
        private = gr.Checkbox(False, label=label("hub_private"), info=label("hub_private_info"))
        pictures = gr.Checkbox(False, label=label("hub_pictures"), info=label("hub_pictures_info"))
        publish = gr.Button(label("hub_publish"), variant="primary", interactive=False)
        result = gr.HTML(elem_classes="hub-line", elem_id=f"{part}-hub-result")
    return PublishPanel(fold, who, name, private, pictures, publish, result)


def place_sign_in() -> None:
    """A button to sign in and out, on a Space alone: elsewhere the machine's own login is used."""
    if people_sign_in():
        # Gradio compares what it reads, so in both languages at once.
        gr.LoginButton(
            "Sign in with Hugging Face · ログイン", logout_value="Sign out ({}) · ログアウト", size="sm"
        )


def bind_panel(
    studio: Studio,
    panel: PublishPanel,
    source: gr.State,
    find_word: FindWord,
    changes: Callable[..., Dependency],
) -> None:
    """Let the panel publish the word that ``find_word`` finds by the value of ``source``.

    When ``changes`` happens the page shows another word, and the panel is folded away again, empty.
    """
    filled = [panel.who, panel.name, panel.private, panel.pictures, panel.result]

    def on_open(studio: Studio, request: gr.Request, value: Any) -> list[Any]:
        return open_panel(studio, request, find_word(studio, request, value))

    def on_publish(studio: Studio, request: gr.Request, value: Any, *choices: Any) -> Iterator[list[Any]]:
        yield from publish(studio, request, find_word(studio, request, value), *choices)

    panel.fold.expand(
        bind(studio, on_open),
        source,
        [*filled, panel.publish],
        **HIDDEN,
    )
    changes(None, None, filled, js=f"() => oneWord.foldPanel('{panel.fold.elem_id}')", **HIDDEN)
    panel.publish.click(
        bind(studio, on_publish),
        [source, panel.name, panel.private, panel.pictures],
        [panel.result, panel.publish],
        **HIDDEN,
    ).success(
        None,
        js=f"() => document.querySelector('#{panel.result.elem_id}').scrollIntoView({{ block: 'nearest' }})",
        **HIDDEN,
    )


def open_panel(studio: Studio, request: gr.Request, word: Word) -> list[Any]:
    """Who would publish, under which name, nothing allowed yet; without a login, what to do to have one."""
    language, token = language_of(request), studio.homes.token_of(request)
    if token is None:
        where = "space" if people_sign_in() else "nowhere" if studio.homes.shared else "machine"
        advice = _line(say(language, f"hub_login_{where}"))
        return [advice, word.concept.name, False, False, "", gr.Button(interactive=False)]
    name = account(token).name
    who = _line(say(language, "hub_who", name=name))
    return [who, f"{name}/{word.concept.name}", False, False, "", gr.Button(interactive=True)]


def publish(
    studio: Studio, request: gr.Request, word: Word, name: str, private: bool, with_pictures: bool
) -> Iterator[list[Any]]:
    """Publish a word; yields how it goes, and whether the button can be pressed."""
    language = language_of(request)
    yield [_line(say(language, "hub_publishing")), gr.Button(interactive=False)]
    try:
        files = picture_files(word.folder) if with_pictures else []
        pushed = push_concept(
            word.concept,
            name.strip(),
            token=studio.homes.token_of(request),
            private=private,
            pictures=[open_picture(file)[0] for file in files],
            gallery=gallery_files(word.folder),
        )
    except Exception:
        yield ["", gr.Button(interactive=True)]
        raise
    yield [published_html(language, word.concept, pushed), gr.Button(interactive=True)]


def published_html(language: Language, concept: Concept, pushed: Pushed) -> str:
    key = "hub_was_there" if pushed.was_there else "hub_published"
    url = html.escape(pushed.url)
    text = html.escape(say(language, key, token=concept.token))
    card = html.escape(say(language, "hub_keeps_card")) if pushed.keeps_card else ""
    return f'<p role="status">{text} <a href="{url}" target="_blank" rel="noopener">{url}</a> {card}</p>'


# --- finding ----------------------------------------------------------------------------------------------


def build_browser(studio: Studio, frame: Frame) -> None:
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
        results = gr.HTML(elem_id="hub-results", js_on_load=ADD, apply_default_css=False)
        more = gr.Button(label("hub_more"), visible=False, size="sm")
        asked = gr.State(Search())
    found = [status, results, more, asked]
    gr.on(
        [search.click, query.submit, author.submit],
        bind(studio, search_words),
        [query, author, base],
        found,
        **HIDDEN,
    )
    more.click(bind(studio, show_more), asked, found, **HIDDEN).success(
        None, js="() => document.querySelector('#hub-results li.new a')?.focus()", **HIDDEN
    )

    @plainly
    def on_add(request: gr.Request, event: gr.EventData) -> Iterator[str]:
        yield from add_word(studio, request, str(event._data["repository"]))

    # In an event of its own: a change of a state is noticed only of what returns once.
    results.select(on_add, None, status, **HIDDEN).success(
        lambda changes: changes + 1, frame.words_changed, frame.words_changed, **HIDDEN
    )


def search_words(
    studio: Studio, request: gr.Request, query: str, author: str, base: str | None
) -> Iterator[list[Any]]:
    """Look for words on the Hub. Yields as :func:`show_found`."""
    yield from show_found(studio, request, Search(query.strip(), author.strip(), (base or "").strip()))


def show_more(studio: Studio, request: gr.Request, asked: Search) -> Iterator[list[Any]]:
    """Show more of what was looked for. Yields as :func:`show_found`."""
    yield from show_found(studio, request, replace(asked, shown=asked.shown + WORDS_SHOWN), new=asked.shown)


def show_found(
    studio: Studio, request: gr.Request, asked: Search, new: int | None = None
) -> Iterator[list[Any]]:
    """Yields a line on what was found, its cards (number ``new`` is marked), a button for more if there is
    more, and what was asked.
    """
    language = language_of(request)
    yield [_line(say(language, "hub_searching")), *[gr.skip()] * 3]
    try:
        found = search_concepts(
            asked.query,
            asked.author,
            asked.base_model,
            limit=asked.shown + 1,  # one more tells that there are more
            token=studio.homes.token_of(request),
        )
    except Exception:
        yield ["", *[gr.skip()] * 3]
        raise
    is_more, found = len(found) > asked.shown, found[: asked.shown]
    key = "hub_found_more" if is_more else "hub_found" if found else "hub_none_found"
    status = _line(say(language, key, count=len(found)))
    yield [status, results_html(language, found, new), gr.Button(visible=is_more), asked]


def add_word(studio: Studio, request: gr.Request, repo_id: str) -> Iterator[str]:
    """Fetch a word into the person's own, under a name that is free there; yields a line on it."""
    language, library = language_of(request), studio.home(request).library
    yield _line(say(language, "hub_adding", name=repo_id))
    try:
        pulled = pull_concept(repo_id, token=studio.homes.token_of(request))
        token = library.free_token(pulled.concept.name)
        library.add(replace(pulled.concept, token=token), pulled.pictures)
    except Exception:
        yield ""
        raise
    yield added_html(language, token, pulled)


def added_html(language: Language, token: str, pulled: Pulled) -> str:
    key = "hub_guessed" if pulled.guessed else "hub_added"
    return _line(say(language, key, token=token, model=pulled.concept.base.id))


def results_html(language: Language, found: Sequence[FoundConcept], new: int | None = None) -> str:
    cards = "".join(
        f"<li{' class=new' if number == new else ''}>{_card(language, concept)}</li>"
        for number, concept in enumerate(found)
    )
    return f'<ul class="hub-words">{cards}</ul>' if found else ""


def _card(language: Language, concept: FoundConcept) -> str:
    """A word of others: its picture, a link to its page, what it is for, and a button to have it."""
    name, address = html.escape(concept.repo_id), html.escape(f"{constants.ENDPOINT}/{concept.repo_id}")
    base = concept.base_model or say(language, "hub_base_unknown")
    facts = html.escape(f"{base} · {say(language, 'hub_downloads', count=concept.downloads)}")
    picture = ""
    if concept.thumbnail:
        source = html.escape(concept.thumbnail)
        picture = f'<img src="{source}" alt="" loading="lazy" referrerpolicy="no-referrer">'
    look, add = (
        html.escape(say(language, f"hub_{key}_named", name=concept.repo_id)) for key in ("look", "add")
    )
    return (
        f'<span class="thumbnail">{picture}</span><span class="about">'
        f'<a href="{address}" target="_blank" rel="noopener" aria-label="{look}">{name}</a>'
        f'<span class="facts">{facts}</span>'
        f'<button type="button" data-repository="{name}" aria-label="{add}">'
        f"{html.escape(say(language, 'hub_add'))}</button></span>"
    )


def _line(text: str) -> str:
    return f'<p role="status">{html.escape(text)}</p>'
