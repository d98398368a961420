"""Run the page in another process, and open it in a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
START_SECONDS = 120  # generous, for a busy machine
STOP_SECONDS = 60  # the page first finishes a training step and saves the run
OPEN_MILLISECONDS = 60_000
WIDTHS = {"wide": (1280, 900), "phone": (390, 844)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(
    data: Path, port: int, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run ``app.py`` in a new process with the data folder ``data``; yield its address.

    ``environment`` is added to that of this process.
    """
    command = [sys.executable, "app.py", "--port", str(port), "--data", str(data), *options]
    with answering(command, port, ROOT, data.with_suffix(".log"), environment) as address:
        yield address


@contextmanager
def answering(
    command: Sequence[str], port: int, folder: Path, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a server in a new process, with ``folder`` as its working directory; yield its address."""
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_it_answers(process, address, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


def _wait_until_it_answers(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError):
            if process.poll() is not None:
                raise AssertionError(f"The page ended:\n{log.read_text(errors='replace')}") from None
            time.sleep(0.2)
    raise AssertionError(f"The page did not answer:\n{log.read_text(errors='replace')}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium without a window. Raises :class:`AssertionError` if it is not installed."""
    assert CHROMIUM.is_file(), (
        f"There is no browser at {CHROMIUM}: install Chromium (on Debian: apt-get install chromium), "
        "or name another one's file in the environment variable CHROMIUM."
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
        )
        yield browser
        browser.close()


def new_visitor(
    browser: Browser, *, language: str = "en-US", width: str = "wide", theme: str = "light"
) -> BrowserContext:
    """Open a browser context with cookies of its own, which stands for one person."""
    across, down = WIDTHS[width]
    return browser.new_context(
        locale=language,
        viewport={"width": across, "height": down},
        color_scheme="dark" if theme == "dark" else "light",
    )


def go_to(page: Page, address: str, tab: str = "train", theme: str = "light") -> Page:
    """Load a tab of the page and wait until it responds."""
    page.goto(f"{address}/?tab={tab}&__theme={theme}")
    page.wait_for_function("window.oneWord?.opened", timeout=OPEN_MILLISECONDS)
    return page


def open_page(
    browser: Browser,
    address: str,
    *,
    language: str = "en-US",
    width: str = "wide",
    theme: str = "light",
    tab: str = "train",
) -> Page:
    """Open a tab of the page as a new visitor."""
    context = new_visitor(browser, language=language, width=width, theme=theme)
    return go_to(context.new_page(), address, tab, theme)
