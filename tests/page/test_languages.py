"""Adding a language takes one file: the page speaks a made-up one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from helpers.serving import chromium, free_port, open_page, serve
from playwright.sync_api import Page, expect

from ti_core.languages import CATALOGUE, FOLDER_VARIABLE
from ti_core.resources import LOCALES
from ui.texts.extraction import write

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a catalogue of fake Finnish: every text is enclosed in guillemets."""
    folder = tmp_path_factory.mktemp("locale")
    file = folder / "fi" / CATALOGUE
    file.parent.mkdir(parents=True)
    shutil.copy(LOCALES / "ja" / CATALOGUE, file)
    with file.open("rb") as opened:
        catalogue = read_po(opened)
    for entry in catalogue:
        if entry.id and entry.context != "joint":
            entry.string = f"«{entry.id}»"
    write(catalogue, file)
    return folder


@pytest.fixture(scope="module")
def page(locales: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Open the page in a browser whose language is Finnish."""
    data = tmp_path_factory.mktemp("finnish") / "data"
    with (
        serve(data, free_port(), environment={FOLDER_VARIABLE: str(locales)}) as address,
        chromium() as browser,
    ):
        yield open_page(browser, address, language="fi")


def test_what_stands_still_is_in_it(page: Page) -> None:
    expect(page.locator("html")).to_have_attribute("lang", "fi")
    expect(page.get_by_role("tab", name="«Train»")).to_be_visible()
    expect(page.get_by_role("button", name="suomi")).to_have_attribute("aria-current", "true")


def test_what_the_server_says_is_in_it(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "cat.png"
    text.write_text("no picture", encoding="utf-8")
    page.locator("#train-upload input[type=file]").set_input_files(text)
    expect(page.get_by_text("«cat.png is a text file, not a picture.", exact=False)).to_be_visible()


def test_the_switch_leads_to_the_other_languages_and_back(page: Page) -> None:
    page.get_by_role("button", name="日本語").click()
    expect(page.get_by_role("tab", name="学習")).to_be_visible()
    page.get_by_role("button", name="suomi").click()
    expect(page.get_by_role("tab", name="«Train»")).to_be_visible()
