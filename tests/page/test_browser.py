"""The running page in a real browser, with real training and drawing.

One server has the embedded model and serves one person; the other has a tiny model and a home for everyone.
No page may log an error or send a request to another host; each test checks that at its end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from helpers.hub_server import HubServer, serve_hub
from helpers.requests import request_of
from helpers.serving import ROOT, chromium, free_port, go_to, new_visitor, serve
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect

from ti_core.model.backbone import Backbone
from ti_core.model.base import BaseModel
from ti_core.pictures.decode import open_picture
from ti_core.words.concept import Concept
from ui.frame import TAB_NAMES
from ui.server.people import COOKIE, Home, Homes

pytestmark = pytest.mark.slow
expect.set_options(timeout=30_000)

LONG = 240_000  # milliseconds that the embedded model may take to learn or to draw
EXAMPLES = ROOT / "assets" / "examples"
SLOW_SIDE = 256  # pixels: sixteen times the tiny model's own; such drawings do not end by themselves here
MANY_STEPS = 100_000
ABANDONED = re.compile("signal is aborted|Connection errored out")
"""What Gradio logs of a request whose page was left."""
FAINT_TEXTS = (ROOT / "tests" / "helpers" / "contrast.js").read_text(encoding="utf-8")
HAVE_A_NAME = {
    "button",
    "checkbox",
    "combobox",
    "link",
    "listbox",
    "radio",
    "searchbox",
    "slider",
    "spinbutton",
    "switch",
    "tab",
    "textbox",
}


# --- the servers and their visitors -----------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A running server and its data folder."""

    address: str
    homes: Homes


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def own_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the page as on a private machine."""
    data = tmp_path_factory.mktemp("own") / "data"
    with serve(data, free_port()) as address:
        yield Site(address, Homes(data, shared=False))


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Iterator[Site]:
    """Serve a tiny model to everyone; one drawing may wait."""
    data = tmp_path_factory.mktemp("shared") / "data"
    options = ["--shared", "--model", str(tiny_sd1), "--max-waiting", "1", "--max-steps", str(MANY_STEPS)]
    with serve(data, free_port(), *options) as address:
        yield Site(address, Homes(data, shared=True))


@pytest.fixture(scope="module")
def hub_site(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Iterator[tuple[Site, HubServer]]:
    """Serve the page as on a private machine where Ann is logged in to a Hub."""
    data = tmp_path_factory.mktemp("logged-in") / "data"
    with serve_hub() as hub:
        environment = {
            "HF_ENDPOINT": hub.address,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_TOKEN": "hf_ann",
        }
        with serve(data, free_port(), "--model", str(tiny_sd1), environment=environment) as address:
            yield Site(address, Homes(data, shared=False)), hub


@pytest.fixture(scope="session")
def tiny_base(tiny_sd1: Path) -> BaseModel:
    return Backbone.load(str(tiny_sd1), device="cpu", dtype=torch.float32).base


class Visitors:
    """The people of one test: each has their own cookies, and none appears in another test."""

    def __init__(self, browser: Browser, test: str):
        self.complaints: list[str] = []
        self._browser = browser
        self._test = test
        self._contexts: dict[str, BrowserContext] = {}

    def open(self, site: Site, person: str = "Ann", tab: str = "train", **look: str) -> Page:
        """Open a tab of the page in a new browser tab of the person; ``look`` as for :func:`new_visitor`."""
        if person not in self._contexts:
            self._contexts[person] = self._new_context(site, person, look)
        page = self._contexts[person].new_page()
        return go_to(page, site.address, tab, look.get("theme", "light"))

    def home(self, site: Site, person: str = "Ann") -> Home:
        return site.homes.of(self._request(person))

    def close(self) -> None:
        for context in self._contexts.values():
            context.close()

    def _request(self, person: str) -> Any:
        return request_of(f"{person} of {self._test}")

    def _new_context(self, site: Site, person: str, look: dict[str, str]) -> BrowserContext:
        def check(request: Request) -> None:
            if not request.url.startswith((f"{site.address}/", "data:", "blob:")):
                self.complaints.append(f"Another host was asked: {request.url}")

        def note(error: str) -> None:
            if not ABANDONED.search(error):
                self.complaints.append(error)

        context = new_visitor(self._browser, **look)
        secret = self._request(person).cookies[COOKIE]
        context.add_cookies([{"name": COOKIE, "value": secret, "url": site.address}])
        context.on("request", check)
        context.on("weberror", lambda error: note(str(error.error)))
        context.on(
            "console",
            lambda line: note(f"{line.text} {line.location['url']}") if line.type == "error" else None,
        )
        return context


@pytest.fixture
def visitors(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visitors]:
    visitors = Visitors(browser, request.node.name)
    yield visitors
    visitors.close()
    assert visitors.complaints == []


# --- what people do ---------------------------------------------------------------------------------------


def choose_pictures(page: Page, files: list[Path]) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Click to upload or drop files").click()
    chooser.value.set_files(files)


def thumbnails(page: Page) -> Locator:
    return page.locator("#train-pictures").get_by_role("img")


def unfold(page: Page, name: str) -> None:
    """Open an accordion; Gradio fills in its fields a frame after it has drawn them."""
    page.get_by_role("button", name=name).click()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def set_training(page: Page, *, steps: int, previews: int = 0, word: str = "toy") -> None:
    page.get_by_role("textbox", name="Initial word").fill(word)
    unfold(page, "All settings")
    page.get_by_role("spinbutton", name=re.compile("^Steps")).fill(str(steps))
    page.get_by_role("spinbutton", name="Preview every").fill(str(previews))
    page.get_by_role("combobox", name="End by itself").click()
    page.get_by_role("option", name="After all steps").click()


def learn_example(page: Page, example: str, **settings: Any) -> None:
    """Fill the form with an example button, and start once the model is loaded."""
    page.get_by_role("button", name=example).click()
    expect(thumbnails(page)).to_have_count(4)
    set_training(page, **settings)
    expect(page.get_by_text("is ready on")).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Learn the word").click()


def set_drawing(page: Page, *, count: int = 1, steps: int = 2, side: int = 0) -> None:
    unfold(page, "More settings")
    page.get_by_role("spinbutton", name="number input for Pictures").fill(str(count))
    page.get_by_role("spinbutton", name="number input for Steps").fill(str(steps))
    for name in ("Width", "Height"):
        page.get_by_role("spinbutton", name=name).fill(str(side))


def draw(page: Page) -> None:
    page.get_by_role("button", name="Draw", exact=True).click()


def draw_for_long(page: Page) -> None:
    """Begin a drawing that does not end by itself."""
    set_drawing(page, count=8, steps=100, side=SLOW_SIDE)
    page.get_by_role("textbox", name="Prompt", exact=False).first.fill("a photo of a cat")
    draw(page)


def drawn(page: Page, tab: str = "generate") -> Locator:
    return page.locator(f"#{tab}-gallery").get_by_role("img")


def open_words(page: Page) -> Locator:
    page.locator("#words-button").click()
    return page.locator("#words")


def give_words(home: Home, base: BaseModel) -> None:
    """Add a thing and a style, as if they had been learned."""
    named: list[tuple[str, Literal["object", "style"]]] = [("<our-cat>", "object"), ("<our-ink>", "style")]
    for seed, (token, kind) in enumerate(named):
        generator = torch.Generator().manual_seed(seed)
        vectors = {name: torch.randn(1, width, generator=generator) for name, width in base.widths.items()}
        picture, _, _ = open_picture(EXAMPLES / "cat" / "0.png")
        home.library.add(Concept(token, vectors, kind, base, initializer="cat"), [picture])


def tabs_in_turn(page: Page) -> Iterator[str]:
    """Open the tabs one after the other, in any language; yield the name of each while it is open."""
    for number, name in enumerate(TAB_NAMES):
        page.locator("#tabs").get_by_role("tab").nth(number).click()
        expect(page).to_have_url(re.compile(f"tab={name}"))
        yield name


def wait_until(happened: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition that no page shows."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def nameless(page: Page) -> list[str]:
    """Return the visible controls that have no accessible name."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    found = []
    for node in nodes:
        if not node["ignored"] and node["role"]["value"] in HAVE_A_NAME and not node["name"]["value"].strip():
            shown = session.send("DOM.getOuterHTML", {"backendNodeId": node["backendDOMNodeId"]})
            found.append(shown["outerHTML"])
    session.detach()
    return found


