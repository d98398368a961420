"""Training in the background: whichever runs join, leave or fail, each learns the same as alone."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.errors import ConfigError, RunError, RunMismatchError, TrainingError
from ti_core.model.backbone import Backbone
from ti_core.model.families import Family
from ti_core.pictures.prepare import Picture
from ti_core.training.runs import Run, create_run, load_state, open_run, train_runs
from ti_core.words.concept import Concept
from ui.server.device_queue import Device
from ui.server.jobs import JobStatus, TooManyJobs, Trainer

PATIENCE = 120.0  # seconds after which a test has failed
COMPANY_TOLERANCE = 5e-4  # as in test_runs.py: kernels round differently for another batch size


class SteppedDevice(Device):
    """A device that training can hold only as often as the test allows."""

    def __init__(self) -> None:
        super().__init__(max_waiting=4)
        self._allowed, self._taken = threading.Semaphore(0), threading.Semaphore(0)
        self._free = False

    @contextmanager
    def training_step(self) -> Iterator[None]:
        if not self._free:
            self._allowed.acquire()
        try:
            with super().training_step():
                yield
        finally:
            self._taken.release()

    def let(self, turns: int) -> None:
        """Let training hold the device ``turns`` times, and wait until it has returned it as often."""
        for _ in range(turns):
            self._allowed.release()
            assert self._taken.acquire(timeout=PATIENCE)

    def let_all(self) -> None:
        """Give training free use of the device from now on."""
        self._free = True
        self._allowed.release()


class Results:
    """The results that a trainer handed over, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[Run, Concept]] = []

    def __call__(self, run: Run, concept: Concept) -> None:
        self.all.append((run, concept))

    @property
    def runs(self) -> list[Run]:
        return [run for run, _ in self.all]


