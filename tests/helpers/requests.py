"""Build the requests that the page's handlers receive, without a browser."""

from __future__ import annotations

import hashlib
from urllib.parse import urlencode

import gradio as gr
from starlette.requests import Request

from ui.server.people import COOKIE


def request_of(
    person: str = "someone", language: str = "en", session: str = "session", **query: str
) -> gr.Request:
    """Build a request from the browser of ``person``; "" sends no cookie. ``session`` is one of its pages."""
    headers = [(b"accept-language", language.encode())]
    if person:
        secret = hashlib.sha256(person.encode()).hexdigest()
        headers.append((b"cookie", f"{COOKIE}={secret}".encode()))
    scope = {"type": "http", "headers": headers, "query_string": urlencode(query).encode()}
    return gr.Request(Request(scope), session_hash=session)
