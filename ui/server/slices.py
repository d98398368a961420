"""Work on a GPU that is lent for seconds at a time: training and large drawings run in slices.

Another process does the work. It loads the model itself, and only plain values pass between the processes:
this process only reads its own model. A run's folder holds its state, so a slice can begin where the previous
one ended or was killed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from ti_core.config import TrainingConfig
from ti_core.drawing.generate import GeneratedPicture, generate
from ti_core.drawing.settings import Order
from ti_core.errors import OneWordError, RunError
from ti_core.messages import Listing, Message
from ti_core.model.backbone import Backbone
from ti_core.pictures.prepare import Picture
from ti_core.training.preparation import prepare
from ti_core.training.runs import Run, keep_result, keep_step, open_run, read_metrics, saved_steps, train_runs
from ti_core.training.selection import LossEvaluation, best_of
from ui.server.jobs import JobStatus, OnResult, Phase, TooManyJobs
from ui.server.model_keeper import LoadOptions, ModelKeeper
from ui.server.zero import WORK_SECONDS, Borrow

ABANDONED_SECONDS = 90.0  # without a slice for this long, no page is open; a hidden tab asks once a minute
STOP_FILE = "stop"  # in a run's folder: asks the current slice to end

Result = TypeVar("Result")

log = logging.getLogger(__name__)


# --- in the other process -----------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _load(model: LoadOptions) -> Backbone:
    """Load the model in the process that has the GPU, once for all the calls that the process serves."""
    return Backbone.load(model.name, dtype=model.dtype, safety_checker=model.safety_checker)


def train_slice(model: LoadOptions, folder: Path, seconds: float) -> None:
    """Train a run for ``seconds``, but at least one step, or until it is asked to stop.

    After a stop, the best of the last vectors become the run's result. Raises the errors of
    :func:`~ti_core.training.runs.train_runs`.
    """
    end, asked = monotonic() + seconds, folder / STOP_FILE
    backbone, run = _load(model), open_run(folder)
    with closing(train_runs(backbone, [run])) as steps:
        while not asked.exists() and next(steps, None) and monotonic() < end:
            pass
    if asked.exists():
        if run.step and not run.finish:
            keep_result(backbone, run)
        asked.unlink()


def draw_slice(model: LoadOptions, orders: Sequence[Order], seconds: float) -> list[GeneratedPicture]:
    """Draw orders of one picture each: as many as can begin within ``seconds``, at least one.

    Raises the errors of :func:`~ti_core.drawing.generate.generate`.
    """
    end, backbone = monotonic() + seconds, _load(model)
    pictures: list[GeneratedPicture] = []
    for order in orders:
        pictures += generate(backbone, order.settings, order.concepts, source=order.source)
        if monotonic() >= end:
            break
    return pictures


def choose_word(model: LoadOptions, pictures: Sequence[Picture], config: TrainingConfig) -> str:
    """Choose the initial word. Raises the errors of :func:`~ti_core.training.preparation.prepare`."""
    return prepare(_load(model), pictures, config).initializer


class BorrowedGpu:
    """The functions above, each run in a process to which a GPU is lent.

    Call them only while handling a visitor's event, because the GPU is lent to the visitor.
    """

    def __init__(self, borrow: Borrow):
        self.train = _lent(borrow, train_slice)
        self.draw = _lent(borrow, draw_slice)
        self.choose = _lent(borrow, choose_word)


def _lent(borrow: Borrow, work: Callable[..., Result]) -> Callable[..., Result]:
    """Make a function run in a process with the GPU.

    The core's errors come back as their messages, because their other contents may not be picklable.
    """

    @borrow
    def there(*arguments: Any) -> tuple[Result | None, Message | Listing | None]:
        try:
            return work(*arguments), None
        except OneWordError as error:
            return None, error.message

    def here(*arguments: Any) -> Any:
        result, refusal = there(*arguments)
        if refusal is not None:
            raise OneWordError(refusal)
        return result

    return here


# --- in this process ----------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Job:
    """A run that trains as long as an open page asks for its next slice."""

    model: LoadOptions
    run: Run
    on_result: OnResult
    seen: float = field(default_factory=monotonic)
    """When it was last asked for."""
    in_slice: bool = False
    stop_asked: bool = False
    pace: float | None = None
    """Seconds a step, in the last slice."""

    @property
    def is_abandoned(self) -> bool:
        return not self.in_slice and monotonic() - self.seen > ABANDONED_SECONDS


class SlicedTrainer:
    """Trains runs on a lent GPU; has the interface of :class:`ui.server.jobs.Trainer`.

    A run trains only during calls of :meth:`go_on`. After :data:`ABANDONED_SECONDS` without a call it counts
    as stopped until it is started again, and the best of its last saved steps is its result.
    """

    def __init__(self, gpu: BorrowedGpu, models: ModelKeeper, max_jobs: int = 8):
        self._gpu = gpu
        self._models = models
        self._max_jobs = max_jobs
        self._lock = threading.RLock()  # guards the state below; never held during a slice
        self._jobs: dict[Path, _Job] = {}
        self._failures: dict[Path, Exception] = {}

    def start(self, backbone: Backbone, run: Run, on_result: OnResult) -> None:
        """Let :meth:`go_on` train a run from its saved state; ``on_result`` gets the result.

        Raises :class:`RunError` if the run is already in training here, and :class:`TooManyJobs`.
        """
        with self._lock:
            self._drop_abandoned()
            if run.folder in self._jobs:
                raise RunError(
                    "{token} is in training already: wait for it, or stop it.", token=run.config.token
                )
            if len(self._jobs) >= self._max_jobs:
                raise TooManyJobs([self.status(other.run) for other in self._jobs.values()])
            (run.folder / STOP_FILE).unlink(missing_ok=True)
            self._failures.pop(run.folder, None)
            self._jobs[run.folder] = _Job(self._models.load_options(backbone), run, on_result)

    def wait_for(self, runs: Sequence[Run]) -> None:
        """Note that an open page will ask for the next slices of these runs."""
        with self._lock:
            for run in runs:
                if run.folder in self._jobs:
                    self._jobs[run.folder].seen = monotonic()

    def go_on(self, run: Run) -> None:
        """Train the next slice of a run, if it was started and no slice is running; return at its end.

        A killed slice counts if it saved anything. Otherwise the run stops and the lender's error is raised,
        for example about an exhausted quota; the run can be started again.
        """
        with self._lock:
            job = self._jobs.get(run.folder)
            if job is None or job.in_slice:
                return
            job.in_slice = True
        try:
            ended = self._train(job)
        except Exception as error:
            with self._lock:
                del self._jobs[run.folder]
                if isinstance(error, OneWordError):
                    self._failures[run.folder] = error
            _keep_saved(job)
            if not isinstance(error, OneWordError):  # the status reports those
                raise
            return
        with self._lock:
            job.in_slice, job.seen = False, monotonic()
            if ended:
                del self._jobs[run.folder]

    def stop(self, run: Run) -> None:
        """End a run after the current step; the best of its last vectors, if any, become its result."""
        with self._lock:
            if run.folder in self._jobs:
                (run.folder / STOP_FILE).touch()
                self._jobs[run.folder].stop_asked = True

    def status(self, run: Run) -> JobStatus:
        """Return the status of a run, even one that was trained before this program started."""
        with self._lock:
            self._drop_abandoned()
            job, error = self._jobs.get(run.folder), self._failures.get(run.folder)
        if job is None:
            ended: Phase = "failed" if error else "finished" if run.finish else "stopped"
            return JobStatus(ended, run.step, run.config.steps, error=error)
        steps, metrics = run.config.steps, read_metrics(run)  # the metrics are ahead of the saved state
        step = metrics[-1].step if metrics else 0
        if job.stop_asked:
            return JobStatus("stopping", step, steps)
        phase: Phase = "training" if step else "preparing" if job.in_slice else "waiting"
        return JobStatus(phase, step, steps, None if job.pace is None else (steps - step) * job.pace)

    def active(self) -> int:
        """How many runs are in training."""
        with self._lock:
            self._drop_abandoned()
            return len(self._jobs)

    def close(self) -> None:
        """Do nothing: no run continues by itself, and the folders hold the results."""

    def _train(self, job: _Job) -> bool:
        """Train one slice; return whether the run has ended. If it has, hand over its result, if any."""
        before, since = job.run.step, monotonic()
        try:
            self._gpu.train(job.model, job.run.folder, WORK_SECONDS)
        except OneWordError:
            raise
        except Exception:  # the lender's errors have no common base class
            if job.run.step == before:
                raise
            return False
        taken = job.run.step - before
        has_stopped = job.stop_asked and not (job.run.folder / STOP_FILE).exists()
        if job.run.finish or has_stopped:
            if job.run.has_result:
                job.on_result(job.run, job.run.concept())
            return True
        job.pace = (monotonic() - since) / taken if taken else None
        return False

    def _drop_abandoned(self) -> None:
        for job in [job for job in self._jobs.values() if job.is_abandoned]:
            del self._jobs[job.run.folder]
            _keep_saved(job)


def _keep_saved(job: _Job) -> None:
    """Make the best of the last saved steps the result of a run without one; needs no GPU."""
    run = job.run
    if run.has_result:
        return
    try:
        saved = set(saved_steps(run)) - {0}
        evaluations = [
            LossEvaluation(entry.step, entry.evaluation)
            for entry in read_metrics(run)
            if entry.evaluation is not None and entry.step in saved
        ]
        if evaluations:
            job.on_result(run, keep_step(run, best_of(evaluations, run.config.stop_window).step))
    except OneWordError:  # it can still be resumed, and get a result then
        log.exception("Nothing was kept of %s", run.folder)