# --- learning ---------------------------------------------------------------------------------------------


def test_newcomer_gets_from_four_pictures_to_a_new_picture(visitors: Visitors, own_site: Site) -> None:
    page = visitors.open(own_site)
    expect(page.get_by_role("button", name="My words (0)")).to_be_visible()
    choose_pictures(page, sorted((EXAMPLES / "monster").glob("*.png")))
    expect(thumbnails(page)).to_have_count(4)
    page.get_by_role("textbox", name="Name", exact=False).fill("Our Monster")
    expect(page.get_by_text("In your sentences it will be <our-monster>.")).to_be_visible()
    expect(page.get_by_text("toybox is ready")).to_be_visible(timeout=LONG)
    set_training(page, steps=40, previews=20, word="monster")
    page.get_by_role("button", name="Learn the word").click()
    expect(page.get_by_text(re.compile(r"Step \d+ of 40"))).to_be_visible(timeout=LONG)

    page.reload()
    expect(page.get_by_role("heading", name="Training of <our-monster>")).to_be_visible()
    expect(page.get_by_text("Finished: all 40 steps are done.")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("heading", name="<our-monster> is learned and among your words.")).to_be_visible()
    unfold(page, "How it learned")
    expect(page.get_by_role("img", name="Preview after 20 steps")).to_be_visible()
    expect(page.get_by_role("img", name="Loss over the steps")).to_be_visible()
    for prompt in ("a photo of monster", "a photo of <our-monster>", "a photo of <our-monster> on the moon"):
        expect(page.get_by_role("img", name=prompt, exact=True)).to_be_visible(timeout=LONG)
    expect(page.get_by_text("toybox's own judge: the picture with <our-monster> is")).to_be_visible()
    assert nameless(page) == []

    unfold(page, "Keep an earlier step")
    page.get_by_role("spinbutton", name="number input for Step").last.fill("20")
    expect(page.get_by_text("After 20 steps: evaluation loss")).to_be_visible()
    page.get_by_role("button", name="Keep this step").click()
    expect(page.get_by_text("<our-monster> is now the word as it was after 20 steps.")).to_be_visible()

    page.get_by_role("button", name="Use it in Generate").click()
    expect(page.get_by_role("tab", name="Generate")).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile("tab=generate"))
    expect(page.locator("#generate-prompt textarea")).to_have_value("a photo of <our-monster>")
    set_drawing(page, steps=8)
    draw(page)
    expect(page.get_by_text("1 drawn.")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("img", name="seed 0")).to_have_js_property("naturalWidth", 128)
    assert nameless(page) == []

    expect(page.get_by_role("button", name="My words (1)")).to_be_visible()
    words = open_words(page)
    words.get_by_role("button", name="<our-monster>").click()
    expect(words.get_by_role("heading", name="<our-monster>")).to_be_visible()
    assert nameless(page) == []


