"""Train runs, and keep their folders up to date."""

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
    """Train runs together, each from its saved state, and keep their folders up to date.

    Yields snapshots as :func:`~ti_core.training.loop.train` does. Runs may be added to or removed from the
    list between yields. Progress is saved when a run is removed and when the iterator is closed, even by an
    error. ``on_candidate`` is for :func:`~ti_core.training.initial_word.choose_initializer`.

    Raises :class:`RunError` if another process trains one of the runs, :class:`RunMismatchError` if one was
    started on another model, and :class:`TrainingError` if a loss or a gradient is not finite; the error's
    ``folders`` are those of the failed runs, and the other runs can go on without them.
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
            steps = list(zip(active, _advance_runs(backbone, active), strict=True))
            for entry, snapshot in steps:  # record all before any yield, where the caller may stop
                entry.record(backbone, snapshot)
            for entry, snapshot in steps:
                yield entry.run, snapshot
            follow()
    finally:
        with ExitStack() as closing:  # closes every run, even if one cannot be saved
            for entry in opened:
                closing.callback(entry.close)


def _advance_runs(backbone: Backbone, entries: Sequence[_OpenRun]) -> list[Snapshot]:
    """Take one step of all runs; before a run's first step, also evaluate and save its initial vectors."""
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

    ``recorded_step`` is the last step that was completely recorded in the folder, ``saved_step`` that of the
    newest saved state.
    """

    run: Run
    state: TrainingState
    lock: FileLock
    metrics: TextIO
    recorded_step: int
    saved_step: int

    @classmethod
    def open(cls, backbone: Backbone, run: Run, on_candidate: OnCandidate | None) -> _OpenRun:
        """Lock a run and load its state; what was recorded after that state is removed."""
        check_model(run, backbone)
        lock = lock_run(run)
        try:
            state = load_state(backbone, run, on_candidate)
            drop_later_files(run, state.step)
            entry = cls(run, state, lock, open_metrics(run, state.step), state.step, saved_step=run.step)
        except BaseException:
            lock.release()
            raise
        if state.finish and not run.has_result:  # the result has been deleted
            entry._save_result(backbone)
        return entry

    def record(self, backbone: Backbone, snapshot: Snapshot) -> None:
        """Write a step's metrics and preview, and the vectors, the state and the result if they are due."""
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
        if snapshot.finish:  # before the state, so that a state that says "finished" always has a result
            self._save_result(backbone)
        self.recorded_step = snapshot.step
        if snapshot.finish or snapshot.step % self.run.config.checkpoint_every == 0:
            self._save()

    def keep_vectors(self, backbone: Backbone) -> None:
        """Write the current vectors, which have just been evaluated, to the steps folder."""
        state, evaluation = self.state, self.state.evaluations[-1]
        training = {
            **learned_concept(backbone, state).training,
            "best_step": evaluation.step,
            "evaluation_loss": evaluation.loss,
        }
        facts = {"initializer": state.initializer, "training": training}
        save_step(self.run, evaluation.step, state.vectors, facts)

    def close(self) -> None:
        """Save the state, unless a step was interrupted: the resumed run then takes that step again."""
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
    """Make the best of a run's last evaluated vectors its result, without training it to the end.

    Raises as :func:`load_state`, :class:`RunError` if another process trains the run or nothing has been
    learned yet, and :class:`RunMismatchError` if it was started on another model.
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
    """Load a run's newest readable state, or prepare its first one if none was saved.

    Raises :class:`RunError` if the saved state belongs to another run or a picture cannot be read, and as
    :func:`~ti_core.training.preparation.prepare`.
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
