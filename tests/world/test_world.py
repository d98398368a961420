"""The world of pictures: determinism, exclusion of held-out things, captions, scenes, styles, concepts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from demo_model.world import (
    DEVELOPMENT,
    DEVELOPMENT_NOUNS,
    DEVELOPMENT_STYLES,
    EMPTY_SCENES,
    FULL_MIX,
    HELD_OUT,
    HELD_OUT_NOUNS,
    HELD_OUT_STYLES,
    NAMED_STYLES,
    PLAIN_BACKGROUNDS,
    SCENES,
    SIMPLE_MIX,
    TRAINING_NOUNS,
    EmojiFontMissingError,
    FamilyThing,
    Mix,
    NounThing,
    ParametricStyle,
    compose,
    concept_pictures,
    plan_picture,
    sample_picture,
    sample_plan,
    training_captions,
)
from demo_model.world.__main__ import contact_sheet
from demo_model.world.captions import with_article
from demo_model.world.nouns import find_font, glyph_pixels
from demo_model.world.settings import (
    NUM_SETTINGS,
    SUBJECT_TOKENS,
    settings_captions,
    settings_of,
    subjects_of,
)

ALL_STYLES = (*NAMED_STYLES, *HELD_OUT_STYLES, *DEVELOPMENT_STYLES)


@pytest.fixture(scope="module")
def plain_plan():
    noun = next(noun for noun in TRAINING_NOUNS if noun.name == "rooster")
    return plan_picture((NounThing(noun),), SCENES[0], None, np.random.default_rng(3))


def test_captions_of_settings_name_what_is_in_the_picture() -> None:
    rng = np.random.default_rng(0)
    plans = [sample_plan(rng) for _ in range(200)]
    named = set()
    for plan in plans:
        tokens = {
            word for caption in settings_captions(plan) for word in caption.split() if word in SUBJECT_TOKENS
        }
        assert tokens <= set(subjects_of(plan))
        named |= tokens
        assert settings_captions(plan) == settings_captions(plan)
    assert named == set(SUBJECT_TOKENS)


def test_settings_tell_one_thing_from_another_and_have_even_sizes() -> None:
    rng = np.random.default_rng(1)
    subjects = [subject for _ in range(400) for subject in subjects_of(sample_plan(rng)).values()]
    numbers = np.stack([settings_of(subject)[1] for subject in subjects])
    assert numbers.shape == (len(subjects), NUM_SETTINGS)
    assert np.abs(numbers).max() < 5
    kinds = {settings_of(subject)[0] for subject in subjects}
    assert len(kinds) == 12  # ten families, nouns, styles
    families = [subject for subject in subjects if isinstance(subject, FamilyThing)]
    assert len({settings_of(thing)[1].tobytes() for thing in families}) == len(families)


def test_same_seed_same_picture_and_other_seed_another() -> None:
    first, again, other = (sample_picture(np.random.default_rng(seed), 64) for seed in (5, 5, 6))
    assert first.captions == again.captions
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("size", [64, 128, 200])
def test_pixels_have_the_asked_size(size: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        pixels = sample_picture(rng, size).pixels
        assert pixels.shape == (size, size, 3)
        assert pixels.dtype == np.uint8


def test_training_never_meets_held_out_or_development_things_and_styles() -> None:
    rng = np.random.default_rng(1)
    kept_out_nouns = {*HELD_OUT_NOUNS, *DEVELOPMENT_NOUNS}
    for plan in (sample_plan(rng) for _ in range(300)):
        for thing in plan.things:
            if isinstance(thing, FamilyThing):
                assert not thing.family.is_held_out(thing.factors)
                assert not thing.family.is_development(thing.factors)
            else:
                assert thing.noun not in kept_out_nouns
        assert plan.style not in HELD_OUT_STYLES + DEVELOPMENT_STYLES
        if isinstance(plan.style, ParametricStyle):
            assert not plan.style.is_held_out
            assert not plan.style.is_development


def test_captions_are_lower_case_and_name_scene_style_and_things() -> None:
    rng = np.random.default_rng(2)
    for plan in (sample_plan(rng) for _ in range(300)):
        assert len(plan.captions) == 3
        assert all(caption and caption == caption.lower() for caption in plan.captions)
        assert all(plan.scene.phrase in caption for caption in plan.captions[:2])
        if plan.style is not None:
            words = [template.replace("{}", "").strip() for template in plan.style.templates]
            assert all(any(word in caption for word in words) for caption in plan.captions)
        if len(plan.things) == 2:
            left, right = (plan.captions[1].find(thing.name) for thing in plan.things)
            assert 0 <= left < right
            assert plan.placements[0].x < plan.placements[1].x


@pytest.mark.parametrize("mix", [FULL_MIX, SIMPLE_MIX])
def test_mix_follows_the_intended_shares(mix: Mix) -> None:
    rng = np.random.default_rng(3)
    plans = [sample_plan(rng, mix) for _ in range(1000)]
    two_things = 1 - mix.family - mix.noun
    assert np.mean([len(plan.things) == 2 for plan in plans]) == pytest.approx(two_things, abs=0.05)
    assert np.mean([plan.scene in SCENES for plan in plans]) == pytest.approx(mix.scene, abs=0.06)
    assert np.mean([plan.style is None for plan in plans]) == pytest.approx(mix.unstyled, abs=0.06)


def test_training_captions_are_deterministic() -> None:
    first, again = (list(training_captions(np.random.default_rng(4), 50)) for _ in range(2))
    assert first == again
    assert len(set(first)) > 40


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [("octopus", "an octopus"), ("unicorn", "a unicorn"), ("umbrella", "an umbrella"), ("food", "some food")],
)
def test_article(phrase: str, expected: str) -> None:
    assert with_article(phrase) == expected


def test_every_scene_differs_from_every_other(plain_plan) -> None:
    scenes = (*SCENES, *PLAIN_BACKGROUNDS, EMPTY_SCENES[0])
    pictures = [compose(replace(plain_plan, scene=scene), 32).astype(float) for scene in scenes]
    for number, picture in enumerate(pictures):
        assert all(np.abs(picture - other).mean() > 8 for other in pictures[:number])


@pytest.mark.parametrize("style", ALL_STYLES, ids=lambda style: style.name)
def test_style_changes_the_picture_strongly_and_deterministically(style, plain_plan) -> None:
    styled = compose(replace(plain_plan, style=style))
    assert np.array_equal(styled, compose(replace(plain_plan, style=style)))
    assert np.abs(styled.astype(float) - compose(plain_plan)).mean() > 10


def test_parametric_styles_differ() -> None:
    rng = np.random.default_rng(5)
    styles = {ParametricStyle.sample(rng) for _ in range(50)}
    assert len(styles) == 50
    assert all(3 <= len(style.palette) <= 5 for style in styles)


def test_nouns_are_disjoint_and_all_in_the_font() -> None:
    nouns = (*TRAINING_NOUNS, *DEVELOPMENT_NOUNS, *HELD_OUT_NOUNS)
    assert (len(TRAINING_NOUNS) >= 300, len(DEVELOPMENT_NOUNS), len(HELD_OUT_NOUNS)) == (True, 8, 12)
    assert len({noun.name for noun in nouns}) == len({noun.glyph for noun in nouns}) == len(nouns)
    pictures = {glyph_pixels(noun.glyph).tobytes() for noun in nouns}
    assert len(pictures) == len(nouns)  # a missing glyph is drawn as the same empty box


def test_concepts_are_disjoint_and_lie_in_their_regions() -> None:
    names = [concept.name for concept in (*HELD_OUT, *DEVELOPMENT)]
    assert len(set(names)) == len(names)
    assert sum(concept.kind == "object" for concept in HELD_OUT) == 20
    assert sum(concept.kind == "style" for concept in HELD_OUT) == 4
    for concepts, region in ((HELD_OUT, "is_held_out"), (DEVELOPMENT, "is_development")):
        for concept in concepts:
            if isinstance(concept.subject, FamilyThing):
                assert getattr(concept.subject.family, region)(concept.subject.factors)


def test_initializers_are_words_of_training_captions() -> None:
    words = set(" ".join(training_captions(np.random.default_rng(6), 1500)).split())
    assert {concept.initializer for concept in (*HELD_OUT, *DEVELOPMENT)} <= words


@pytest.mark.parametrize("concept", [HELD_OUT[0], HELD_OUT[-1]], ids=lambda concept: concept.name)
def test_concept_pictures_are_deterministic_and_vary(concept) -> None:
    first, again = concept_pictures(concept, 3, 64), concept_pictures(concept, 3, 64)
    for number, picture in enumerate(first):
        assert np.array_equal(picture.pixels, again[number].pixels)
        assert all(not np.array_equal(picture.pixels, other.pixels) for other in first[:number])
        shown = picture.plan.things if concept.kind == "object" else (picture.plan.style,)
        assert shown == (concept.subject,)


def test_missing_font_names_the_package(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NOTO_COLOR_EMOJI", str(tmp_path / "missing.ttf"))
    with pytest.raises(EmojiFontMissingError, match="fonts-noto-color-emoji"):
        find_font()


def test_contact_sheet_holds_every_picture() -> None:
    rng = np.random.default_rng(7)
    sheet = contact_sheet([sample_picture(rng) for _ in range(9)])
    assert sheet.size == (8 * 140, 2 * 180)
