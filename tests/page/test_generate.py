"""The Generate tab: prompts and their words, pictures with and without, grids, recipes read back."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from helpers.frames import empty_frame
from helpers.requests import request_of
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.drawing.recipe import ConceptUse, Recipe, read_recipe, save_png
from ti_core.drawing.settings import GenerationSettings
from ti_core.errors import ConceptError, RunError, UnknownTokenError
from ti_core.model.base import BaseModel
from ti_core.model.presets import DEFAULT_GUIDANCE_SCALE
from ti_core.pictures.prepare import Picture
from ti_core.training.runs import create_run, saved_steps, train_runs
from ti_core.words.concept import Concept
from ui.frame import Frame
from ui.parts.contact_sheet import make_contact_sheet
from ui.parts.controls import MAX_BROWSER_SEED, MAX_STEPS, read_settings
from ui.parts.events import Updates
from ui.parts.prompt_box import note_html, words_html
from ui.parts.results import hide_old
from ui.server.drawing import Drawn
from ui.server.model_keeper import ModelKeeper
from ui.server.studio import Studio
from ui.server.words import fitting_words
from ui.tabs.generate.axes import Axis, read_axis, suggest_values
from ui.tabs.generate.grid import MAX_CELLS, draw_grid
from ui.tabs.generate.picture import recipe_html, send_to_style, show_recipe, take_seed
from ui.tabs.generate.recipe import fill_in, remarks_on, take_settings
from ui.tabs.generate.tab import (
    EXAMPLES,
    GenerateTab,
    build,
    draw_pictures,
    place_tab,
    suggest_prompts,
    without,
)
from ui.tabs.train.result import add_to_library

ME = request_of()
JAPANESE = request_of(language="ja")
# negative prompt, count, steps, guidance, seed, scheduler, width, height
CONTROLS: tuple[Any, ...] = ("", 2, 2, 3.0, 5, "ddim", 0, 0)
PROMPT = "a photo of <our-cat>"


@pytest.fixture
def studio(tmp_path: Path, models: ModelKeeper) -> Studio:
    """Make a studio with <our-cat>, which began as “cat” and means “dog”, and another model's <their-cat>."""
    studio = Studio(tmp_path)
    studio.models = models
    backbone, _ = models.wait()
    library = studio.home(ME).library
    other = BaseModel("elsewhere", "sd1", backbone.base.widths | {"clip_l": 8})
    rows = backbone.vocabulary.phrase_vectors("dog")
    library.add(Concept("<their-cat>", {"clip_l": rows["clip_l"][:, :8]}, "object", other, "cat"))
    library.add(Concept("<our-cat>", rows, "object", backbone.base, "cat"))
    return studio


def concept(studio: Studio, token: str = "<our-cat>") -> Concept:
    return studio.home(ME).library.find(token).concept


@pytest.fixture
def frame() -> Frame:
    return empty_frame()


@pytest.fixture
def tab(studio: Studio, frame: Frame) -> GenerateTab:
    with frame.demo:
        return place_tab(studio, frame)


def draw(
    studio: Studio, tab: GenerateTab, prompt: str = PROMPT, *, strength: float = 1, pairs: bool = False
) -> list[Updates]:
    return list(draw_pictures(studio, ME, tab.area, strength, pairs, prompt, *CONTROLS))


def drawn(tab: GenerateTab, updates: list[Updates]) -> tuple[Drawn, ...]:
    return updates[-1][tab.area.drawn]


def captions(tab: GenerateTab, updates: list[Updates]) -> list[str]:
    return [text for _, text in updates[-1][tab.area.gallery]["value"]]


def pixels(picture: Drawn) -> np.ndarray:
    return np.asarray(Image.open(picture.path))


def text_of(markup: str) -> str:
    """Return the visible text of HTML."""
    return re.sub(r"<[^>]*>", " ", markup).replace("&lt;", "<").replace("&gt;", ">")


