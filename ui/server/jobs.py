"""Train in the background: one thread trains the runs of all visitors together, in one batch.

A job does not belong to a browser tab. Results are kept in the run's folder; the trainer remembers only the
jobs in progress, and why a job failed.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Literal

from ti_core.errors import ConfigError, OneWordError, RunError, TrainingError
from ti_core.model.backbone import Backbone
from ti_core.training.runs import Run, keep_result, train_runs
from ti_core.training.state import Snapshot
from ti_core.words.concept import Concept
from ui.server.device_queue import Device

PACE_STEPS = 10  # the time left is predicted from the mean duration of this many recent steps

logger = logging.getLogger(__name__)

Phase = Literal["waiting", "preparing", "training", "stopping", "stopped", "finished", "failed"]
OnResult = Callable[[Run, Concept], None]


@dataclass(frozen=True)
class JobStatus:
    """The status of a run.

    ``seconds_left`` is the time until all ``steps`` are done at the recent pace, None until that is known.
    ``companions`` is how many other runs train in the same batch now. ``error`` says why a run failed.
    """

    phase: Phase
    step: int
    steps: int
    seconds_left: float | None = None
    companions: int = 0
    error: Exception | None = None


class TooManyJobs(OneWordError):
    """The maximum number of runs is already training.

    ``seconds`` is the time until the first of them has taken all its steps, None if unknown.
    """

    def __init__(self, jobs: Sequence[JobStatus]):
        self.active = len(jobs)
        left = [job.seconds_left for job in jobs if job.seconds_left is not None]
        self.seconds = min(left, default=None)
        super().__init__(f"No other training fits ({self.active} under way): try again when one has ended.")


@dataclass(eq=False)
class _Job:
    """A run that waits, is in the batch, or has left it but has not handed over its result yet."""

    backbone: Backbone
    run: Run
    on_result: OnResult
    step: int
    tried_until: int
    """Up to this step an error of the batch is taken for this job's."""
    phase: Literal["waiting", "preparing", "training"] = "waiting"
    stop_asked: bool = False
    complete: bool = False
    """Whether nothing is left to train."""
    times: deque[float] = field(default_factory=lambda: deque(maxlen=PACE_STEPS + 1))
    """When the last steps were taken."""
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def on_trial(self) -> bool:
        return self.step <= self.tried_until

    def note(self, snapshot: Snapshot) -> None:
        self.phase = "training"
        self.step = snapshot.step
        self.times.append(monotonic())

    def status(self, companions: int) -> JobStatus:
        steps, seconds_left = self.run.config.steps, None
        if len(self.times) > 1 and not self.stop_asked:
            pace = (self.times[-1] - self.times[0]) / (len(self.times) - 1)
            seconds_left = (steps - self.step) * pace
        phase: Phase = "stopping" if self.stop_asked else self.phase
        return JobStatus(phase, self.step, steps, seconds_left, companions)


