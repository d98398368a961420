"""The card of a concept: what it tells, and that nothing in it can be more than text."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

from ti_core.card import concept_card, gallery_file
from ti_core.concept import BaseModel, Concept
from ti_core.recipe import Recipe

SD1 = BaseModel("sd15", "sd1", {"clip_l": 8})
TRAINING = {
    "steps": 400,
    "batch_size": 4,
    "pictures": 5,
    "seed": 7,
    "best_step": 380,
    "first_evaluation_loss": 0.25,
    "evaluation_loss": 0.125,
    "scores": {"clip_i": 0.75},
}


def make_concept(base: BaseModel = SD1, **changes: Any) -> Concept:
    vectors = {name: torch.ones(2, width) for name, width in base.widths.items()}
    values: dict[str, Any] = {"token": "<our-cat>", "kind": "object", "initializer": "cat"} | changes
    return Concept(vectors=vectors, base=base, **values)


def test_the_card_tells_how_the_word_was_trained() -> None:
    card = concept_card(make_concept(training=TRAINING), 0)
    for line in (
        "Initial word: `cat`",
        "Steps: 400",
        "Pictures: 5",
        "0.2500 → 0.1250, at step 380",
        "0.7500",
    ):
        assert line in card


def test_a_word_of_which_nothing_is_known_has_no_such_part() -> None:
    assert "How it was trained" not in concept_card(make_concept(initializer=""), 0)


@pytest.mark.parametrize("training", [{"steps": "[x](http://evil)"}, {"scores": 3}, {"steps": True}])
def test_a_foreign_record_that_is_no_number_is_left_out(training: dict[str, Any]) -> None:
    card = concept_card(make_concept(initializer="", training=training), 0)
    assert "evil" not in card and "How it was trained" not in card


def test_the_card_of_a_repository_says_how_to_use_it_everywhere() -> None:
    card = concept_card(make_concept(), 0, repo_id="ann/our-cat")
    assert 'pipeline.load_textual_inversion("ann/our-cat")' in card
    assert "`our-cat.pt`" in card
    assert "python -m ti_core pull ann/our-cat --out our-cat" in card


def test_a_drawn_picture_is_shown_with_its_prompt() -> None:
    recipes = [Recipe("a photo of <our-cat>", seed=3), Recipe('b: "c"\n- d', seed=4)]
    card = ModelCard(concept_card(make_concept(), 0, gallery=recipes))
    assert card.data.widget == [
        {"text": recipe.prompt, "output": {"url": gallery_file(number)}}
        for number, recipe in enumerate(recipes)
    ]
    assert "<Gallery />" in card.text
    assert "seed 3" in card.text and "seed 4" in card.text


def test_an_sdxl_word_is_tagged_as_one() -> None:
    base = BaseModel("sdxl", "sdxl", {"clip_l": 8, "clip_g": 12})
    assert "stable-diffusion-xl" in ModelCard(concept_card(make_concept(base), 0)).data.tags


def test_the_revision_of_a_base_model_is_no_part_of_its_repository() -> None:
    base = BaseModel("ann/model@v1", "sd1", {"clip_l": 8})
    assert ModelCard(concept_card(make_concept(base), 0)).data.base_model == "ann/model"


HOSTILE = "cat`` <script>alert(1)</script> [x](javascript:1)\n---\nlicense: mit\n# big"


def test_what_someone_wrote_stays_a_span_of_code() -> None:
    base = BaseModel(HOSTILE, "sd1", {"clip_l": 8})
    card = concept_card(make_concept(base, initializer=HOSTILE), 0, gallery=[Recipe(HOSTILE)])
    parsed = ModelCard(card)
    assert parsed.data.license == "creativeml-openrail-m"
    assert parsed.data.base_model is None
    assert parsed.data.widget[0]["text"] == HOSTILE
    body = card.split("\n---\n", 1)[1]
    assert "\n# big" not in body and "\nlicense" not in body
    hostile = " ".join(HOSTILE.split())
    assert body.count(hostile) == body.count(f"``` {hostile} ```") == 3
