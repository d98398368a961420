"""Show every error to the reader as one sentence in their language."""

from __future__ import annotations

import html
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from ti_core.errors import OneWordError
from ui.server.device_queue import QueueFull
from ui.server.jobs import TooManyJobs
from ui.server.people import NoHomeError
from ui.texts import Language, duration, explain, language_of, say

log = logging.getLogger(__name__)


@contextmanager
def errors_shown(request: gr.Request) -> Iterator[None]:
    """Convert any error to :class:`gr.Error` with one sentence in the reader's language."""
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        language = language_of(request)
        text = html.escape(error_text(language, error))
        raise gr.Error(text, title=say(language, "frame_error"), print_exception=False) from error


def error_text(language: Language, error: Exception) -> str:
    """Say in one sentence what went wrong; an unexpected error is logged under an id."""
    if isinstance(error, NoHomeError):
        return say(language, "frame_no_cookie")
    if isinstance(error, QueueFull):
        if error.seconds is None:
            return say(language, "frame_queue_full", waiting=error.waiting)
        time = duration(language, error.seconds)
        return say(language, "frame_queue_full_for", waiting=error.waiting, duration=time)
    if isinstance(error, TooManyJobs):
        if error.seconds is None:
            return say(language, "frame_too_many_jobs", count=error.active)
        time = duration(language, error.seconds)
        return say(language, "frame_too_many_jobs_for", count=error.active, duration=time)
    if isinstance(error, OneWordError):
        return explain(language, error)
    identifier = secrets.token_hex(4)
    log.error("Error %s", identifier, exc_info=error)
    return say(language, "frame_sorry", id=identifier)


def refusal(language: Language, key: str, **values: object) -> gr.Error:
    """Make an error to raise; the text of its key says what to do next."""
    text = html.escape(say(language, key, **values))
    return gr.Error(text, title=say(language, "frame_error"), print_exception=False)
