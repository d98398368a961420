"""The one device that all visitors share: drawings in order of arrival, training steps in between."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType

from ti_core.errors import OneWordError

MEASURED_DRAWINGS = 5  # the wait is predicted from the mean duration of this many recent drawings


class QueueFull(OneWordError):
    """The queue is full; ``seconds`` is how long its drawings are expected to take, None if unknown."""

    def __init__(self, waiting: int, seconds: float | None):
        self.waiting = waiting
        self.seconds = seconds
        when = "later" if seconds is None else f"in about {max(1, math.ceil(seconds))} s"
        super().__init__(f"The queue is full ({waiting} waiting): try again {when}.")


class Device:
    """The device, which one drawing or one training step holds at a time.

    If both are waiting, drawings and training steps alternate. So the first drawing in the queue waits for at
    most one step, and training never starves.
    """

    def __init__(self, max_waiting: int):
        self._max_waiting = max_waiting
        self._changed = threading.Condition()  # guards all below; nobody waits while it is free
        self._holder: object | None = None
        self._since = 0.0
        self._drawings: deque[Ticket] = deque()  # waiting drawings
        self._steps: deque[object] = deque()  # waiting training steps
        self._durations: deque[float] = deque(maxlen=MEASURED_DRAWINGS)

    @property
    def waiting(self) -> int:
        """How many drawings are waiting."""
        with self._changed:
            return len(self._drawings)

    def enter(self) -> Ticket:
        """Join the queue of drawings. Raises :class:`QueueFull` if the queue is full."""
        ticket = Ticket(self)
        with self._changed:
            if self._holder is None:
                self._hand_to(ticket)
            elif len(self._drawings) < self._max_waiting:
                self._drawings.append(ticket)
            else:
                raise QueueFull(len(self._drawings), self._seconds(ahead=len(self._drawings)))
        return ticket

    @contextmanager
    def training_step(self) -> Iterator[None]:
        """Hold the device for one training step; at most one more drawing goes first."""
        step = object()
        try:
            with self._changed:
                if self._holder is None:
                    self._hand_to(step)
                else:
                    self._steps.append(step)
                    self._changed.wait_for(lambda: self._holder is step)
            yield
        finally:
            with self._changed:
                if self._holder is step:
                    self._hand_to_first(self._drawings or self._steps)
                elif step in self._steps:  # interrupted while waiting
                    self._steps.remove(step)

    def _leave(self, ticket: Ticket, *, measured: bool) -> None:
        with self._changed:
            if self._holder is ticket:
                if measured:
                    self._durations.append(monotonic() - self._since)
                self._hand_to_first(self._steps or self._drawings)
            elif ticket in self._drawings:
                self._drawings.remove(ticket)

    def _hand_to_first(self, queue: deque[Ticket] | deque[object]) -> None:
        self._hand_to(queue.popleft() if queue else None)

    def _hand_to(self, holder: object | None) -> None:
        self._holder, self._since = holder, monotonic()
        self._changed.notify_all()

    def _seconds(self, ahead: int) -> float | None:
        """Predict the seconds that the current drawing, if any, and ``ahead`` more take; None if unknown."""
        if not self._durations:
            return None
        mean = sum(self._durations) / len(self._durations)
        drawing = isinstance(self._holder, Ticket)
        rest = max(mean - (monotonic() - self._since), 0.0) if drawing else 0.0
        return rest + ahead * mean


class Ticket:
    """A drawing's place in the queue, and later its hold on the device; leaving gives up either."""

    def __init__(self, device: Device):
        self._device = device

    @property
    def position(self) -> int:
        """0 when it is its turn, 1 when it is next, and so on. Raises :class:`ValueError` once left."""
        device = self._device
        with device._changed:
            return 0 if device._holder is self else 1 + device._drawings.index(self)

    @property
    def seconds_left(self) -> float | None:
        """The expected wait, from the mean of the last few drawings; None if none was measured.

        Raises :class:`ValueError` once left.
        """
        device = self._device
        with device._changed:
            return 0.0 if device._holder is self else device._seconds(ahead=device._drawings.index(self))

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds; returns whether it is this ticket's turn."""
        device = self._device
        with device._changed:
            return device._changed.wait_for(lambda: device._holder is self, timeout)

    def leave(self) -> None:
        """Give up the place, even while waiting; does nothing the second time."""
        self._device._leave(self, measured=True)

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._device._leave(self, measured=error is None)  # a failed one's duration predicts nothing
