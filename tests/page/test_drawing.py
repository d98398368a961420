"""Drawing for a visitor: waiting, cancelling, closing the tab, and what is kept."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from helpers.requests import request_of
from PIL import Image

from ti_core.drawing.generate import MAX_BATCH, GeneratedPicture, generate
from ti_core.drawing.recipe import read_recipe
from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.errors import ConceptError, ModelError, PromptError, UnknownTokenError
from ti_core.model.backbone import Backbone
from ti_core.words.concept import Concept
from ui.parts.results import (
    ResultArea,
    place_results,
    progress_html,
    seed_caption,
    show_drawing,
    stop_drawing,
)
from ui.server import drawing
from ui.server.device_queue import QueueFull
from ui.server.downloads import serve_copy
from ui.server.drawing import DrawingProgress, at_strength, draw_in_turn, draw_orders
from ui.server.model_keeper import ModelKeeper
from ui.server.studio import Limits, Studio

SETTINGS = GenerationSettings("a photo of cat", count=3, steps=2, seed=5)
MANY = GenerationSettings("a photo of cat", count=2 * MAX_BATCH, steps=50)
ME = request_of()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "POLL_SECONDS", 0.01)


@pytest.fixture
def studio(tmp_path: Path, models: ModelKeeper) -> Studio:
    return ready_studio(tmp_path, models)


@pytest.fixture
def area(studio: Studio) -> ResultArea:
    with gr.Blocks():
        return place_results(studio, "generate")


def ready_studio(root: Path, models: ModelKeeper, **limits: int) -> Studio:
    studio = Studio(root, limits=Limits(**limits))
    studio.models = models
    return studio


def orders(*settings: GenerationSettings) -> drawing.Draw:
    return draw_orders(lambda backbone: [Order(entry) for entry in settings])


def all_progress(studio: Studio, draw: drawing.Draw, request: gr.Request = ME) -> list[DrawingProgress]:
    return list(draw_in_turn(studio, request, draw))


def drawing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "drawing"]


def waiting(turn: Iterator[DrawingProgress]) -> DrawingProgress:
    """Return the first progress of a drawing that has to wait for another."""
    return next(progress for progress in turn if progress.phase != "loading")


def test_pictures_appear_one_by_one_with_their_recipes_inside(studio: Studio) -> None:
    drawn = all_progress(studio, orders(SETTINGS))
    assert [progress.phase for progress in drawn[:-1]] == ["drawing"] * (len(drawn) - 1)
    counts = [len(progress.pictures) for progress in drawn]
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3}
    last = drawn[-1]
    assert (last.phase, last.done, last.total, last.seconds_left) == ("done", 6, 6, None)
    backbone, _ = studio.models.wait()
    for picture, expected in zip(last.pictures, generate(backbone, SETTINGS), strict=True):
        assert picture.path.parent == studio.home(ME).pictures
        assert read_recipe(picture.path) == picture.recipe == expected.recipe
        assert np.array_equal(Image.open(picture.path), expected.image)


def test_several_orders_are_one_drawing_and_checked_before_it_begins(studio: Studio) -> None:
    first = GenerationSettings("a cat", count=1, steps=2)
    second = GenerationSettings("a dog", count=2, steps=3, seed=7)
    last = all_progress(studio, orders(first, second))[-1]
    assert last.total == 8
    assert [(picture.recipe.prompt, picture.recipe.seed) for picture in last.pictures] == [
        ("a cat", 0),
        ("a dog", 7),
        ("a dog", 8),
    ]
    begun: list[DrawingProgress] = []
    with pytest.raises(UnknownTokenError):
        for progress in draw_in_turn(studio, ME, orders(first, GenerationSettings("<our-cat>", count=1))):
            begun.append(progress)
    assert [progress.done for progress in begun] == [0]


def test_a_second_drawing_waits_at_its_place(studio: Studio) -> None:
    with studio.device.enter():
        first = draw_in_turn(studio, ME, orders(SETTINGS))
        second = draw_in_turn(studio, request_of(session="other"), orders(SETTINGS))
        assert (waiting(first).phase, waiting(first).place) == ("waiting", 1)
        assert (waiting(second).phase, waiting(second).place) == ("waiting", 2)
    assert list(first)[-1].phase == "done"
    assert next(second).phase == "drawing"
    second.close()


def test_stopping_gives_the_place_up_or_keeps_what_is_drawn(studio: Studio) -> None:
    with studio.device.enter():
        turn = draw_in_turn(studio, ME, orders(SETTINGS))
        waiting(turn)
        stop_drawing(studio, ME)
        assert [progress.phase for progress in turn][-1] == "stopped"
        assert studio.device.waiting == 0
    for progress in draw_in_turn(studio, ME, orders(MANY)):
        if progress.pictures:
            stop_drawing(studio, ME)
    assert progress.phase == "stopped"
    assert 1 <= len(progress.pictures) < MANY.count
    kept = sorted(studio.home(ME).pictures.iterdir())
    assert kept == [picture.path for picture in progress.pictures]


def test_stopping_ends_every_drawing_of_the_page(studio: Studio) -> None:
    with studio.device.enter():
        first, second = (draw_in_turn(studio, ME, orders(SETTINGS)) for _ in range(2))
        waiting(first)
        waiting(second)
        stop_drawing(studio, ME)
        assert [[progress.phase for progress in turn][-1] for turn in (first, second)] == [
            "stopped",
            "stopped",
        ]
        assert studio.device.waiting == 0


def test_drawings_of_a_page_may_begin_and_end_at_the_same_time(studio: Studio) -> None:
    def draw_often() -> None:
        for _ in range(2000):
            with studio.drawing(ME) as stop:
                studio.stop_drawing(ME)
                assert stop.is_set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pages:
            for page in [pages.submit(draw_often) for _ in range(4)]:
                page.result()
    finally:
        sys.setswitchinterval(interval)


def test_only_the_own_page_is_stopped(studio: Studio) -> None:
    phases = []
    for progress in draw_in_turn(studio, ME, orders(SETTINGS)):
        stop_drawing(studio, request_of(session="another page"))
        phases.append(progress.phase)
    assert phases[-1] == "done"


def test_a_full_queue_is_said(tmp_path: Path, models: ModelKeeper) -> None:
    studio = ready_studio(tmp_path, models, waiting=1)
    with studio.device.enter():
        turn = draw_in_turn(studio, ME, orders(SETTINGS))
        waiting(turn)
        with pytest.raises(QueueFull):
            all_progress(studio, orders(SETTINGS), request_of(session="late"))
        turn.close()
        assert studio.device.waiting == 0


def test_closing_the_tab_stops_the_drawing_and_frees_the_device(studio: Studio) -> None:
    turn = draw_in_turn(studio, ME, orders(MANY))
    assert next(turn).phase == "drawing"
    assert len(drawing_threads()) == 1
    turn.close()
    assert drawing_threads() == []
    with studio.device.enter() as ticket:
        assert ticket.position == 0
    assert len(list(studio.home(ME).pictures.glob("*.png"))) < MANY.count


def test_only_the_newest_pictures_are_kept(tmp_path: Path, models: ModelKeeper) -> None:
    studio = ready_studio(tmp_path, models, kept_pictures=2)
    last = all_progress(studio, orders(SETTINGS))[-1]
    assert len(last.pictures) == 3
    kept = sorted(studio.home(ME).pictures.iterdir())
    assert kept == [picture.path for picture in last.pictures[1:]]


def test_an_error_while_drawing_reaches_the_visitor(studio: Studio) -> None:
    def draw(backbone: Backbone, on_progress, should_stop) -> Iterator[GeneratedPicture]:
        yield from islice(generate(backbone, SETTINGS, on_progress=on_progress, batch_size=1), 1)
        raise PromptError("Too long.")

    with pytest.raises(PromptError, match=r"Too long\."):
        all_progress(studio, draw)
    assert len(list(studio.home(ME).pictures.iterdir())) == 1
    assert all_progress(studio, orders(SETTINGS))[-1].phase == "done"  # the device is free again


def test_a_drawing_waits_for_the_model_and_can_be_stopped(
    tmp_path: Path, tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()
    load = Backbone.load
    monkeypatch.setattr(Backbone, "load", lambda name, **options: (loaded.wait(60), load(name, **options))[1])
    studio = Studio(tmp_path)
    with pytest.raises(ModelError, match="No model is loaded"):
        all_progress(studio, orders(SETTINGS))
    studio.models.load(str(tiny_sd1))
    stopped = draw_in_turn(studio, ME, orders(SETTINGS))
    assert next(stopped).phase == "loading"
    stop_drawing(studio, ME)
    assert [progress.phase for progress in stopped] == ["stopped"]
    turn = draw_in_turn(studio, ME, orders(SETTINGS))
    assert next(turn).phase == "loading"
    loaded.set()
    assert list(turn)[-1].phase == "done"


def test_strength_needs_the_initial_word_only_where_it_changes_something(backbones) -> None:
    backbone = backbones["sd1"]
    dog = Concept("<dog>", backbone.vocabulary.phrase_vectors("dog"), "object", backbone.base, "cat")
    [cat] = at_strength(backbone, [dog], 0)
    assert np.array_equal(cat.vectors["clip_l"], backbone.vocabulary.phrase_vectors("cat")["clip_l"])
    unknown = Concept("<dog>", backbone.vocabulary.phrase_vectors("dog"), "object", backbone.base)
    assert at_strength(backbone, [unknown], 1) == (unknown,)
    with pytest.raises(ConceptError, match="does not say which word"):
        at_strength(backbone, [unknown], 0.5)


def test_the_page_is_sent_progress_each_picture_when_it_is_done_and_all_at_the_end(
    studio: Studio, area: ResultArea
) -> None:
    updates = list(show_drawing(studio, ME, area, orders(SETTINGS)))
    galleries = [update[area.gallery]["value"] for update in updates if area.gallery in update]
    pictures = updates[-1][area.drawn]
    assert [len(items) for items in galleries] == [0, 1, 2, 3, 3]
    assert updates[-1][area.gallery]["value"] == galleries[-2], "a busy browser may have skipped those before"
    assert [caption for _, caption in galleries[-1]] == ["seed 5", "seed 6", "seed 7"]
    for (file, _), drawn in zip(galleries[-1], pictures, strict=True):
        assert read_recipe(Path(file)) == drawn.recipe
        assert studio.home(ME).folder not in Path(file).parents  # homes are never served
    assert [update[area.cancel]["interactive"] for update in (updates[0], updates[-1])] == [True, False]
    assert any("<progress" in update[area.progress] for update in updates)
    assert "3 drawn." in updates[-1][area.progress]


def test_the_page_is_put_in_order_before_an_error_is_shown(studio: Studio, area: ResultArea) -> None:
    shown = show_drawing(studio, ME, area, orders(GenerationSettings("<nobody>")))
    updates = []
    with pytest.raises(UnknownTokenError):
        for update in shown:
            updates.append(update)
    assert (updates[-1][area.progress], updates[-1][area.cancel]["interactive"]) == ("", False)


def test_a_served_file_is_a_copy(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"abc")
    copy = Path(serve_copy(tmp_path / "a.png"))
    assert copy.read_bytes() == b"abc"
    assert tmp_path not in copy.parents


def test_progress_in_words_of_both_languages() -> None:
    assert "place 2 in the queue, about 40 s left" in progress_html(
        "en", DrawingProgress("waiting", place=2, seconds_left=40)
    )
    half = DrawingProgress("drawing", done=5, total=10, seconds_left=200)
    assert 'max="10" value="5"' in progress_html("ja", half)
    assert "5 / 10 ステップ、残り約 3 分" in progress_html("ja", half)
    assert "0 枚" in progress_html("ja", DrawingProgress("stopped"))
    assert "model" in progress_html("en", DrawingProgress("loading"))


def test_captions_say_the_seed_in_the_readers_language(studio: Studio) -> None:
    [drawn] = all_progress(studio, orders(GenerationSettings("a cat", count=1, steps=1, seed=9)))[-1].pictures
    assert (seed_caption("en", drawn), seed_caption("ja", drawn)) == ("seed 9", "シード 9")