def grid(
    studio: Studio, tab: GenerateTab, *axes: str, prompt: str = PROMPT, request: gr.Request = ME
) -> list[Updates]:
    return list(draw_grid(studio, request, tab.area, tab.sheet, *axes, 1.0, prompt, *CONTROLS))


# --- the prompt -----------------------------------------------------------------------------------------


def test_the_length_of_a_prompt(studio: Studio) -> None:
    assert "4 of 75 tokens" in note_html(studio, ME, PROMPT)
    assert "4 / 75 トークン" in note_html(studio, JAPANESE, PROMPT)
    assert "80 tokens: read in 2 parts of up to 75" in note_html(studio, ME, "cat " * 80)
    assert note_html(studio, ME, "  ") == ""


def test_an_unknown_token_is_said_before_drawing_with_a_fix_to_click(
    studio: Studio, tab: GenerateTab
) -> None:
    note = note_html(studio, ME, "a photo of <our-cta>")
    assert "You have no word <our-cta>: use <our-cat> or <their-cat>, teach it" in text_of(note)
    assert 'data-replace="&lt;our-cta&gt;" data-with="&lt;our-cat&gt;">Use &lt;our-cat&gt;</button>' in note
    assert 'data-replace="&lt;our-cta&gt;" data-with="">Remove it</button>' in note
    in_japanese = text_of(note_html(studio, JAPANESE, "a photo of <our-cta>"))
    assert "<our-cta> ということばはありません。<our-cat>、<their-cat> を使うか、" in in_japanese
    assert 'data-with="">' in note_html(studio, ME, "<zzzzzzzz>")
    both = note_html(studio, ME, "<our-cta> by <zzzzzzzz>")
    assert both.count("<p") == 2 and "You have no word <zzzzzzzz>: teach it, or remove it." in text_of(both)
    with pytest.raises(UnknownTokenError, match="Did you mean <our-cat>"):
        draw(studio, tab, "a photo of <our-cta>")


def test_what_a_person_wrote_is_escaped(studio: Studio) -> None:
    note = note_html(studio, ME, '<img src=x onerror="alert(1)">')
    assert "<img" not in note
    assert 'onerror="' not in note
    assert "<b>" not in recipe_html("en", Recipe("<b>bold</b>", negative_prompt="<b>", model="<b>"))


def test_a_word_of_another_model_is_said(studio: Studio) -> None:
    note = note_html(studio, ME, "a photo of <their-cat>")
    assert "<their-cat> was learned on elsewhere" in text_of(note)
    assert 'data-replace="&lt;their-cat&gt;" data-with=""' in note
    assert [word.token for word in fitting_words(studio, ME)] == ["<our-cat>"]


def test_without_a_model_only_what_needs_none_is_said(tmp_path: Path, studio: Studio) -> None:
    bare = Studio(tmp_path)
    assert note_html(bare, ME, PROMPT) == ""
    assert "You have no word" in note_html(bare, ME, "<nobody>")
    assert {word.token for word in fitting_words(bare, ME)} == {"<our-cat>", "<their-cat>"}


def test_a_weight_that_cannot_work_is_said(studio: Studio) -> None:
    assert "LoRA tags are not supported here" in note_html(studio, ME, "a cat <lora:cat:1>")


def test_words_and_examples_are_buttons(studio: Studio) -> None:
    words = fitting_words(studio, ME)
    buttons = words_html("ja", words, suggest_prompts)
    assert 'data-token="&lt;our-cat&gt;">&lt;our-cat&gt;</button>' in buttons
    assert 'data-prompt="a photo of &lt;our-cat&gt;"' in buttons
    assert "わたしのことば" in buttons
    assert "わたしのことば" not in words_html("ja", [], suggest_prompts)
    assert suggest_prompts([]) == list(EXAMPLES)
    style = replace(words[0], kind="style")
    assert suggest_prompts([style])[0] == "a house in the style of <our-cat>"


# --- pictures -------------------------------------------------------------------------------------------


