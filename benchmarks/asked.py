"""Whether the judge sees in pictures what a prompt asked for, beside real pictures of the same prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from PIL import Image

from demo_model.world import (
    EMPTY_SCENES,
    FAMILIES,
    NAMED_STYLES,
    SCENES,
    TRAINING_NOUNS,
    FamilyThing,
    NounThing,
    Scene,
    Style,
    Thing,
    draw_plan,
    plan_picture,
)
from demo_model.world.captions import in_scene, with_article
from demo_model.world.things import sample_family_thing
from ti_core.judging.judge import Judge
from ti_core.judging.scores import crops_of
from ti_core.prompts.templates import PLAIN_TEMPLATES

SEED = 9_000_031
THINGS_IN_SCENE = 4
THINGS_IN_STYLE = 5

Draw = Callable[[Sequence[str]], list[Image.Image]]


@dataclass(frozen=True)
class Asked:
    """The share of prompts whose picture the judge takes for what was asked, of the pictures that a model
    drew and of ``real`` ones, which the world drew."""

    what: str
    among: int
    pictures: int
    drawn: float
    real: float


def measure(judge: Judge, draw: Draw) -> Iterator[Asked]:
    """Nouns, scenes, styles and pairs; one picture of each prompt."""
    yield nouns(judge, draw)
    yield scenes(judge, draw)
    yield styles(judge, draw)
    yield pairs(judge, draw)


def nouns(judge: Judge, draw: Draw) -> Asked:
    """Each of the nouns, among all of them."""
    rng = np.random.default_rng(SEED)
    prompts = [portrait_prompt(noun.name) for noun in TRAINING_NOUNS]
    real = [world_picture((NounThing(noun),), EMPTY_SCENES[0], None, rng) for noun in TRAINING_NOUNS]
    asked = list(range(len(prompts)))
    return _compared("noun", judge, prompts, asked, draw(prompts), real)


def scenes(judge: Judge, draw: Draw) -> Asked:
    """Each scene with some things of families, among all scenes."""
    rng = np.random.default_rng(SEED + 1)
    prompts, asked, real = [], [], []
    for number, scene in enumerate(SCENES):
        for _ in range(THINGS_IN_SCENE):
            thing = sample_family_thing(rng)
            prompts.append(in_scene(portrait_prompt(thing.name), scene.phrase))
            asked.append(number)
            real.append(world_picture((thing,), scene, None, rng))
    sentences = [f"a photo {scene.phrase}" for scene in SCENES]
    return _compared("scene", judge, sentences, asked, draw(prompts), real)


def styles(judge: Judge, draw: Draw) -> Asked:
    """Each named style with some things of families, among all named styles."""
    rng = np.random.default_rng(SEED + 2)
    things = [sample_family_thing(rng) for _ in range(THINGS_IN_STYLE)]
    right_drawn, right_real = [], []
    for thing in things:
        prompts = [style.template.format(with_article(thing.name)) for style in NAMED_STYLES]
        real = [world_picture((thing,), EMPTY_SCENES[0], style, rng) for style in NAMED_STYLES]
        found = _compared("", judge, prompts, list(range(len(prompts))), draw(prompts), real)
        right_drawn.append(found.drawn)
        right_real.append(found.real)
    count = len(NAMED_STYLES) * THINGS_IN_STYLE
    return Asked(
        "named style", len(NAMED_STYLES), count, float(np.mean(right_drawn)), float(np.mean(right_real))
    )


def pairs(judge: Judge, draw: Draw) -> Asked:
    """Any two families: the two that parts of the picture agree most with, of all families."""
    rng = np.random.default_rng(SEED + 3)
    chosen = list(combinations(range(len(FAMILIES)), 2))
    families = list(FAMILIES.values())
    read = judge.text_features([portrait_prompt(family.name) for family in families])
    prompts, real = [], []
    for first, second in chosen:
        both = (families[first], families[second])
        prompts.append(f"{portrait_prompt(both[0].name)} and {with_article(both[1].name)}")
        things = tuple(FamilyThing(family, family.sample(rng)) for family in both)
        real.append(world_picture(things, EMPTY_SCENES[0], None, rng))

    def found_both(pictures: Sequence[Image.Image]) -> float:
        right = []
        for picture, asked in zip(pictures, chosen, strict=True):
            agreement = judge.image_features(crops_of(picture)).shared @ read.T
            right.append(set(agreement.amax(0).topk(2).indices.tolist()) == set(asked))
        return float(np.mean(right))

    return Asked("both of two things", len(chosen), len(chosen), found_both(draw(prompts)), found_both(real))


def portrait_prompt(name: str) -> str:
    return PLAIN_TEMPLATES["object"].format(with_article(name))


def world_picture(
    things: tuple[Thing, ...], scene: Scene, style: Style | None, rng: np.random.Generator
) -> Image.Image:
    """What the world draws where the model is asked for these."""
    return Image.fromarray(draw_plan(plan_picture(things, scene, style, rng, posed=1.0)).pixels)


def _compared(
    what: str,
    judge: Judge,
    sentences: Sequence[str],
    asked: Sequence[int],
    drawn: Sequence[Image.Image],
    real: Sequence[Image.Image],
) -> Asked:
    """How often, of all ``sentences``, a picture agrees most with that of its number in ``asked``."""
    read = judge.text_features(sentences)
    shares = [
        ((judge.image_features(pictures).shared @ read.T).argmax(1) == torch.tensor(asked))
        .float()
        .mean()
        .item()
        for pictures in (drawn, real)
    ]
    return Asked(what, len(sentences), len(asked), *shares)
