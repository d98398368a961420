"""The Style tab: a word's style on subjects, and on a picture of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from helpers.requests import request_of
from PIL import Image

from ti_core.drawing.generate import fit_source, picture_sha256
from ti_core.drawing.recipe import read_recipe
from ti_core.model.base import BaseModel
from ti_core.pictures.decode import open_picture
from ti_core.words.concept import Concept
from ti_core.words.folder import save_concept
from ui.frame import Frame
from ui.parts import word_card
from ui.parts.events import bind
from ui.server.drawing import Drawn
from ui.server.model_keeper import ModelKeeper
from ui.server.studio import Studio
from ui.tabs.style import (
    MOST_PICTURES,
    build,
    check_picture,
    choose,
    choose_ready_style,
    draw,
    make_picture,
    make_subjects,
    show_choice,
)

ME, JAPANESE = request_of(), request_of(language="ja")
NEWCOMER = request_of(person="a newcomer")
# negative prompt, count, steps, guidance, seed, scheduler, width, height
CONTROLS: tuple[Any, ...] = ("", 1, 4, 3.0, 5, "ddim", 0, 0)
INK = "<our-ink>"


@pytest.fixture(scope="module")
def models(tiny_sd1: Path) -> ModelKeeper:
    keeper = ModelKeeper()
    keeper.load(str(tiny_sd1))
    keeper.wait()
    return keeper


@pytest.fixture
def studio(tmp_path: Path, models: ModelKeeper) -> Studio:
    """A shared one, where ``ME`` has a style, a thing that is newer, and a style of another model."""
    studio = Studio(tmp_path / "data", shared=True)
    studio.models = models
    add(studio, INK, "style")
    add(studio, "<our-cat>", "object")
    add(studio, "<old-ink>", "style", BaseModel("elsewhere", "sd1", {"clip_l": 8}))
    return studio


def add(studio: Studio, token: str, kind: Any, base: BaseModel | None = None) -> None:
    base = base or studio.models.wait()[0].base
    vectors = {name: torch.randn(1, width) for name, width in base.widths.items()}
    studio.home(ME).library.add(Concept(token, vectors, kind, base))


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """A wide one: red on the left, blue on the right."""
    image = Image.new("RGB", (64, 32), "red")
    image.paste("blue", (32, 0, 64, 32))
    image.save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


def on_subjects(studio: Studio, subjects: str, count: int = 1, token: str = INK) -> list[list[Any]]:
    controls = ("", count, *CONTROLS[2:])
    return list(draw(studio, ME, "subjects", token, subjects, None, 0.6, *controls))


def restyled(studio: Studio, picture: str | None, strength: float, **changed: Any) -> list[list[Any]]:
    return list(
        draw(studio, ME, "picture", INK, "", picture, strength, *(changed.get("controls") or CONTROLS))
    )


def pictures_of(updates: list[list[Any]]) -> tuple[Drawn, ...]:
    return [update[2] for update in updates if isinstance(update[2], tuple)][-1]


def captions_of(updates: list[list[Any]]) -> list[str]:
    return [caption for _, caption in [update[1]["value"] for update in updates if "value" in update[1]][-1]]


def refused(studio: Studio, *arguments: Any, request: gr.Request = ME) -> str:
    """What the reader is told when the drawing is refused."""
    with pytest.raises(gr.Error) as refusal:
        list(bind(studio, draw)(request, *arguments))
    return refusal.value.message


# --- choosing ---------------------------------------------------------------------------------------------


def test_styles_come_first_and_the_newest_usable_one_is_chosen(studio: Studio) -> None:
    choice = choose(studio, ME, "")
    assert choice.token == INK
    assert choice.cards.index("old-ink") < choice.cards.index("our-ink") < choice.cards.index("our-cat")
    assert 'data-token="&lt;our-ink&gt;" aria-pressed="true"' in choice.cards
    assert 'data-token="&lt;old-ink&gt;" aria-pressed="false" disabled' in choice.cards


def test_a_thing_can_be_chosen_and_stays_chosen(studio: Studio) -> None:
    assert choose(studio, ME, "<our-cat>").token == "<our-cat>"


def test_without_a_style_none_is_chosen_and_without_a_word_the_way_to_train_is_shown(studio: Studio) -> None:
    library = studio.home(ME).library
    library.delete(INK)
    choice = choose(studio, ME, INK)
    assert (choice.token, choice.usable) == ("", 1)
    assert "None of your words is a style" in choice.cards
    teach, panel = show_choice(choice)[1:3]
    assert (teach["visible"], panel["visible"]) == (True, True)
    library.delete("<our-cat>")
    teach, panel = show_choice(choose(studio, ME, ""))[1:3]
    assert (teach["visible"], panel["visible"]) == (True, False)


def test_every_person_sees_only_their_own_words(studio: Studio) -> None:
    other = request_of("another person")
    choice = choose(studio, other, INK)
    assert (choice.token, choice.usable) == ("", 0)
    assert "our-ink" not in choice.cards
    told = refused(studio, "subjects", INK, "a house", None, 0.6, *CONTROLS, request=other)
    assert "Choose a word" in told


def test_japanese_readers_get_japanese(studio: Studio) -> None:
    assert "どのことばのスタイル" in choose(studio, JAPANESE, "").cards
    told = refused(studio, "subjects", INK, " ", None, 0.6, *CONTROLS, request=JAPANESE)
    assert "題材" in told


def test_every_update_of_a_click_has_its_place(studio: Studio) -> None:
    with gr.Blocks() as demo:
        tabs = gr.Tabs()
        frame = Frame(
            demo,
            tabs,
            gr.State("train"),
            gr.State(0),
            gr.Textbox(),
            gr.Textbox(),
            make_subjects(),
            make_picture(),
        )
        build(studio, frame)
    [clicks] = [event for event in demo.fns.values() if event.name == "on_card"]
    assert len(clicks.outputs) == len(show_choice(choose(studio, ME, "")))


# --- subjects ---------------------------------------------------------------------------------------------


def test_each_subject_is_drawn_at_each_seed(studio: Studio) -> None:
    updates = on_subjects(studio, "a house\n\n  a cat \na mug", count=2)
    drawn = pictures_of(updates)
    assert [(entry.recipe.prompt, entry.recipe.seed) for entry in drawn] == [
        (f"{subject} in the style of {INK}", seed)
        for subject in ("a house", "a cat", "a mug")
        for seed in (5, 6)
    ]
    assert captions_of(updates)[1:3] == ["a house · seed 6", "a cat · seed 5"]
    assert all(update[-1]["visible"] is False for update in updates)  # there is nothing to compare


def test_another_word_may_be_a_subject(studio: Studio) -> None:
    recipe = pictures_of(on_subjects(studio, "<our-cat>"))[0].recipe
    assert {use.token for use in recipe.concepts} == {INK, "<our-cat>"}


def test_subjects_that_cannot_be_drawn_are_said_plainly(studio: Studio) -> None:
    def told(subjects: str, token: str = INK) -> str:
        return refused(studio, "subjects", token, subjects, None, 0.6, *CONTROLS)

    assert "at least one subject" in told(" \n")
    assert "Choose a word" in told("a house", "")
    assert str(MOST_PICTURES) in told("a house\n" * (MOST_PICTURES + 1))
    assert "You have no word" in told("<nobody>")
    assert "elsewhere" in told("a house", "<old-ink>")


# --- a picture --------------------------------------------------------------------------------------------


def test_a_restyled_picture_keeps_its_source_in_the_recipe(studio: Studio, picture: str) -> None:
    [drawn] = pictures_of(restyled(studio, picture, 0.5))
    recipe = read_recipe(drawn.path)
    fitted = fit_source(open_picture(picture)[0], recipe.width, recipe.height)
    assert recipe.source_sha256 == picture_sha256(fitted)
    assert (recipe.prompt, recipe.strength) == (f"a picture in the style of {INK}", 0.5)


def test_the_strength_says_how_much_is_drawn_anew(studio: Studio, picture: str) -> None:
    def pixels(strength: float) -> np.ndarray:
        return np.array(Image.open(pictures_of(restyled(studio, picture, strength))[0].path))

    assert not np.array_equal(pixels(0.25), pixels(1.0))
    assert np.array_equal(pixels(0.25), pixels(0.25))


def test_the_controls_hold_for_a_picture_too(studio: Studio, picture: str) -> None:
    controls = ("a dog", 2, 4, 3.0, 5, "ddim", 32, 16)
    drawn = pictures_of(restyled(studio, picture, 0.5, controls=controls))
    assert [entry.recipe.seed for entry in drawn] == [5, 6]
    assert {(entry.recipe.width, entry.recipe.height) for entry in drawn} == {(32, 16)}
    assert {entry.recipe.negative_prompt for entry in drawn} == {"a dog"}


def test_before_and_after_are_of_one_size_and_appear_with_the_first_result(
    studio: Studio, picture: str
) -> None:
    updates = restyled(studio, picture, 0.5, controls=("", 2, *CONTROLS[2:]))
    assert updates[0][-1]["visible"] is False
    shown = [update[-2:] for update in updates if isinstance(update[-2], Image.Image)]
    before, comparison = shown[0]
    assert updates[-1][-2:] == shown[0], "a busy browser may have skipped those before"
    left, right = comparison["value"]
    assert comparison["visible"]
    assert left is before
    assert before.size == Image.open(right).size


def test_what_cannot_be_restyled_is_said_plainly(studio: Studio, picture: str) -> None:
    def told(*arguments: Any, request: gr.Request = ME) -> str:
        return refused(studio, "picture", *arguments, *CONTROLS, request=request)

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
    monkeypatch.setattr(word_card, "READY_WORDS", ready)
    library = studio.home(NEWCOMER).library
    for _ in range(2):
        assert choose_ready_style(studio, NEWCOMER).token == "<toy-red>"
        assert [entry.concept.token for entry in library.entries()[0]] == ["<toy-red>"]
    assert library.find("<toy-red>").thumbnail is not None
    elsewhere = BaseModel("elsewhere", "sd1", {"clip_l": 8})
    other = Concept("<toy-red>", {"clip_l": torch.ones(1, 8)}, "style", elsewhere)
    save_concept(other, ready / "toy-red")
    with pytest.raises(gr.Error, match="which this server does not use: teach a word"):
        word_card.take_ready_words(studio, NEWCOMER)
    own = Studio(tmp_path / "own")
    own.models = studio.models
    with pytest.raises(gr.Error, match="choose toybox"):
        word_card.take_ready_words(own, NEWCOMER)