def until(condition: Callable[[], object]) -> None:
    """Wait until another thread has made the condition true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


def close(trainer: Trainer, device: SteppedDevice) -> None:
    """Close the trainer before it gets the device again."""
    thread = threading.Thread(target=trainer.close, daemon=True)
    thread.start()
    until(lambda: trainer._closing)
    device.let_all()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def create(folder: Path, backbone: Backbone, seed: int = 0, **changes) -> Run:
    """Create a run of six steps on two pictures of 16 × 16 pixels."""
    numbers = np.random.default_rng(seed)
    pictures = [
        Picture(
            f"{number}.png",
            Image.fromarray(numbers.integers(0, 256, (16, 16, 3), dtype=np.uint8)),
            None,
            None,
            (16, 16),
            (),
        )
        for number in range(2)
    ]
    settings = {
        "token": "<x>",
        "initializer": "toy",
        "steps": 6,
        "batch_size": 1,
        "learning_rate": 0.02,
        "eval_every": 2,
        "eval_rows": 2,
        "stop": "never",
        "checkpoint_every": 4,
    }
    return create_run(folder, backbone, TrainingConfig(**(settings | changes)), pictures)


def assert_same_end(backbone: Backbone, run: Run, expected: Run, tolerance: float = 0.0) -> None:
    state, wanted = load_state(backbone, run), load_state(backbone, expected)
    assert (state.step, state.finish) == (wanted.step, wanted.finish)
    for name, rows in wanted.vectors.items():
        assert (state.vectors[name] - rows).abs().max() <= tolerance


@pytest.fixture(scope="module")
def sd1(backbones: dict[Family, Backbone]) -> Backbone:
    return backbones["sd1"]


@pytest.fixture(scope="module")
def alone(sd1: Backbone, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Run]:
    """Return runs by the seed of their pictures, each trained without a trainer and without other runs."""
    root = tmp_path_factory.mktemp("alone")
    runs = {seed: create(root / str(seed), sd1, seed) for seed in range(3)}
    for run in runs.values():
        for _ in train_runs(sd1, [run]):
            pass
    return runs


@pytest.fixture
def device() -> SteppedDevice:
    return SteppedDevice()


@pytest.fixture
def trainer(device: SteppedDevice) -> Iterator[Trainer]:
    trainer = Trainer(device, max_jobs=3)
    yield trainer
    device.let_all()
    trainer.close()


@pytest.fixture
def results() -> Results:
    return Results()


# --- one job ----------------------------------------------------------------------------------------------


def test_a_job_finishes_and_hands_over_its_concept(sd1, tmp_path, device, trainer, results, alone):
    run = create(tmp_path / "run", sd1)
    assert trainer.status(run) == JobStatus("stopped", 0, 6)
    trainer.start(sd1, run, results)
    assert trainer.status(run) == JobStatus("waiting", 0, 6)
    assert trainer.active() == 1 and not trainer.wait(run, 0)
    device.let(1)
    assert trainer.status(run) == JobStatus("training", 1, 6)
    device.let(2)
    status = trainer.status(run)
    assert (status.phase, status.step, status.companions) == ("training", 3, 0)
    assert status.seconds_left > 0
    device.let(3)
    assert trainer.wait(run, PATIENCE)
    assert trainer.status(run) == JobStatus("finished", 6, 6)
    assert trainer.active() == 0
    assert_same_end(sd1, run, alone[0])
    assert results.runs == [run]
    assert results.all[0][1].sha256 == run.concept().sha256 == alone[0].concept().sha256


def test_the_time_left_follows_the_recent_pace(sd1, tmp_path, device, trainer, results, monkeypatch):
    now = iter([0.0, 2.0, 4.0, *range(14, 1000, 10)])
    monkeypatch.setattr("ui.server.jobs.monotonic", lambda: next(now))
    monkeypatch.setattr("ui.server.jobs.PACE_STEPS", 2)
    run = create(tmp_path / "run", sd1, steps=100)
    trainer.start(sd1, run, results)
    seconds = []
    for _ in range(5):
        device.let(1)
        seconds.append(trainer.status(run).seconds_left)
    assert seconds == [None, 98 * 2.0, 97 * 2.0, 96 * 6.0, 95 * 10.0]


def test_a_stopped_job_keeps_its_result_and_goes_on_as_if_it_had_not_been(
    sd1, tmp_path, device, trainer, results, alone
):
    run = create(tmp_path / "run", sd1)
    trainer.start(sd1, run, results)
    device.let(3)
    trainer.stop(run)
    assert trainer.status(run) == JobStatus("stopping", 3, 6)
    device.let(2)  # one to leave, one to read the result
    assert trainer.wait(run, PATIENCE)
    assert trainer.status(run) == JobStatus("stopped", 3, 6)
    [(_, concept)] = results.all
    assert concept.sha256 == run.concept().sha256
    assert torch.equal(concept.vectors["clip_l"], load_state(sd1, run).best["clip_l"])

    device.let_all()
    trainer.start(sd1, run, results)
    assert trainer.wait(run, PATIENCE)
    assert trainer.status(run) == JobStatus("finished", 6, 6)
    assert_same_end(sd1, run, alone[0])
    assert results.all[1][1].sha256 == alone[0].concept().sha256


def test_a_job_that_is_stopped_while_it_waits_has_no_result(sd1, tmp_path, device, trainer, results):
    run = create(tmp_path / "run", sd1)
    trainer.start(sd1, run, results)
    trainer.stop(run)
    assert trainer.status(run) == JobStatus("stopping", 0, 6)
    device.let(1)
    assert trainer.wait(run, PATIENCE)
    assert trainer.status(run) == JobStatus("stopped", 0, 6)
    assert results.all == []
    trainer.stop(run)  # nothing happens


def test_a_job_that_is_stopped_in_its_last_step_has_finished(sd1, tmp_path, device, trainer, results):
    staying, ending = create(tmp_path / "a", sd1, 1, steps=9), create(tmp_path / "b", sd1)
    trainer.start(sd1, staying, results)
    trainer.start(sd1, ending, results)
    device.let(7)  # the second joined one later
    trainer.stop(ending)
    device.let(1)
    assert trainer.wait(ending, PATIENCE)
    assert trainer.status(ending) == JobStatus("finished", 6, 6)
    assert results.runs == [ending]


@pytest.mark.parametrize("result_lost", [False, True])
def test_a_finished_run_is_handed_over_again_beside_others(
    sd1, tmp_path, device, trainer, results, alone, result_lost
):
    ended, other = create(tmp_path / "ended", sd1), create(tmp_path / "other", sd1, 1)
    for _ in train_runs(sd1, [ended]):
        pass
    if result_lost:  # by a process that was killed just before it wrote it
        (ended.folder / "concept.json").unlink()
    trainer.start(sd1, other, results)
    trainer.start(sd1, ended, results)
    device.let(4)
    assert trainer.wait(ended, PATIENCE)
    assert trainer.status(ended) == JobStatus("finished", 6, 6)
    device.let_all()
    assert trainer.wait(other, PATIENCE)
    assert_same_end(sd1, other, alone[1], COMPANY_TOLERANCE)
    assert results.runs == [ended, other]
    assert results.all[0][1].sha256 == alone[0].concept().sha256


def test_runs_of_an_earlier_process(sd1, tmp_path, alone):
    stopped = create(tmp_path / "stopped", sd1)
    iterator = train_runs(sd1, [stopped])
    next(iterator)
    iterator.close()
    trainer = Trainer(Device(max_waiting=1))
    assert trainer.status(open_run(stopped.folder)) == JobStatus("stopped", 1, 6)
    assert trainer.status(open_run(alone[0].folder)) == JobStatus("finished", 6, 6)
    assert trainer.wait(stopped, 0)
    trainer.close()  # without a thread


# --- company ----------------------------------------------------------------------------------------------


def test_jobs_share_the_batch_and_learn_what_they_would_alone(sd1, tmp_path, device, trainer, results, alone):
    runs = [create(tmp_path / str(seed), sd1, seed) for seed in range(3)]
    trainer.start(sd1, runs[0], results)
    trainer.start(sd1, runs[1], results)
    device.let(2)
    assert [trainer.status(run).companions for run in runs[:2]] == [1, 1]
    trainer.start(sd1, runs[2], results)
    assert trainer.status(runs[2]) == JobStatus("waiting", 0, 6)
    device.let(1)
    assert [trainer.status(run).step for run in runs] == [3, 2, 1]
    assert [trainer.status(run).companions for run in runs] == [2, 2, 2]
    device.let_all()
    for seed, run in enumerate(runs):
        assert trainer.wait(run, PATIENCE)
        assert_same_end(sd1, run, alone[seed], COMPANY_TOLERANCE)
    assert results.runs == runs


def test_one_is_stopped_and_the_other_goes_on(sd1, tmp_path, device, trainer, results, alone):
    leaving, staying = create(tmp_path / "leaving", sd1), create(tmp_path / "staying", sd1, 1)
    trainer.start(sd1, leaving, results)
    trainer.start(sd1, staying, results)
    device.let(3)
    trainer.stop(leaving)
    device.let(2)  # the other's step, and reading the result
    assert trainer.wait(leaving, PATIENCE)
    assert trainer.status(leaving) == JobStatus("stopped", 3, 6)
    assert (trainer.status(staying).step, trainer.status(staying).companions) == (3, 0)
    trainer.start(sd1, leaving, results)
    device.let_all()
    for seed, run in enumerate((leaving, staying)):
        assert trainer.wait(run, PATIENCE)
        assert_same_end(sd1, run, alone[seed], COMPANY_TOLERANCE)


def test_what_is_refused(backbones, sd1, tmp_path, device, trainer, results):
    runs = [create(tmp_path / str(number), sd1) for number in range(4)]
    trainer.start(sd1, runs[0], results)
    with pytest.raises(RunError, match="in training already"):
        trainer.start(sd1, open_run(runs[0].folder), results)
    with pytest.raises(ConfigError, match="<x> is being learned on tiny-sd1: choose that model"):
        trainer.start(backbones["sd2"], create(tmp_path / "sd2", backbones["sd2"]), results)
    trainer.start(sd1, runs[1], results)
    trainer.start(sd1, runs[2], results)
    with pytest.raises(TooManyJobs) as caught:
        trainer.start(sd1, runs[3], results)
    assert caught.value.active == trainer.active() == 3
    assert caught.value.seconds is None, "no step was taken yet"
    device.let(3)
    with pytest.raises(TooManyJobs) as caught:
        trainer.start(sd1, runs[3], results)
    left = [trainer.status(run).seconds_left for run in runs[:3]]
    assert caught.value.seconds == min(seconds for seconds in left if seconds is not None)
    assert trainer.status(runs[3]) == JobStatus("stopped", 0, 6)


# --- failures ---------------------------------------------------------------------------------------------


def assert_failed_alone(trainer: Trainer, broken: Run, error: type[Exception], match: str) -> None:
    assert trainer.wait(broken, PATIENCE)
    status = trainer.status(broken)
    assert status.phase == "failed"
    with pytest.raises(error, match=match):
        raise status.error


def test_a_loss_that_is_no_number_ends_that_job_only(sd1, tmp_path, device, trainer, results, alone):
    other = create(tmp_path / "other", sd1)
    broken = create(tmp_path / "broken", sd1, 1, learning_rate=3e37)  # of the same token
    device.let_all()
    trainer.start(sd1, other, results)
    trainer.start(sd1, broken, results)
    assert_failed_alone(trainer, broken, TrainingError, "no longer a number")
    assert trainer.wait(other, PATIENCE)
    assert_same_end(sd1, other, alone[0], COMPANY_TOLERANCE)
    assert results.runs == [other]


def test_runs_that_cannot_be_opened_end_alone(sd1, tmp_path, device, trainer, results, alone):
    other = create(tmp_path / "other", sd1)
    changed, foreign = create(tmp_path / "changed", sd1, 1), create(tmp_path / "foreign", sd1, 2)
    Image.new("RGB", (16, 16)).save(changed.folder / "pictures" / "1.png")
    description = foreign.folder / "run.json"
    description.write_text(description.read_text("utf-8").replace("float32", "bfloat16"), "utf-8")
    trainer.start(sd1, other, results)
    trainer.start(sd1, changed, results)
    trainer.start(sd1, open_run(foreign.folder), results)
    device.let(1)
    assert trainer.status(other).step == 1
    device.let_all()
    assert_failed_alone(trainer, changed, RunError, "Picture 1.*changed")
    assert_failed_alone(trainer, foreign, RunMismatchError, "precision")
    assert trainer.wait(other, PATIENCE)
    assert_same_end(sd1, other, alone[0], COMPANY_TOLERANCE)
    assert results.runs == [other]

    create(tmp_path / "again", sd1, 1)
    (tmp_path / "again" / "pictures" / "1.png").replace(changed.folder / "pictures" / "1.png")
    trainer.start(sd1, changed, results)  # put right, it can be trained after all
    assert trainer.wait(changed, PATIENCE)
    assert trainer.status(changed) == JobStatus("finished", 6, 6)
    assert_same_end(sd1, changed, alone[1], COMPANY_TOLERANCE)


def test_a_run_that_cannot_be_written_ends_alone(sd1, tmp_path, device, trainer, results, alone):
    """The error occurs inside the batch's work and does not name the run that caused it."""
    broken, other = create(tmp_path / "broken", sd1), create(tmp_path / "other", sd1, 1)
    trainer.start(sd1, broken, results)
    trainer.start(sd1, other, results)
    device.let(3)
    (broken.folder / "state.safetensors").mkdir()  # where the state of step 4 would be written
    device.let_all()
    assert_failed_alone(trainer, broken, RunError, "could not be saved")
    assert trainer.wait(other, PATIENCE)
    assert_same_end(sd1, other, alone[1], COMPANY_TOLERANCE)
    assert results.runs == [other]


