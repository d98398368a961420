"""The header: which model is in use, what another would need, and who may change it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from helpers.requests import request_of

from ti_core.errors import ConfigError, ModelError
from ti_core.model.backbone import Backbone
from ui import header
from ui.header import ModelBar
from ui.page import build_page
from ui.server.model_keeper import MemoryNeed, ModelKeeper, ModelStatus
from ui.server.studio import Studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(tmp_path)
    yield studio
    studio.trainer.close()


@pytest.fixture
def slow_model(tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make a model whose loading lasts until the test has ended."""
    ended, load = threading.Event(), Backbone.load

    def load_later(name: str, **options: Any) -> Backbone:
        ended.wait(60)
        return load(name, **options)

    monkeypatch.setattr(Backbone, "load", load_later)
    yield str(tiny_sd1)
    ended.set()
    for thread in threading.enumerate():
        if thread.name == "model":
            thread.join(60)


@pytest.fixture
def bar(tmp_path: Path) -> ModelBar:
    with gr.Blocks():
        return header.place_header(Studio(tmp_path))[0]


def look(studio: Studio, bar: ModelBar, language: str = "en") -> dict[str, Any]:
    shown = header.show_model(studio, request_of(language=language), bar)
    return {
        "status": shown[bar.status],
        "load": shown[bar.load].visible,
        "cancel": shown[bar.cancel].visible,
        "timer": shown[bar.timer],
        "in_use": shown[bar.in_use],
    }


def test_before_anything_is_loaded_the_reader_is_told_to_choose(studio: Studio, bar: ModelBar) -> None:
    shown = look(studio, bar)
    assert "No model is loaded: choose one and press Load." in str(shown["status"])
    assert (shown["load"], shown["cancel"]) == (True, False)


def test_while_a_model_is_loaded_it_can_be_cancelled(studio: Studio, bar: ModelBar, slow_model: str) -> None:
    header.load_model(studio, request_of(), bar, slow_model)
    shown = look(studio, bar)
    assert "tiny-sd1 is being loaded …" in str(shown["status"])
    assert (shown["load"], shown["cancel"]) == (False, True)
    assert shown["timer"].value == header.LOADING_SECONDS
    with pytest.raises(ConfigError):
        header.load_model(studio, request_of(), bar, slow_model)
    header.cancel_loading(studio, request_of(), bar)
    assert "No model is loaded" in str(look(studio, bar)["status"])


def test_the_seconds_of_a_loading_are_not_read_out(studio: Studio, bar: ModelBar, slow_model: str) -> None:
    header.load_model(studio, request_of(), bar, slow_model)
    status = header.status_html(studio, "en")
    assert 'role="status"' in status
    assert re.search(r'<span aria-hidden="true">\d+ s</span>', status)