def test_pictures_of_a_prompt_with_a_word(studio: Studio, tab: GenerateTab) -> None:
    updates = draw(studio, tab)
    recipes = [picture.recipe for picture in drawn(tab, updates)]
    assert [(recipe.prompt, recipe.seed) for recipe in recipes] == [(PROMPT, 5), (PROMPT, 6)]
    assert recipes[0].concepts == (ConceptUse("<our-cat>", concept(studio).sha256),)
    assert captions(tab, updates) == ["seed 5", "seed 6"]
    dog = drawn(tab, draw(studio, tab, "a photo of dog"))  # the vectors are that word's
    assert np.array_equal(pixels(drawn(tab, updates)[0]), pixels(dog[0]))


def test_strength_0_draws_the_initial_word(studio: Studio, tab: GenerateTab) -> None:
    [at_0, _] = drawn(tab, draw(studio, tab, strength=0))
    [cat, _] = drawn(tab, draw(studio, tab, "a photo of cat"))
    [at_1, _] = drawn(tab, draw(studio, tab, strength=1))
    assert np.array_equal(pixels(at_0), pixels(cat))
    assert not np.array_equal(pixels(at_1), pixels(cat))


def test_with_and_without_come_in_pairs_of_one_seed(studio: Studio, tab: GenerateTab) -> None:
    updates = draw(studio, tab, pairs=True)
    pictures = drawn(tab, updates)
    recipes = [(picture.recipe.prompt, picture.recipe.seed) for picture in pictures]
    assert recipes == [(PROMPT, 5), ("a photo of cat", 5), (PROMPT, 6), ("a photo of cat", 6)]
    assert captions(tab, updates) == [
        "<our-cat> · seed 5",
        "cat · seed 5",
        "<our-cat> · seed 6",
        "cat · seed 6",
    ]
    [alone, _] = drawn(tab, draw(studio, tab, "a photo of cat"))
    assert np.array_equal(pixels(pictures[1]), pixels(alone))


def test_there_is_no_without_where_no_word_stands(studio: Studio, tab: GenerateTab) -> None:
    with pytest.raises(gr.Error, match="There is none of your words in the prompt"):
        draw(studio, tab, "a cat", pairs=True)
    nameless = Concept("<our-cat>", concept(studio).vectors, "object", concept(studio).base)
    with pytest.raises(ConceptError, match="does not say which word it started from"):
        without(PROMPT, [nameless])


def test_an_empty_prompt_is_said_in_both_languages(studio: Studio, tab: GenerateTab) -> None:
    with pytest.raises(gr.Error, match="Write what to draw first"):
        draw(studio, tab, "  ")
    with pytest.raises(gr.Error, match="まず、何を描くか"):
        next(draw_pictures(studio, JAPANESE, tab.area, 1, False, "", *CONTROLS))


def test_a_new_drawing_puts_away_what_belongs_to_the_old(studio: Studio, tab: GenerateTab) -> None:
    belongings = [tab.chosen.group, tab.sheet]
    hidden = hide_old(studio, ME, belongings, ())
    assert [hidden[block]["visible"] for block in belongings] == [False, False]
    assert hide_old(studio, ME, belongings, drawn(tab, draw(studio, tab))) == {}


# --- the grid -------------------------------------------------------------------------------------------


def test_a_grid_has_a_picture_for_each_pair_row_by_row(studio: Studio, tab: GenerateTab) -> None:
    updates = grid(studio, tab, "strength", "0, 1", "word", "<our-cat>, dog")
    pictures = drawn(tab, updates)
    assert [picture.recipe.prompt for picture in pictures] == [PROMPT, PROMPT, *["a photo of dog"] * 2]
    assert captions(tab, updates) == [
        "Strength 0 · <our-cat>",
        "Strength 1 · <our-cat>",
        "Strength 0 · dog",
        "Strength 1 · dog",
    ]
    assert np.array_equal(pixels(pictures[1]), pixels(pictures[2]))  # <our-cat> means “dog”
    sheet = updates[-1][tab.sheet]
    assert sheet["visible"]
    assert sheet["value"].size[0] > sheet["value"].size[1]  # its rows have labels