def test_stopping_keeps_what_was_learned_and_resuming_goes_on(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site)
    learn_example(page, "A teapot", steps=MANY_STEPS)
    steps_taken = stop_training(page, after=0)
    expect(page.get_by_role("heading", name="<our-teapot> is learned and among your words.")).to_be_visible()
    expect(page.get_by_role("button", name="My words (1)")).to_be_visible()

    page.get_by_role("button", name="Resume").click()
    assert stop_training(page, after=steps_taken) > steps_taken
    expect(page.get_by_role("button", name="My words (1)")).to_be_visible()


def stop_training(page: Page, after: int) -> int:
    """Stop once more than ``after`` steps are shown; return the number of steps."""
    page.wait_for_function("after => document.querySelector('#train-run progress')?.value > after", arg=after)
    page.get_by_role("button", name="Stop").click()
    line = page.get_by_text("It can be resumed from there.")
    expect(line).to_be_visible()
    found = re.match(rf"Stopped after step (\d+) of {MANY_STEPS}\.", line.inner_text())
    assert found
    return int(found[1])


def test_training_goes_on_when_its_page_is_closed(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site)
    learn_example(page, "A cat", steps=200)
    expect(page.get_by_role("heading", name="Training of <our-cat>")).to_be_visible()
    page.close()
    library = visitors.home(shared_site).library
    wait_until(lambda: bool(library.entries()[0]), seconds=LONG / 1000)

    page = visitors.open(shared_site)
    expect(page.get_by_text("Finished: all 200 steps are done.")).to_be_visible()
    expect(page.get_by_role("button", name="My words (1)")).to_be_visible()


def test_training_that_ends_out_of_sight_is_noticed(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site)
    learn_example(page, "A cat", steps=100)
    page.get_by_role("button", name="Learn another word").click()
    expect(page.get_by_role("button", name="Learn the word")).to_be_visible()
    expect(page.get_by_role("textbox", name="Textbox")).to_have_count(0)  # Gradio's name for a hidden one
    expect(page.get_by_role("button", name="My words (1)")).to_be_visible(timeout=LONG)