def test_a_download_shows_its_bytes(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    status = ModelStatus("sd15", "loading", 7.0, fetched=(1_500_000_000, 4_000_000_000))
    monkeypatch.setattr(ModelKeeper, "status", property(lambda _: status))
    assert "sd15 is being downloaded: 1.50 of 4.00 GB." in header.status_html(studio, "en")
    assert "4.00 GB 中 1.50 GB" in header.status_html(studio, "ja")


def test_what_gave_way_to_a_full_memory_is_said(studio: Studio, bar: ModelBar, tiny_sd1: Path) -> None:
    header.load_model(studio, request_of(), bar, str(tiny_sd1))
    backbone, _ = studio.models.wait()
    assert "memory" not in header.status_html(studio, "en")
    backbone.memory.fall_back()
    assert "The memory of the device was full: the autoencoder" in header.status_html(studio, "en")
    assert "メモリが足りなくなった" in header.status_html(studio, "ja")


def test_a_preset_is_described_before_it_is_loaded(studio: Studio) -> None:
    advice = header.advise(studio, request_of(), "cool-japan")
    assert "768 px, 1290 million parameters, licence: https://huggingface.co/aipicasso/cool-japan" in advice
    assert "licence: creativeml-openrail-m." in header.advise(studio, request_of(), "sd15")
    assert "is downloaded first" in advice


def test_a_loaded_model_is_named_with_its_device(studio: Studio, bar: ModelBar, tiny_sd1: Path) -> None:
    before = look(studio, bar)["in_use"]
    header.load_model(studio, request_of(), bar, f" {tiny_sd1} ")
    studio.models.wait()
    shown = look(studio, bar)
    assert f"{tiny_sd1} is ready on CPU." in str(shown["status"])
    assert (shown["load"], shown["cancel"]) == (True, False)
    assert shown["timer"].value == header.IDLE_SECONDS
    assert shown["in_use"] != before  # what lists the words follows it
    assert "を CPU で使えます" in str(look(studio, bar, "ja")["status"])


def test_a_model_that_was_not_loaded_says_why(studio: Studio, bar: ModelBar, tmp_path: Path) -> None:
    folder = tmp_path / "<b>model"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    header.load_model(studio, request_of(), bar, str(folder))
    with pytest.raises(ModelError):
        studio.models.wait()
    status = str(look(studio, bar)["status"])
    assert "was not loaded" in status and "choose a base model" in status
    assert "<b>model" not in status and "&lt;b&gt;model" in status


def test_the_model_stays_while_words_are_learned(
    studio: Studio, bar: ModelBar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio.trainer, "active", lambda: 2)
    with pytest.raises(gr.Error, match=r"Words are being learned on this model \(2\)"):
        header.load_model(studio, request_of(), bar, "toybox")
    assert studio.models.status.phase == "none"


def test_on_a_shared_server_no_visitor_changes_the_model(
    tmp_path: Path, bar: ModelBar, tiny_sd1: Path
) -> None:
    studio = Studio(tmp_path, shared=True)
    for attempt in (
        lambda: header.load_model(studio, request_of(), bar, str(tiny_sd1)),
        lambda: header.cancel_loading(studio, request_of(), bar),
    ):
        with pytest.raises(gr.Error, match="This server uses one model for everyone"):
            attempt()
    shown = look(studio, bar)
    assert (shown["load"], shown["cancel"]) == (False, False)
    # Nor is a visitor told what folders there are.
    here, nowhere = (header.advise(studio, request_of(), name) for name in (str(tmp_path), "/nowhere"))
    assert here == nowhere


def test_on_a_shared_server_anyone_may_try_again_what_failed_to_load(
    tmp_path: Path, bar: ModelBar, tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_arguments: Any, **_options: Any) -> Backbone:
        raise ModelError("The Hub cannot be reached: try again later.")

    studio, name = Studio(tmp_path, shared=True), str(tiny_sd1)
    with monkeypatch.context() as without_network:
        without_network.setattr(Backbone, "load", unreachable)
        studio.models.load(name)
        with pytest.raises(ModelError):
            studio.models.wait()
    assert look(studio, bar)["load"]
    with pytest.raises(gr.Error, match="This server uses one model for everyone"):
        header.load_model(studio, request_of(), bar, "toybox")
    header.load_model(studio, request_of(), bar, name)
    assert studio.models.wait()
    assert not look(studio, bar)["load"]


@pytest.mark.parametrize(
    ("need", "sentence"),
    [
        (MemoryNeed(4e9, 7.5e9), "The weights of sd15 need 4.0 GB of memory; 7.5 GB are free here."),
        (MemoryNeed(9e9, 7.5e9), "need 9.0 GB of memory, and only 7.5 GB are free here."),
        (MemoryNeed(None, 7.5e9), "How much memory sd15 needs is not known here; 7.5 GB are free."),
    ],
)
def test_what_another_model_needs_is_said_before_it_is_loaded(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, need: MemoryNeed, sentence: str
) -> None:
    monkeypatch.setattr(header, "memory_need", lambda name: need)
    advice = header.advise(studio, request_of(), "sd15")
    assert sentence in advice
    assert ('class="wrong"' in advice) == (not need.fits)


def test_what_is_no_model_is_said_before_it_is_loaded(studio: Studio) -> None:
    advice = header.advise(studio, request_of(), "<i>nonsense")
    assert "There is no model called &lt;i&gt;nonsense: choose toybox" in advice


def test_for_the_model_in_use_nothing_is_foretold(studio: Studio, tiny_sd1: Path) -> None:
    studio.models.load(str(tiny_sd1))
    studio.models.wait()
    assert "GB" not in header.advise(studio, request_of(), str(tiny_sd1))
    assert "GB" not in header.advise(studio, request_of(), None)


def test_the_drawer_s_button_counts_the_words(studio: Studio) -> None:
    assert header.count_words(studio, request_of()) == "My words (0)"


def test_the_last_of_many_changes_is_shown_too(studio: Studio) -> None:
    events = build_page(studio).fns.values()
    unqueued = [event for event in events if not event.queue and event.fn]
    assert unqueued
    assert {event.trigger_mode for event in unqueued if len(event.targets) > 1} == {"always_last"}