@pytest.mark.parametrize(
    ("name", "values", "field", "expected"),
    [
        ("seed", "3、8", "seed", [3, 8]),
        ("steps", "1, 4", "steps", [1, 4]),
        ("guidance", "１．５，7", "guidance_scale", [1.5, 7]),
        ("guidance", "0, 7", "guidance_scale", [DEFAULT_GUIDANCE_SCALE, 7]),
    ],
)
def test_axes_of_numbers(
    studio: Studio, tab: GenerateTab, name: str, values: str, field: str, expected: list[float]
) -> None:
    updates = grid(studio, tab, name, values, "none", "")
    assert [getattr(picture.recipe, field) for picture in drawn(tab, updates)] == expected
    assert len(captions(tab, grid(studio, tab, "none", "", name, values, request=JAPANESE))) == 2


@pytest.mark.parametrize(
    ("axes", "prompt", "message"),
    [
        (
            ("seed", ",".join("1" * 7), "strength", "0,0,0,0,0,0"),
            PROMPT,
            f"That is 42 .* at most {MAX_CELLS}",
        ),
        (("seed", "1", "seed", "2"), PROMPT, "choose two that differ"),
        (("none", "", "none", ""), PROMPT, "choose two that differ"),
        (("seed", "one", "none", ""), PROMPT, "“one” cannot be used"),
        (("seed", " , ", "none", ""), PROMPT, "Write the values"),
        (("steps", f"{MAX_STEPS + 1}", "none", ""), PROMPT, f"At most {MAX_STEPS} steps"),
        (("word", "<our-cat>", "none", ""), "a cat", "none of your words"),
        (("strength", "0, 1", "none", ""), "a cat", "none of your words"),
        (("saved_step", "0", "none", ""), PROMPT, "The training of &lt;our-cat&gt; is not kept here"),
        (("seed", "1", "none", ""), " ", "Write what to draw"),
    ],
)
def test_a_grid_that_cannot_be_drawn_is_refused(
    studio: Studio, tab: GenerateTab, axes: tuple[str, ...], prompt: str, message: str
) -> None:
    with pytest.raises(gr.Error, match=message):
        grid(studio, tab, *axes, prompt=prompt)
    assert not studio.home(ME).pictures.exists()


def test_the_bound_of_a_grid_is_reached() -> None:
    axis = read_axis("en", "seed", ",".join(map(str, range(MAX_CELLS))))
    assert len(axis.values) == MAX_CELLS
    assert Axis("strength", (0.5, 1.0)).labels("strength") == ["strength 0.5", "strength 1"]


def test_a_cancelled_grid_keeps_the_pictures_so_far(studio: Studio, tab: GenerateTab) -> None:
    updates = []
    axes = ("seed", "1,2,3,4,5,6", "steps", "50, 51")
    for update in draw_grid(studio, ME, tab.area, tab.sheet, *axes, 1.0, PROMPT, *CONTROLS):
        updates.append(update)
        if update.get(tab.area.drawn):
            studio.stop_drawing(ME)
    assert 1 <= len(drawn(tab, updates)) < 12
    assert updates[-1][tab.sheet]["visible"]


