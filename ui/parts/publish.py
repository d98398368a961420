"""A panel that publishes a word on the Hugging Face Hub."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.events import Dependency

from ti_core.hub import Pushed, account, push_concept
from ti_core.pictures.decode import open_picture
from ti_core.words.concept import Concept
from ti_core.words.folder import picture_files
from ti_core.words.gallery import gallery_files
from ui.parts.events import HIDDEN, Updates, bind
from ui.server.people import people_sign_in
from ui.server.studio import Studio
from ui.texts import Language, label, language_of, say


@dataclass(frozen=True)
class Word:
    """A concept to publish, and its folder with the training pictures and the pictures drawn with it."""

    concept: Concept
    folder: Path


@dataclass(frozen=True)
class PublishPanel:
    """The components that publish a word, in an accordion that is closed at first."""

    fold: gr.Accordion
    who: gr.HTML
    name: gr.Textbox
    private: gr.Checkbox
    pictures: gr.Checkbox
    publish: gr.Button
    result: gr.HTML

    @property
    def filled(self) -> list[Block]:
        """The fields that are filled in for one word, in the order of ``oneWord.foldPanel``."""
        return [self.who, self.name, self.private, self.pictures, self.result]


FindWord = Callable[[Studio, gr.Request, Any], Word]


def place_panel(part: str) -> PublishPanel:
    """Place the panel in a part of the page; the ids of its elements begin with that part's name."""
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
    """Place a button to sign in and out, only on a Space: elsewhere the machine's own login is used."""
    if people_sign_in():
        # Gradio compares the label with this text, so the text is in both languages at once.
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
    """Let the panel publish the word that ``find_word`` finds for the value of ``source``.

    The event ``changes`` means that the page shows another word: the panel is then cleared and closed.
    """
    panel.fold.expand(
        bind(studio, open_panel, panel, find_word), source, [*panel.filled, panel.publish], **HIDDEN
    )
    changes(None, None, panel.filled, js=f"() => oneWord.foldPanel('{panel.fold.elem_id}')", **HIDDEN)
    panel.publish.click(
        bind(studio, publish, panel, find_word),
        [source, panel.name, panel.private, panel.pictures],
        [panel.result, panel.publish],
        **HIDDEN,
    ).success(
        None,
        js=f"() => document.querySelector('#{panel.result.elem_id}').scrollIntoView({{ block: 'nearest' }})",
        **HIDDEN,
    )


def open_panel(
    studio: Studio, request: gr.Request, panel: PublishPanel, find_word: FindWord, source: Any
) -> Updates:
    """Say who would publish the word and under which name or, without a login, how to log in.

    Earlier entries are cleared, because they were meant for another word.
    """
    language, token = language_of(request), studio.homes.token_of(request)
    name = find_word(studio, request, source).concept.name
    if token is None:
        where = "space" if people_sign_in() else "nowhere" if studio.homes.shared else "machine"
        who = status_line(say(language, f"hub_login_{where}"))
    else:
        owner = account(token).name
        who, name = status_line(say(language, "hub_who", name=owner)), f"{owner}/{name}"
    return {
        panel.who: who,
        panel.name: name,
        panel.private: False,
        panel.pictures: False,
        panel.result: "",
        panel.publish: gr.Button(interactive=token is not None),
    }


def publish(
    studio: Studio,
    request: gr.Request,
    panel: PublishPanel,
    find_word: FindWord,
    source: Any,
    name: str,
    private: bool,
    with_pictures: bool,
) -> Iterator[Updates]:
    """Publish a word and report the progress. Raises the errors of :func:`push_concept`."""
    language, word = language_of(request), find_word(studio, request, source)
    yield {
        panel.result: status_line(say(language, "hub_publishing")),
        panel.publish: gr.Button(interactive=False),
    }
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
        yield {panel.result: "", panel.publish: gr.Button(interactive=True)}
        raise
    yield {
        panel.result: published_html(language, word.concept, pushed),
        panel.publish: gr.Button(interactive=True),
    }


def published_html(language: Language, concept: Concept, pushed: Pushed) -> str:
    key = "hub_was_there" if pushed.was_there else "hub_published"
    url = html.escape(pushed.url)
    text = html.escape(say(language, key, token=concept.token))
    card = html.escape(say(language, "hub_keeps_card")) if pushed.keeps_card else ""
    return f'<p role="status">{text} <a href="{url}" target="_blank" rel="noopener">{url}</a> {card}</p>'


def status_line(text: str) -> str:
    """Render a line that screen readers announce when it changes."""
    return f'<p role="status">{html.escape(text)}</p>'
