"""Render training pictures in other processes, ahead of the trainer; chunk n always has the same pictures."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from demo_model.architecture import PICTURE_SIZE
from demo_model.world import FULL_MIX, Mix, sample_picture
from demo_model.world.settings import Subject, settings_captions, subjects_of

CHUNK_SIZE = 32  # pictures


class Chunk(NamedTuple):
    """Pictures with their captions; see :mod:`demo_model.world.settings` for captions of settings."""

    pixels: np.ndarray  # uint8 (n, 3, size, size)
    captions: list[tuple[str, ...]]
    settings_captions: list[tuple[str, ...]]
    subjects: list[dict[str, Subject]]  # by the tokens in the captions of settings


def render_chunk(seed: int, index: int, mix: Mix = FULL_MIX) -> Chunk:
    """Render ``CHUNK_SIZE`` pictures; the result depends only on the arguments."""
    rng = np.random.default_rng([seed, index])
    pictures = [sample_picture(rng, PICTURE_SIZE, mix) for _ in range(CHUNK_SIZE)]
    pixels = np.stack([picture.pixels for picture in pictures]).transpose(0, 3, 1, 2)
    return Chunk(
        np.ascontiguousarray(pixels),
        [picture.captions for picture in pictures],
        [settings_captions(picture.plan) for picture in pictures],
        [subjects_of(picture.plan) for picture in pictures],
    )


class Renderer:
    """A pool of processes that keeps a few chunks ready; use it as a context manager.

    ``render`` takes a chunk's index and returns the chunk; it must be picklable.
    """

    def __init__(self, render: Callable[[int], Any], workers: int):
        self.next_chunk = 0
        self._render = render
        self._ahead = 3 * workers
        self._executor = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
        self._waiting: deque[Future[Any]] = deque()

    def __enter__(self) -> Renderer:
        self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _fill(self) -> None:
        while len(self._waiting) < self._ahead:
            index = self.next_chunk + len(self._waiting)
            self._waiting.append(self._executor.submit(self._render, index))

    def seek(self, chunk: int) -> None:
        """Continue with the chunk of this index."""
        for future in self._waiting:
            future.cancel()
        self._waiting.clear()
        self.next_chunk = chunk
        self._fill()

    @property
    def ready(self) -> bool:
        """Whether :meth:`take` would return at once."""
        return self._waiting[0].done()

    def take(self) -> Any:
        """Return the next chunk, waiting for it if necessary."""
        chunk = self._waiting.popleft().result()
        self.next_chunk += 1
        self._fill()
        return chunk
