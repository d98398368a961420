"""Who is asking, and where their words and runs are kept.

On one's own machine there is one home. On a shared server each browser has its own, found by a cookie
that cannot be guessed; its name on disk is a digest, so that reading the disk gives no one's cookie away.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr

from ti_core.errors import OneWordError
from ti_core.library import Library

COOKIE = "one-word-home"
YEAR = 365 * 24 * 3600
SECRET = "[0-9A-Za-z_-]{40,64}"
SENT = re.compile(f"(^|; *){COOKIE}={SECRET}(;|$)".encode())


class NoHomeError(OneWordError):
    """A request to a shared server does not say whose it is."""


@dataclass(frozen=True)
class Home:
    """One person's folders."""

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

    def of(self, request: gr.Request) -> Home:
        """Raises :class:`NoHomeError` on a shared server for a request without its cookie."""
        name = self._name_of(request) if self.shared else "home"
        return self._known.setdefault(name, Home(self._root / name))

    def _name_of(self, request: gr.Request) -> str:
        secret = request.cookies.get(COOKIE, "")
        if not re.fullmatch(SECRET, secret):
            raise NoHomeError("The request does not say whose it is: allow cookies and load the page again.")
        return hashlib.sha256(secret.encode()).hexdigest()[:32]


class HomeCookie:
    """ASGI middleware: a browser that loads the page without a cookie gets one."""

    def __init__(self, app: Any):
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        is_page = scope["type"] == "http" and scope["path"] == "/"
        if not is_page or SENT.search(headers.get(b"cookie", b"")):
            await self._app(scope, receive, send)
            return
        secure = scope["scheme"] == "https" or headers.get(b"x-forwarded-proto") == b"https"
        # A Space is shown inside another page, where only such a cookie is kept.
        site = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
        cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; Max-Age={YEAR}; HttpOnly; {site}"

        async def send_with_cookie(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
            await send(message)

        await self._app(scope, receive, send_with_cookie)
