"""The families of drawn things: sampling, drawing, description, and held-out regions."""

from __future__ import annotations

import numpy as np
import pytest
import skia

from demo_model.world.families import FAMILIES, Factors, Family

SIZE = 64


def render(family: Family, factors: Factors) -> np.ndarray:
    """Draw a member of a family: RGBA pixels, (SIZE, SIZE, 4) uint8."""
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    canvas = skia.Surface(pixels).getCanvas()
    canvas.scale(SIZE, SIZE)
    family.draw(canvas, factors)
    return pixels


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


def test_ten_families_under_their_own_names() -> None:
    assert set(FAMILIES) == {
        "monster", "mug", "teapot", "lamp", "clock", "robot", "fish", "house", "bag", "cat",
    }  # fmt: skip
    assert all(family.name == name for name, family in FAMILIES.items())


def test_sampling_follows_the_seed_and_has_many_factors(family: Family) -> None:
    first = family.sample(np.random.default_rng(3))
    assert first == family.sample(np.random.default_rng(3))
    assert first != family.sample(np.random.default_rng(4))
    assert len(first) >= 15
    assert all(type(value) in (float, int, str) for value in first.values())


def test_drawing_fills_the_unit_square_and_stays_inside(family: Family) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        factors = family.sample(rng)
        alpha = render(family, factors)[..., 3]
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        rows, columns = (np.flatnonzero((alpha > 128).any(axis=axis)) / SIZE for axis in (1, 0))
        assert 0.15 < (alpha > 128).mean() < 0.8, factors
        assert (border > 0).mean() < 0.02, factors
        assert 0.9 < rows[-1] < 0.97, factors
        assert max(np.ptp(rows), np.ptp(columns)) > 0.58, factors
        assert abs((columns[0] + columns[-1]) / 2 - 0.5) < 0.1, factors


def test_drawing_restores_the_canvas(family: Family) -> None:
    canvas = skia.Surface(SIZE, SIZE).getCanvas()
    depth = canvas.getSaveCount()
    family.draw(canvas, family.sample(np.random.default_rng(1)))
    assert canvas.getSaveCount() == depth
    assert canvas.getTotalMatrix().isIdentity()


def test_other_factors_give_another_picture(family: Family) -> None:
    rng = np.random.default_rng(5)
    pictures = [render(family, family.sample(rng)).astype(float) for _ in range(6)]
    for i, picture in enumerate(pictures):
        for other in pictures[:i]:
            assert np.abs(picture - other).mean() > 5.0


def test_each_factor_of_colour_and_pattern_is_seen(family: Family) -> None:
    factors = {
        **family.sample(np.random.default_rng(6)),
        "pattern": "stripes",
        "main_sat": 0.8,
        "main_val": 0.9,
    }
    picture = render(family, factors)
    for change in ({"main_hue": (float(factors["main_hue"]) + 0.5) % 1.0}, {"pattern": "plain"}):
        assert (render(family, {**factors, **change}) != picture).any(axis=-1).mean() > 0.02


def test_regions_are_small_and_disjoint(family: Family) -> None:
    rng = np.random.default_rng(7)
    samples = [family.sample(rng) for _ in range(600)]
    held_out = np.array([family.is_held_out(factors) for factors in samples])
    development = np.array([family.is_development(factors) for factors in samples])
    assert 0.02 < held_out.mean() < 0.12
    assert 0.02 < development.mean() < 0.12
    assert not (held_out & development).any()


def test_every_discrete_value_still_occurs_in_training(family: Family) -> None:
    rng = np.random.default_rng(8)
    samples = [family.sample(rng) for _ in range(600)]
    training = [f for f in samples if not family.is_held_out(f) and not family.is_development(f)]
    for key, value in samples[0].items():
        if not isinstance(value, float):
            assert {f[key] for f in training} == {f[key] for f in samples}


def test_phrases_name_the_family_and_vary(family: Family) -> None:
    rng = np.random.default_rng(9)
    phrases = [family.describe(family.sample(rng), rng) for _ in range(300)]
    assert all(phrase == phrase.lower() and family.name in phrase.split() for phrase in phrases)
    assert len(set(phrases)) >= 5
    assert 0.25 < phrases.count(family.name) / 300 < 0.45


def test_description_follows_the_seed(family: Family) -> None:
    factors = family.sample(np.random.default_rng(10))
    first, second = (family.describe(factors, np.random.default_rng(11)) for _ in range(2))
    assert first == second
