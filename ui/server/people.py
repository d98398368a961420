"""Identify visitors and find their homes, which hold their words, runs and pictures.

A private machine has one home. On a shared server each browser has its own, found by an unguessable cookie.
The home's name on disk is a digest, so that reading the disk reveals no cookie. On a Space, people may sign
in with Hugging Face. The home of the browser in which a person first signs in becomes theirs, with the words
learned before: from then on it opens only to them, in every browser.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_space
from huggingface_hub import get_token

from ti_core.errors import HubLoginError, OneWordError
from ti_core.files import write_text_whole
from ti_core.hub import account
from ti_core.words.library import Library

COOKIE = "one-word-home"
YEAR = 365 * 24 * 3600
SECRET = "[0-9A-Za-z_-]{40,64}"
PEOPLE_REMEMBERED = 1000  # cached logins, so that the Hub is not asked about them again
SENT_COOKIE = re.compile(f"(^|; *){COOKIE}={SECRET}(;|$)".encode())


class NoHomeError(OneWordError):
    """A request to a shared server lacks the cookie that identifies its home."""


@dataclass(frozen=True)
class Home:
    """The folders of one person, or of one browser if nobody has signed in there."""

    folder: Path

    @cached_property
    def library(self) -> Library:
        return Library(self.folder / "concepts")

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"


class Homes:
    """Finds the home of a request under ``root``."""

    def __init__(self, root: Path, shared: bool):
        self.shared = shared
        self._root = root
        self._known: dict[str, Home] = {}
        self._people: dict[str, str] = {}
        self._lock = threading.Lock()
        self._owners = {file.name: file.read_text(encoding="utf-8") for file in root.glob("people/*")}
        """The name of each signed-in person's home, by the digest of their identity."""

    def token_of(self, request: gr.Request) -> str | None:
        """Return the requester's Hub token: on a private machine its login, elsewhere the visitor's."""
        return signed_in_token(request) if self.shared else get_token()

    def of(self, request: gr.Request) -> Home:
        """Find the home of a request.

        Raises :class:`NoHomeError` if a request to a shared server has no cookie, and :class:`HubError` if
        the Hub does not say who has signed in.
        """
        name = self._name_of(request) if self.shared else "home"
        return self._known.setdefault(name, Home(self._root / name))

    def _name_of(self, request: gr.Request) -> str:
        secret = request.cookies.get(COOKIE, "")
        if not re.fullmatch(SECRET, secret):
            raise NoHomeError("The request does not say whose it is: allow cookies and load the page again.")
        browser = _digest(secret)
        token = signed_in_token(request)
        person = self._person(token) if token else ""
        with self._lock:
            if person:
                return self._owners.get(person) or self._take_over(browser, person)
            return _digest(f"{browser} signed out") if browser in self._owners.values() else browser

    def _person(self, token: str) -> str:
        """Return the digest of a token's owner, "" if the token has expired. Asks the Hub once per token."""
        login = _digest(token)
        if login not in self._people:
            try:
                person = _digest(f"huggingface {account(token).id}")
            except HubLoginError:
                person = ""
            if len(self._people) >= PEOPLE_REMEMBERED:
                self._people.clear()
            self._people[login] = person
        return self._people[login]

    def _take_over(self, browser: str, person: str) -> str:
        """Give a person the home of their browser, or a new home if that one belongs to another person."""
        name = person if browser in self._owners.values() else browser
        (self._root / "people").mkdir(parents=True, exist_ok=True)
        write_text_whole(self._root / "people" / person, name)
        self._owners[person] = name
        return name


def people_sign_in() -> bool:
    """Whether this is a Space on which people can sign in with Hugging Face."""
    return get_space() is not None and "OAUTH_CLIENT_ID" in os.environ


def signed_in_token(request: gr.Request) -> str | None:
    """Return the token of the person who signed in on a Space, from the signed cookie of their request."""
    scope = getattr(request.request, "scope", None) or {}
    login = scope.get("session", {}).get("oauth_info") or {}
    return login.get("access_token") if login.get("expires_at", 0) > time.time() else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class HomeCookie:
    """ASGI middleware that sets a cookie in a browser that loads the page without one."""

    def __init__(self, app: Any):
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        is_page = scope["type"] == "http" and scope["path"] == "/"
        if not is_page or SENT_COOKIE.search(headers.get(b"cookie", b"")):
            await self._app(scope, receive, send)
            return
        secure = scope["scheme"] == "https" or headers.get(b"x-forwarded-proto") == b"https"
        # A Space is embedded in another site's page, where browsers keep only such cookies.
        site = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
        cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; Max-Age={YEAR}; HttpOnly; {site}"

        async def send_with_cookie(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
            await send(message)

        await self._app(scope, receive, send_with_cookie)
