"""Which parts are on the device at what time, and what happens when its memory is full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from benchmarks import memory as benchmark
from ti_core.config import TrainingConfig
from ti_core.drawing.generate import generate
from ti_core.drawing.settings import GenerationSettings
from ti_core.errors import GenerationError, TrainingError
from ti_core.model import memory as memory_module
from ti_core.model.backbone import Backbone
from ti_core.model.memory import (
    Memory,
    activation_bytes,
    affordable_level,
    is_out_of_memory,
    out_of_memory_as,
)
from ti_core.pictures.prepare import Picture
from ti_core.training.preparation import prepare
from ti_core.training.state import TrainingState
from ti_core.training.step import train_step

CPU, META = torch.device("cpu"), torch.device("meta")
SIZE = (16, 16)
SETTINGS = GenerationSettings("a cat", count=3, steps=2)


@pytest.fixture(params=["sd1", "sd2", "sdxl"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return Backbone.load(str(request.getfixturevalue(f"tiny_{request.param}")), "cpu", torch.float32)


@pytest.fixture
def sd1(tiny_sd1: Path) -> Backbone:
    return Backbone.load(str(tiny_sd1), "cpu", torch.float32)


def state_for(backbone: Backbone, **settings: Any) -> TrainingState:
    pictures = [
        Picture(f"{colour}.png", Image.new("RGB", SIZE, colour), None, None, SIZE, ())
        for colour in ("red", "blue")
    ]
    options = {"token": "<our-cat>", "initializer": "cat", "batch_size": 2, **settings}
    return prepare(backbone, pictures, TrainingConfig(**options))


def gradients_of(state: TrainingState) -> dict[str, torch.Tensor]:
    return {name: rows.grad.clone() for name, rows in state.vectors.items() if rows.grad is not None}


def fill_memory(monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, times: int) -> list[int]:
    """Make the first ``times`` calls of a method run out of memory.

    Returns a list that records the number of rows in each call.
    """
    original: Callable[..., Any] = getattr(owner, method)
    rows: list[int] = []

    def full(*args: Any, **options: Any) -> Any:
        rows.append(len(args[0]) if args else 0)
        if len(rows) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(*args, **options)

    monkeypatch.setattr(owner, method, full)
    return rows


# --- falling back -------------------------------------------------------------------------------------------


def test_a_step_that_does_not_fit_is_done_once_more_with_checkpointing(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, spared = state_for(backbone), state_for(backbone)
    losses = train_step(backbone, [plain])
    fill_memory(monkeypatch, backbone.unet, "forward", times=1)
    told: list[str] = []
    backbone.memory.on_remark = told.append
    assert train_step(backbone, [spared]) == pytest.approx(losses, rel=1e-5)
    for name, rows in plain.vectors.items():
        torch.testing.assert_close(spared.vectors[name], rows)
    assert backbone.memory.level == "sparing"
    assert told == list(backbone.memory.remarks) and "training keeps less" in str(told[0])
    train_step(backbone, [spared])
    assert len(told) == 1  # it stays so, and is said once


def test_the_last_setting_takes_a_row_at_a_time_to_the_same_gradient(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, spared = state_for(backbone, gradient_accumulation=2), state_for(backbone, gradient_accumulation=2)
    losses = train_step(backbone, [plain])
    backbone.memory.fall_back()
    rows = fill_memory(monkeypatch, backbone.unet, "forward", times=1)
    assert train_step(backbone, [spared]) == pytest.approx(losses, rel=1e-5)
    assert backbone.memory.level == "least"
    assert rows == [2, 1, 1, 1, 1]
    for name, gradient in gradients_of(plain).items():
        torch.testing.assert_close(gradients_of(spared)[name], gradient, rtol=1e-3, atol=1e-7)


def test_memory_that_is_still_full_is_an_error_with_advice(
    sd1: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_for(sd1)
    fill_memory(monkeypatch, sd1.unet, "forward", times=3)
    with pytest.raises(TrainingError, match="memory of the device is full: choose a smaller model"):
        train_step(sd1, [state])
    assert sd1.memory.level == "least"
    assert train_step(sd1, [state])


def test_pictures_that_cannot_be_encoded_are_an_error_of_training(
    sd1: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_memory(monkeypatch, sd1.vae, "encode", times=3)
    with pytest.raises(TrainingError, match="memory of the device is full"):
        state_for(sd1)


def test_a_drawing_that_does_not_fit_goes_on_with_less(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [picture.image for picture in generate(backbone, SETTINGS, batch_size=3)]
    backbone.memory.fall_back()
    rows = fill_memory(monkeypatch, backbone.unet, "forward", times=1)
    drawn = [picture.image for picture in generate(backbone, SETTINGS, batch_size=3)]
    assert rows == [6] + [2] * 6  # with and without the prompt: three together, then one by one
    assert "pictures are computed one at a time" in str(backbone.memory.remarks[-1])
    for image, other in zip(drawn, expected, strict=True):
        difference = torch.tensor(list(image.tobytes())) - torch.tensor(list(other.tobytes()))
        assert difference.abs().max() <= 2


def test_decoding_falls_back_too(sd1: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_memory(monkeypatch, sd1.vae, "decode", times=1)
    assert len(list(generate(sd1, SETTINGS))) == 3
    assert sd1.memory.level == "sparing"
    fill_memory(monkeypatch, sd1.vae, "decode", times=2)
    with pytest.raises(GenerationError, match="draw smaller pictures"):
        list(generate(sd1, SETTINGS))


def test_other_errors_are_not_taken_for_a_full_memory(sd1: Backbone) -> None:
    def broken() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        sd1.memory.with_fallback(broken)
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory_as(TrainingError, "try less"):
        broken()
    assert sd1.memory.level == "ample"
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))


# --- what is where ------------------------------------------------------------------------------------------


class Part(torch.nn.Linear):
    def set_attention_slice(self, size: str) -> None:
        self.slices = size


@pytest.fixture
def parts() -> dict[str, torch.nn.Module]:
    return {name: Part(2, 2) for name in ("unet", "vae", "clip_l", "safety_checker")}


def parts_on_device(parts: dict[str, torch.nn.Module]) -> set[str]:
    return {name for name, part in parts.items() if next(part.parameters()).device == META}


def memory_with(parts: dict[str, torch.nn.Module], free: float, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Make a Memory on torch's meta device, which stands in for a device with ``free`` bytes free."""
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: free)
    monkeypatch.setattr(Memory, "_move", _move_to_a_device_that_keeps_nothing)
    return Memory(META, parts, decoding=0)