def test_what_is_written_of_a_picture_stays_with_it(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site)
    choose_pictures(page, [EXAMPLES / "cat" / "0.png", EXAMPLES / "cat" / "1.png"])
    page.get_by_role("button", name="Crop or describe Picture 1 (0.png)").click()
    written = page.get_by_role("textbox", name="Description")
    written.press_sequentially("asleep on the red sofa")
    page.get_by_role("button", name="Crop or describe Picture 2 (1.png)").click()
    expect(written).to_have_value("")
    shown = page.locator("#train-pictures").get_by_role("listitem")
    expect(shown.filter(has_text="Picture 1")).to_contain_text("asleep on the red sofa")
    expect(shown.filter(has_text="Picture 2")).not_to_contain_text("sofa")


def test_ones_own_pictures_come_back_after_an_example(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site)
    choose_pictures(page, [EXAMPLES / "monster" / "0.png", EXAMPLES / "monster" / "1.png"])
    expect(thumbnails(page)).to_have_count(2)
    page.get_by_role("textbox", name="Name", exact=False).fill("my-own")
    page.get_by_role("button", name="A cat").click()
    expect(thumbnails(page)).to_have_count(4)
    back = page.get_by_role("button", name="Back to your own pictures")
    back.click()
    expect(thumbnails(page)).to_have_count(2)
    expect(page.get_by_role("textbox", name="Name", exact=False)).to_have_value("my-own")
    expect(back).to_be_hidden()


def test_unreadable_picture_is_named_and_the_others_stay(
    visitors: Visitors, shared_site: Site, tmp_path: Path
) -> None:
    damaged = tmp_path / "holiday.png"
    damaged.write_bytes((EXAMPLES / "cat" / "0.png").read_bytes()[:400])
    page = visitors.open(shared_site)
    choose_pictures(page, [EXAMPLES / "cat" / "1.png", damaged, EXAMPLES / "cat" / "2.png"])
    expect(page.get_by_text(re.compile("Left out: holiday.png is damaged or incomplete"))).to_be_visible()
    expect(thumbnails(page)).to_have_count(2)
    page.get_by_role("button", name="Remove Picture 1 (1.png)").click()
    expect(thumbnails(page)).to_have_count(1)
    expect(thumbnails(page)).to_have_attribute("alt", "Picture 1 (2.png)")


def test_what_was_begun_outlasts_a_change_of_the_language(
    visitors: Visitors, shared_site: Site, tiny_base: BaseModel
) -> None:
    give_words(visitors.home(shared_site), tiny_base)
    prompts = {"generate": "a photo of a cat", "compose": "a cat on a mat", "style": "a house\na boat"}

    def prompt_of(tab: str, name: str) -> Locator:
        page.get_by_role("tab", name=name, exact=True).click()
        return page.locator("#style-subjects textarea" if tab == "style" else f"#{tab}-prompt textarea")

    page = visitors.open(shared_site)
    choose_pictures(page, [EXAMPLES / "cat" / "0.png", EXAMPLES / "cat" / "1.png"])
    expect(thumbnails(page)).to_have_count(2)
    page.get_by_role("textbox", name="Name", exact=False).fill("our ink")
    page.get_by_role("textbox", name="Initial word").fill("drawing")
    page.get_by_role("radio", name="A style").click()
    for tab, name in zip(prompts, ("Generate", "Compose", "Style"), strict=True):
        prompt_of(tab, name).fill(prompts[tab])

    page.get_by_role("button", name="日本語").click()
    page.get_by_role("tab", name="学習", exact=True).click()
    expect(thumbnails(page)).to_have_count(2)
    expect(page.get_by_role("textbox", name="名前", exact=False)).to_have_value("our ink")
    expect(page.get_by_role("textbox", name="初期語")).to_have_value("drawing")
    expect(page.get_by_role("radio", name="スタイル")).to_be_checked()
    for tab, name in zip(prompts, ("生成", "組み合わせ", "スタイル"), strict=True):
        expect(prompt_of(tab, name)).to_have_value(prompts[tab])


# --- drawing ----------------------------------------------------------------------------------------------