def test_a_result_that_is_not_taken_fails_that_job_only(sd1, tmp_path, device, trainer, results, caplog):
    def refuse(run: Run, concept: Concept) -> None:
        raise OSError("No space left on device")

    first, second = create(tmp_path / "first", sd1, steps=1), create(tmp_path / "second", sd1, 1, steps=3)
    device.let_all()
    trainer.start(sd1, first, refuse)
    trainer.start(sd1, second, results)
    assert_failed_alone(trainer, first, OSError, "No space left")
    assert trainer.wait(second, PATIENCE)
    assert results.runs == [second]
    assert "No space left" in caplog.text


def test_a_fault_of_the_program_ends_all_and_is_logged(
    sd1, tmp_path, device, trainer, results, alone, monkeypatch, caplog
):
    runs = [create(tmp_path / str(seed), sd1, seed) for seed in range(3)]
    for run in runs:
        trainer.start(sd1, run, results)
    device.let(2)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "ui.server.jobs"):
        patch.setattr(sd1, "predict", lambda *arguments: 1 / 0)
        device.let(1)
        for run in runs:  # the last was still being opened
            assert trainer.wait(run, PATIENCE)
    for run, step in zip(runs, (2, 1, 0), strict=True):
        status = trainer.status(run)
        assert (status.phase, status.step) == ("failed", step)
        assert isinstance(status.error, ZeroDivisionError)
        assert status.error.__traceback__ is None  # with the tensors of its frames
    assert "ZeroDivisionError" in caplog.text
    assert trainer.active() == 0

    device.let_all()
    trainer.start(sd1, runs[0], results)
    assert trainer.wait(runs[0], PATIENCE)
    assert_same_end(sd1, runs[0], alone[0], COMPANY_TOLERANCE)


