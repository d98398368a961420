"""What the judge is shown: pairs of pictures of one thing, in one style, or of nothing in common."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from demo_model.architecture import PICTURE_SIZE
from demo_model.world import (
    FAMILIES,
    TRAINING_NOUNS,
    FamilyThing,
    Mix,
    NamedStyle,
    NounThing,
    ParametricStyle,
    Plan,
    Style,
    Thing,
    draw_plan,
)
from demo_model.world.picture import plan_picture, sample_scene, sample_style
from demo_model.world.settings import SETTINGS, Subject, settings_of
from demo_model.world.styles import sample_named_style
from demo_model.world.things import sample_family_thing, sample_noun_thing
from ti_core.config import KINDS
from ti_core.judging.scores import PART_SIDE

MIX = Mix(unstyled=0.7, named_style=0.18, posed=0.15)
PAIRS_IN_CHUNK = 32
KIND_SHARES = (0.64, 0.24, 0.12)  # of the pairs: of one thing, in one style, and two things in each picture
FAMILY_SHARE = 0.5  # of the single things are of one family, the others of any, or nouns
NOUN_SHARE = 0.7  # of the others
CUT_SHARE = 0.25  # of the pictures of one thing are parts of pictures of two
NO_SETTINGS = -1  # instead of a kind of subject: a named style has no numbers

NO_KIND = len(KINDS)  # of pairs that share nothing; their captions name two things
NAMES = (*FAMILIES, *(noun.name for noun in TRAINING_NOUNS))
NO_NAME = -1  # of pairs that do not show one thing


class PairChunk(NamedTuple):
    """Pairs of pictures uint8 (n, 2, 3, size, size), the kind of each (n,), an index of ``KINDS`` or
    ``NO_KIND``, what the two share as its kind in ``SUBJECT_KINDS`` (n,) and numbers (n, SETTINGS), the thing
    that both show (n,), an index of ``NAMES``, and each picture's captions."""

    pixels: np.ndarray
    kinds: np.ndarray
    subjects: np.ndarray
    numbers: np.ndarray
    names: np.ndarray
    captions: list[tuple[tuple[str, ...], tuple[str, ...]]]


class View(NamedTuple):
    """A picture's pixels (size, size, 3), and its captions, as many as ``CAPTION_SHARES``."""

    pixels: np.ndarray
    captions: tuple[str, ...]


class Pair(NamedTuple):
    """Two views, and what they share, where that is made of numbers."""

    views: tuple[View, View]
    subject: Subject | None


def render_pairs(seed: int, index: int) -> PairChunk:
    """``PAIRS_IN_CHUNK`` pairs."""
    rng = np.random.default_rng([seed, index])
    family = list(FAMILIES.values())[rng.integers(len(FAMILIES))].name
    kinds = rng.choice(len(KIND_SHARES), PAIRS_IN_CHUNK, p=KIND_SHARES)
    samplers = (partial(sample_thing_pair, family=family), sample_style_pair, sample_different_pair)
    pairs = [samplers[kind](rng) for kind in kinds]
    pixels = np.stack([[view.pixels for view in pair.views] for pair in pairs]).transpose(0, 1, 4, 2, 3)
    subjects = np.full(PAIRS_IN_CHUNK, NO_SETTINGS)
    numbers = np.zeros((PAIRS_IN_CHUNK, SETTINGS), np.float32)
    names = np.full(PAIRS_IN_CHUNK, NO_NAME)
    for row, pair in enumerate(pairs):
        if pair.subject is not None:
            subjects[row], numbers[row] = settings_of(pair.subject)
        if isinstance(pair.subject, FamilyThing | NounThing):
            names[row] = NAMES.index(pair.subject.name)
    captions = [(first.captions, second.captions) for first, second in (pair.views for pair in pairs)]
    return PairChunk(np.ascontiguousarray(pixels), kinds, subjects, numbers, names, captions)


def sample_thing_pair(rng: np.random.Generator, family: str) -> Pair:
    """Two pictures of one thing, each in a scene, at a place and in a style of its own."""
    thing = sample_thing(rng, family)
    return Pair((sample_portrait(rng, thing), sample_portrait(rng, thing)), thing)


def sample_style_pair(rng: np.random.Generator) -> Pair:
    """Pictures of two things in one style."""
    style: Style = sample_named_style(rng) if rng.random() < 0.3 else ParametricStyle.sample(rng)
    first, second = (sample_view(rng, (sample_family_thing(rng, MIX.unpatterned),), style) for _ in range(2))
    return Pair((first, second), None if isinstance(style, NamedStyle) else style)


def sample_different_pair(rng: np.random.Generator) -> Pair:
    """Two pictures of two things each, which have nothing in common."""
    first, second = (
        sample_view(rng, sample_two_things(rng, sample_any_thing(rng)), sample_style(rng, MIX))
        for _ in range(2)
    )
    return Pair((first, second), None)


def sample_thing(rng: np.random.Generator, family: str) -> Thing:
    """A training setting, most often of the given family."""
    if rng.random() >= FAMILY_SHARE:
        return sample_any_thing(rng)
    while True:
        thing = sample_family_thing(rng, MIX.unpatterned)
        if thing.name == family:
            return thing


def sample_any_thing(rng: np.random.Generator) -> Thing:
    return sample_noun_thing(rng) if rng.random() < NOUN_SHARE else sample_family_thing(rng, MIX.unpatterned)


def sample_two_things(rng: np.random.Generator, thing: Thing) -> tuple[Thing, Thing]:
    """The thing and one of another name, in any order."""
    other = sample_any_thing(rng)
    while other.name == thing.name:
        other = sample_any_thing(rng)
    return (thing, other) if rng.random() < 0.5 else (other, thing)


def sample_portrait(rng: np.random.Generator, thing: Thing) -> View:
    """The thing alone in its picture, or most of it cut from a picture of two."""
    style = sample_style(rng, MIX)
    if rng.random() >= CUT_SHARE:
        return sample_view(rng, (thing,), style)
    scene = sample_scene(rng, MIX)
    alone = plan_picture((thing,), scene, style, rng)
    both = plan_picture(sample_two_things(rng, thing), scene, style, rng)
    place = both.placements[both.things.index(thing)]
    pixels = draw_plan(both, round(PICTURE_SIZE / PART_SIDE)).pixels
    middle = np.array((place.foot - 0.45 * place.scale, place.x))
    corner = np.clip(rng.normal(middle - PART_SIDE / 2, 0.08), 0, 1 - PART_SIDE)
    top, left = np.round(corner * PICTURE_SIZE / PART_SIDE).astype(int)
    part = pixels[top : top + PICTURE_SIZE, left : left + PICTURE_SIZE]
    return View(part, captions_of(alone))


def sample_view(rng: np.random.Generator, things: tuple[Thing, ...], style: Style | None) -> View:
    plan = plan_picture(things, sample_scene(rng, MIX), style, rng, MIX.posed)
    return View(draw_plan(plan, PICTURE_SIZE).pixels, captions_of(plan))


def captions_of(plan: Plan) -> tuple[str, ...]:
    """Detailed, short, and of the scene alone."""
    detailed, short, _ = plan.captions
    return detailed, short, f"a photo {plan.scene.phrase}" if plan.scene.phrase else short
