"""Make the pictures of the page for the README and docs/: ``make journey``.

A browser uses the running page from start to finish, once in each language: it uploads four pictures, trains
a word on the embedded model, and draws a new scene with it. It films this as ``journey.webp``; then it takes
a picture of every tab. All files go to ``assets/readme``. Japanese ones have ``.ja`` in their names; pictures
that only docs/ shows are in English.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from helpers.serving import ROOT, chromium, free_port, go_to, serve
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from ui.texts import Language, say

FOLDER = ROOT / "assets" / "readme"
PICTURES = sorted((ROOT / "assets" / "examples" / "monster").glob("*.png"))
LANGUAGES: dict[Language, str] = {"en": "en-US", "ja": "ja-JP"}
SIZE = {"width": 1080, "height": 720}  # CSS pixels of the browser's window
SHARPNESS = 1.25  # pixels of a picture per CSS pixel
LONG = 600_000  # milliseconds that learning or drawing may take on a busy machine
NAME, SCENE = "our-monster", " on the beach"
SUBJECTS = "a house\na robot\na teapot\na fish"
CAPTIONS: dict[Language, Sequence[str]] = {
    "en": (
        "1  Give three to five pictures",
        "2  Name the new word",
        "3  The model learns it",
        "4  Use it in any sentence",
    ),
    "ja": (
        "1  画像を 3〜5 枚用意する",
        "2  新しいことばに名前を付ける",
        "3  モデルがことばを学習する",
        "4  どんな文の中でも使える",
    ),
}
# A caption that says what is happening, and an arrow that shows where the browser clicks.
STAGE = """
() => {
  const line = document.createElement('div');
  line.id = 'journey-line';
  line.style.cssText = 'position:fixed;inset:auto 0 0 0;z-index:9999;padding:10px 0;text-align:center;' +
    'font-size:20px;font-weight:600;white-space:pre;color:white;background:#312e81;pointer-events:none';
  const arrow = document.createElement('div');
  arrow.id = 'journey-arrow';
  arrow.style.cssText = 'position:fixed;z-index:10000;pointer-events:none;display:none';
  arrow.innerHTML = '<svg width="26" height="34"><path fill="#111" stroke="#fff" stroke-width="2" ' +
    'd="M2 2 L2 26 L8.5 20.5 L12.5 31 L17 29 L13 19 L22 18.5 Z"/></svg>';
  document.body.append(line, arrow);
}
"""
SAY = "text => document.querySelector('#journey-line').textContent = text"
HIDE_LINE = "hidden => document.querySelector('#journey-line').hidden = hidden"
POINT = """
place => Object.assign(document.querySelector('#journey-arrow').style,
  place ? {display: 'block', left: `${place[0]}px`, top: `${place[1]}px`} : {display: 'none'})
