"""Train runs and keep their folders."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TextIO

from filelock import FileLock

from ti_core.errors import RunError, TrainingError
from ti_core.files import write_whole
from ti_core.messages import both
from ti_core.model.backbone import Backbone
from ti_core.training.initial_word import OnCandidate
from ti_core.training.loop import advance, evaluate_loss
from ti_core.training.preparation import prepare
from ti_core.training.runs.folder import Run, check_model, load_run_pictures, lock_run, run_images
from ti_core.training.runs.metrics import metrics_line, open_metrics
from ti_core.training.runs.saved_state import read_state, restore_state, save_state
from ti_core.training.runs.steps import drop_later_files, preview_file, save_step
from ti_core.training.state import Snapshot, TrainingState, learned_concept
from ti_core.words.concept import Concept
from ti_core.words.folder import save_concept


def train_runs(
    backbone: Backbone, runs: list[Run], on_candidate: OnCandidate | None = None
) -> Generator[tuple[Run, Snapshot], None, None]:
    """Train runs together, each from where it is, and keep their folders; yields as
    :func:`~ti_core.training.loop.train` does, and tells ``on_candidate`` how an initial word is chosen.

    Runs may be added to or removed from the list between yields. What was learned is saved when a run
    is removed and when the iterator is closed, also by an error. Raises :class:`RunError` if another
    process trains one of them, :class:`RunMismatchError` if one was started on another model, and
    :class:`TrainingError` with the folders of the runs whose loss is no longer a number: the others can
    go on without them.
    """
    opened: list[_OpenRun] = []

    def follow() -> None:
        """Open the runs that joined the list and close those that left it."""
        for gone in [entry for entry in opened if entry.run not in runs]:
            opened.remove(gone)
            gone.close()
        for run in runs:
            if all(entry.run != run for entry in opened):
                opened.append(_OpenRun.open(backbone, run, on_candidate))

    try:
        follow()
        while active := [entry for entry in opened if entry.state.finish is None]:
            steps = list(zip(active, _advance(backbone, active), strict=True))
            for entry, snapshot in steps:  # all before any is yielded, where the caller may stop
                entry.record(backbone, snapshot)
            for entry, snapshot in steps:
                yield entry.run, snapshot
            follow()
    finally:
        with ExitStack() as closing:  # closes all, also when one cannot be saved
            for entry in opened:
                closing.callback(entry.close)


def _advance(backbone: Backbone, entries: Sequence[_OpenRun]) -> list[Snapshot]:
    """One step of all together; a run's very first evaluation is kept like those that follow steps."""
    new = [entry for entry in entries if not entry.state.evaluations]
    try:
        evaluate_loss(backbone, [entry.state for entry in new])
        for entry in new:
            entry.keep_vectors(backbone)
        return advance(backbone, [entry.state for entry in entries])
    except TrainingError as error:
        folders = [entry.run.folder for entry in entries if entry.state in error.states]
        if not folders:
            raise
        raise TrainingError(
            "{error} See {folder}; every run is kept as it was last saved.",
            error=error,
            folder=both(folders),
            folders=folders,
        ) from error


@dataclass(eq=False)
class _OpenRun:
    """A run that is being trained: its state in memory, its lock and its open files.

    ``recorded_step`` is the last that was taken and written down whole.
    """

    run: Run
    state: TrainingState
    lock: FileLock
    metrics: TextIO
    recorded_step: int
    saved_step: int

    @classmethod
    def open(cls, backbone: Backbone, run: Run, on_candidate: OnCandidate | None) -> _OpenRun:
        check_model(run, backbone)
        lock = lock_run(run)
        try:
            state = load_state(backbone, run, on_candidate)
            drop_later_files(run, state.step)
            entry = cls(run, state, lock, open_metrics(run, state.step), state.step, saved_step=run.step)
        except BaseException:
            lock.release()
            raise
        if state.finish and not run.has_result:  # somebody has removed it
            entry._save_result(backbone)
        return entry

    def record(self, backbone: Backbone, snapshot: Snapshot) -> None:
        """Write down a step, and the state or the result where they are due."""
        try:
            self.metrics.write(json.dumps(metrics_line(snapshot)) + "\n")
            if snapshot.preview is not None:
                file = preview_file(self.run, snapshot.step)
                file.parent.mkdir(exist_ok=True)
                write_whole(file, partial(snapshot.preview.save, format="PNG"))
        except OSError as error:
            raise RunError(
                "Step {step} could not be written to {folder}: {error}",
                step=snapshot.step,
                folder=self.run.folder,
                error=error,
            ) from error
        if snapshot.evaluation is not None:
            self.keep_vectors(backbone)
        if snapshot.finish:  # before the state: one that says it has finished is there only with its result
            self._save_result(backbone)
        self.recorded_step = snapshot.step
        if snapshot.finish or snapshot.step % self.run.config.checkpoint_every == 0:
            self._save()

    def keep_vectors(self, backbone: Backbone) -> None:
        """Write the vectors as they are now, just evaluated."""
        state, evaluation = self.state, self.state.evaluations[-1]
        training = {
            **learned_concept(backbone, state).training,
            "best_step": evaluation.step,
            "evaluation_loss": evaluation.loss,
        }
        facts = {"initializer": state.initializer, "training": training}
        save_step(self.run, evaluation.step, state.vectors, facts)

    def close(self) -> None:
        """Save what was learned; not a step that was interrupted, which the resumed run takes again."""
        try:
            if self.recorded_step == self.state.step != self.saved_step:
                self._save()
        finally:
            try:
                self.metrics.close()
            finally:
                self.lock.release()

    def _save(self) -> None:
        save_state(self.run.folder, self.state)
        self.saved_step = self.state.step

    def _save_result(self, backbone: Backbone) -> None:
        save_concept(learned_concept(backbone, self.state), self.run.folder, run_images(self.run))


def keep_result(backbone: Backbone, run: Run) -> Concept:
    """Make the best of the last vectors the run's result, without training it to its end.

    Raises as :func:`train_runs`, and :class:`RunError` if nothing has been learned yet.
    """
    check_model(run, backbone)
    lock = lock_run(run)
    try:
        state = load_state(backbone, run)
        if not state.evaluations:
            raise RunError(
                "The run in {folder} has not learned anything yet: resume it first.", folder=run.folder
            )
        concept = learned_concept(backbone, state)
        save_concept(concept, run.folder, run_images(run))
    finally:
        lock.release()
    return concept


def load_state(backbone: Backbone, run: Run, on_candidate: OnCandidate | None = None) -> TrainingState:
    """A run's newest valid state, or its start, prepared as by :func:`~ti_core.training.preparation.prepare`.

    Raises :class:`RunError` if the state is not one of this run.
    """
    saved = read_state(run.folder)
    config = run.config
    if saved is None:
        return prepare(backbone, load_run_pictures(run), config, on_candidate=on_candidate)
    facts, tensors = saved
    state = prepare(backbone, load_run_pictures(run), config, initializer=facts.get("initializer"))
    try:
        restore_state(state, facts, tensors)
    except (KeyError, TypeError, ValueError, RunError) as error:
        raise RunError(
            "The state in {folder} is not this run's ({error}): start a new one.",
            folder=run.folder,
            error=error,
        ) from error
    return state
