"""Nearest words, norms, distances and arithmetic of concepts, on tiny models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ti_core.drawing.recipe import ConceptUse
from ti_core.errors import ConceptError, ConfigError, IncompatibleConceptError, TokenNameError
from ti_core.model.backbone import Backbone
from ti_core.words.arithmetic import blend, interpolate_from_initial, recorded_use
from ti_core.words.concept import Concept
from ti_core.words.inspection import distance_travelled, inspect_concept, nearest_words, norms


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return Backbone.load(str(request.getfixturevalue(f"tiny_{request.param}")), "cpu", torch.float32)


def concept_of(backbone: Backbone, phrase: str, token: str = "<word>", initializer: str = "cat") -> Concept:
    return Concept(token, backbone.vocabulary.phrase_vectors(phrase), "object", backbone.base, initializer)


def test_a_words_own_vector_is_nearest_to_it_whatever_its_length(backbone: Backbone) -> None:
    vectors = {name: rows * 3 for name, rows in backbone.vocabulary.phrase_vectors("dog red").items()}
    nearest = nearest_words(backbone, vectors, count=3)
    assert set(nearest) == set(backbone.base.widths)
    for dog, red in nearest.values():
        assert [len(dog), dog[0][0], red[0][0]] == [3, "dog", "red"]
        assert dog[0][1] == pytest.approx(1, abs=1e-5)
        assert dog[0][1] >= dog[1][1] >= dog[2][1]
    assert nearest_words(backbone, {"clip_l": vectors["clip_l"]}, count=3) == {"clip_l": nearest["clip_l"]}
    with pytest.raises(ConfigError):
        nearest_words(backbone, vectors, count=0)


def test_only_whole_words_are_named_and_no_more_than_there_are(backbone: Backbone) -> None:
    [row] = nearest_words(backbone, backbone.vocabulary.phrase_vectors("dog"), count=10_000)["clip_l"]
    assert {word for word, _ in row} == set(backbone.vocabulary.whole_words)


def test_norms_are_told_beside_the_vocabularys(backbone: Backbone) -> None:
    vectors = {encoder: 2 * rows for encoder, rows in backbone.vocabulary.phrase_vectors("dog").items()}
    for encoder, report in norms(backbone, vectors).items():
        table = backbone.vocabulary.tables()[encoder]
        assert report.vectors == pytest.approx(
            (2 * backbone.vocabulary.phrase_vectors("dog")[encoder].norm().item(),)
        )
        assert report.vocabulary_mean == pytest.approx(table.norm(dim=-1).mean().item())
        assert report.vocabulary_p5 < report.vocabulary_mean < report.vocabulary_p95


def test_distance_travelled_is_none_for_the_initial_word_and_grows_with_strength(backbone: Backbone) -> None:
    stayed = distance_travelled(backbone, concept_of(backbone, "cat"))
    went = concept_of(backbone, "dog")
    far = distance_travelled(backbone, went)
    half = distance_travelled(backbone, interpolate_from_initial(backbone, went, 0.5))
    for encoder in backbone.base.widths:
        assert stayed[encoder].l2 == (0,)
        assert stayed[encoder].cosine == pytest.approx((1,))
        assert half[encoder].l2[0] == pytest.approx(far[encoder].l2[0] / 2, rel=1e-4)
        assert far[encoder].cosine < half[encoder].cosine
    with pytest.raises(ConceptError, match="started from"):
        distance_travelled(backbone, concept_of(backbone, "dog", initializer=""))


def test_a_word_of_fixed_norm_started_from_its_initial_word_at_that_norm(backbone: Backbone) -> None:
    start = backbone.vocabulary.with_mean_norms(backbone.vocabulary.phrase_vectors("cat"))
    training = {"norm_control": "fixed"}
    concept = Concept("<word>", start, "object", backbone.base, "cat", training)
    for encoder, travel in distance_travelled(backbone, concept).items():
        assert travel.l2 == (0,)
        assert start[encoder].norm().item() == pytest.approx(backbone.vocabulary.mean_norms[encoder])
    went = Concept(
        "<word>", backbone.vocabulary.phrase_vectors("dog"), "object", backbone.base, "cat", training
    )
    for encoder, rows in interpolate_from_initial(backbone, went, 0).vectors.items():
        assert torch.equal(rows, start[encoder])


def test_the_report_is_json(backbone: Backbone) -> None:
    report = inspect_concept(backbone, concept_of(backbone, "dog"))
    values = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert values["nearest"]["clip_l"][0][0][0] == "dog"
    assert values["travel"]["clip_l"]["l2"][0] > 0
    assert values["norms"]["clip_l"]["vocabulary_mean"] > 0
    assert inspect_concept(backbone, concept_of(backbone, "dog", initializer="")).travel is None


def test_interpolation_ends_at_the_initial_word_and_at_the_concept(backbone: Backbone) -> None:
    concept = concept_of(backbone, "dog")
    start = interpolate_from_initial(backbone, concept, 0)
    same = interpolate_from_initial(backbone, concept, 1)
    assert start.token == same.token == concept.token
    for encoder, rows in concept.vectors.items():
        assert torch.equal(start.vectors[encoder], backbone.vocabulary.phrase_vectors("cat")[encoder])
        assert torch.equal(same.vectors[encoder], rows)
    for strength in (-1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="strength"):
            interpolate_from_initial(backbone, concept, strength)


@pytest.mark.parametrize("source", [{"sha256": "0" * 64, "strength": "abc"}, {"strength": 0.5}, "half"])
def test_a_word_that_says_nonsense_of_its_making_is_named_as_itself(backbone: Backbone, source) -> None:
    concept = concept_of(backbone, "dog")
    if isinstance(source, dict):
        source = {"token": concept.token, **source}
    foreign = replace(concept, training={"changed_from": source})
    assert recorded_use(foreign) == ConceptUse(concept.token, foreign.sha256)


def test_blend_lies_between_and_says_of_what(backbone: Backbone) -> None:
    a, b = concept_of(backbone, "dog", "<a>"), concept_of(backbone, "red", "<b>")
    mixed = blend(a, b, 0.25, "Half Way")
    assert mixed.token == "<half-way>"
    for encoder, rows in mixed.vectors.items():
        assert torch.allclose(rows, 0.75 * a.vectors[encoder] + 0.25 * b.vectors[encoder])
    assert [part["share"] for part in mixed.training["blended_from"]] == [0.75, 0.25]
    assert blend(a, b, 0, "c").sha256 == a.sha256
    with pytest.raises(ConceptError, match="1 vectors.*2"):
        blend(a, concept_of(backbone, "dog red", "<b>"), 0.5, "c")
    with pytest.raises(ConfigError):
        blend(a, b, 1.5, "c")
    with pytest.raises(TokenNameError):
        blend(a, b, 0.5, "")


def test_concepts_of_other_models_are_refused(tiny_sd1: Path, tiny_sd2: Path) -> None:
    first, second = (Backbone.load(str(folder), "cpu", torch.float32) for folder in (tiny_sd1, tiny_sd2))
    concept = concept_of(first, "dog", "<a>")
    with pytest.raises(IncompatibleConceptError, match=f"{first.base.id}.*{second.base.id}"):
        blend(concept, concept_of(second, "dog", "<b>"), 0.5, "c")
    with pytest.raises(IncompatibleConceptError):
        inspect_concept(second, concept)
    with pytest.raises(IncompatibleConceptError):
        interpolate_from_initial(second, concept, 0.5)