"""
TO_THE_TOP = "element => scrollTo(0, element.getBoundingClientRect().top + scrollY - 20)"


class Film:
    """The frames of a film of a page, and how long each is shown."""

    def __init__(self, page: Page, captions: Sequence[str]):
        self.page = page
        self._captions = captions
        self._frames: list[Image.Image] = []
        self._milliseconds: list[int] = []
        page.evaluate(STAGE)

    def chapter(self, number: int) -> None:
        self.page.evaluate(SAY, self._captions[number - 1])

    def show(self, seconds: float) -> None:
        """Add the current view; if it equals the last frame, show that frame longer."""
        frame = screenshot(self.page)
        if self._frames and frame.tobytes() == self._frames[-1].tobytes():
            self._milliseconds[-1] += round(1000 * seconds)
            return
        self._frames.append(frame)
        self._milliseconds.append(round(1000 * seconds))

    def click(self, button: Locator) -> None:
        """Point at a button for a moment, then press it."""
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box is not None
        self.page.evaluate(POINT, [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
        self.show(0.7)
        self.page.evaluate(POINT, None)
        button.click()

    def type(self, field: Locator, text: str, letters: int = 4) -> None:
        """Type into a field, a few letters at a time."""
        field.focus()
        field.press("End")
        for start in range(0, len(text), letters):
            field.press_sequentially(text[start : start + letters])
            self.show(0.25)

    def save(self, path: Path) -> None:
        first, *others = self._frames
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=self._milliseconds,
            loop=0,
            quality=80,
            method=6,
            minimize_size=True,
        )


def main() -> None:
    for language in LANGUAGES:
        with (
            tempfile.TemporaryDirectory() as folder,
            serve(Path(folder) / "data", free_port()) as address,
            chromium() as browser,
        ):
            make_journey(browser, address, language)


def make_journey(browser: Browser, address: str, language: Language) -> None:
    """Film the way from pictures to a new scene, then take the pictures of the tabs."""

    def text(key: str, **values: object) -> str:
        return say(language, key, **values)

    context = new_context(browser, language)
    page = go_to(context.new_page(), address)
    film = Film(page, CAPTIONS[language])
    expect(page.get_by_text(text("frame_model_ready", model="toybox", device="CPU"))).to_be_visible(
        timeout=LONG
    )
    give_pictures(film)
    name_the_word(film, text)
    learn(film, language, text)
    draw_a_scene(film, text)
    film.save(picture("journey", language))
    context.close()
    take_stills(browser, address, language, text)


def give_pictures(film: Film) -> None:
    page = film.page
    film.chapter(1)
    film.show(1.2)
    page.locator("#train-upload input[type=file]").set_input_files(PICTURES)
    expect(thumbnails(page)).to_have_count(len(PICTURES))
    page.locator("#train-upload").evaluate(TO_THE_TOP)
    settle(page)
    film.show(1.6)


def name_the_word(film: Film, text: Callable[..., str]) -> None:
    page = film.page
    film.chapter(2)
    name = page.get_by_role("textbox", name=text("train_token"), exact=False)
    film.type(name, NAME)
    expect(page.get_by_text(text("train_name_becomes", token=f"<{NAME}>"))).to_be_visible()
    settle(page)
    film.show(1.2)


def learn(film: Film, language: Language, text: Callable[..., str]) -> None:
    page = film.page
    film.click(page.get_by_role("button", name=text("train_start"), exact=True))
    film.chapter(3)
    run = page.locator("#train-run")
    expect(run.locator("progress")).to_be_visible(timeout=LONG)
    previews = run.locator(".train-strip figure img")
    seen = 0
    learned = page.get_by_role("heading", name=text("train_in_library", token=f"<{NAME}>"))
    while not learned.is_visible():
        if run.locator("progress").is_visible() and previews.count() > seen:
            seen = previews.count()
            run.evaluate(TO_THE_TOP)
            film.show(0.9)
            if seen == 3 and language == "en":
                page.evaluate(HIDE_LINE, True)
                save(screenshot(page), "train-progress", language)
                page.evaluate(HIDE_LINE, False)
        page.wait_for_timeout(300)
    evidence = page.locator(".train-evidence figure img")
    expect(evidence).to_have_count(len(PICTURES) + 3, timeout=LONG)
    learned.evaluate(TO_THE_TOP)
    settle(page)
    film.show(3.0)


def draw_a_scene(film: Film, text: Callable[..., str]) -> None:
    page = film.page
    film.click(page.get_by_role("button", name=text("train_use")))
    film.chapter(4)
    prompt = page.locator("#generate-prompt textarea")
    expect(prompt).to_have_value(f"a photo of <{NAME}>")
    settle(page)
    page.locator("#generate-prompt").evaluate(TO_THE_TOP)
    film.show(0.6)
    film.type(prompt, SCENE)
    settle(page)
    film.click(draw_button(page, text))
    expect(page.get_by_text(text("drawing_done", count=4))).to_be_visible(timeout=LONG)
    expect(page.locator("#generate-gallery").get_by_role("img")).to_have_count(4)
    settle(page)
    film.show(4.0)


def take_stills(browser: Browser, address: str, language: Language, text: Callable[..., str]) -> None:
    """Take a picture of each tab in use, with the learned words and those that ship with the program."""
    context = new_context(browser, language)
    page = go_to(context.new_page(), address, "train")
    expect(page.get_by_role("heading", name=text("train_title", token=f"<{NAME}>"))).to_be_visible()
    if language == "en":
        take(page, "train-result", language)
    page.get_by_role("button", name=text("train_another")).click()
    page.get_by_role("button", name=text("train_example_teapot")).click()
    expect(thumbnails(page)).to_have_count(4)
    take(page, "tab-train", language)
    if language == "en":
        page.locator("#train-pictures button").first.click()
        editor = page.locator("#train-editor")
        expect(editor).to_be_visible()
        page.get_by_role("textbox", name=text("train_caption"), exact=False).fill("in a meadow")
        settle(page)
        save(screenshot(editor), "train-editor", language)

    go_to(page, address, "style")
    page.get_by_role("button", name=text("cards_ready")).click()
    expect(page.get_by_role("button", name="<toy-x-ray>", pressed=True)).to_be_visible()
    page.locator("#style-subjects textarea").fill(SUBJECTS)
    draw(page, text, count=4)
    take(page, "tab-style", language)

    go_to(page, address, "generate")
    page.locator("#generate-prompt textarea").fill(f"a photo of <{NAME}>{SCENE}")
    draw(page, text, count=4)
    take(page, "tab-generate", language)

    go_to(page, address, "compose")
    for token in ("<toy-cat>", "<toy-teapot>"):
        card = f"{token} {text('cards_object')}"
        page.get_by_role("button", name=card, exact=True).click()
        expect(page.get_by_role("button", name=card, exact=True, pressed=True)).to_be_visible()
    page.get_by_role("button", name="a photo of <toy-cat> and <toy-teapot>").click()
    page.get_by_role("spinbutton", name=text("drawing_count")).last.fill("2")
    draw(page, text, count=2)
    take(page, "tab-compose", language)
    context.close()


def new_context(browser: Browser, language: Language) -> BrowserContext:
    return browser.new_context(
        locale=LANGUAGES[language],
        viewport=SIZE,
        device_scale_factor=SHARPNESS,
        color_scheme="light",
    )


def thumbnails(page: Page) -> Locator:
    return page.locator("#train-pictures").get_by_role("img")


def draw_button(page: Page, text: Callable[..., str]) -> Locator:
    return page.get_by_role("button", name=text("drawing_draw"), exact=True)


def draw(page: Page, text: Callable[..., str], count: int) -> None:
    settle(page)
    draw_button(page, text).click()
    expect(page.get_by_text(text("drawing_done", count=count)).first).to_be_visible(timeout=LONG)


def settle(page: Page) -> None:
    """Wait for the parts that the page shows with a delay: pictures, and lines below the fields."""
    page.wait_for_timeout(1200)


def take(page: Page, name: str, language: Language) -> None:
    """Save the picture of a whole page."""
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    page.mouse.move(0, 0)
    settle(page)
    save(screenshot(page, full_page=True), name, language)


def screenshot(seen: Page | Locator, **options: bool) -> Image.Image:
    return Image.open(io.BytesIO(seen.screenshot(animations="disabled", **options))).convert("RGB")


def save(shot: Image.Image, name: str, language: Language) -> None:
    shot.save(picture(name, language), quality=78, method=6)


def picture(name: str, language: Language) -> Path:
    """Return the file of a picture, and print its name."""
    path = FOLDER / (f"{name}.webp" if language == "en" else f"{name}.{language}.webp")
    print(path.relative_to(ROOT), flush=True)
    return path


if __name__ == "__main__":
    main()
