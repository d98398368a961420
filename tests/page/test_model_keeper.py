"""The model in use: loading in the background, and estimates before loading."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ti_core.errors import Cancelled, ConfigError, ModelError
from ti_core.model.backbone import Backbone
from ti_core.model.download import OnFetch, ShouldStop
from ti_core.resources import ASSETS
from ui.server.model_keeper import MemoryNeed, ModelKeeper, count_parameters, device_name, memory_need


def test_a_model_is_loaded_beside_the_page(tiny_sd1: Path) -> None:
    keeper = ModelKeeper()
    assert keeper.status.phase == "none"
    keeper.load(str(tiny_sd1))
    assert keeper.status.phase in ("loading", "ready")
    backbone, pace = keeper.wait()
    assert keeper.backbone is backbone
    assert keeper.status.phase == "ready" and keeper.status.name == str(tiny_sd1)
    assert pace.training.seconds(4) > 0


def test_another_model_takes_its_place(tiny_sd1: Path, tiny_sd2: Path) -> None:
    keeper = ModelKeeper()
    keeper.load(str(tiny_sd1))
    keeper.wait()
    keeper.load(str(tiny_sd2))
    assert keeper.wait()[0].base.family == "sd2"


def test_without_a_model_the_reader_is_told_to_choose_one() -> None:
    with pytest.raises(ModelError, match="choose one at the top of the page"):
        ModelKeeper().wait()


def test_what_cannot_be_a_model_is_refused_at_once(tmp_path: Path) -> None:
    keeper = ModelKeeper()
    for name in ("nonsense", str(tmp_path)):
        with pytest.raises(ModelError):
            keeper.load(name)
    assert keeper.status.phase == "none"


def test_a_model_that_does_not_load_says_why(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    keeper = ModelKeeper()
    keeper.load(str(tmp_path))
    with pytest.raises(ModelError):
        keeper.wait()
    assert keeper.status.phase == "failed"
    assert isinstance(keeper.status.error, ModelError)


def test_only_one_model_is_loaded_at_a_time(tiny_sd1: Path, held_load: None) -> None:
    keeper = ModelKeeper()
    keeper.load(str(tiny_sd1))
    with pytest.raises(ConfigError, match="wait for it, or cancel it first"):
        keeper.load(str(tiny_sd1))


def test_a_cancelled_loading_leaves_no_model(tiny_sd1: Path, held_load: None) -> None:
    keeper = ModelKeeper()
    keeper.load(str(tiny_sd1))
    keeper.cancel()
    assert keeper.status.phase == "none"
    with pytest.raises(ModelError):
        keeper.wait()


def test_the_model_before_is_freed_when_another_is_loaded(tiny_sd1: Path, tiny_sd2: Path) -> None:
    keeper = ModelKeeper()
    keeper.load(str(tiny_sd1))
    before = [weakref.ref(part) for part in (keeper.wait()[0], keeper.wait()[0].unet, keeper.wait()[0].vae)]
    keeper.load(str(tiny_sd2))
    keeper.wait()
    gc.collect()
    assert [part() for part in before] == [None, None, None]


def test_a_download_shows_how_far_it_is_and_stops_when_cancelled(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def load(name: str, *, on_fetch: OnFetch, should_stop: ShouldStop, **options: Any) -> Backbone:
        on_fetch(3, 12)
        shown.set()
        assert go_on.wait(60)
        assert should_stop()
        ended.set()
        raise Cancelled("The download was stopped.")

    monkeypatch.setattr(Backbone, "load", load)
    keeper = ModelKeeper()
    keeper.load(str(tiny_sd1))
    assert shown.wait(60)
    assert keeper.status.fetched == (3, 12)
    keeper.cancel()
    go_on.set()
    assert ended.wait(60)
    assert keeper.status.phase == "none" and keeper.status.fetched is None


def test_the_safety_checker_is_loaded_unless_it_was_left_out(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def load(name: str, *, safety_checker: bool, **options: Any) -> Backbone:
        asked.append(safety_checker)
        raise ModelError("no")

    monkeypatch.setattr(Backbone, "load", load)
    for left_out in (False, True):
        keeper = ModelKeeper()
        keeper.safety_checker = not left_out
        keeper.load(str(tiny_sd1))
        with pytest.raises(ModelError):
            keeper.wait()
    assert asked == [True, False]


def test_what_a_cancelled_loading_ends_with_is_thrown_away(
    tiny_sd1: Path, tiny_sd2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was requested meanwhile is loaded after it."""
    keeper, load, go_on = ModelKeeper(), Backbone.load, threading.Event()

    def load_when_told(name: str, **options: Any) -> Backbone:
        if name == str(tiny_sd1):
            assert go_on.wait(60)
        return load(name, **options)

    monkeypatch.setattr(Backbone, "load", load_when_told)
    keeper.load(str(tiny_sd1))
    keeper.cancel()
    keeper.load(str(tiny_sd2))
    assert keeper.status.phase == "loading"
    go_on.set()
    assert keeper.wait()[0].base.family == "sd2"
    assert keeper.status.name == str(tiny_sd2)


@pytest.fixture
def held_load(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make loading last until the test has ended."""
    ended, load = threading.Event(), Backbone.load

    def load_later(name: str, **options: Any) -> Backbone:
        ended.wait(60)
        return load(name, **options)

    monkeypatch.setattr(Backbone, "load", load_later)
    yield
    ended.set()
    for thread in threading.enumerate():
        if thread.name == "model":
            thread.join(60)


def test_the_memory_that_a_preset_needs_is_known_before() -> None:
    need = memory_need("sdxl")
    assert need.weights is not None and 6e9 < need.weights < 15e9  # in half or in full precision
    assert need.free > 0


def test_a_folder_is_measured_by_its_weight_files(tiny_sd1: Path) -> None:
    backbone = Backbone.load(str(tiny_sd1), device="cpu", dtype=torch.float32)
    parts = (backbone.unet, backbone.vae, *(encoder.model for encoder in backbone._encoders))
    assert count_parameters(tiny_sd1) == sum(
        values.numel() for part in parts for values in part.state_dict().values()
    )


def test_the_embedded_model_is_as_large_as_its_preset_says() -> None:
    assert count_parameters(ASSETS / "toybox") == pytest.approx(17e6, rel=0.05)


def test_variants_of_the_weights_do_not_count(tmp_path: Path) -> None:
    for name in ("diffusion_pytorch_model", "diffusion_pytorch_model.fp16", "notes"):
        (tmp_path / "unet").mkdir(exist_ok=True)
        save_file({"weight": torch.zeros(3, 4)}, tmp_path / "unet" / f"{name}.safetensors")
    assert count_parameters(tmp_path) == 12


def test_what_cannot_be_measured_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"damaged")
    assert memory_need(str(tmp_path)).weights is None
    assert memory_need("someone/some-model").weights is None


def test_what_is_not_known_is_not_too_large() -> None:
    assert MemoryNeed(None, 1.0).fits
    assert MemoryNeed(1.0, 1.0).fits
    assert not MemoryNeed(2.0, 1.0).fits


def test_a_device_has_a_name() -> None:
    assert device_name(torch.device("cpu")) == "CPU"
