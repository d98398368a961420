"""Take a screenshot of every tab in both languages, widths and themes: ``make screenshots``."""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path

from helpers.serving import ROOT, WIDTHS, chromium, open_page, serve

from ui.frame import TAB_NAMES

FOLDER = ROOT / "screenshots"
LANGUAGES = {"en": "en-US", "ja": "ja-JP"}
THEMES = ("light", "dark")
PORT = 7890


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder) / "data", PORT) as address,
        chromium() as browser,
    ):
        for tab, language, width, theme in product(TAB_NAMES, LANGUAGES, WIDTHS, THEMES):
            page = open_page(
                browser, address, language=LANGUAGES[language], width=width, theme=theme, tab=tab
            )
            page.wait_for_timeout(2500)  # milliseconds, for the requests that the page makes when it opens
            path = FOLDER / f"{tab}-{language}-{width}-{theme}.png"
            page.screenshot(path=path, full_page=True)
            page.context.close()
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
