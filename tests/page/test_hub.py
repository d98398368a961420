"""The page and the Hub: publishing a word, finding others' words, and signing in."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from helpers.hub_server import HubServer
from helpers.requests import request_of
from PIL import Image
from starlette.requests import Request

from ti_core.drawing.recipe import Recipe, save_png
from ti_core.errors import ConfigError, HubConflictError, HubPermissionError, HubUnreachableError
from ti_core.hub import push_concept
from ti_core.model.base import BaseModel
from ti_core.words.concept import Concept
from ti_core.words.formats import write_embedding
from ti_core.words.gallery import save_gallery
from ui.drawer.hub import HubBrowser, add_word, place_browser, search_words, show_more
from ui.page import build_page
from ui.parts.events import Updates
from ui.parts.publish import PublishPanel, Word, open_panel, place_panel, publish
from ui.server.people import Home, signed_in_token
from ui.server.studio import Studio

SD15 = BaseModel("sd15", "sd1", {"clip_l": 768}, "0123456789ab")
OAUTH = {"SYSTEM": "spaces", "SPACE_ID": "ann/one-word", "OAUTH_CLIENT_ID": "id"}


def make_concept(token: str = "<our-cat>", value: float = 1) -> Concept:
    return Concept(token, {"clip_l": torch.full((1, 768), value)}, "object", SD15, "cat", {"steps": 400})


def signed_in(
    token: str = "hf_ann", person: str = "someone", minutes: float = 60, language: str = "en"
) -> gr.Request:
    """Make a request from someone who signed in on a Space."""
    request = request_of(person, language)
    scope: dict[str, Any] = dict(request.request.scope)  # type: ignore[union-attr]
    info = {"access_token": token, "expires_at": time.time() + 60 * minutes}
    scope["session"] = {"oauth_info": info}
    return gr.Request(Request(scope), session_hash="session")


@pytest.fixture
def own(tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """Make a studio as on a private machine where ann is logged in."""
    monkeypatch.setenv("HF_TOKEN", "hf_ann")
    return Studio(tmp_path / "data")


@pytest.fixture
def space(tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """Make a studio as on a Space, whose own token its visitors must not use."""
    monkeypatch.setenv("HF_TOKEN", "hf_ben")
    for name, value in OAUTH.items():
        monkeypatch.setenv(name, value)
    return Studio(tmp_path / "data", shared=True)


@pytest.fixture
def word(own: Studio) -> Word:
    entry = own.home(request_of()).library.add(make_concept(), [Image.new("RGB", (16, 16), "red")])
    return Word(entry.concept, entry.folder)


@pytest.fixture(scope="module")
def panel() -> PublishPanel:
    with gr.Blocks():
        return place_panel("words")


@pytest.fixture(scope="module")
def browser() -> HubBrowser:
    with gr.Blocks():
        return place_browser()


def given(studio: Studio, request: gr.Request, word: Word) -> Word:
    """Find the word to publish where the page has nothing else: it is the value itself."""
    return word


def last(results: Iterator[Updates]) -> Updates:
    return list(results)[-1]


# --- publishing -------------------------------------------------------------------------------------------


def test_the_panel_proposes_a_name_of_one_s_own(own: Studio, panel: PublishPanel, word: Word) -> None:
    opened = open_panel(own, request_of(), panel, given, word)
    assert "You are ann on Hugging Face" in opened[panel.who]
    assert (opened[panel.name], opened[panel.result]) == ("ann/our-cat", "")
    assert opened[panel.publish].interactive
    assert not opened[panel.private] and not opened[panel.pictures], (
        "what was ticked for another word is not meant for this one"
    )


def test_without_a_login_the_panel_says_what_to_do(
    own: Studio, panel: PublishPanel, word: Word, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    opened = open_panel(own, request_of(), panel, given, word)
    assert "hf auth login" in opened[panel.who] and not opened[panel.publish].interactive
    in_japanese = open_panel(own, request_of(language="ja"), panel, given, word)
    assert "ターミナルで" in in_japanese[panel.who]


def test_a_published_word_has_a_link(own: Studio, panel: PublishPanel, word: Word, hub: HubServer) -> None:
    steps = list(publish(own, request_of(), panel, given, word, " ann/our-cat ", False, False))
    assert "Publishing" in steps[0][panel.result] and not steps[0][panel.publish].interactive
    address = f"{hub.address}/ann/our-cat"
    published = steps[-1][panel.result]
    assert f'<a href="{address}"' in published and "&lt;our-cat&gt; is published" in published
    assert steps[-1][panel.publish].interactive
    repository = hub.repositories["ann/our-cat"]
    assert not repository.private and "concept_images/0.png" not in repository.files
    again = last(publish(own, request_of(), panel, given, word, "ann/our-cat", False, False))
    assert "was there already" in again[panel.result]


def test_a_card_that_was_edited_on_the_hub_is_said_to_stay(
    own: Studio, panel: PublishPanel, word: Word, hub: HubServer
) -> None:
    last(publish(own, request_of(), panel, given, word, "ann/our-cat", False, False))
    hub.repositories["ann/our-cat"].files["README.md"] = b"# mine"
    again = publish(own, request_of(language="ja"), panel, given, word, "ann/our-cat", False, False)
    assert "README.md は Hub で編集されているため" in last(again)[panel.result]


def test_private_and_with_pictures(own: Studio, panel: PublishPanel, word: Word, hub: HubServer) -> None:
    last(publish(own, request_of(), panel, given, word, "ann/our-cat", True, True))
    repository = hub.repositories["ann/our-cat"]
    assert repository.private and "concept_images/0.png" in repository.files


def test_pictures_drawn_with_the_word_stand_on_its_card(
    own: Studio, panel: PublishPanel, word: Word, hub: HubServer, tmp_path: Path
) -> None:
    drawn = tmp_path / "drawn.png"
    save_png(Image.new("RGB", (16, 16)), drawn, Recipe("a photo of <our-cat>"))
    save_gallery([drawn], word.folder)
    last(publish(own, request_of(), panel, given, word, "ann/our-cat", False, False))
    assert b"a photo of <our-cat>" in hub.repositories["ann/our-cat"].files["README.md"]


@pytest.mark.parametrize(
    ("name", "error"),
    [("", ConfigError), ("ben/our-cat", HubPermissionError), ("ann/taken", HubConflictError)],
)
def test_what_cannot_be_published_leaves_the_panel_ready(
    own: Studio, panel: PublishPanel, word: Word, hub: HubServer, name: str, error: type[Exception]
) -> None:
    hub.add("ann/taken", {"model.bin": b"x"})
    steps = publish(own, request_of(), panel, given, word, name, False, False)
    assert [next(steps)[panel.publish].interactive for _ in range(2)] == [False, True]
    with pytest.raises(error):
        next(steps)


# --- finding ----------------------------------------------------------------------------------------------


def repositories(cards: str) -> list[str]:
    return re.findall('data-word="([^"]*)"', cards)


@pytest.fixture
def published(hub: HubServer, tmp_path: Path) -> HubServer:
    """Publish a word by ben, and one of the sd-concepts-library, which names no base model."""
    push_concept(make_concept("<ink>"), "ben/ink", token="hf_ben")
    hub.repositories["ben/ink"].tags = ("textual-inversion",)
    files = write_embedding(make_concept("<toy>"), tmp_path / "toy", "diffusers-bin")
    contents = {file.name: file.read_bytes() for file in files if file.suffix != ".md"}
    hub.add("sd-concepts-library/toy", contents, downloads=9)
    return hub


def test_words_are_found_with_a_link_and_a_button(
    own: Studio, browser: HubBrowser, published: HubServer
) -> None:
    found = last(search_words(own, request_of(), browser, "", "", ""))
    cards = found[browser.results]
    assert "Words found: 2" in found[browser.status] and not found[browser.more].visible
    assert repositories(cards) == ["sd-concepts-library/toy", "ben/ink"]
    assert f'href="{published.address}/ben/ink"' in cards
    assert 'aria-label="Add ben/ink to my words"' in cards
    assert "ben/ink" not in last(search_words(own, request_of(), browser, " toy ", "", ""))[browser.results]
    nothing = last(search_words(own, request_of(), browser, "nothing", "", ""))
    assert nothing[browser.results] == ""


def test_more_words_are_shown_when_asked_for(own: Studio, browser: HubBrowser, hub: HubServer) -> None:
    for number in range(50):
        hub.add(f"ben/ink-{number:02}", {}, tags=("textual-inversion",), downloads=100 - number)
    hub.add("ben/other", {}, tags=("textual-inversion",), downloads=200)
    found = last(search_words(own, request_of(), browser, "ink", "", ""))
    assert "The 24 most used words are shown" in found[browser.status] and found[browser.more].visible
    shown = [f"ben/ink-{number:02}" for number in range(50)]
    assert repositories(found[browser.results]) == shown[:24]
    found = last(show_more(own, request_of(), browser, found[browser.asked]))
    assert repositories(found[browser.results]) == shown[:48] and found[browser.more].visible
    [new] = re.findall("<li class=new>.*?</li>", found[browser.results])
    assert 'data-word="ben/ink-24"' in new
    found = last(show_more(own, request_of(), browser, found[browser.asked]))
    assert "Words found: 50" in found[browser.status] and not found[browser.more].visible
    assert repositories(found[browser.results]) == shown


def test_what_the_hub_tells_is_no_code(own: Studio, browser: HubBrowser, hub: HubServer) -> None:
    hub.add("ben/ink", {'concept_images/".onerror=alert(1).png': b""}, tags=("textual-inversion",))
    found = last(search_words(own, request_of(), browser, "", "", ""))
    assert '".onerror' not in found[browser.results]


def test_a_word_of_another_becomes_one_s_own(own: Studio, browser: HubBrowser, published: HubServer) -> None:
    added = last(add_word(own, request_of(), browser, "ben/ink"))
    assert "&lt;ink&gt; is one of your words now, for sd15" in added[browser.status]
    found = own.home(request_of()).library.find("<ink>").concept
    assert found.sha256 == make_concept("<ink>").sha256


def test_a_guessed_base_model_is_said_to_be_one(
    own: Studio, browser: HubBrowser, published: HubServer
) -> None:
    added = last(add_word(own, request_of(), browser, "sd-concepts-library/toy"))
    assert "sd15 is a guess" in added[browser.status]


def test_a_word_whose_name_is_taken_gets_another(
    own: Studio, browser: HubBrowser, published: HubServer
) -> None:
    own.home(request_of()).library.add(make_concept("<ink>", 2))
    assert "&lt;ink-2&gt;" in last(add_word(own, request_of(), browser, "ben/ink"))[browser.status]


def test_a_hub_that_fails_leaves_the_results_as_they_are(
    own: Studio, browser: HubBrowser, hub: HubServer
) -> None:
    hub.fail("GET", "/api/models", 503)
    searching = search_words(own, request_of(), browser, "", "", "")
    adding = add_word(own, request_of(), browser, "ben/ink")
    for results, begun in ((searching, "Searching"), (adding, "Fetching ben/ink")):
        assert begun in next(results)[browser.status]
        assert next(results) == {browser.status: ""}
        with pytest.raises(HubUnreachableError):
            next(results)


# --- who it is --------------------------------------------------------------------------------------------


def test_on_a_space_the_visitor_s_token_is_used_and_not_the_space_s(
    space: Studio, panel: PublishPanel, hub: HubServer
) -> None:
    home = space.home(signed_in())
    entry = home.library.add(make_concept())
    word = Word(entry.concept, entry.folder)
    assert open_panel(space, signed_in(), panel, given, word)[panel.name] == "ann/our-cat"
    last(publish(space, signed_in(), panel, given, word, "our-cat", False, False))
    assert set(hub.repositories) == {"ann/our-cat"}
    assert "hf_ben" not in hub.tokens_seen


def test_who_has_not_signed_in_on_a_space_is_asked_to(
    space: Studio, panel: PublishPanel, browser: HubBrowser, hub: HubServer
) -> None:
    opened = open_panel(space, request_of(), panel, given, Word(make_concept(), Path()))
    assert "sign in with Hugging Face" in opened[panel.who] and opened[panel.name] == "our-cat"
    assert not opened[panel.publish].interactive
    list(search_words(space, request_of(), browser, "", "", ""))
    assert set(hub.tokens_seen) == {None}


def test_a_shared_server_that_is_no_space_uses_nobody_s_login(
    tmp_path: Path, panel: PublishPanel, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_ann")
    studio = Studio(tmp_path, shared=True)
    opened = open_panel(studio, request_of(), panel, given, Word(make_concept(), Path()))
    assert "from your own machine" in opened[panel.who] and not opened[panel.publish].interactive


def test_a_login_ends_when_it_expires() -> None:
    assert signed_in_token(signed_in(minutes=1)) == "hf_ann"
    assert signed_in_token(signed_in(minutes=-1)) is None
    assert signed_in_token(request_of()) is None


def home_of(studio: Studio, request: gr.Request) -> Home:
    return studio.home(request)


def test_signing_in_keeps_the_words_that_are_there(space: Studio) -> None:
    before = home_of(space, request_of("laptop"))
    assert home_of(space, signed_in(person="laptop")) is before


def test_a_person_has_one_home_in_every_browser(space: Studio) -> None:
    laptop = home_of(space, signed_in(person="laptop"))
    assert home_of(space, signed_in(person="phone")) is laptop
    assert home_of(space, request_of("phone")) is not laptop


def test_after_signing_out_the_home_is_closed(space: Studio) -> None:
    mine = home_of(space, signed_in(person="library computer"))
    after = home_of(space, request_of("library computer"))
    other = home_of(space, signed_in("hf_ben", "library computer"))
    assert len({mine.folder, after.folder, other.folder}) == 3


def test_a_person_finds_their_home_again_after_a_restart(space: Studio, tmp_path: Path) -> None:
    mine = home_of(space, signed_in(person="laptop")).folder
    again = Studio(tmp_path / "data", shared=True)
    assert home_of(again, request_of("laptop")).folder != mine
    assert home_of(again, signed_in(person="laptop")).folder == mine


def test_the_person_is_whom_the_hub_names_and_asked_for_once(space: Studio, hub: HubServer) -> None:
    home_of(space, signed_in())
    home_of(space, signed_in())
    assert hub.count_requests("GET", "/api/whoami-v2") == 1


def test_a_token_that_the_hub_does_not_know_opens_no_home(space: Studio) -> None:
    mine = home_of(space, signed_in(person="laptop"))
    assert home_of(space, signed_in("forged", "laptop")).folder != mine.folder


def test_while_the_hub_does_not_tell_who_it_is_no_home_opens(space: Studio, hub: HubServer) -> None:
    hub.fail("GET", "/api/whoami-v2", 503)
    with pytest.raises(HubUnreachableError):
        home_of(space, signed_in())


def test_no_token_is_on_the_server_s_disk(space: Studio, panel: PublishPanel, tmp_path: Path) -> None:
    entry = space.home(signed_in()).library.add(make_concept())
    last(
        publish(space, signed_in(), panel, given, Word(entry.concept, entry.folder), "our-cat", False, False)
    )
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert written and not [file for file in written if b"hf_ann" in file.read_bytes()]


# --- the page ---------------------------------------------------------------------------------------------


def blocks_of(demo: gr.Blocks, kind: type[gr.blocks.Block]) -> list[gr.blocks.Block]:
    return [block for block in demo.blocks.values() if isinstance(block, kind)]


def test_only_a_space_has_a_button_to_sign_in(own: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradio import oauth

    assert blocks_of(build_page(own), gr.LoginButton) == []
    for name, value in OAUTH.items():
        monkeypatch.setenv(name, value)
    for name in ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL"):
        monkeypatch.setattr(oauth, name, "http://127.0.0.1:1")
    page = build_page(own)
    buttons = blocks_of(page, gr.LoginButton)
    assert buttons
    assert all("Sign in" in button.value and "ログイン" in button.value for button in buttons)
    assert "/login/huggingface" in {getattr(route, "path", "") for route in page.app.routes}


def test_training_pictures_are_published_only_by_a_tick(own: Studio) -> None:
    boxes = [box for box in blocks_of(build_page(own), gr.Checkbox) if "hub_" in str(box.label)]
    assert boxes and not any(box.value for box in boxes)  # type: ignore[attr-defined]
