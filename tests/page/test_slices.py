"""Training and drawing on a lent GPU: slices learn the same as one uninterrupted run.

These tests have their own lender. Like that of a ZeroGPU Space, it forks a process, pickles the arguments and
results, and kills the process when its time is up.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from helpers.requests import request_of
from helpers.serving import ROOT
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.drawing.generate import generate
from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.errors import OneWordError, RunError, UnknownTokenError
from ti_core.model.backbone import Backbone
from ti_core.pictures.prepare import Picture
from ti_core.training import loop
from ti_core.training.preparation import prepare
from ti_core.training.runs import Run, concept_at, create_run, load_state, read_metrics, train_runs
from ti_core.words.concept import Concept
from ui.server import slices
from ui.server.drawing import Drawn, draw_in_turn, draw_orders
from ui.server.jobs import JobStatus, TooManyJobs
from ui.server.model_keeper import ModelKeeper
from ui.server.slices import SlicedTrainer
from ui.server.studio import Limits, Studio
from ui.server.zero import LENT_SECONDS, WORK_SECONDS
from ui.tabs.train.run_view import read_view
from ui.tabs.train.runs import current_run
from ui.tabs.train.settings_view import preset_choices, time_html

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="This system cannot fork."),
]

PATIENCE = 120.0  # seconds after which a test has failed
LATE = b"late"
ME = request_of()
VISITOR: ContextVar[str] = ContextVar("VISITOR", default="nobody")


class Lender:
    """Decorates a function that borrows a GPU.

    ``late_after`` lists the steps that each next process takes before it is killed. With ``seconds``, a
    process has a real clock and is killed after that time.
    """

    def __init__(self) -> None:
        self.late_after: list[int | None] = []
        self.seconds: float | None = None
        self.borrowers: list[str] = []
        self.killed = 0

    def __call__(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def lent(*arguments: Any) -> Any:
            self.borrowers.append(VISITOR.get())
            late_after = self.late_after.pop(0) if self.late_after else None
            context = multiprocessing.get_context("fork")
            receiver, sender = context.Pipe(duplex=False)
            values = (work, pickle.dumps(arguments), sender, late_after, self.seconds is None)
            process = context.Process(target=serve, args=values, daemon=True)
            process.start()
            sender.close()
            deadline = threading.Timer(self.seconds or PATIENCE, process.kill)
            deadline.start()
            try:
                answer = receiver.recv_bytes()
            except EOFError:
                answer = LATE
            finally:
                deadline.cancel()
                process.kill()
                process.join()
            if answer == LATE:
                self.killed += 1
                raise gr.Error("GPU task aborted")
            result, error = pickle.loads(answer)
            if error is not None:
                raise gr.Error(error)
            return result

        return lent


def serve(
    work: Callable[..., Any], arguments: bytes, sender: Connection, late_after: int | None, own_clock: bool
) -> None:
    """Run in the forked process, whose clock advances by a second each time it is read."""
    torch.set_num_threads(1)  # the others were not forked
    if own_clock:
        slices.monotonic = map(float, count()).__next__
    take_step, taken = loop.train_step, count()

    def train_step(*values: Any) -> list[float]:
        if next(taken) == late_after:
            sender.send_bytes(LATE)
            threading.Event().wait()
        return take_step(*values)

    loop.train_step = train_step
    try:
        sender.send_bytes(pickle.dumps((work(*pickle.loads(arguments)), None)))
    except Exception as error:  # a lender reports only its name
        sender.send_bytes(pickle.dumps((None, type(error).__name__)))


class Results:
    """The results that a trainer handed over."""

    def __init__(self) -> None:
        self.concepts: list[Concept] = []

    def __call__(self, _run: Run, concept: Concept) -> None:
        self.concepts.append(concept)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread, as the forked processes do: sums over several threads round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "WORK_SECONDS", 5)  # each step takes one


@pytest.fixture
def lender() -> Lender:
    return Lender()


@pytest.fixture
def studio(tmp_path: Path, models: ModelKeeper, lender: Lender, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setattr("ui.server.studio.ModelKeeper", lambda: models)
    return Studio(tmp_path / "homes", borrow=lender, limits=Limits(jobs=2))


@pytest.fixture
def backbone(studio: Studio) -> Backbone:
    return studio.models.wait()[0]


@pytest.fixture
def trainer(studio: Studio) -> SlicedTrainer:
    assert studio.slices is studio.trainer
    return studio.slices


def pictures() -> list[Picture]:
    numbers = np.random.default_rng(0)
    return [
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


def create(folder: Path, backbone: Backbone, steps: int = 18) -> Run:
    config = TrainingConfig(
        "<x>",
        initializer="toy",
        steps=steps,
        batch_size=1,
        learning_rate=0.02,
        eval_every=2,
        eval_rows=2,
        stop="never",
        checkpoint_every=2,
    )
    return create_run(folder, backbone, config, pictures())


def weights_of(backbone: Backbone) -> str:
    digest = hashlib.sha256()
    for module in (backbone.unet, backbone.vae, *(encoder.model for encoder in backbone._encoders)):
        for values in module.state_dict().values():
            digest.update(values.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


# --- where ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "expected"), [("true", "(45, False)"), ("", "(None, False)")])
def test_the_gpu_is_borrowed_on_zero_gpu_alone_and_before_torch_is_there(tmp_path, value, expected):
    (tmp_path / "spaces.py").write_text("def GPU(duration): return duration\n")
    code = "import sys, ui.server.zero; print((ui.server.zero.borrow, 'torch' in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "SPACES_ZERO_GPU": value,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


# --- training ---------------------------------------------------------------------------------------------


def test_slices_of_which_some_are_killed_learn_what_one_run_learns(tmp_path, backbone, trainer, lender):
    whole = create(tmp_path / "whole", backbone)
    for _ in train_runs(backbone, [whole]):
        pass
    before = weights_of(backbone)

    run, results = create(tmp_path / "run", backbone), Results()
    lender.late_after = [None, 2, 0]
    trainer.start(backbone, run, results)
    assert trainer.status(run) == JobStatus("waiting", 0, 18)
    trainer.go_on(run)
    assert run.step == 5
    status = trainer.status(run)
    assert (status.phase, status.step) == ("training", 5)
    assert status.seconds_left > 0
    trainer.go_on(run)  # killed in its third step, when the first is saved
    assert (run.step, trainer.status(run).step) == (6, 7)
    with pytest.raises(gr.Error, match="aborted"):
        trainer.go_on(run)  # killed before it could save any
    assert trainer.status(run) == JobStatus("stopped", 6, 18)
    kept = run.concept()
    assert kept.sha256 in [concept_at(run, step).sha256 for step in (2, 4, 6)]

    trainer.start(backbone, run, results)  # by a click
    while trainer.status(run).phase == "training":
        trainer.go_on(run)
    assert trainer.status(run) == JobStatus("finished", 18, 18)
    assert trainer.active() == 0

    state, wanted = load_state(backbone, run), load_state(backbone, whole)
    for mine, theirs in ((state.vectors, wanted.vectors), (state.best, wanted.best)):
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert state.evaluations == wanted.evaluations
    assert read_metrics(run) == read_metrics(whole)
    assert [concept.sha256 for concept in results.concepts] == [kept.sha256, whole.concept().sha256]
    assert weights_of(backbone) == before
    assert not list(run.folder.glob("stop"))


def test_a_run_that_is_stopped_keeps_its_result_and_goes_on_by_a_click(tmp_path, backbone, trainer):
    run, results = create(tmp_path / "run", backbone), Results()
    trainer.start(backbone, run, results)
    trainer.go_on(run)
    trainer.stop(run)
    assert trainer.status(run).phase == "stopping"
    trainer.go_on(run)
    assert trainer.status(run) == JobStatus("stopped", 5, 18)
    assert [concept.sha256 for concept in results.concepts] == [run.concept().sha256]
    trainer.go_on(run)  # nobody has started it
    assert run.step == 5
    trainer.start(backbone, run, results)
    trainer.go_on(run)
    assert trainer.status(run).step == run.step == 10


def test_a_run_whose_page_was_closed_waits_for_a_click(tmp_path, backbone, trainer, monkeypatch):
    run, results = create(tmp_path / "run", backbone), Results()
    trainer.start(backbone, run, results)
    trainer.go_on(run)
    assert trainer.active() == 1
    monkeypatch.setattr(slices, "ABANDONED_SECONDS", -1.0)
    assert trainer.status(run) == JobStatus("stopped", 5, 18)
    assert trainer.active() == 0
    losses = {entry.evaluation: entry.step for entry in read_metrics(run)[1:] if entry.evaluation}
    best = concept_at(run, losses[min(losses)])
    assert [concept.sha256 for concept in results.concepts] == [run.concept().sha256] == [best.sha256]


def test_a_run_is_started_once_and_not_too_many_are(tmp_path, backbone, trainer):
    runs = [create(tmp_path / str(number), backbone) for number in range(3)]
    for run in runs[:2]:
        trainer.start(backbone, run, Results())
    with pytest.raises(RunError, match="in training already"):
        trainer.start(backbone, runs[0], Results())
    with pytest.raises(TooManyJobs):
        trainer.start(backbone, runs[2], Results())


def test_an_error_of_the_core_is_told_by_the_status(tmp_path, backbone, trainer):
    run = create(tmp_path / "run", backbone)
    shutil.rmtree(run.folder / "pictures")
    trainer.start(backbone, run, Results())
    trainer.go_on(run)
    status = trainer.status(run)
    assert (status.phase, status.step) == ("failed", 0)
    assert str(status.error).startswith("Picture 0 of the run")


def test_a_slice_takes_one_step_at_least(tmp_path, backbone, trainer, monkeypatch):
    monkeypatch.setattr(slices, "WORK_SECONDS", 0)
    run = create(tmp_path / "run", backbone)
    trainer.start(backbone, run, Results())
    trainer.go_on(run)
    assert (trainer.status(run).phase, run.step) == ("training", 1)


def test_one_slice_at_a_time(tmp_path, backbone, trainer, lender, monkeypatch):
    run = create(tmp_path / "run", backbone)
    trainer.start(backbone, run, Results())
    lend = trainer._gpu.train

    def train(*arguments: Any) -> None:
        trainer.go_on(run)  # as another page of the same visitor would
        assert trainer.status(run).phase == "preparing"
        lend(*arguments)

    monkeypatch.setattr(trainer._gpu, "train", train)
    trainer.go_on(run)
    assert (run.step, len(lender.borrowers)) == (5, 1)


@pytest.fixture
def endless(tmp_path: Path, backbone: Backbone, trainer: SlicedTrainer) -> Run:
    """Start a run that no slice here finishes; each fork already has the model."""
    slices._load(trainer._models.load_options(backbone))
    run = create(tmp_path / "endless", backbone, steps=1_000_000)
    trainer.start(backbone, run, Results())
    return run


def test_a_run_goes_on_from_what_slices_had_saved_when_their_time_was_up(
    tmp_path, backbone, trainer, lender, endless, monkeypatch
):
    monkeypatch.setattr(slices, "WORK_SECONDS", math.inf)
    lender.seconds = 4.0
    saved = [0]
    for _ in range(2):
        trainer.go_on(endless)
        saved.append(endless.step)
    assert lender.killed == 2
    assert 0 < saved[1] < saved[2]
    assert trainer.status(endless).phase == "training"

    whole = create(tmp_path / "whole", backbone, steps=1_000_000)
    for _, snapshot in train_runs(backbone, [whole]):
        if snapshot.step == saved[2]:
            break
    assert read_metrics(endless)[: saved[2]] == read_metrics(whole)
    assert concept_at(endless, saved[2]).sha256 == concept_at(whole, saved[2]).sha256


def test_a_slice_ends_by_itself_before_its_time_is_up(trainer, lender, endless, monkeypatch):
    monkeypatch.setattr(slices, "WORK_SECONDS", 2.0)
    lender.seconds = 2.0 + LENT_SECONDS - WORK_SECONDS
    begun = monotonic()
    trainer.go_on(endless)
    assert 2.0 <= monotonic() - begun < lender.seconds
    assert lender.killed == 0
    assert endless.step == trainer.status(endless).step > 0  # all that was taken is saved


# --- the page ---------------------------------------------------------------------------------------------


def test_the_page_shows_a_run_in_slices(studio, backbone, trainer):
    run = create(studio.home(ME).runs / ("0" * 32), backbone)
    trainer.start(backbone, run, Results())
    trainer.go_on(run)
    view = read_view(studio, ME, run)
    assert (view.learning, view.can_stop, view.can_resume) == ({run.folder.name}, True, False)
    assert current_run(studio, ME, view.run) == run
    trainer.stop(run)
    trainer.go_on(run)
    view = read_view(studio, ME, run)
    assert (view.learning, view.can_resume, view.result is None) == (set(), True, False)


def test_who_trains_in_slices_is_told_to_keep_the_page_open(studio):
    settings = TrainingConfig("any").to_dict()
    assert "Keep this page open" in time_html(studio, "en", 4, settings)
    texts = [text for text, _ in preset_choices(studio, "en", 4, settings)]
    assert "Balanced" in texts, "without a time that nobody knows"


def drawn_by(studio: Studio, *orders: Order) -> tuple[Drawn, ...]:
    *_, last = draw_in_turn(studio, ME, draw_orders(lambda _: orders))
    assert last.phase == "done"
    return last.pictures


def test_a_drawing_is_lent_to_its_visitor_and_gives_the_same_pictures(studio, backbone, lender):
    settings = GenerationSettings("a cat", count=2, steps=2, seed=5)
    expected = list(generate(backbone, settings, batch_size=1))
    VISITOR.set("me")
    pictures = drawn_by(studio, Order(settings))
    assert lender.borrowers == ["me"]
    for drawn, picture in zip(pictures, expected, strict=True):
        assert drawn.recipe == picture.recipe
        assert np.array_equal(Image.open(drawn.path), picture.image)


def test_a_long_drawing_takes_several_slices_and_ends_between_them(studio, lender, monkeypatch):
    monkeypatch.setattr("ui.server.drawing.WORK_SECONDS", 1)
    settings = GenerationSettings("a cat", count=2, steps=2)
    assert len(drawn_by(studio, Order(settings), Order(settings))) == 4
    assert len(lender.borrowers) == 4
    turn = draw_in_turn(studio, ME, draw_orders(lambda _: [Order(settings)]))
    for sheet in turn:
        if sheet.pictures:
            studio.stop_drawing(ME)
    assert (sheet.phase, len(lender.borrowers)) in {("stopped", 5), ("done", 6)}


def test_what_is_wrong_with_a_drawing_comes_back_as_a_sentence(studio):
    with pytest.raises(OneWordError, match="width is 12: give a multiple of 8"):
        drawn_by(studio, Order(GenerationSettings("a cat", count=1, width=12)))


def test_a_word_that_is_not_there_is_said_before_the_gpu_is_borrowed(studio, lender):
    orders = [Order(GenerationSettings(prompt, count=1, steps=1)) for prompt in ("a cat", "<our-cat>")]
    with pytest.raises(UnknownTokenError, match="No loaded concept defines <our-cat>"):
        drawn_by(studio, *orders)
    assert lender.borrowers == []


def test_a_slice_reads_no_prompt_that_it_does_not_draw(studio, backbone, monkeypatch):
    read, encode = [], Backbone.encode_prompts

    def encode_prompts(self: Backbone, prompts: Any, *words: Any) -> Any:
        read.append(prompts[0])
        return encode(self, prompts, *words)

    monkeypatch.setattr(Backbone, "encode_prompts", encode_prompts)
    orders = [Order(GenerationSettings(prompt, count=1, steps=1)) for prompt in ("a cat", "a dog", "a toy")]
    assert len(slices.draw_slice(studio.models.load_options(backbone), orders, 0.0)) == 1
    assert read == ["a cat"]


def test_the_initial_word_is_chosen_there(studio, backbone):
    config = TrainingConfig("<x>", batch_size=1)
    word = studio.gpu.choose(studio.models.load_options(backbone), pictures(), config)
    assert word == prepare(backbone, pictures(), config).initializer
