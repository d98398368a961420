"""The studio: the state that one server shares among its visitors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from ui.server.device_queue import Device
from ui.server.jobs import Trainer
from ui.server.model_keeper import ModelKeeper
from ui.server.people import Home, Homes
from ui.server.slices import BorrowedGpu, SlicedTrainer
from ui.server.zero import Borrow, borrow


@dataclass(frozen=True)
class Limits:
    """Limits on the work that one server accepts."""

    waiting: int = 16
    """Drawings that may wait for the device."""
    jobs: int = 8
    """Words that are learned at the same time."""
    pictures: int = 30
    """Pictures of one word."""
    picture_megabytes: int = 40
    """Size of one uploaded file."""
    kept_pictures: int = 300
    """Drawn pictures that a home keeps; the oldest go first."""
    kept_runs: int = 30
    """Trainings that a home on a shared server keeps; of those that ended the oldest go first."""

    # Limits on one training on a shared server, where others wait for the device:
    steps: int = 2000
    step_rows: int = 16
    """Batch size times gradient accumulation."""
    eval_rows: int = 64
    vectors: int = 16


class Studio:
    """The visitors' homes, the device with its queue, the model in use, and the trainer of one server.

    ``root`` is the folder of all homes. If the GPU has to be borrowed through ``borrow``, ``gpu`` runs work
    on it and ``slices`` is the trainer; otherwise both are None.
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
        """The home and the session of each drawing. It needs no lock: each access is a single operation."""

    def home(self, request: gr.Request) -> Home:
        return self.homes.of(request)

    @contextmanager
    def drawing(self, request: gr.Request) -> Iterator[threading.Event]:
        """Register a drawing while it runs; yields the event that asks the drawing to stop."""
        event = threading.Event()
        self._drawings[event] = self.home(request), request.session_hash
        try:
            yield event
        finally:
            del self._drawings[event]

    def stop_drawing(self, request: gr.Request) -> None:
        """Ask all drawings of this page to stop after the current step."""
        page = self.home(request), request.session_hash
        for event, other in list(self._drawings.items()):
            if other == page:
                event.set()
