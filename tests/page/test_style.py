"""The Style tab: a word's style on subjects, and on a picture of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from helpers.frames import empty_frame
from helpers.requests import request_of
from PIL import Image

from ti_core.drawing.recipe import read_recipe
from ti_core.model.base import BaseModel
from ti_core.pictures.decode import open_picture
from ti_core.pictures.prepare import fit_source, picture_sha256
from ti_core.words.concept import Concept
from ti_core.words.folder import save_concept
from ui.parts.events import Updates, bind
from ui.server import words as server_words
from ui.server.drawing import Drawn
from ui.server.model_keeper import ModelKeeper
from ui.server.studio import Studio
from ui.tabs.style.choice import choose_ready_style, choose_style
from ui.tabs.style.drawing import MAX_PICTURES_AT_ONCE, compare_picture, draw
from ui.tabs.style.tab import StyleTab, check_picture, place_tab, show_choice

ME, JAPANESE = request_of(), request_of(language="ja")
NEWCOMER = request_of(person="a newcomer")
# negative prompt, count, steps, guidance, seed, scheduler, width, height
CONTROLS: tuple[Any, ...] = ("", 1, 4, 3.0, 5, "ddim", 0, 0)
INK = "<our-ink>"


@pytest.fixture
def studio(tmp_path: Path, models: ModelKeeper) -> Studio:
    """Make a shared studio where ``ME`` has a style, a newer thing, and a style of another model."""
    studio = Studio(tmp_path / "data", shared=True)
    studio.models = models
    add(studio, INK, "style")
    add(studio, "<our-cat>", "object")
    add(studio, "<old-ink>", "style", BaseModel("elsewhere", "sd1", {"clip_l": 8}))
    return studio


@pytest.fixture
def tab(studio: Studio) -> StyleTab:
    frame = empty_frame()
    with frame.demo:
        return place_tab(studio, frame)


def add(studio: Studio, token: str, kind: Any, base: BaseModel | None = None) -> None:
    base = base or studio.models.wait()[0].base
    vectors = {name: torch.randn(1, width) for name, width in base.widths.items()}
    studio.home(ME).library.add(Concept(token, vectors, kind, base))


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """Make a wide picture: red on the left, blue on the right."""
    image = Image.new("RGB", (64, 32), "red")
    image.paste("blue", (32, 0, 64, 32))
    image.save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


def on_subjects(
    studio: Studio, tab: StyleTab, subjects: str, count: int = 1, token: str = INK
) -> list[Updates]:
    controls = ("", count, *CONTROLS[2:])
    return list(draw(studio, ME, tab.results, "subjects", token, subjects, None, 0.6, *controls))


def restyled(
    studio: Studio, tab: StyleTab, picture: str | None, strength: float, **changed: Any
) -> list[Updates]:
    controls = changed.get("controls") or CONTROLS
    return list(draw(studio, ME, tab.results, "picture", INK, "", picture, strength, *controls))


def pictures_of(tab: StyleTab, updates: list[Updates]) -> tuple[Drawn, ...]:
    return updates[-1][tab.results.area.drawn]


def captions_of(tab: StyleTab, updates: list[Updates]) -> list[str]:
    return [caption for _, caption in updates[-1][tab.results.area.gallery]["value"]]


def refused(studio: Studio, tab: StyleTab, *arguments: Any, request: gr.Request = ME) -> str:
    """Return the error that the reader sees when the drawing is refused."""
    with pytest.raises(gr.Error) as refusal:
        list(bind(studio, draw, tab.results)(request, *arguments))
    return refusal.value.message


# --- choosing ---------------------------------------------------------------------------------------------


def test_styles_come_first_and_the_newest_usable_one_is_chosen(studio: Studio) -> None:
    choice = choose_style(studio, ME, "")
    assert choice.token == INK
    assert choice.cards.index("old-ink") < choice.cards.index("our-ink") < choice.cards.index("our-cat")
    assert 'data-word="&lt;our-ink&gt;" aria-pressed="true"' in choice.cards
    assert 'data-word="&lt;old-ink&gt;" aria-pressed="false" disabled' in choice.cards


def test_a_thing_can_be_chosen_and_stays_chosen(studio: Studio) -> None:
    assert choose_style(studio, ME, "<our-cat>").token == "<our-cat>"


def test_without_a_style_none_is_chosen_and_without_a_word_the_way_to_train_is_shown(
    studio: Studio, tab: StyleTab
) -> None:
    library = studio.home(ME).library
    library.delete(INK)
    choice = choose_style(studio, ME, INK)
    assert (choice.token, choice.usable) == ("", 1)
    assert "None of your words is a style" in choice.cards
    shown = show_choice(tab, choice)
    assert (shown[tab.chooser.teach]["visible"], shown[tab.panel]["visible"]) == (True, True)
    library.delete("<our-cat>")
    shown = show_choice(tab, choose_style(studio, ME, ""))
    assert (shown[tab.chooser.teach]["visible"], shown[tab.panel]["visible"]) == (True, False)


def test_every_person_sees_only_their_own_words(studio: Studio, tab: StyleTab) -> None:
    other = request_of("another person")
    choice = choose_style(studio, other, INK)
    assert (choice.token, choice.usable) == ("", 0)
    assert "our-ink" not in choice.cards
    told = refused(studio, tab, "subjects", INK, "a house", None, 0.6, *CONTROLS, request=other)
    assert "Choose a word" in told


def test_japanese_readers_get_japanese(studio: Studio, tab: StyleTab) -> None:
    assert "どのことばのスタイル" in choose_style(studio, JAPANESE, "").cards
    told = refused(studio, tab, "subjects", INK, " ", None, 0.6, *CONTROLS, request=JAPANESE)
    assert "題材" in told


def test_a_click_updates_exactly_its_outputs(studio: Studio, tab: StyleTab) -> None:
    assert set(show_choice(tab, choose_style(studio, ME, ""))) == set(tab.choice_outputs)


# --- subjects ---------------------------------------------------------------------------------------------


def test_each_subject_is_drawn_at_each_seed(studio: Studio, tab: StyleTab) -> None:
    updates = on_subjects(studio, tab, "a house\n\n  a cat \na mug", count=2)
    drawn = pictures_of(tab, updates)
    assert [(entry.recipe.prompt, entry.recipe.seed) for entry in drawn] == [
        (f"{subject} in the style of {INK}", seed)
        for subject in ("a house", "a cat", "a mug")
        for seed in (5, 6)
    ]
    assert captions_of(tab, updates)[1:3] == ["a house · seed 6", "a cat · seed 5"]
    comparisons = [update[tab.results.comparison] for update in updates]
    assert all(comparison["visible"] is False for comparison in comparisons)  # there is nothing to compare


def test_another_word_may_be_a_subject(studio: Studio, tab: StyleTab) -> None:
    recipe = pictures_of(tab, on_subjects(studio, tab, "<our-cat>"))[0].recipe
    assert {use.token for use in recipe.concepts} == {INK, "<our-cat>"}


def test_subjects_that_cannot_be_drawn_are_said_plainly(studio: Studio, tab: StyleTab) -> None:
    def told(subjects: str, token: str = INK) -> str:
        return refused(studio, tab, "subjects", token, subjects, None, 0.6, *CONTROLS)

    assert "at least one subject" in told(" \n")
    assert "Choose a word" in told("a house", "")
    assert str(MAX_PICTURES_AT_ONCE) in told("a house\n" * (MAX_PICTURES_AT_ONCE + 1))
    assert "You have no word" in told("<nobody>")
    assert "elsewhere" in told("a house", "<old-ink>")


# --- a picture --------------------------------------------------------------------------------------------


def test_a_restyled_picture_keeps_its_source_in_the_recipe(
    studio: Studio, tab: StyleTab, picture: str
) -> None:
    [drawn] = pictures_of(tab, restyled(studio, tab, picture, 0.5))
    recipe = read_recipe(drawn.path)
    fitted = fit_source(open_picture(picture)[0], recipe.width, recipe.height)
    assert recipe.source_sha256 == picture_sha256(fitted)
    assert (recipe.prompt, recipe.strength) == (f"a picture in the style of {INK}", 0.5)


def test_the_strength_says_how_much_is_drawn_anew(studio: Studio, tab: StyleTab, picture: str) -> None:
    def pixels(strength: float) -> np.ndarray:
        return np.array(Image.open(pictures_of(tab, restyled(studio, tab, picture, strength))[0].path))

    assert not np.array_equal(pixels(0.25), pixels(1.0))
    assert np.array_equal(pixels(0.25), pixels(0.25))


def test_the_controls_hold_for_a_picture_too(studio: Studio, tab: StyleTab, picture: str) -> None:
    controls = ("a dog", 2, 4, 3.0, 5, "ddim", 32, 16)
    drawn = pictures_of(tab, restyled(studio, tab, picture, 0.5, controls=controls))
    assert [entry.recipe.seed for entry in drawn] == [5, 6]
    assert {(entry.recipe.width, entry.recipe.height) for entry in drawn} == {(32, 16)}
    assert {entry.recipe.negative_prompt for entry in drawn} == {"a dog"}


def test_before_and_after_are_of_one_size_and_appear_with_the_first_result(
    studio: Studio, tab: StyleTab, picture: str
) -> None:
    updates = restyled(studio, tab, picture, 0.5, controls=("", 2, *CONTROLS[2:]))
    results = tab.results
    assert updates[0][results.comparison]["visible"] is False
    first = next(update for update in updates if update.get(results.before))
    before, comparison = first[results.before], first[results.comparison]
    assert updates[-1][results.before] is before, "a busy browser may have skipped those before"
    assert updates[-1][results.comparison] == comparison
    left, right = comparison["value"]
    assert comparison["visible"]
    assert left is before
    assert before.size == Image.open(right).size


def test_a_clicked_result_is_compared_with_the_picture(studio: Studio, tab: StyleTab, picture: str) -> None:
    updates = restyled(studio, tab, picture, 0.5, controls=("", 2, *CONTROLS[2:]))
    before, drawn = updates[-1][tab.results.before], pictures_of(tab, updates)
    clicked = gr.EventData(None, {"index": 1})
    comparison = compare_picture(studio, ME, tab.results, clicked, before, drawn)[tab.results.comparison]
    assert Image.open(comparison["value"][1]).tobytes() == drawn[1].open().tobytes()
    assert compare_picture(studio, ME, tab.results, clicked, None, drawn) == {}


def test_what_cannot_be_restyled_is_said_plainly(studio: Studio, tab: StyleTab, picture: str) -> None:
    def told(*arguments: Any, request: gr.Request = ME) -> str:
        return refused(studio, tab, "picture", *arguments, *CONTROLS, request=request)

    assert "Give a picture first" in told(INK, "", None, 0.6)
    assert "Choose a word" in told("", "", picture, 0.6)
    assert "strength 0.05 leaves none of 4 steps" in told(INK, "", picture, 0.05)
    assert "ステップ" in told(INK, "", picture, 0.05, request=JAPANESE)


def test_an_upload_that_is_no_picture_is_taken_away(studio: Studio, picture: str, tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_text("Dear reader", encoding="utf-8")
    with pytest.warns(UserWarning, match="letter.png is a text file"):
        assert check_picture(studio, ME, {"path": str(tmp_path / "letter.png")}) is None
    assert check_picture(studio, ME, {"path": picture}) == gr.skip()


# --- ready-made words -------------------------------------------------------------------------------------


def test_ready_made_words_are_taken_once_and_only_by_the_model_that_draws_them(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = studio.models.wait()[0].base
    vectors = {name: torch.ones(1, width) for name, width in base.widths.items()}
    ready = tmp_path / "ready"
    picture = Image.new("RGB", (16, 16), "red")
    save_concept(Concept("<toy-red>", vectors, "style", base), ready / "toy-red", [picture])
    monkeypatch.setattr(server_words, "READY_WORDS", ready)
    library = studio.home(NEWCOMER).library
    for _ in range(2):
        assert choose_ready_style(studio, NEWCOMER).token == "<toy-red>"
        assert [entry.concept.token for entry in library.entries()[0]] == ["<toy-red>"]
    assert library.find("<toy-red>").thumbnail is not None
    elsewhere = BaseModel("elsewhere", "sd1", {"clip_l": 8})
    other = Concept("<toy-red>", {"clip_l": torch.ones(1, 8)}, "style", elsewhere)
    save_concept(other, ready / "toy-red")
    with pytest.raises(gr.Error, match="which this server does not use: teach a word"):
        server_words.take_ready_words(studio, NEWCOMER)
    own = Studio(tmp_path / "own")
    own.models = studio.models
    with pytest.raises(gr.Error, match="choose toybox"):
        server_words.take_ready_words(own, NEWCOMER)