def test_saved_steps_of_a_word_that_was_learned_here(studio: Studio, tab: GenerateTab) -> None:
    backbone, _ = studio.models.wait()
    home = studio.home(ME)
    numbers = np.random.default_rng(0)
    image = Image.fromarray(numbers.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    config = TrainingConfig(token="<new-cat>", initializer="cat", steps=4, batch_size=1, eval_every=2)
    run = create_run(home.runs / "one", backbone, config, [Picture("a", image, None, "", (16, 16), ())])
    for _ in train_runs(backbone, [run]):
        pass
    add_to_library(home, run, run.concept())
    steps = saved_steps(run)
    assert steps[0] == 0
    assert suggest_values(studio, ME, "saved_step", "a <new-cat>", 0) == ", ".join(map(str, steps))
    values = f"0, {steps[-1]}"
    prompt = "a photo of <new-cat>"
    at_start, at_end = drawn(tab, grid(studio, tab, "saved_step", values, "none", "", prompt=prompt))
    [cat, _] = drawn(tab, draw(studio, tab, "a photo of cat"))
    assert np.array_equal(pixels(at_start), pixels(cat))
    assert not np.array_equal(pixels(at_end), pixels(cat))
    with pytest.raises(RunError, match="Step 1000 .* is not saved"):
        grid(studio, tab, "saved_step", "1000", "none", "", prompt=prompt)
    home.library.rename("<new-cat>", "old-cat")
    assert suggest_values(studio, ME, "saved_step", "an <old-cat>", 0) == ", ".join(map(str, steps))
    foreign = backbone.vocabulary.initial_vectors("dog", 1)
    home.library.add(Concept("<new-cat>", foreign, "object", backbone.base))
    assert suggest_values(studio, ME, "saved_step", "a <new-cat>", 0) == ""
    with pytest.raises(gr.Error, match="training of &lt;new-cat&gt; is not kept here"):
        grid(studio, tab, "saved_step", "0", "none", "", prompt=prompt)


def test_values_to_begin_with(studio: Studio) -> None:
    assert suggest_values(studio, ME, "none", PROMPT, 0) == ""
    assert suggest_values(studio, ME, "seed", PROMPT, 7) == "7, 8, 9, 10"
    assert suggest_values(studio, ME, "word", PROMPT, 0) == "<our-cat>"
    assert suggest_values(studio, ME, "saved_step", PROMPT, 0) == ""
    for name in ("strength", "guidance", "steps"):
        assert len(read_axis("en", name, suggest_values(studio, ME, name, PROMPT, 0)).values) == 4


def test_the_labelled_picture_has_room_for_all() -> None:
    red = Image.new("RGB", (64, 32), "red")
    plain = make_contact_sheet(["1", "2"], [""], [red, red])
    named = make_contact_sheet(["1", "ことば" * 40], ["a row", "another"], [red, red, red])
    assert named.width > plain.width
    assert named.height > plain.height
    colours = np.asarray(named).reshape(-1, 3)
    assert 3 * 192 * 96 * 0.95 < (colours == (255, 0, 0)).all(axis=1).sum() <= 3 * 192 * 96


# --- recipes --------------------------------------------------------------------------------------------


def saved(path: Path, recipe: Recipe) -> Path:
    save_png(Image.new("RGB", (16, 16)), path, recipe)
    return path


def test_a_chosen_picture_shows_its_recipe_and_offers_its_file(
    studio: Studio, tab: GenerateTab, frame: Frame
) -> None:
    picture = drawn(tab, draw(studio, tab))[1]
    chosen = tab.chosen
    shown = show_recipe("en", chosen, picture.path)
    assert shown[chosen.group]["visible"]
    assert shown[chosen.path] == picture.path
    assert "<dt>Seed</dt><dd>6</dd>" in shown[chosen.facts]
    assert "<dt>Words</dt><dd>&lt;our-cat&gt;</dd>" in shown[chosen.facts]
    assert "<dt>シード</dt>" in show_recipe("ja", chosen, picture.path)[chosen.facts]
    assert shown[chosen.parameters].startswith(f"{PROMPT}\nSteps: 2, Sampler: DDIM")
    assert read_recipe(Path(shown[chosen.download]["value"])) == picture.recipe
    assert take_seed(studio, ME, picture.path) == 6
    sent = send_to_style(studio, ME, frame, picture.path)
    assert read_recipe(Path(sent[frame.style_picture])) == picture.recipe
    assert (sent[frame.tabs]["selected"], sent[frame.tab]) == ("style", "style")


def test_settings_come_back_from_a_picture(studio: Studio, tab: GenerateTab) -> None:
    controls = ("a dog", 1, 7, 4.5, 123, "euler_a", 24, 32)
    updates = list(draw_pictures(studio, ME, tab.area, 0.5, False, PROMPT, *controls))
    taken = take_settings(studio, ME, tab.fields, drawn(tab, updates)[0].path)
    assert taken[tab.fields.strength] == 0.5
    assert tab.controls.count not in taken  # stays as it is
    values = [taken.get(field, 1) for field in tab.controls.inputs]
    assert read_settings(taken[tab.fields.prompt], *values) == read_settings(PROMPT, *controls)
    assert taken[tab.fields.remarks].count("<li>") == 1
    assert set(taken) <= set(tab.fields.outputs)


def test_what_cannot_be_taken_over_is_said(studio: Studio, tab: GenerateTab, tmp_path: Path) -> None:
    recipe = Recipe(
        "<x> and <our-cat>",
        seed=MAX_BROWSER_SEED + 1,
        steps=400,
        guidance_scale=50,
        scheduler="Heun",
        width=512,
        height=512,
        model="sd15",
        concepts=(ConceptUse("<x>", "12", 0.5), ConceptUse("<our-cat>", "34")),
        strength=0.5,
    )
    taken, controls = take_settings(studio, ME, tab.fields, saved(tmp_path / "a.png", recipe)), tab.controls
    assert (taken[tab.fields.strength], taken[tab.fields.prompt]) == (1, "<x> and <our-cat>")
    assert (taken[controls.steps], taken[controls.guidance]) == (100, 20)
    assert (taken[controls.width], taken[controls.height]) == (0, 0)
    assert not {controls.seed, controls.scheduler} & set(taken)
    said = text_of(taken[tab.fields.remarks])
    for part in (
        *(
            "drawn with sd15",
            "no word <x>",
            "another <our-cat>",
            "no sampler Heun",
            f"seed {MAX_BROWSER_SEED + 1}",
        ),
        *("Steps was 400", "Guidance scale was 50", "over another picture", "<x> 0.5, <our-cat> 1"),
    ):
        assert part in said
    in_japanese = take_settings(studio, JAPANESE, tab.fields, tmp_path / "a.png")[tab.fields.remarks]
    assert "sd15 で生成" in in_japanese


@pytest.mark.parametrize(
    ("size", "used", "remarks"),
    [
        ((100, 100), (0, 0), ["The size 100 × 100 cannot be used here; the model's own is."]),
        ((16, 24), (16, 24), []),
        ((0, 0), (0, 0), []),
    ],
)
def test_a_size_that_cannot_be_drawn_is_left_to_the_model(
    tab: GenerateTab, size: tuple[int, int], used: tuple[int, int], remarks: list[str]
) -> None:
    recipe = Recipe("a cat", width=size[0], height=size[1])
    filled = fill_in(tab.fields, recipe, None)
    assert (filled[tab.controls.width], filled[tab.controls.height]) == used
    assert list(remarks_on("en", recipe, None, {})) == remarks


def test_no_guidance_is_not_taken_for_the_models_own(tab: GenerateTab) -> None:
    recipe = Recipe("a cat", guidance_scale=0)
    assert fill_in(tab.fields, recipe, None)[tab.controls.guidance] == 1
    assert list(remarks_on("en", recipe, None, {})) == ["Guidance scale was 0 and is 1 here."]


def test_words_are_the_ones_of_the_recipe_also_by_the_short_form_of_others(studio: Studio) -> None:
    word = concept(studio)
    words = {word.token: word}
    for digits in (word.sha256, word.sha256[:12]):
        recipe = Recipe(PROMPT, concepts=(ConceptUse(word.token, digits),))
        assert list(remarks_on("en", recipe, word.base, words)) == []


# --- the whole ------------------------------------------------------------------------------------------


def test_the_tab_is_built_with_the_settings_that_its_handler_takes(studio: Studio, frame: Frame) -> None:
    with frame.demo:
        build(studio, frame)
    events = list(frame.demo.fns.values())
    assert all(event.api_visibility == "private" for event in events)
    [drawing] = [
        event
        for event in events
        if frame.generate_prompt._id in {t[0] for t in event.targets} and event.queue
    ]
    defaults = [component.value for component in drawing.inputs[3:]]
    assert read_settings("a cat", *defaults) == GenerationSettings("a cat", count=4)
