"""The card of a concept: its content, and that untrusted values in it remain plain text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

from ti_core.drawing.recipe import ConceptUse, Recipe
from ti_core.model.base import BaseModel
from ti_core.words.card import concept_card
from ti_core.words.concept import Concept
from ti_core.words.gallery import gallery_files, save_gallery

SD1 = BaseModel("sd15", "sd1", {"clip_l": 8})
TRAINING = {
    "steps": 400,
    "batch_size": 4,
    "pictures": 5,
    "seed": 7,
    "best_step": 380,
    "first_evaluation_loss": 0.25,
    "evaluation_loss": 0.125,
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
    ):
        assert line in card


def test_a_word_of_which_nothing_is_known_has_no_such_part() -> None:
    assert "How it was trained" not in concept_card(make_concept(initializer=""), 0)


def scores(**changes: Any) -> dict[str, Any]:
    score = {"learned": 0.75, "initial": 0.5, "real": 1}
    sha256 = make_concept().sha256
    return {"sha256": sha256, "judge": "a-judge", "model": "sd15", "likeness": score, **changes}


def test_the_card_tells_how_good_the_word_is_and_who_says_so() -> None:
    card = concept_card(make_concept(training={"scores": scores()}), 0)
    assert "- Likeness to the pictures: 0.750 (initial word: 0.500, real pictures: 1.000)" in card
    assert "in the space of `a-judge`, of pictures drawn with `sd15`" in card


@pytest.mark.parametrize(
    "found",
    [3, {}, scores(sha256="of other vectors"), scores(likeness=0.75), scores(likeness={"learned": "evil"})],
    ids=["number", "empty", "other-vectors", "one-number", "text"],
)
def test_scores_of_others_or_of_no_form_are_left_out(found: Any) -> None:
    assert "How good it is" not in concept_card(make_concept(training={"scores": found}), 0)


@pytest.mark.parametrize("training", [{"steps": "[x](http://evil)"}, {"steps": True}])
def test_a_foreign_record_that_is_no_number_is_left_out(training: dict[str, Any]) -> None:
    card = concept_card(make_concept(initializer="", training=training), 0)
    assert "evil" not in card and "How it was trained" not in card


def test_the_card_of_a_repository_says_how_to_use_it_everywhere() -> None:
    card = concept_card(make_concept(), 0, repo_id="ann/our-cat")
    assert 'pipeline.load_textual_inversion("ann/our-cat")' in card
    assert "`our-cat.pt`" in card
    assert "python -m ti_core pull ann/our-cat --out our-cat" in card


def test_a_drawn_picture_is_shown_with_its_prompt() -> None:
    recipes = {
        "gallery/0.png": Recipe("a photo of <our-cat>", seed=3),
        "gallery/2.png": Recipe('b: "c"\n- d', seed=4),
    }
    card = ModelCard(concept_card(make_concept(), 0, gallery=recipes))
    assert card.data.widget == [
        {"text": recipe.prompt, "output": {"url": path}} for path, recipe in recipes.items()
    ]
    assert "<Gallery />" in card.text
    assert "seed 3" in card.text and "seed 4" in card.text


def test_a_picture_of_another_time_is_told_as_one() -> None:
    """One picture was drawn before the word was renamed, one before the word was learned again."""
    concept = make_concept()
    renamed = Recipe("a photo of <kitty>", concepts=(ConceptUse("<kitty>", concept.sha256),))
    before = Recipe("a photo of <our-cat>", concepts=(ConceptUse("<our-cat>", "0" * 64),))
    card = concept_card(concept, 0, gallery={"gallery/0.png": renamed, "gallery/1.png": before})
    assert "<kitty>" not in card
    # Twice for each picture (front matter and list of recipes), and once in how to use it.
    assert card.count("a photo of <our-cat>") == 2 * 2 + 1
    assert card.count("with the word as it was before") == 1


def test_the_gallery_of_a_folder_is_kept_in_order(tmp_path: Path) -> None:
    pictures = [tmp_path / f"{number}" for number in range(11)]
    for number, picture in enumerate(pictures):
        picture.write_bytes(b"%d" % number)
    assert gallery_files(tmp_path) == []
    save_gallery(pictures, tmp_path)
    (tmp_path / "gallery" / "notes.txt").write_bytes(b"")
    (tmp_path / "gallery" / "x.png").write_bytes(b"")
    assert [file.read_bytes() for file in gallery_files(tmp_path)] == [b"%d" % number for number in range(11)]


@pytest.mark.parametrize(
    ("base", "licence"),
    [
        ("sd15", ("creativeml-openrail-m", None, None)),
        ("stabilityai/stable-diffusion-2-1@main", ("openrail++", None, None)),
        (
            "cool-japan",
            (
                "other",
                "cool-japan-diffusion-2-1-2",
                "https://huggingface.co/aipicasso/cool-japan-diffusion-2-1-2",
            ),
        ),
        ("someone/a-model", (None, None, None)),
    ],
)
def test_only_a_licence_that_is_known_is_named(base: str, licence: tuple[str | None, ...]) -> None:
    card = ModelCard(concept_card(make_concept(BaseModel(base, "sd1", {"clip_l": 8})), 0))
    data = card.data.to_dict()
    assert tuple(data.get(key) for key in ("license", "license_name", "license_link")) == licence
    assert ("which is not known here" in card.text) == (licence[0] is None)


def test_an_sdxl_word_is_tagged_as_one() -> None:
    base = BaseModel("sdxl", "sdxl", {"clip_l": 8, "clip_g": 12})
    assert "stable-diffusion-xl" in ModelCard(concept_card(make_concept(base), 0)).data.tags


def test_the_revision_of_a_base_model_is_no_part_of_its_repository() -> None:
    base = BaseModel("ann/model@v1", "sd1", {"clip_l": 8})
    assert ModelCard(concept_card(make_concept(base), 0)).data.base_model == "ann/model"


HOSTILE = "cat`` <script>alert(1)</script> [x](javascript:1)\n---\nlicense: mit\n# big"


def test_what_someone_wrote_stays_a_span_of_code() -> None:
    base = BaseModel(HOSTILE, "sd1", {"clip_l": 8})
    card = concept_card(
        make_concept(base, initializer=HOSTILE), 0, gallery={"gallery/0.png": Recipe(HOSTILE)}
    )
    parsed = ModelCard(card)
    assert parsed.data.license is None
    assert parsed.data.base_model is None
    assert parsed.data.widget[0]["text"] == HOSTILE
    body = card.split("\n---\n", 1)[1]
    assert "\n# big" not in body and "\nlicense" not in body
    hostile = " ".join(HOSTILE.split())
    assert body.count(hostile) == body.count(f"``` {hostile} ```") == 3