# --- the device and the end -------------------------------------------------------------------------------


def test_drawings_get_their_turn_and_training_goes_on_between(sd1, tmp_path, results):
    device = Device(max_waiting=1)
    trainer = Trainer(device)
    run = create(tmp_path / "run", sd1, steps=100_000)
    trainer.start(sd1, run, results)
    steps = []
    for _ in range(4):
        with device.enter() as ticket:
            assert ticket.wait(PATIENCE)
            until(lambda: device._steps)  # training waits, too
            steps.append(trainer.status(run).step)
    trainer.close()
    assert steps == sorted(set(steps))
    assert open_run(run.folder).step >= steps[-1]


def test_a_result_is_handed_over_while_the_device_is_free(sd1, tmp_path):
    device, turns = Device(max_waiting=1), []
    trainer = Trainer(device)
    run = create(tmp_path / "run", sd1, steps=1)
    trainer.start(sd1, run, lambda run, concept: turns.append(device.enter().wait(0)))
    assert trainer.wait(run, PATIENCE)
    assert turns == [True]
    trainer.close()


def test_a_status_does_not_wait_for_a_step(sd1, tmp_path, device, trainer, results, monkeypatch):
    run, phases = create(tmp_path / "run", sd1), []

    def watched(method):
        def watch(*arguments):
            asking = threading.Thread(target=lambda: phases.append(trainer.status(run).phase))
            asking.start()
            asking.join(PATIENCE)
            return method(*arguments)

        return watch

    monkeypatch.setattr(sd1, "encode_pictures", watched(sd1.encode_pictures))
    trainer.start(sd1, run, results)
    device.let(1)
    assert phases == ["preparing"] * 2  # one for each picture
    monkeypatch.setattr(sd1, "add_noise", watched(sd1.add_noise))
    device.let(1)
    trainer.stop(run)
    device.let_all()
    assert trainer.wait(run, PATIENCE)
    assert phases[2:] == ["training"] * 2 + ["stopping"] * 2  # step and evaluation; pictures for the result


