"""Draw for a visitor: wait for the device, draw in a background thread, keep every picture."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import gradio as gr
from PIL import Image

from ti_core.drawing.generate import GeneratedPicture, OnProgress, Progress, ShouldStop, generate_all
from ti_core.drawing.recipe import Recipe, save_png
from ti_core.drawing.settings import Order
from ti_core.errors import Cancelled
from ti_core.model.backbone import Backbone
from ti_core.prompts.checks import check_tokens
from ti_core.words.arithmetic import interpolate_from_initial
from ti_core.words.concept import Concept
from ui.server.people import Home
from ui.server.studio import Studio
from ui.server.zero import WORK_SECONDS

POLL_SECONDS = 0.5
DrawSlice = Callable[[Sequence[Order]], list[GeneratedPicture]]
"""Draws as many of some orders, one picture each, as there is time for on a GPU that is lent."""


class Draw(Protocol):
    """A function that draws on the model's device or, if given ``draw_slice``, slice by slice."""

    def __call__(
        self,
        backbone: Backbone,
        on_progress: OnProgress,
        should_stop: ShouldStop,
        draw_slice: DrawSlice | None = None,
    ) -> Iterator[GeneratedPicture]: ...


@dataclass(frozen=True)
class Drawn:
    """A drawn picture: its file, and the recipe that is also embedded in the file.

    For a ``hidden`` picture, which the model's safety checker withheld, the file shows a notice instead.
    """

    path: Path
    recipe: Recipe
    hidden: bool = False

    def open(self) -> Image.Image:
        with Image.open(self.path) as image:
            return image.convert("RGB")


@dataclass(frozen=True)
class DrawingProgress:
    """The progress of a drawing.

    ``place`` is its place in the queue while it waits. During drawing, ``done`` of ``total`` steps have been
    taken, and ``pictures`` are finished.
    """

    phase: Literal["loading", "waiting", "drawing", "done", "stopped"]
    pictures: tuple[Drawn, ...] = ()
    place: int = 0
    seconds_left: float | None = None
    done: int = 0
    total: int = 1


def draw_orders(plan: Callable[[Backbone], Sequence[Order]]) -> Draw:
    """Make a function that draws the orders which ``plan`` makes for the model in use, in batches.

    It raises the errors of all orders before it draws the first.
    """

    def draw(
        backbone: Backbone,
        on_progress: OnProgress,
        should_stop: ShouldStop,
        draw_slice: DrawSlice | None = None,
    ) -> Iterator[GeneratedPicture]:
        orders = plan(backbone)
        if draw_slice is not None:
            yield from _draw_in_slices(draw_slice, orders, on_progress, should_stop)
            return
        yield from generate_all(backbone, orders, on_progress=on_progress, should_stop=should_stop)

    return draw


def _draw_in_slices(
    draw_slice: DrawSlice, orders: Sequence[Order], on_progress: OnProgress, should_stop: ShouldStop
) -> Iterator[GeneratedPicture]:
    """Draw each picture as a separate order, because each has its own seed.

    A slice does not check the orders that it leaves to the next, so all prompts are checked first.
    """
    for order in orders:
        for prompt in (order.settings.prompt, order.settings.negative_prompt):
            check_tokens(prompt, [concept.token for concept in order.concepts])
    singles = [
        replace(order, settings=replace(order.settings, count=1, seed=order.settings.seed + number))
        for order in orders
        for number in range(order.settings.count)
    ]
    done = 0
    while done < len(singles):
        if should_stop():
            raise Cancelled("Drawing was stopped.")
        pictures = draw_slice(singles[done:])
        yield from pictures
        done += len(pictures)
        on_progress(Progress(done, len(singles)))


def at_strength(backbone: Backbone, concepts: Sequence[Concept], strength: float) -> tuple[Concept, ...]:
    """Interpolate each concept between its initial word (strength 0) and itself (1), or extrapolate beyond 1.

    Raises the errors of :func:`~ti_core.words.arithmetic.interpolate_from_initial`; strength 1 needs no
    initial word.
    """
    if strength == 1:
        return tuple(concepts)
    return tuple(interpolate_from_initial(backbone, concept, strength) for concept in concepts)


def draw_in_turn(studio: Studio, request: gr.Request, draw: Draw) -> Iterator[DrawingProgress]:
    """Draw when it is this visitor's turn. The phase of the last progress is "done" or "stopped".

    Closing the iterator, as Gradio does when the tab is closed, stops the drawing. Raises
    :class:`~ui.server.device_queue.QueueFull`, :class:`ModelError` and the errors of ``draw``.
    """
    home = studio.home(request)
    with studio.drawing(request) as stop:
        while studio.models.status.phase == "loading":
            yield DrawingProgress("loading")
            if stop.wait(POLL_SECONDS):
                yield DrawingProgress("stopped")
                return
        backbone, _ = studio.models.wait()
        with studio.device.enter() as ticket:
            while not ticket.wait(POLL_SECONDS):
                if stop.is_set():
                    yield DrawingProgress("stopped")
                    return
                yield DrawingProgress("waiting", place=ticket.position, seconds_left=ticket.seconds_left)
            yield from _draw(studio, backbone, draw, home, stop)


def _draw(
    studio: Studio, backbone: Backbone, draw: Draw, home: Home, stop: threading.Event
) -> Iterator[DrawingProgress]:
    if studio.gpu is not None:
        gpu, model = studio.gpu, studio.models.load_options(backbone)
        draw = partial(draw, draw_slice=lambda orders: gpu.draw(model, orders, WORK_SECONDS))
    news: queue.SimpleQueue[Progress | Drawn | Exception | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            for picture in draw(backbone, news.put, stop.is_set):
                news.put(keep_picture(home, picture, studio.limits.kept_pictures))
            news.put(None)
        except Exception as error:  # raised again in the visitor's thread
            news.put(error)

    # Run in the visitor's context: ZeroGPU lends the GPU to the visitor.
    worker = threading.Thread(target=copy_context().run, args=(work,), name="drawing", daemon=True)
    started, progress = time.monotonic(), DrawingProgress("drawing")
    worker.start()
    try:
        yield progress
        while (entry := news.get()) is not None:
            if isinstance(entry, Cancelled):
                yield replace(progress, phase="stopped", seconds_left=None)
                return
            if isinstance(entry, Exception):
                raise entry
            if isinstance(entry, Drawn):
                progress = replace(progress, pictures=(*progress.pictures, entry))
            else:
                left = (time.monotonic() - started) / entry.done * (entry.total - entry.done)
                progress = replace(progress, done=entry.done, total=entry.total, seconds_left=left)
            if isinstance(entry, Drawn) or news.empty():  # only the newest progress is worth sending
                yield progress
        yield replace(progress, phase="done", done=progress.total, seconds_left=None)
    finally:
        stop.set()
        worker.join()


def keep_picture(home: Home, picture: GeneratedPicture, kept: int) -> Drawn:
    """Write a picture into the visitor's home; beyond ``kept`` pictures, delete the oldest."""
    home.pictures.mkdir(parents=True, exist_ok=True)
    path = home.pictures / f"{time.time_ns()}-{secrets.token_hex(4)}.png"
    save_png(picture.image, path, picture.recipe)
    for old in sorted(home.pictures.glob("*.png"))[:-kept]:
        old.unlink(missing_ok=True)
    return Drawn(path, picture.recipe, picture.hidden)
