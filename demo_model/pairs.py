"""Render the judge's training pairs: pictures that share a thing, a style, or nothing."""

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
from demo_model.world.settings import NUM_SETTINGS, Subject, settings_of
from demo_model.world.styles import sample_named_style
from demo_model.world.things import sample_family_thing, sample_noun_thing
from ti_core.config import KINDS
from ti_core.judging.scores import PART_SIDE

MIX = Mix(unstyled=0.7, named_style=0.18, posed=0.15)
PAIRS_IN_CHUNK = 32
KIND_SHARES = (0.64, 0.24, 0.12)  # of the pairs: those that share a thing, a style, or nothing
FAMILY_SHARE = 0.5  # of the shared things are of the chunk's family, so that they are hard negatives
NOUN_SHARE = 0.7  # of all other things are nouns
CROPPED_SHARE = 0.25  # of the pictures of one thing are crops of pictures of two
NO_SETTINGS = -1  # in place of a subject's kind, if the pair shares nothing or a named style

NO_KIND = len(KINDS)  # the kind of pairs that share nothing; their captions name two things
NAMES = (*FAMILIES, *(noun.name for noun in TRAINING_NOUNS))
NO_NAME = -1  # in place of a thing's name, if the pair does not share a thing


class PairChunk(NamedTuple):
    """n pairs of pictures."""

    pixels: np.ndarray  # uint8 (n, 2, 3, size, size)
    kinds: np.ndarray  # (n,): index into KINDS, or NO_KIND
    subjects: np.ndarray  # (n,): index into SUBJECT_KINDS of what the pair shares, or NO_SETTINGS
    numbers: np.ndarray  # (n, NUM_SETTINGS): settings of what the pair shares
    names: np.ndarray  # (n,): index into NAMES of the thing that the pair shares, or NO_NAME
    captions: list[tuple[tuple[str, ...], tuple[str, ...]]]  # n times two pictures


class View(NamedTuple):
    """A picture's pixels (size, size, 3) and captions, one for each of the judge's ``CAPTION_SHARES``."""

    pixels: np.ndarray
    captions: tuple[str, ...]


class Pair(NamedTuple):
    """Two views and the subject that they share; None if that has no settings."""

    views: tuple[View, View]
    subject: Subject | None


def render_pairs(seed: int, index: int) -> PairChunk:
    """Render ``PAIRS_IN_CHUNK`` pairs; the result depends only on the arguments."""
    rng = np.random.default_rng([seed, index])
    family = list(FAMILIES.values())[rng.integers(len(FAMILIES))].name
    kinds = rng.choice(len(KIND_SHARES), PAIRS_IN_CHUNK, p=KIND_SHARES)
    samplers = (partial(sample_thing_pair, family=family), sample_style_pair, sample_different_pair)
    pairs = [samplers[kind](rng) for kind in kinds]
    pixels = np.stack([[view.pixels for view in pair.views] for pair in pairs]).transpose(0, 1, 4, 2, 3)
    subjects = np.full(PAIRS_IN_CHUNK, NO_SETTINGS)
    numbers = np.zeros((PAIRS_IN_CHUNK, NUM_SETTINGS), np.float32)
    names = np.full(PAIRS_IN_CHUNK, NO_NAME)
    for row, pair in enumerate(pairs):
        if pair.subject is not None:
            subjects[row], numbers[row] = settings_of(pair.subject)
        if isinstance(pair.subject, FamilyThing | NounThing):
            names[row] = NAMES.index(pair.subject.name)
    captions = [(first.captions, second.captions) for first, second in (pair.views for pair in pairs)]
    return PairChunk(np.ascontiguousarray(pixels), kinds, subjects, numbers, names, captions)


def sample_thing_pair(rng: np.random.Generator, family: str) -> Pair:
    """Sample two pictures of one thing in different scenes, places and styles."""
    thing = sample_thing(rng, family)
    return Pair((sample_portrait(rng, thing), sample_portrait(rng, thing)), thing)


def sample_style_pair(rng: np.random.Generator) -> Pair:
    """Sample pictures of two things in one style."""
    style: Style = sample_named_style(rng) if rng.random() < 0.3 else ParametricStyle.sample(rng)
    first, second = (sample_view(rng, (sample_family_thing(rng, MIX.unpatterned),), style) for _ in range(2))
    return Pair((first, second), None if isinstance(style, NamedStyle) else style)


def sample_different_pair(rng: np.random.Generator) -> Pair:
    """Sample two unrelated pictures, each of two things."""
    first, second = (
        sample_view(rng, sample_two_things(rng, sample_any_thing(rng)), sample_style(rng, MIX))
        for _ in range(2)
    )
    return Pair((first, second), None)


def sample_thing(rng: np.random.Generator, family: str) -> Thing:
    """Sample a training thing, mostly of the given family."""
    if rng.random() >= FAMILY_SHARE:
        return sample_any_thing(rng)
    while True:
        thing = sample_family_thing(rng, MIX.unpatterned)
        if thing.name == family:
            return thing


def sample_any_thing(rng: np.random.Generator) -> Thing:
    return sample_noun_thing(rng) if rng.random() < NOUN_SHARE else sample_family_thing(rng, MIX.unpatterned)


def sample_two_things(rng: np.random.Generator, thing: Thing) -> tuple[Thing, Thing]:
    """Return the thing and one of another name, in random order."""
    other = sample_any_thing(rng)
    while other.name == thing.name:
        other = sample_any_thing(rng)
    return (thing, other) if rng.random() < 0.5 else (other, thing)


def sample_portrait(rng: np.random.Generator, thing: Thing) -> View:
    """Sample a picture of the thing alone, or a crop around it from a picture of two things."""
    style = sample_style(rng, MIX)
    if rng.random() >= CROPPED_SHARE:
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
    """Return a detailed caption, a short one, and one of the scene alone."""
    detailed, short, _ = plan.captions
    return detailed, short, f"a photo {plan.scene.phrase}" if plan.scene.phrase else short