def test_closing_saves_all_and_takes_no_more(sd1, tmp_path, device, trainer, results, alone):
    runs = [create(tmp_path / str(seed), sd1, seed) for seed in range(3)]
    for run in runs:
        trainer.start(sd1, run, results)
    device.let(2)
    close(trainer, device)
    assert [trainer.status(run) for run in runs] == [JobStatus("stopped", step, 6) for step in (2, 1, 0)]
    assert (trainer.active(), results.all) == (0, [])
    with pytest.raises(RunError, match="being closed"):
        trainer.start(sd1, runs[0], results)
    trainer.close()  # harmless

    later = Trainer(Device(max_waiting=1))  # as the next process
    for run in runs:
        later.start(sd1, run, results)
    for seed, run in enumerate(runs):
        assert later.wait(run, PATIENCE)
        assert_same_end(sd1, run, alone[seed], COMPANY_TOLERANCE)
    later.close()


def test_closing_hands_over_what_has_just_finished(sd1, tmp_path, device, trainer, results):
    ending, other = create(tmp_path / "ending", sd1, steps=2), create(tmp_path / "other", sd1, 1)
    trainer.start(sd1, ending, results)
    trainer.start(sd1, other, results)
    device.let(2)
    assert not trainer.wait(ending, 0)  # its folder is closed by the next step
    close(trainer, device)
    assert results.runs == [ending]
    assert [trainer.status(run).phase for run in (ending, other)] == ["finished", "stopped"]


def test_the_model_is_let_go_of_when_nothing_trains(tiny_sd1, tmp_path, trainer, device, results):
    device.let_all()
    backbone = Backbone.load(str(tiny_sd1), device="cpu", dtype=torch.float32)
    run = create(tmp_path / "run", backbone, steps=1)
    broken = create(tmp_path / "broken", backbone, steps=4, learning_rate=3e37)
    for job in (run, broken):
        trainer.start(backbone, job, results)
    assert trainer.wait(run, PATIENCE) and trainer.wait(broken, PATIENCE)
    assert trainer.status(broken).phase == "failed"
    model = weakref.ref(backbone)
    del backbone

    def is_gone() -> bool:
        gc.collect()
        return model() is None

    until(is_gone)  # the trainer's thread may still be on its way to wait for jobs