class Trainer:
    """Trains at most ``max_jobs`` runs together, one step each time it gets the device."""

    def __init__(self, device: Device, max_jobs: int = 8):
        self._device = device
        self._max_jobs = max_jobs
        self._changed = threading.Condition()  # guards the state below; held briefly, never during a step
        self._jobs: dict[Path, _Job] = {}
        self._waiting: deque[_Job] = deque()
        self._batch: list[_Job] = []
        self._failures: dict[Path, Exception] = {}
        self._worker: threading.Thread | None = None
        self._closing = False
        # Used by the worker thread only. Runs that leave the list are closed when the iterator advances.
        self._runs: list[Run] = []
        self._iterator: Generator[tuple[Run, Snapshot], None, None] | None = None
        self._leaving: list[_Job] = []

    def start(self, backbone: Backbone, run: Run, on_result: OnResult) -> None:
        """Train a run from its saved state until it has finished or is stopped.

        Then ``on_result`` is called with the result, in the trainer's thread. Raises :class:`RunError` if the
        run is already in training here, :class:`TooManyJobs` if the trainer is full, and :class:`ConfigError`
        if others train on another model.
        """
        step = run.step
        job = _Job(backbone, run, on_result, step, tried_until=step)
        with self._changed:
            if self._closing:
                raise RunError("The program is being closed: start the training when it runs again.")
            if run.folder in self._jobs:
                raise RunError(
                    "{token} is in training already: wait for it, or stop it.", token=run.config.token
                )
            if len(self._jobs) >= self._max_jobs:
                raise TooManyJobs([other.status(companions=0) for other in self._jobs.values()])
            for other in self._jobs.values():
                if other.backbone is not backbone:
                    raise ConfigError(
                        "{token} is being learned on {model}: choose that model, or wait until its training "
                        "has ended.",
                        token=other.run.config.token,
                        model=other.backbone.base.id,
                    )
            self._failures.pop(run.folder, None)
            self._jobs[run.folder] = job
            self._waiting.append(job)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="trainer", daemon=True)
                self._worker.start()
            self._changed.notify_all()

    def stop(self, run: Run) -> None:
        """Stop a run after the current step; the best of its last vectors, if any, become its result.

        :meth:`start` resumes it. Does nothing if the run is not in training.
        """
        with self._changed:
            if run.folder in self._jobs:
                self._jobs[run.folder].stop_asked = True

    def status(self, run: Run) -> JobStatus:
        """Return the status of a run, even one that was trained before this program started."""
        with self._changed:
            job = self._jobs.get(run.folder)
            if job is not None:
                return job.status(companions=len(self._batch) - 1 if job in self._batch else 0)
            error = self._failures.get(run.folder)
        phase: Phase = "failed" if error else "finished" if run.finish else "stopped"
        return JobStatus(phase, run.step, run.config.steps, error=error)

    def active(self) -> int:
        """How many runs wait, train or are being stopped."""
        with self._changed:
            return len(self._jobs)

    def wait(self, run: Run, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds; returns whether the run's job has ended."""
        with self._changed:
            job = self._jobs.get(run.folder)
        return job is None or job.ended.wait(timeout)

    def close(self) -> None:
        """End all jobs and accept no more; waits for the current step.

        Each run is saved so that it can be resumed. Unfinished runs get no result.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            worker = self._worker
        if worker is not None:
            worker.join()

    # --- the worker's thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        while self._wait_for_jobs():
            try:
                self._take_turn()
            except Exception as error:
                logger.exception("Training failed.")
                self._fail_all(error)
        self._close_runs()
        for job in list(self._jobs.values()):
            if job.complete:
                self._conclude(job)
            else:
                self._end(job)

    def _wait_for_jobs(self) -> bool:
        """Wait until there is something to train; return False once the trainer is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closing)
            return not self._closing

    def _take_turn(self) -> None:
        with self._device.training_step():
            closed = self._step_or_close()
        for job in closed:
            self._conclude(job)

    def _step_or_close(self) -> list[_Job]:
        """Take one step of the batch; return the jobs that have left it and whose runs are closed."""
        with self._changed:
            if self._closing:
                return []
            closed = self._leave_and_join()
        if self._batch:
            self._step()
        if not self._batch:
            self._close_runs()
            closed += self._leaving
            self._leaving = []
        return closed

    def _leave_and_join(self) -> list[_Job]:
        """Remove the stopped jobs, add one that waits, and return all jobs that the next step closes."""
        stopped = [job for job in (*self._batch, *self._waiting) if job.stop_asked]
        self._batch = [job for job in self._batch if job not in stopped]
        self._waiting = deque(job for job in self._waiting if job not in stopped)
        leaving, self._leaving = self._leaving + stopped, []
        # One job joins at a time, and only while none leaves, so that an error can be attributed to it.
        if self._waiting and not leaving and not any(job.on_trial for job in self._batch):
            job = self._waiting.popleft()
            job.phase = "preparing"
            self._batch.append(job)
        self._runs[:] = [job.run for job in self._batch]
        return leaving

    def _step(self) -> None:
        """Take one step of every run in the batch, from the first snapshot to the last."""
        if self._iterator is None:
            self._iterator = train_runs(self._batch[0].backbone, self._runs)
        awaited = list(self._batch)
        try:
            for run, snapshot in self._iterator:
                job = self._jobs[run.folder]
                if job not in awaited:  # the next step began: the awaited jobs had ended before they joined
                    self._complete(awaited)
                    awaited = list(self._batch)
                awaited.remove(job)
                with self._changed:
                    job.note(snapshot)
                if snapshot.finish:
                    self._complete([job])
                if not awaited:
                    return
            self._complete(awaited)
        except OneWordError as error:
            self._end_failed(error)

    def _complete(self, jobs: Sequence[_Job]) -> None:
        with self._changed:
            for job in jobs:
                job.complete = True
                self._batch.remove(job)
                self._leaving.append(job)

    def _end_failed(self, error: OneWordError) -> None:
        """End the jobs that caused a failed step; the others rejoin from their saved state."""
        self._iterator = None
        with self._changed:
            batch, self._batch = self._batch, []
            failed = _at_fault(batch, error)
            others = [job for job in batch if job not in failed]
            for job in others:
                job.phase, job.tried_until = "waiting", job.step
                job.times.clear()
            self._waiting.extendleft(reversed(others))
        for job in failed:
            self._end(job, error)

    def _conclude(self, job: _Job) -> None:
        """Hand over the result and end the job."""
        try:
            concept = self._result(job)
            if concept is not None:
                job.on_result(job.run, concept)
        except Exception as error:
            logger.exception("The result of a run could not be kept.")
            self._end(job, error)
        else:
            self._end(job)

    def _result(self, job: _Job) -> Concept | None:
        if job.complete:
            return job.run.concept()
        if job.run.step == 0:
            return None
        with self._device.training_step():
            return keep_result(job.backbone, job.run)

    def _end(self, job: _Job, error: Exception | None = None) -> None:
        with self._changed:
            if error is not None:
                self._failures[job.run.folder] = _without_frames(error)
            del self._jobs[job.run.folder]
        job.ended.set()

    def _fail_all(self, error: Exception) -> None:
        self._close_runs()
        with self._changed:
            jobs = list(self._jobs.values())
            self._waiting.clear()
            self._batch.clear()
            self._leaving.clear()
        for job in jobs:
            self._end(job, error)

    def _close_runs(self) -> None:
        """Save and close every run that is open."""
        if self._iterator is not None:
            try:
                self._iterator.close()
            except Exception:
                logger.exception("A run could not be saved.")  # it resumes from its previous save
            self._iterator = None


def _at_fault(batch: Sequence[_Job], error: OneWordError) -> list[_Job]:
    """Return the jobs that an error names, else the job on trial.

    If there is neither, the cause is unknown: no job ends, and each is on trial until it passes that step.
    """
    folders = error.folders if isinstance(error, TrainingError) else ()
    named = [job for job in batch if job.run.folder in folders]
    return named or [job for job in batch if job.on_trial]


def _without_frames(error: Exception) -> Exception:
    """Return the error without its traceback, whose frames would keep device memory alive."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
