"""Homes: one on a private machine, one for each browser on a shared server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import gradio as gr
import httpx
import pytest
from helpers.requests import request_of
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ui.server.errors import error_text
from ui.server.people import COOKIE, Home, HomeCookie, Homes, NoHomeError
from ui.server.studio import Studio


async def seen(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.cookies.get(COOKIE, ""))


def get(
    path: str = "/", address: str = "http://localhost", headers: dict[str, str] | None = None
) -> httpx.Response:
    """Return the page's response to a browser, through the middleware."""
    app = HomeCookie(Starlette(routes=[Route("/", seen), Route("/other", seen)]))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=address) as browser:
            return await browser.get(path, headers=headers)

    return asyncio.run(ask())


def asking_with(secret: str) -> gr.Request:
    return gr.Request(Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={secret}".encode())]}))


def home_of(homes: Homes, response: httpx.Response) -> Home:
    """Return the home of a browser that keeps a response's cookie."""
    return homes.of(asking_with(response.cookies[COOKIE]))


def test_a_browser_without_the_cookie_gets_one_with_the_page() -> None:
    header = get().headers["set-cookie"]
    assert header.startswith(f"{COOKIE}=")
    assert "HttpOnly" in header and "SameSite=Lax" in header and "Path=/" in header
    assert "Secure" not in header


def test_behind_https_the_cookie_is_kept_inside_another_page() -> None:
    for response in (get(address="https://space"), get(headers={"x-forwarded-proto": "https"})):
        assert "SameSite=None; Secure; Partitioned" in response.headers["set-cookie"]


def test_a_browser_keeps_the_cookie_that_it_has() -> None:
    secret = "a" * 43
    response = get(headers={"cookie": f"other=1; {COOKIE}={secret}"})
    assert response.text == secret
    assert "set-cookie" not in response.headers


def test_a_cookie_that_no_home_can_have_is_replaced() -> None:
    assert COOKIE in get(headers={"cookie": f"{COOKIE}=short; theme=dark"}).cookies


def test_only_the_page_itself_gives_a_cookie() -> None:
    assert "set-cookie" not in get("/other").headers


def test_two_browsers_have_two_homes(tmp_path: Path) -> None:
    homes = Homes(tmp_path, shared=True)
    first, second = get(), get()
    assert home_of(homes, first) is home_of(homes, first)
    assert home_of(homes, first).folder != home_of(homes, second).folder


def test_a_home_does_not_tell_the_cookie(tmp_path: Path) -> None:
    response = get()
    home = home_of(Homes(tmp_path, shared=True), response)
    assert home.folder.parent == tmp_path
    assert response.cookies[COOKIE] not in str(home.folder)


@pytest.mark.parametrize("secret", ["", "short", "x" * 39, "x" * 65, "../" * 15, "x" * 40 + "/"])
def test_a_shared_server_wants_a_cookie_that_cannot_be_guessed(tmp_path: Path, secret: str) -> None:
    with pytest.raises(NoHomeError):
        Homes(tmp_path, shared=True).of(asking_with(secret))


def test_without_a_cookie_the_reader_is_told_what_to_do(tmp_path: Path) -> None:
    studio = Studio(tmp_path, shared=True)
    with pytest.raises(NoHomeError) as error:
        studio.home(request_of(person=""))
    assert "allow cookies for this page and load it again" in error_text("en", error.value)
    assert "Cookie を許可" in error_text("ja", error.value)


def test_on_one_s_own_machine_there_is_one_home(tmp_path: Path) -> None:
    homes = Homes(tmp_path, shared=False)
    assert homes.of(request_of("one")) is homes.of(request_of("other")) is homes.of(request_of(""))
    assert homes.of(request_of("")).folder == tmp_path / "home"
