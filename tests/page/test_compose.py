"""The Compose tab: choosing words, their weights, the grid over them, and blends."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from helpers.frames import empty_frame
from helpers.requests import request_of
from helpers.tiny_models import save_tiny_judge
from PIL import Image

from ti_core.drawing.recipe import read_recipe
from ti_core.judging import judge as judging
from ti_core.model.base import BaseModel
from ti_core.words.arithmetic import blend
from ti_core.words.concept import Concept
from ti_core.words.folder import save_concept
from ui.parts.events import Updates, bind
from ui.parts.prompt_box import take_note
from ui.parts.results import hide_old
from ui.server import words as server_words
from ui.server.drawing import Drawn
from ui.server.model_keeper import ModelKeeper
from ui.server.studio import Studio
from ui.tabs.compose.choice import (
    ComposeChoice,
    blend_name,
    choose_ready_words,
    choose_words,
    sentences_html,
    sentences_with,
)
from ui.tabs.compose.drawing import (
    MAX_WEIGHT_PAIRS,
    draw_blend,
    draw_grid,
    draw_pictures,
    keep_blend,
    read_weights,
)
from ui.tabs.compose.tab import GRID_WEIGHTS, ComposeTab, follow_words, place_tab, show_choice

ME, JAPANESE = request_of(), request_of(language="ja")
# negative prompt, count, steps, guidance, seed, scheduler, width, height
CONTROLS: tuple[Any, ...] = ("", 1, 2, 3.0, 5, "ddim", 0, 0)
EVEN = (1.0, 1.0, 1.0, 1.0)
PAIR = ("<our-cat>", "<our-mug>")
PROMPT = "a photo of <our-cat> and <our-mug>"


@pytest.fixture
def studio(tmp_path: Path, models: ModelKeeper) -> Studio:
    """Make a shared studio where ``ME`` has three words, and one more of another model."""
    studio = Studio(tmp_path, shared=True)
    studio.models = models
    add(studio, "<old-hat>", base=BaseModel("elsewhere", "sd1", {"clip_l": 8}))
    add(studio, "<our-mug>")
    add(studio, "<our-ink>", kind="style")
    add(studio, "<our-cat>", pictures=[Image.new("RGB", (16, 16), "red")])
    return studio


@pytest.fixture
def tab(studio: Studio) -> ComposeTab:
    frame = empty_frame()
    with frame.demo:
        return place_tab(studio, frame)


def add(
    studio: Studio,
    token: str,
    kind: Any = "object",
    base: BaseModel | None = None,
    pictures: list[Image.Image] | None = None,
) -> Concept:
    base = base or studio.models.wait()[0].base
    generator = torch.Generator().manual_seed(sum(map(ord, token)))
    vectors = {name: torch.randn(1, width, generator=generator) for name, width in base.widths.items()}
    concept = Concept(token, vectors, kind, base)
    studio.home(ME).library.add(concept, pictures or ())
    return concept


def concept(studio: Studio, token: str) -> Concept:
    return studio.home(ME).library.find(token).concept


def click(
    studio: Studio, token: str | None, before: ComposeChoice | None = None, **changed: Any
) -> ComposeChoice:
    """Return the choice after a click on a card, starting from nothing or from an earlier choice."""
    state: dict[str, Any] = {"chosen": (), "prompt": "", "name": "", "weights": EVEN}
    if before is not None:
        state |= {"chosen": before.tokens, "prompt": before.prompt, "name": before.blend_name}
        state["weights"] = (*before.weights, *EVEN)[:4]
    state |= changed
    return choose_words(studio, ME, token, state["chosen"], state["prompt"], state["name"], *state["weights"])


def chosen_pair(studio: Studio) -> ComposeChoice:
    return click(studio, "<our-mug>", click(studio, "<our-cat>"))


def pictures_of(tab: ComposeTab, updates: list[Updates]) -> tuple[Drawn, ...]:
    return updates[-1][tab.results.area.drawn]


def captions_of(tab: ComposeTab, updates: list[Updates]) -> list[str]:
    return [caption for _, caption in updates[-1][tab.results.area.gallery]["value"]]


def refused(handler: Any, *arguments: Any) -> str:
    """Return the error that a bound handler, which may be a generator, shows to the reader."""
    with pytest.raises(gr.Error) as refusal:
        list(bind(arguments[0], handler)(*arguments[1:]) or ())
    return refusal.value.message


# --- choosing ---------------------------------------------------------------------------------------------


def test_a_click_on_a_card_chooses_its_word_and_another_lets_it_go(studio: Studio) -> None:
    choice = click(studio, "<our-cat>")
    assert choice.tokens == ("<our-cat>",)
    assert 'data-word="&lt;our-cat&gt;" aria-pressed="true"' in choice.cards
    assert 'data-word="&lt;our-mug&gt;" aria-pressed="false"' in choice.cards
    assert click(studio, "<our-cat>", choice).tokens == ()


def test_styles_stand_last_and_the_prompt_follows_the_words(studio: Studio) -> None:
    choice = click(studio, "<our-cat>", click(studio, "<our-ink>"))
    assert choice.tokens == ("<our-cat>", "<our-ink>")
    assert choice.prompt == "a photo of <our-cat> and <our-ink>"
    styled = click(studio, "<our-mug>", choice, prompt="<our-cat> in the style of <our-ink>")
    assert styled.prompt == "<our-cat> and <our-mug> in the style of <our-ink>"


def test_a_prompt_of_ones_own_stays(studio: Studio) -> None:
    choice = click(
        studio, "<our-ink>", chosen_pair(studio), prompt="<our-cat> asleep in <our-mug>", name="zed"
    )
    assert (choice.prompt, choice.blend_name) == ("<our-cat> asleep in <our-mug>", "zed")


def test_too_few_words_leave_no_sentence_of_templates(studio: Studio) -> None:
    assert click(studio, "<our-mug>", chosen_pair(studio)).prompt == ""


def test_weights_stay_with_their_words(studio: Studio) -> None:
    both = click(studio, None, chosen_pair(studio), weights=(0.4, 1.6, 1.0, 1.0))
    assert dict(zip(both.tokens, both.weights, strict=True)) == {"<our-cat>": 0.4, "<our-mug>": 1.6}
    assert click(studio, "<our-cat>", both).weights == (1.6,)


def test_a_fifth_word_is_not_taken(studio: Studio) -> None:
    add(studio, "<one>")
    add(studio, "<two>")
    choice = chosen_pair(studio)
    for token in ("<our-ink>", "<one>"):
        choice = click(studio, token, choice)
    fifth = click(studio, "<two>", choice)
    assert fifth.tokens == choice.tokens
    assert "4 words are the most" in fifth.cards


def test_a_word_of_another_model_is_greyed_with_the_reason(studio: Studio) -> None:
    choice = click(studio, "<old-hat>")
    assert choice.tokens == ()
    assert 'data-word="&lt;old-hat&gt;" aria-pressed="false" disabled' in choice.cards
    assert "of another model: elsewhere" in choice.cards


def test_a_deleted_word_is_no_longer_chosen(studio: Studio) -> None:
    before = chosen_pair(studio)
    studio.home(ME).library.delete("<our-mug>")
    assert click(studio, None, before).tokens == ("<our-cat>",)


def test_a_card_shows_the_first_picture_of_its_word(studio: Studio) -> None:
    word_card = click(studio, None).cards
    assert word_card.count("data:image/webp;base64,") == 1
    assert word_card.count('<span class="picture"></span>') == 3


def test_before_there_are_two_words_the_way_to_train_is_shown(studio: Studio, tab: ComposeTab) -> None:
    studio.home(ME).library.delete("<our-mug>")
    studio.home(ME).library.delete("<our-ink>")
    choice = click(studio, None)
    assert "you have 1." in choice.cards
    shown = show_choice("en", tab, choice)
    assert (shown[tab.chooser.teach]["visible"], shown[tab.panel]["visible"]) == (True, False)
    studio.home(ME).library.restore("<our-ink>")
    shown = show_choice("en", tab, click(studio, None))
    assert (shown[tab.chooser.teach]["visible"], shown[tab.panel]["visible"]) == (False, True)


def test_ready_made_words_come_two_at_a_time_in_a_sentence(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("toy-a", "toy-b", "toy-c"):
        ready = dataclasses.replace(concept(studio, "<our-cat>"), token=f"<{name}>")
        save_concept(ready, tmp_path / "ready" / name)
    monkeypatch.setattr(server_words, "READY_WORDS", tmp_path / "ready")
    for _ in range(2):  # taken already, they are chosen again
        choice = choose_ready_words(studio, ME)
        assert choice.tokens == ("<toy-a>", "<toy-b>")
        assert choice.prompt == "a photo of <toy-a> and <toy-b>"
        assert choice.usable == 3 + 3


def test_every_person_sees_only_their_own_words(studio: Studio, tab: ComposeTab) -> None:
    other = request_of("another person")
    choice = choose_words(studio, other, "<our-cat>", PAIR, "", "", *EVEN)
    assert (choice.tokens, choice.usable) == ((), 0)
    assert "our-cat" not in choice.cards
    told = refused(draw_pictures, studio, other, tab.results, PAIR, PROMPT, *EVEN, *CONTROLS)
    assert "You have no word &lt;our-cat&gt;: teach it, or remove it. You have no word &lt;our-mug" in told


def test_japanese_readers_get_japanese(studio: Studio, tab: ComposeTab) -> None:
    choice = choose_words(studio, JAPANESE, "<our-cat>", (), "", "", *EVEN)
    assert "選択中のことば：1 個" in choice.cards
    assert "スタイル" in choice.cards
    assert show_choice("ja", tab, choice)[tab.weights[0]]["label"] == "<our-cat> の重み"
    assert "組み合わせ" in refused(
        draw_pictures, studio, JAPANESE, tab.results, PAIR[:1], "<our-cat>", *EVEN, *CONTROLS
    )


def test_templates_take_up_to_four_words() -> None:
    assert sentences_with(["<a>"]) == []
    assert "<a> painted on <b>" in sentences_with(["<a>", "<b>"])
    assert "<a> and <b> and <c> in the style of <d>" in sentences_with(["<a>", "<b>", "<c>", "<d>"])
    assert 'data-prompt="&lt;a&gt; next to &lt;b&gt;"' in sentences_html("en", ["<a>", "<b>"])


def test_a_blend_has_a_name_that_can_be_a_token() -> None:
    assert blend_name(["<cat>"]) == ""
    assert blend_name(["<cat>", "<dog>"]) == "cat-dog"
    assert len(blend_name([f"<{'a' * 31}>", f"<{'b' * 31}>"])) == 31


def test_the_note_says_what_is_wrong_with_the_prompt(studio: Studio) -> None:
    assert "our-cats" in take_note(studio, ME, "compose", "a photo of <our-cats>")
    assert "75" in take_note(studio, ME, "compose", PROMPT)


def test_a_click_updates_exactly_its_outputs(studio: Studio, tab: ComposeTab) -> None:
    assert set(show_choice("en", tab, chosen_pair(studio))) == set(tab.choice_outputs)


def test_a_prompt_that_stays_is_not_sent_again(studio: Studio, tab: ComposeTab) -> None:
    pair = chosen_pair(studio)
    written = follow_words(studio, ME, tab, pair.tokens, "my own", pair.blend_name, *EVEN)
    assert tab.prompt not in written and written[tab.chosen] == PAIR
    studio.home(ME).library.delete("<our-mug>")
    followed = follow_words(studio, ME, tab, pair.tokens, pair.prompt, pair.blend_name, *EVEN)
    assert followed[tab.prompt] == ""


# --- drawing ----------------------------------------------------------------------------------------------


def test_both_words_with_their_weights_reach_the_recipe(studio: Studio, tab: ComposeTab) -> None:
    [picture] = pictures_of(
        tab, list(draw_pictures(studio, ME, tab.results, PAIR, PROMPT, 1.4, 0.5, 1, 1, *CONTROLS))
    )
    recipe = read_recipe(picture.path)
    assert recipe.prompt == "a photo of (<our-cat>:1.4) and (<our-mug>:0.5)"
    assert {use.token: use.sha256 for use in recipe.concepts} == {
        token: concept(studio, token).sha256 for token in PAIR
    }


def test_under_each_picture_stands_which_words_the_judge_finds(
    studio: Studio, tab: ComposeTab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_update(request: gr.Request = ME) -> tuple[str, str]:
        """Return the last caption and remark."""
        updates = list(draw_pictures(studio, request, tab.results, PAIR, PROMPT, *EVEN, *CONTROLS))
        return captions_of(tab, updates)[0], updates[-1][tab.results.marks]

    assert "&lt;our-mug&gt; came without pictures" in last_update()[1]
    studio.home(ME).library.delete("<our-mug>")
    add(studio, "<our-mug>", pictures=[Image.new("RGB", (16, 16), "blue")])
    caption, remark = last_update()
    assert caption == "seed 5"
    assert "hf download openai/clip-vit-base-patch32" in remark
    judge = str(save_tiny_judge(tmp_path / "judge"))
    monkeypatch.setattr(judging, "GENERAL_JUDGE", judge)
    caption, remark = last_update()
    assert re.fullmatch("seed 5 · [✓✗] <our-cat> · [✓✗] <our-mug>", caption)
    assert judge in remark
    updates = list(draw_grid(studio, ME, tab.results, "0.5", "1, 2", PAIR, PROMPT, *EVEN, *CONTROLS))
    for told, weights in zip(captions_of(tab, updates), ("0.5 · 1", "0.5 · 2"), strict=True):
        assert re.fullmatch(f"{weights} · [✓✗] <our-cat> · [✓✗] <our-mug>", told)
    assert {update[tab.results.marks] for update in updates} == {remark}
    blend = list(draw_blend(studio, ME, tab.results, PAIR, 0.5, "cat-mug", *CONTROLS))
    assert {update[tab.results.marks] for update in blend} == {""}, "one word has no marks"


def test_a_word_that_only_the_prompt_names_comes_along(studio: Studio, tab: ComposeTab) -> None:
    updates = list(draw_pictures(studio, ME, tab.results, ("<our-mug>",), PROMPT, 0.5, 1, 1, 1, *CONTROLS))
    assert pictures_of(tab, updates)[0].recipe.prompt == "a photo of <our-cat> and (<our-mug>:0.5)"


def test_a_word_of_the_negative_prompt_has_no_weight(studio: Studio, tab: ComposeTab) -> None:
    updates = list(draw_pictures(studio, ME, tab.results, PAIR, PROMPT, *EVEN, "<our-ink>", *CONTROLS[1:]))
    recipe = pictures_of(tab, updates)[0].recipe
    assert (recipe.prompt, recipe.negative_prompt) == (PROMPT, "<our-ink>")
    assert {use.token for use in recipe.concepts} == {*PAIR, "<our-ink>"}


def test_what_cannot_be_composed_is_said_plainly(studio: Studio, tab: ComposeTab) -> None:
    def told(chosen: tuple[str, ...], prompt: str) -> str:
        return refused(draw_pictures, studio, ME, tab.results, chosen, prompt, *EVEN, *CONTROLS)

    assert "two or more" in told(("<our-cat>",), "a photo of <our-cat>")
    assert "does not mention" in told(PAIR, "a photo of <our-cat>")
    assert "You have no word" in told(PAIR, f"{PROMPT} and <nobody>")
    assert "elsewhere" in told(PAIR, f"{PROMPT} and <old-hat>")


def test_a_grid_draws_every_pair_of_weights_and_labels_them(studio: Studio, tab: ComposeTab) -> None:
    chosen, prompt = ("<our-cat>", "<our-mug>", "<our-ink>"), f"{PROMPT} in the style of <our-ink>"
    controls = ("", 4, *CONTROLS[2:])
    updates = list(
        draw_grid(studio, ME, tab.results, "0.5, 1.5", "1, 2、０.8", chosen, prompt, 1, 1, 0.7, 1, *controls)
    )
    cells = pictures_of(tab, updates)
    assert [cell.recipe.prompt for cell in cells] == [
        f"a photo of (<our-cat>:{down}) and {across} in the style of (<our-ink>:0.7)"
        for down in ("0.5", "1.5")
        for across in ("<our-mug>", "(<our-mug>:2)", "(<our-mug>:0.8)")
    ]
    assert {cell.recipe.seed for cell in cells} == {5}
    assert captions_of(tab, updates)[:2] == ["0.5 · 1", "0.5 · 2"]
    sheet = updates[-1][tab.results.sheet]
    assert "is not judged" in updates[-1][tab.results.marks]
    assert sheet["visible"]
    assert sheet["value"].width > sheet["value"].height  # three columns, two rows
    assert hide_old(studio, ME, [tab.results.sheet], ()) == {tab.results.sheet: gr.update(visible=False)}
    assert hide_old(studio, ME, [tab.results.sheet], cells) == {}


def test_a_grid_that_cannot_be_drawn_is_said_plainly(studio: Studio, tab: ComposeTab) -> None:
    def told(down: str, across: str, chosen: tuple[str, ...] = PAIR, prompt: str = PROMPT) -> str:
        return refused(draw_grid, studio, ME, tab.results, down, across, chosen, prompt, *EVEN, *CONTROLS)

    assert "between commas" in told("0.5, high", GRID_WEIGHTS)
    assert "between commas" in told(GRID_WEIGHTS, " , ")
    many = ", ".join(["1"] * (MAX_WEIGHT_PAIRS + 1))
    assert str(MAX_WEIGHT_PAIRS) in told(many, "1")
    assert "0 to 10" in told("11", "1")
    assert "two or more" in told("1", "1", ("<our-cat>",), "<our-cat>")


def test_weights_are_read_as_they_are_typed() -> None:
    assert read_weights("en", "0.5, 1 ,1.5") == (0.5, 1, 1.5)
    assert read_weights("ja", "０．５、１，２") == (0.5, 1, 2)


def test_a_blend_is_drawn_and_kept_with_its_pictures(studio: Studio, tab: ComposeTab) -> None:
    drawn = pictures_of(tab, list(draw_blend(studio, ME, tab.results, PAIR, 0.25, "Cat Mug", *CONTROLS)))
    expected = blend(concept(studio, "<our-cat>"), concept(studio, "<our-mug>"), 0.25, "cat-mug")
    assert drawn[0].recipe.prompt == "a photo of <cat-mug>"
    assert [use.sha256 for use in drawn[0].recipe.concepts] == [expected.sha256]

    assert keep_blend(studio, ME, PAIR, 0.25, "Cat Mug", drawn, 7) == 8
    entry = studio.home(ME).library.find("<cat-mug>")
    assert entry.concept.sha256 == expected.sha256
    assert entry.thumbnail is not None
    assert Image.open(entry.thumbnail).tobytes() == Image.open(drawn[0].path).tobytes()
    assert "already" in refused(keep_blend, studio, ME, PAIR, 0.25, "Cat Mug", drawn, 8)


def test_pictures_of_another_blend_are_not_kept_with_a_word(studio: Studio, tab: ComposeTab) -> None:
    drawn = pictures_of(tab, list(draw_blend(studio, ME, tab.results, PAIR, 0.25, "cat-mug", *CONTROLS)))
    keep_blend(studio, ME, PAIR, 0.75, "cat-mug", drawn, 0)
    assert studio.home(ME).library.find("<cat-mug>").thumbnail is None


def test_the_sign_of_a_hidden_picture_is_not_kept_with_a_word(studio: Studio, tab: ComposeTab) -> None:
    drawn = pictures_of(tab, list(draw_blend(studio, ME, tab.results, PAIR, 0.25, "cat-mug", *CONTROLS)))
    keep_blend(
        studio, ME, PAIR, 0.25, "cat-mug", [dataclasses.replace(picture, hidden=True) for picture in drawn], 0
    )
    assert studio.home(ME).library.find("<cat-mug>").thumbnail is None


def test_a_blend_of_styles_is_drawn_as_a_style(studio: Studio, tab: ComposeTab) -> None:
    add(studio, "<our-chalk>", kind="style")
    updates = list(draw_blend(studio, ME, tab.results, ("<our-ink>", "<our-chalk>"), 0.5, "soft", *CONTROLS))
    assert pictures_of(tab, updates)[0].recipe.prompt == "a picture in the style of <soft>"


def test_a_blend_takes_two_words_and_a_name(studio: Studio, tab: ComposeTab) -> None:
    def told(chosen: tuple[str, ...], name: str) -> str:
        return refused(draw_blend, studio, ME, tab.results, chosen, 0.5, name, *CONTROLS)

    assert "exactly two" in told(("<our-cat>",), "zed")
    assert "exactly two" in told((*PAIR, "<our-ink>"), "zed")
    assert "needs a name" in told(PAIR, " ")
