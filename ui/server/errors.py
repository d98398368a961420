"""How errors reach a reader: as one sentence in their language, whatever went wrong."""

from __future__ import annotations

import functools
import html
import inspect
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from ti_core.errors import OneWordError
from ui.server.device_queue import QueueFull
from ui.server.jobs import TooManyJobs
from ui.server.people import NoHomeError
from ui.texts import Language, duration, explain, language_of, say

log = logging.getLogger(__name__)


def plainly(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler whose errors reach the reader as one sentence in their language.

    The core's own errors say what to do; any other is logged under an id, which the reader is told. The
    handler takes the ``gr.Request``.
    """
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def generator(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with _told_plainly(args, kwargs):
                yield from handler(*args, **kwargs)

        return generator

    @functools.wraps(handler)
    def function(*args: Any, **kwargs: Any) -> Any:
        with _told_plainly(args, kwargs):
            return handler(*args, **kwargs)

    return function


@contextmanager
def _told_plainly(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        requests = [value for value in (*args, *kwargs.values()) if isinstance(value, gr.Request)]
        language = language_of(requests[0]) if requests else "en"
        told = html.escape(in_plain_words(language, error))
        raise gr.Error(told, title=say(language, "frame_error"), print_exception=False) from error


def in_plain_words(language: Language, error: Exception) -> str:
    """What a reader is told of an error; one that nobody foresaw is logged under an id."""
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
    """An error to raise that says, in the text of a key, what to do next."""
    told = html.escape(say(language, key, **values))
    return gr.Error(told, title=say(language, "frame_error"), print_exception=False)