def test_cancelling_a_drawing_ends_it(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site, tab="generate")
    draw_for_long(page)
    expect(page.get_by_text(re.compile(r"Drawing: step \d+ of 800"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Stopped; 0 drawn.")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()


def test_closing_the_page_of_a_drawing_frees_the_device(visitors: Visitors, shared_site: Site) -> None:
    first, second = (visitors.open(shared_site, person, "generate") for person in ("Ann", "Ben"))
    draw_for_long(first)
    expect(first.get_by_text(re.compile(r"Drawing: step \d+ of 800"))).to_be_visible()
    set_drawing(second)
    second.locator("#generate-prompt textarea").fill("a photo of a dog")
    draw(second)
    expect(second.get_by_text("Waiting for the device: place 1 in the queue")).to_be_visible()
    first.close()
    expect(second.get_by_text("1 drawn.")).to_be_visible()


def test_full_queue_refuses_the_next_drawing(visitors: Visitors, shared_site: Site) -> None:
    pages = [visitors.open(shared_site, person, "generate") for person in ("Ann", "Ben", "Cleo")]
    shown = (r"Drawing: step \d+ of 800", "Waiting for the device: place 1", "The queue is full: 1 waiting")
    for page, text in zip(pages, shown, strict=True):
        draw_for_long(page)
        expect(page.get_by_text(re.compile(text))).to_be_visible()
    for page in pages[:2]:
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("Stopped; 0 drawn.")).to_be_visible()
    draw(pages[2])
    expect(pages[2].get_by_text(re.compile(r"Drawing: step \d+ of 800"))).to_be_visible()


def test_drawn_picture_is_seen_whole_and_lends_its_seed_and_itself(
    visitors: Visitors, shared_site: Site, tiny_base: BaseModel
) -> None:
    give_words(visitors.home(shared_site), tiny_base)
    page = visitors.open(shared_site, tab="generate", width="phone")
    set_drawing(page, count=8)
    page.locator("#generate-prompt textarea").fill("a photo of a cat")
    draw(page)
    expect(drawn(page)).to_have_count(8)
    cut_off = "gallery => gallery.scrollHeight > gallery.clientHeight + 1"
    assert not page.locator("#generate-gallery .grid-wrap").evaluate(cut_off)
    page.get_by_role("button", name="Thumbnail 3 of 8").click()
    page.get_by_role("button", name="Use this seed").click()
    seed = page.get_by_role("spinbutton", name="Seed").first
    expect(seed).to_be_focused()
    expect(seed).to_have_value("2")
    page.get_by_role("button", name="Send to Style").click()
    expect(page.locator("#style-picture").get_by_role("button", name="Remove Image")).to_be_visible()
    expect(page).to_have_url(re.compile("tab=style"))


def test_picture_without_a_recipe_is_refused_in_a_sentence(visitors: Visitors, shared_site: Site) -> None:
    for language, fold, title, sentence in (
        ("en-US", "Settings from a picture", "That did not work", "0.png holds no recipe."),
        (
            "ja-JP",
            "画像から設定を読み込む",
            "できませんでした",
            "0.png にレシピ（生成時の設定）がありません。",
        ),
    ):
        page = visitors.open(shared_site, language, tab="generate", language=language)
        unfold(page, fold)
        page.locator("#generate-file input[type=file]").set_input_files(EXAMPLES / "cat" / "0.png")
        toast = page.get_by_test_id("toast-body")
        expect(toast).to_contain_text(title)
        expect(toast).to_contain_text(sentence)
        expect(toast).not_to_contain_text("Error")


def test_settings_of_a_downloaded_picture_come_back(
    visitors: Visitors, shared_site: Site, tmp_path: Path
) -> None:
    page = visitors.open(shared_site, tab="generate")
    set_drawing(page, count=2, steps=3)
    prompt = page.locator("#generate-prompt textarea")
    prompt.fill("a photo of a cat")
    draw(page)
    expect(drawn(page)).to_have_count(2)
    page.get_by_role("button", name="Thumbnail 2 of 2").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download (PNG)").click()
    file = tmp_path / "drawn.png"
    download.value.save_as(file)
    page.get_by_role("spinbutton", name="number input for Steps").fill("9")
    prompt.fill("")
    unfold(page, "Settings from a picture")
    page.locator("#generate-file input[type=file]").set_input_files(file)
    expect(prompt).to_have_value("a photo of a cat")
    expect(page.get_by_role("spinbutton", name="number input for Steps")).to_have_value("3")
    expect(page.get_by_role("spinbutton", name="Seed").first).to_have_value("1")


def test_grid_compares_two_settings(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site, tab="generate")
    set_drawing(page)
    page.locator("#generate-prompt textarea").fill("a photo of a cat")
    unfold(page, "Compare in a grid")
    for side, axis, values in (("Columns", "Seed", "3, 4, 5"), ("Rows", "Steps", "1, 2")):
        page.get_by_role("combobox", name=side).click()
        page.get_by_role("option", name=axis, exact=True).click()
        expect(page.get_by_role("option")).to_have_count(0)
        field = page.locator("#generate-grid").get_by_role("textbox", name="Values")
        field.nth(0 if side == "Columns" else 1).fill(values)
    page.get_by_role("button", name="Draw the grid").click()
    expect(page.locator("#generate-grid-sheet img")).to_be_visible()
    expect(drawn(page)).to_have_count(6)


def test_two_words_meet_in_one_picture(visitors: Visitors, shared_site: Site, tiny_base: BaseModel) -> None:
    give_words(visitors.home(shared_site), tiny_base)
    page = visitors.open(shared_site, tab="compose")
    for card in ("<our-cat> thing", "<our-ink> style"):
        page.get_by_role("button", name=card, exact=True).click()
        expect(page.get_by_role("button", name=card, exact=True, pressed=True)).to_be_visible()
    prompt = page.locator("#compose-prompt textarea")
    expect(prompt).to_have_value(re.compile("<our-cat>.*<our-ink>"))
    page.get_by_role("button", name="<our-cat> in the style of <our-ink>").click()
    expect(prompt).to_have_value(re.compile("<our-cat> in the style of <our-ink>"))
    set_drawing(page)
    draw(page)
    expect(page.get_by_text("1 drawn.")).to_be_visible()
    expect(page.get_by_text("Which words are in a picture is not judged.")).to_be_visible()
    expect(drawn(page, "compose")).to_have_js_property("naturalWidth", 16)


def test_style_over_subjects_and_over_a_picture(
    visitors: Visitors, shared_site: Site, tiny_base: BaseModel
) -> None:
    give_words(visitors.home(shared_site), tiny_base)
    page = visitors.open(shared_site, tab="style")
    expect(page.get_by_role("button", name="<our-ink> style", pressed=True)).to_be_visible()
    page.get_by_role("textbox", name="Subjects").fill("a cat\na red dog")
    set_drawing(page)
    draw(page)
    expect(page.get_by_text("2 drawn.")).to_be_visible()
    for subject in ("a cat", "a red dog"):
        expect(page.get_by_role("img", name=f"{subject} · seed 0")).to_be_visible()

    page.get_by_role("tab", name="A picture of mine").click()
    page.locator("#style-picture input[type=file]").set_input_files(EXAMPLES / "teapot" / "0.png")
    expect(page.locator("#style-picture").get_by_role("button", name="Remove Image")).to_be_visible()
    draw(page)
    expect(page.get_by_text("1 drawn.")).to_be_visible()
    expect(drawn(page, "style")).to_have_count(1)
    expect(page.locator("#style-comparison img")).to_have_count(2)


# --- everyone ---------------------------------------------------------------------------------------------


def test_two_people_learn_at_once_and_do_not_see_each_other(visitors: Visitors, shared_site: Site) -> None:
    pages = {
        "monster": visitors.open(shared_site, "Ann"),
        "teapot": visitors.open(shared_site, "Ben"),
    }
    for thing, page in pages.items():
        learn_example(page, f"A {thing}", steps=200)
    for thing, page in pages.items():
        other = next(name for name in pages if name != thing)
        learned = page.get_by_role("heading", name=f"<our-{thing}> is learned and among your words.")
        expect(learned).to_be_visible(timeout=LONG)
        page.reload()
        expect(page.get_by_role("heading", name=f"Training of <our-{thing}>")).to_be_visible()
        words = open_words(page)
        expect(words.get_by_role("button", name=f"<our-{thing}>")).to_be_visible()
        expect(page.get_by_text(f"our-{other}")).to_have_count(0)
        page.get_by_role("combobox", name="Your trainings").click()
        expect(page.get_by_role("option")).to_have_count(2)  # this one, and a new one


def test_word_leaves_as_a_file_of_another_program_and_comes_back(
    visitors: Visitors, shared_site: Site, tiny_base: BaseModel, tmp_path: Path
) -> None:
    home = visitors.home(shared_site)
    give_words(home, tiny_base)
    sha256 = home.library.find("<our-cat>").concept.sha256
    page = visitors.open(shared_site)
    words = open_words(page)
    word = words.get_by_role("button", name="<our-cat>")
    word.click()
    page.locator("#words-layout input").click()
    page.get_by_role("option", name="A1111 (.pt)").click()
    with page.expect_download() as download:
        words.get_by_role("button", name="Export", exact=True).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == ".pt"
    words.get_by_role("button", name="Delete", exact=True).click()
    expect(word).to_have_count(0)
    with page.expect_file_chooser() as chooser:
        words.get_by_role("button", name="Import").click()
    chooser.value.set_files(file)
    expect(word).to_be_visible()
    assert home.library.find("<our-cat>").concept.sha256 == sha256


def test_word_is_renamed_deleted_and_brought_back(
    visitors: Visitors, shared_site: Site, tiny_base: BaseModel
) -> None:
    home = visitors.home(shared_site)
    give_words(home, tiny_base)
    page = visitors.open(shared_site)
    words = open_words(page)
    words.get_by_role("button", name="<our-cat>").click()
    words.get_by_role("textbox", name="New name").fill("tabby")
    words.get_by_role("button", name="Rename").click()
    word = words.get_by_role("button", name="<tabby>")
    expect(word).to_be_visible()
    expect(words.get_by_role("button", name="<our-cat>")).to_have_count(0)
    words.get_by_role("button", name="Delete", exact=True).click()
    expect(words.get_by_text("<tabby> was deleted.")).to_be_visible()
    expect(word).to_have_count(0)
    words.get_by_role("button", name="Undo").click()
    expect(word).to_be_visible()
    assert home.library.find("<tabby>").concept.initializer == "cat"


def test_escape_closes_a_list_before_the_drawer(
    visitors: Visitors, shared_site: Site, tiny_base: BaseModel
) -> None:
    give_words(visitors.home(shared_site), tiny_base)
    page = visitors.open(shared_site)
    words = open_words(page)
    words.get_by_role("button", name="<our-cat>").click()
    formats = words.get_by_role("combobox", name="Export as")
    formats.click()
    expect(page.get_by_role("listbox")).to_be_visible()
    formats.press("Escape")
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(words).to_have_class(re.compile("open"))
    formats.press("Escape")
    expect(words).not_to_have_class(re.compile("open"))
    expect(page.locator("#words-button")).to_be_focused()


def test_word_is_published_and_found_again(
    visitors: Visitors, hub_site: tuple[Site, HubServer], tiny_base: BaseModel
) -> None:
    site, hub = hub_site
    home = visitors.home(site)
    give_words(home, tiny_base)
    sha256 = home.library.find("<our-cat>").concept.sha256
    page = visitors.open(site)
    words = open_words(page)
    word = words.get_by_role("button", name="<our-cat>")
    fold, repository = (
        words.get_by_role("button", name="Publish on the Hub"),
        words.get_by_label("Repository"),
    )
    words.get_by_role("button", name="<our-ink>").click()
    fold.click()
    expect(repository).to_have_value("ann/our-ink")
    words.get_by_label("Also my training pictures").check()
    word.click()
    expect(repository).to_be_hidden()  # what was filled in and ticked was meant for the other word
    fold.click()
    expect(repository).to_have_value("ann/our-cat")
    expect(words.get_by_label("Also my training pictures")).not_to_be_checked()
    expect(words.get_by_text("You are ann on Hugging Face.")).to_be_visible()
    words.get_by_role("button", name="Publish", exact=True).click()
    expect(words.get_by_text("<our-cat> is published:")).to_be_visible()
    published = hub.repositories["ann/our-cat"]
    assert {"README.md", "learned_embeds.safetensors", "learned_embeds.bin"} <= published.files.keys()
    assert not any(path.startswith("concept_images/") for path in published.files)

    published.tags = ("textual_inversion",)  # the real Hub reads them from the card
    words.get_by_role("button", name="Delete", exact=True).click()
    expect(word).to_have_count(0)
    words.get_by_role("button", name="Words on the Hub").click()
    words.get_by_role("button", name="Search", exact=True).click()
    words.get_by_role("button", name="Add ann/our-cat to my words").click()
    expect(words.get_by_text("<our-cat> is one of your words now")).to_be_visible()
    expect(word).to_be_visible()
    assert home.library.find("<our-cat>").concept.sha256 == sha256


def test_another_base_model_is_taken_from_its_folder(
    visitors: Visitors, own_site: Site, tiny_sd2: Path
) -> None:
    page = visitors.open(own_site)
    expect(page.get_by_text("toybox is ready")).to_be_visible(timeout=LONG)
    page.locator("#model-choice input").fill(str(tiny_sd2))
    page.locator("#model-choice input").press("Enter")
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.get_by_text(f"{tiny_sd2} is ready")).to_be_visible(timeout=LONG)


def test_language_follows_the_browser_and_the_switch(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site, tab="generate", language="ja-JP")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    page.get_by_role("button", name="生成する", exact=True).click()
    expect(page.get_by_text("まず、何を描くかを書いてください。")).to_be_visible()

    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Draw", exact=True)).to_be_visible()
    expect(page.get_by_role("tab", name="Generate")).to_have_attribute("aria-selected", "true")
    page.get_by_role("textbox", name="Prompt", exact=False).first.fill("a photo of <our-cat>")
    expect(page.get_by_role("alert")).to_contain_text("You have no word <our-cat>:")

    page.get_by_role("button", name="日本語").click()
    expect(page.get_by_role("button", name="生成する", exact=True)).to_be_visible()
    page.locator("#generate-prompt textarea").fill("a photo of <our-cat>")
    expect(page.get_by_role("alert")).to_contain_text("<our-cat> ということばはありません。")


def test_another_language_than_the_browsers_is_everywhere(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site)
    page.get_by_role("button", name="日本語").click()
    for _ in range(2):  # the second time from the browser's cache, in another order
        page.wait_for_function("window.oneWord?.opened && oneWord.language() === 'ja'")
        for name in ("学習", "生成", "組み合わせ", "スタイル"):
            expect(page.get_by_role("tab", name=name, exact=True)).to_be_visible()
        expect(page.get_by_text("ファイルをここにドロップ")).to_be_visible()  # Gradio's own text
        page.reload()


def test_address_names_the_tab(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site, tab="compose")
    expect(page.get_by_role("tab", name="Compose")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("button", name="Teach a word")).to_be_visible()
    expect(page).to_have_url(re.compile("tab=compose"))
    page.get_by_role("tab", name="Style").click()
    expect(page).to_have_url(re.compile("tab=style"))
    page.reload()
    expect(page.get_by_role("tab", name="Style")).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Teach a word").click()
    expect(page).to_have_url(re.compile("tab=train"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out(
    visitors: Visitors, shared_site: Site, tiny_base: BaseModel, theme: str
) -> None:
    give_words(visitors.home(shared_site), tiny_base)
    page = visitors.open(shared_site, theme=theme)
    page.get_by_role("button", name="A cat").click()
    expect(thumbnails(page)).to_have_count(4)
    for name in tabs_in_turn(page):
        assert page.evaluate(FAINT_TEXTS) == [], name
    open_words(page).get_by_role("button", name="<our-cat>").click()
    expect(page.locator("#words").get_by_role("heading", name="<our-cat>")).to_be_visible()
    assert page.evaluate(FAINT_TEXTS) == []


def test_phone_shows_everything_without_scrolling_sideways(
    visitors: Visitors, shared_site: Site, tiny_base: BaseModel
) -> None:
    give_words(visitors.home(shared_site), tiny_base)
    page = visitors.open(shared_site, width="phone")
    main_button = {"train": "Learn the word", "generate": "Draw", "compose": "Draw", "style": "Draw"}
    for name in tabs_in_turn(page):
        button = page.get_by_role("button", name=main_button[name], exact=True)
        button.click(trial=True)  # nothing covers it
        assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"], name

    words = open_words(page)
    expect(words.get_by_role("button", name="<our-cat>")).to_be_in_viewport()
    words.get_by_role("button", name="My words").click()
    expect(words.get_by_role("button", name="<our-cat>")).not_to_be_in_viewport()
    button.click(trial=True)


def test_keyboard_alone_reaches_the_prompt_and_draws(visitors: Visitors, shared_site: Site) -> None:
    page = visitors.open(shared_site, tab="generate")
    set_drawing(page)
    page.locator("body").evaluate("body => { body.tabIndex = -1; body.focus() }")
    for target in (
        page.get_by_role("tab", name="Generate"),
        page.locator("#generate-prompt textarea"),
        page.get_by_role("button", name="Draw", exact=True),
    ):
        press_tab_until_focused(page, target)
        assert outline_width(target) >= 2
    page.keyboard.press("Shift+Tab")
    page.locator("#generate-prompt textarea").focus()
    page.keyboard.type("a photo of a cat")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 drawn.")).to_be_visible()


def press_tab_until_focused(page: Page, target: Locator, most: int = 40) -> None:
    for _ in range(most):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"Tab does not reach {target}")


def outline_width(focused: Locator) -> float:
    """Return the width in pixels of the focused element's outline."""
    return float(
        focused.evaluate(
            """element => {
                const { outlineStyle, outlineWidth } = getComputedStyle(element);
                return outlineStyle === "none" ? 0 : parseFloat(outlineWidth);
            }"""
        )
    )


@pytest.mark.parametrize("language", ["en-US", "ja-JP"])
def test_every_control_has_a_name(
    visitors: Visitors, shared_site: Site, tiny_base: BaseModel, language: str
) -> None:
    give_words(visitors.home(shared_site), tiny_base)
    page = visitors.open(shared_site, language=language)
    for name in tabs_in_turn(page):
        folded = page.locator("button.label-wrap:not(.open, [inert] *)").locator("visible=true")
        while folded.count():
            folded.first.click()
        assert nameless(page) == [], name