def _move_to_a_device_that_keeps_nothing(memory: Memory, name: str, device: torch.device) -> None:
    part = memory._parts.get(name)
    if part is not None and next(part.parameters()).device != device:
        part.to_empty(device=device)


@torch.no_grad()
def test_parts_rest_beside_the_device_and_come_to_work(
    parts: dict[str, torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = memory_with(parts, 1e9, monkeypatch)
    assert parts_on_device(parts) == set(parts)
    memory.fall_back()
    assert parts_on_device(parts) == {"unet", "clip_l"}
    with memory.on_device("vae"):
        assert parts_on_device(parts) == {"unet", "clip_l", "vae"}
        with memory.on_device("vae"):
            pass
        assert "vae" in parts_on_device(parts)  # the outer work goes on
    assert parts_on_device(parts) == {"unet", "clip_l"}
    memory.fall_back()
    assert parts_on_device(parts) == set()
    with memory.on_device("unet"):
        assert parts_on_device(parts) == {"unet"}
    assert parts["unet"].slices == "auto"


def test_while_gradients_are_taken_parts_stay_for_the_backward_pass(
    parts: dict[str, torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = memory_with(parts, 0, monkeypatch)
    assert memory.level == "least" and parts_on_device(parts) == set()
    with memory.on_device("clip_l"):
        pass
    with memory.on_device("unet"):
        pass
    assert parts_on_device(parts) == {"unet", "clip_l"}
    with torch.no_grad(), memory.on_device("unet", "clip_l"):
        pass
    assert parts_on_device(parts) == set()


def test_what_is_idle_in_training_leaves_the_device_until_it_works_again(
    parts: dict[str, torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = memory_with(parts, 1e9, monkeypatch)
    with torch.no_grad(), memory.on_device("vae"):
        pass
    assert memory.level == "ample" and parts_on_device(parts) == set(parts)  # drawing moves nothing
    for _ in range(3):
        with memory.on_device("clip_l"), memory.on_device("unet"):
            assert parts_on_device(parts) == {"unet", "clip_l"}
    with torch.no_grad(), memory.on_device("vae"):  # for a preview
        with torch.enable_grad(), memory.on_device("unet"):
            assert "vae" in parts_on_device(parts)  # another's step takes nothing away from work
        assert "vae" in parts_on_device(parts)
    assert parts_on_device(parts) == {"unet", "clip_l", "vae"}


@pytest.mark.parametrize(("free", "level"), [(10, "ample"), (8, "sparing"), (5, "least"), (0, "least")])
def test_the_first_setting_is_the_one_whose_weights_fit(
    free: float, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: free * 1e9 / memory_module.USABLE_SHARE)
    weights = {"unet": 5e9, "clip_l": 1e9, "vae": 1e9, "safety_checker": 1e9}
    assert affordable_level(torch.device("cuda"), weights, decoding=1e9) == level
    assert affordable_level(CPU, weights, decoding=1e9) == "ample"  # where they are already


def test_checkpointing_is_asked_for_where_the_rows_do_not_fit(
    sd1: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = sd1.activation_bytes_per_row
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: 4 * row)
    assert not sd1.memory.needs_checkpointing(2, lambda: row)
    assert sd1.memory.needs_checkpointing(4, lambda: row)
    state = state_for(sd1, batch_size=4)
    seen: list[bool] = []
    sd1.unet.register_forward_pre_hook(lambda module, _: seen.append(module.is_gradient_checkpointing))
    train_step(sd1, [state])
    assert seen == [True]
    assert not sd1.unet.is_gradient_checkpointing


def test_what_a_row_keeps_is_measured_without_the_weights(sd1: Backbone) -> None:
    weights = sum(parameter.numel() * 4 for parameter in sd1.unet.parameters())
    assert 10_000 < sd1.activation_bytes_per_row < 5 * weights
    layer = torch.nn.Linear(3, 5).requires_grad_(False)
    values = torch.ones(2, 3, requires_grad=True)
    assert activation_bytes(lambda: torch.relu(layer(values)).square(), layer) == 2 * 5 * 4


# --- the benchmark ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_benchmark_prints_a_figure_for_each_setting_as_it_comes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured, shown = [], []

    def measure(*arguments: Any) -> tuple[str, str]:
        shown.append(capsys.readouterr().out)
        measured.append(arguments)
        return measure_in_process(*arguments) if arguments[1:3] == ("drawing", "least") else ("-", "not now")

    measure_in_process = benchmark.measure_in_process
    monkeypatch.setattr(benchmark, "measure_in_process", measure)
    monkeypatch.setattr("sys.argv", ["memory", "--families", "sd1"])
    benchmark.main()
    last = capsys.readouterr()
    works = [(work, level) for work in benchmark.WORKS for level in memory_module.LEVELS]
    assert measured == [("sd1", *work, False) for work in works]
    assert [text.count("-") for text in shown[1:3]] == [1, 1]  # each one's before the next
    assert 0.01 < float(last.out) < 2
    assert last.err.splitlines()[-1] == "sd1, drawing, sparing: not now"


@pytest.mark.slow
def test_a_memory_benchmark_that_fails_says_why() -> None:
    assert benchmark.measure_in_process("sd1", "drawing", "none", False) == (
        "-",
        "IndexError: tuple index out of range",
    )
