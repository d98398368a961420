"""What all visitors share: the homes, the device with its queue, the model in use, and the trainer."""

from __future__ import annotations

import functools
import html
import inspect
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ti_core.errors import OneWordError
from ui.device import Device, QueueFull
from ui.jobs import TooManyJobs, Trainer
from ui.models import ModelKeeper
from ui.people import Home, Homes, NoHomeError
from ui.slices import BorrowedGpu, SlicedTrainer
from ui.texts import Language, duration, explain, language_of, say
from ui.zero import Borrow, borrow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How much one server takes on."""

    waiting: int = 16
    """Drawings that may wait for the device."""
    jobs: int = 8
    """Words that are learned at the same time."""
    pictures: int = 30
    """Pictures of one word."""
    picture_megabytes: int = 40
    """Of one uploaded file."""
    kept_pictures: int = 300
    """Drawn pictures that a home keeps; the oldest go first."""
    kept_runs: int = 30
    """Trainings that a home on a shared server keeps; of those that ended the oldest go first."""
    steps: int = 2000
    """Of one training on a shared server, where others wait for the device; as are the next three."""
    step_rows: int = 16
    """Batch size times gradient accumulation."""
    eval_rows: int = 64
    vectors: int = 16


class Studio:
    """One server. ``root`` holds everyone's words, runs and pictures.

    ``gpu`` is there only where it has to be borrowed, by ``borrow``; ``slices`` is its trainer.
    """

    def __init__(
        self,
        root: Path,
        *,
        shared: bool = False,
        limits: Limits | None = None,
        borrow: Borrow | None = borrow,
    ):
        self.limits = limits or Limits()
        self.homes = Homes(root, shared)
        self.device = Device(self.limits.waiting)
        self.models = ModelKeeper()
        self.gpu = BorrowedGpu(borrow) if borrow else None
        self.slices = SlicedTrainer(self.gpu, self.models, self.limits.jobs) if self.gpu else None
        self.trainer: Trainer | SlicedTrainer = self.slices or Trainer(self.device, self.limits.jobs)
        self._drawings: dict[threading.Event, tuple[Home, str | None]] = {}
        """The page of each drawing. Threads add, remove and copy in one go each: it needs no lock."""

    def home(self, request: gr.Request) -> Home:
        return self.homes.of(request)

    @contextmanager
    def drawing(self, request: gr.Request) -> Iterator[threading.Event]:
        """The event that asks this drawing to stop, while it goes on."""
        event = threading.Event()
        self._drawings[event] = self.home(request), request.session_hash
        try:
            yield event
        finally:
            del self._drawings[event]

    def stop_drawing(self, request: gr.Request) -> None:
        """Ask all drawings of this page to stop after the step under way."""
        page = self.home(request), request.session_hash
        for event, other in list(self._drawings.items()):
            if other == page:
                event.set()


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
