"""The expected time of training: it counts the passes of training, and a real run takes about as long."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.model.backbone import Backbone
from ti_core.pictures.folders import find_pictures, load_pictures
from ti_core.pictures.prepare import Picture
from ti_core.resources import ASSETS
from ti_core.training import initial_word
from ti_core.training import pace as pace_module
from ti_core.training.loop import PREVIEW_STEPS, train
from ti_core.training.pace import (
    LONG_ENOUGH,
    MANY_ROWS,
    REPEATS,
    Pace,
    PassCost,
    expected_seconds,
    measure_pace,
)
from ti_core.training.preparation import prepare

NOTHING = PassCost(0.0, 0.0)
FREE = Pace(NOTHING, NOTHING, NOTHING, 0.0, 0.0, {"object": 73, "style": 14})
MADE_UP = Pace(
    training=PassCost(0.5, 2.0),
    denoising=PassCost(0.25, 1.0),
    sentences=PassCost(0.125, 0.5),
    encoding=3.0,
    decoding=5.0,
    candidates={"object": 73, "style": 14},
)
NOISE = 1.6


def make_config(**changes) -> TrainingConfig:
    settings = {"token": "<x>", "initializer": "cat", "steps": 10, "stop": "never"}
    return TrainingConfig(**(settings | changes))


def make_pictures(count: int, side: int = 16) -> list[Picture]:
    random = np.random.default_rng(0)
    images = [Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(count)]
    return [
        Picture(f"{number}.png", image, None, None, image.size, ()) for number, image in enumerate(images)
    ]


# --- counting ---------------------------------------------------------------------------------------------


def seconds(config: TrainingConfig, pictures: int = 4, **costs) -> float:
    """The expected seconds of a run in which everything but ``costs`` takes no time."""
    return expected_seconds(dataclasses.replace(FREE, **costs), config, pictures)


def test_a_step_costs_its_passes_and_their_rows():
    training = PassCost(0.5, 2.0)
    assert seconds(make_config(batch_size=4), training=training) == 10 * (0.5 + 4 * 2.0)
    assert seconds(make_config(batch_size=4, steps=20), training=training) == 20 * (0.5 + 4 * 2.0)
    assert seconds(make_config(batch_size=6), training=training) == 10 * (0.5 + 6 * 2.0)
    accumulated = make_config(batch_size=4, gradient_accumulation=3)
    assert seconds(accumulated, training=training) == 10 * 3 * (0.5 + 4 * 2.0)


def test_gradient_checkpointing_denoises_once_more_in_every_pass():
    config = make_config(batch_size=4, gradient_accumulation=2)
    checkpointed = dataclasses.replace(config, gradient_checkpointing=True)
    more = expected_seconds(MADE_UP, checkpointed, 4) - expected_seconds(MADE_UP, config, 4)
    assert more == 10 * 2 * (0.25 + 4 * 1.0)


@pytest.mark.parametrize(
    ("steps", "every", "evaluations"), [(10, 20, 2), (20, 20, 2), (21, 20, 3), (60, 20, 4)]
)
def test_the_loss_is_evaluated_at_both_ends_and_when_it_is_due(steps, every, evaluations):
    config = make_config(steps=steps, eval_every=every, eval_rows=20)  # in passes of 8, 8 and 4
    assert seconds(config, denoising=PassCost(0.25, 1.0)) == evaluations * (3 * 0.25 + 20)
    assert seconds(config, sentences=PassCost(0.125, 0.5)) == evaluations * 0.625


def test_only_previews_that_are_asked_for_cost_time():
    none, some = make_config(), make_config(preview_every=4)  # after steps 4 and 8
    assert seconds(none, decoding=5.0) == 0
    assert seconds(some, decoding=5.0) == 2 * 5.0
    drawing = expected_seconds(MADE_UP, some, 4) - expected_seconds(MADE_UP, none, 4)
    assert drawing == 2 * (PREVIEW_STEPS * (0.25 + 2 * 1.0) + 0.125 + 2 * 0.5 + 5.0)


def test_each_picture_is_encoded_once_and_its_mirror_image_too():
    assert seconds(make_config(), pictures=5, encoding=3.0) == 15
    assert seconds(make_config(flip=True), pictures=5, encoding=3.0) == 30


def test_the_choice_of_the_initial_word_costs_its_rounds():
    def choice(**changes) -> float:
        given = make_config(**changes)
        auto = dataclasses.replace(given, initializer="auto")
        return seconds(auto, denoising=PassCost(0.0, 1.0)) - seconds(given, denoising=PassCost(0.0, 1.0))

    assert choice() == (1 + 73) * 4 + (1 + 18) * 8 + (1 + 4) * 16  # the empty prompt and the words
    assert choice(kind="style") == (1 + 14) * 4 + (1 + 3) * 8


# --- against training itself ------------------------------------------------------------------------------


@contextmanager
def counting(backbone: Backbone) -> Iterator[Counter[str]]:
    """Count how often, and for how many rows, the parts of a backbone are used while the context is open."""
    counts: Counter[str] = Counter()
    parts = {name: getattr(backbone, name) for name in ("encode_pictures", "decode_latents")}

    def count_pass(_module, inputs, keywords) -> None:
        sample = keywords.get("sample", inputs[0] if inputs else None)
        kind = "training" if torch.is_grad_enabled() else "denoising"
        counts[f"{kind} passes"] += 1
        counts[f"{kind} rows"] += len(sample)

    def count_sentences(prompts, *rest):
        if not torch.is_grad_enabled():  # those of a training pass are in its own cost
            counts["sentences passes"] += 1
            counts["sentences rows"] += len(prompts)
        return Backbone.encode_prompts(backbone, prompts, *rest)

    def encode(pixels):
        counts["encoding"] += len(pixels)
        return parts["encode_pictures"](pixels)

    def decode(latents):
        counts["decoding"] += len(latents)
        return parts["decode_latents"](latents)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbone, "encode_prompts", count_sentences)
        patch.setattr(backbone, "encode_pictures", encode)
        patch.setattr(backbone, "decode_latents", decode)
        handle = backbone.unet.register_forward_pre_hook(count_pass, with_kwargs=True)
        try:
            yield counts
        finally:
            handle.remove()


def expected_counts(config: TrainingConfig, pictures: int, candidates: int) -> Counter[str]:
    """The same counts, derived from expected times in which only one part takes a second at a time."""
    free = dataclasses.replace(FREE, candidates={"object": candidates, "style": candidates})
    counts: Counter[str] = Counter()
    for part in ("training", "denoising", "sentences"):
        for name, cost in {"passes": PassCost(1.0, 0.0), "rows": PassCost(0.0, 1.0)}.items():
            pace = dataclasses.replace(free, **{part: cost})
            counts[f"{part} {name}"] = int(expected_seconds(pace, config, pictures))
    for part in ("encoding", "decoding"):
        counts[part] = int(expected_seconds(dataclasses.replace(free, **{part: 1.0}), config, pictures))
    return +counts


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize(
    ("changes", "candidates"),
    [
        ({"batch_size": 1, "steps": 5, "eval_every": 2, "eval_rows": 20}, 1),
        ({"batch_size": 3, "steps": 4, "eval_every": 2, "gradient_accumulation": 2, "flip": True}, 1),
        ({"batch_size": 10, "steps": 2, "eval_every": 3, "eval_rows": 12, "preview_every": 2}, 1),
        ({"batch_size": 1, "steps": 1, "initializer": "auto"}, 1),
        ({"batch_size": 1, "steps": 1, "initializer": "auto"}, 6),
        ({"batch_size": 9, "steps": 1, "initializer": "auto", "kind": "style"}, 36),
    ],
)
def test_it_counts_what_training_does(backbones, monkeypatch, family, changes, candidates):
    backbone, config = backbones[family], make_config(**changes)
    letters = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")  # none is a word of its own: all are candidates
    monkeypatch.setattr(initial_word, "OBJECT_WORDS", letters[:candidates])
    monkeypatch.setattr(initial_word, "STYLE_WORDS", letters[:candidates])
    assert backbone.activation_bytes_per_row > 0  # which is measured once for a model
    with counting(backbone) as counts:
        for _ in train(backbone, [prepare(backbone, make_pictures(2), config)]):
            pass
    assert counts == expected_counts(config, pictures=2, candidates=candidates)


# --- measuring --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_every_family_is_measured_and_left_as_it_was(backbones, family):
    backbone = backbones[family]
    random = torch.get_rng_state()
    pace = measure_pace(backbone)
    assert pace.encoding > 0 and pace.decoding > 0
    for cost in (pace.training, pace.denoising, pace.sentences):
        assert cost.per_pass >= 0 and cost.per_row >= 0 and cost.seconds(1) > 0
    assert pace.training.seconds(MANY_ROWS) > pace.denoising.seconds(MANY_ROWS)
    assert pace.candidates == {"object": 3, "style": 2}  # cat, dog and toy; painting and photo
    assert torch.equal(random, torch.get_rng_state())
    assert not backbone.unet.is_gradient_checkpointing
    assert all(parameter.grad is None for parameter in backbone.unet.parameters())


class Work:
    """Work with its own clock: ``taken[rows]`` seconds per call, and half as much again the first time."""

    def __init__(self, monkeypatch, taken: dict[int, float]):
        self.now, self.taken, self.calls = 0.0, taken, Counter[int]()
        monkeypatch.setattr(pace_module, "perf_counter", lambda: self.now)

    def __call__(self, rows: int) -> None:
        self.now += self.taken[rows] * (1 if self.calls[rows] else 1.5)
        self.calls[rows] += 1


def test_a_pass_is_a_line_through_the_quickest_repeats(monkeypatch):
    work = Work(monkeypatch, {1: 0.75, MANY_ROWS: 1.5})
    assert pace_module._pass_cost(work) == PassCost(per_pass=0.5, per_row=0.25)
    assert work.calls == {1: REPEATS, MANY_ROWS: REPEATS}


@pytest.mark.parametrize(
    ("one", "many", "cost"),
    [(2.0, 1.0, PassCost(1.0, 0.0)), (0.125, 1.0, PassCost(0.0, 0.25))],
)
def test_noise_gives_no_cost_below_nothing(monkeypatch, one, many, cost):
    assert pace_module._pass_cost(Work(monkeypatch, {1: one, MANY_ROWS: many})) == cost


def test_what_takes_long_is_done_once(monkeypatch):
    work = Work(monkeypatch, {1: LONG_ENOUGH})
    assert pace_module._pass_cost(work) == PassCost(0.0, 1.5 * LONG_ENOUGH)
    assert work.calls == {1: 1}


@pytest.fixture(scope="module")
def toybox() -> Backbone:
    return Backbone.load("toybox", device="cpu", dtype=torch.float32)


@pytest.fixture
def processor_time(monkeypatch) -> Iterator[None]:
    """Use one thread, and measure its processor time, which other programs do not affect."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(pace_module, "perf_counter", time.thread_time)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{"steps": 30, "preview_every": 30}, {"steps": 1, "initializer": "auto", "kind": "style"}],
    ids=["steps", "choice"],
)
def test_a_real_run_takes_about_as_long(toybox, processor_time, changes):
    pictures, _ = load_pictures(find_pictures([ASSETS / "examples" / "cat"]), toybox.resolution)
    config = make_config(**changes)
    expected, taken = [], []
    for _ in range(2):  # side by side, for the machine itself may be faster or slower from one to the next
        expected.append(expected_seconds(measure_pace(toybox), config, len(pictures)))
        start = time.thread_time()
        for _ in train(toybox, [prepare(toybox, pictures, config)]):
            pass
        taken.append(time.thread_time() - start)
    assert min(taken) / NOISE < min(expected) < NOISE * min(taken)
