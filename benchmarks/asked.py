"""Measure how often the judge recognises in a picture what its prompt asked for.

The same is measured on real pictures for the same prompts, as a reference.
"""

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
THINGS_PER_SCENE = 4
THINGS_PER_STYLE = 5

Draw = Callable[[Sequence[str]], list[Image.Image]]
"""Draws one picture for each prompt."""


@dataclass(frozen=True)
class PromptAccuracy:
    """How often the judge chooses the right answer for a picture."""

    what: str  # what the prompts ask for
    among: int  # possible answers
    pictures: int
    drawn: float  # share of the model's pictures whose answer is right
    real: float  # the same for pictures that the world drew


def measure(judge: Judge, draw: Draw) -> Iterator[PromptAccuracy]:
    """Measure nouns, scenes, styles and pairs, with one picture for each prompt."""
    yield nouns(judge, draw)
    yield scenes(judge, draw)
    yield styles(judge, draw)
    yield pairs(judge, draw)


def nouns(judge: Judge, draw: Draw) -> PromptAccuracy:
    """Measure how often each noun is recognised among all nouns."""
    rng = np.random.default_rng(SEED)
    prompts = [portrait_prompt(noun.name) for noun in TRAINING_NOUNS]
    real = [world_picture((NounThing(noun),), EMPTY_SCENES[0], None, rng) for noun in TRAINING_NOUNS]
    expected = list(range(len(prompts)))
    return _accuracy("noun", judge, prompts, expected, draw(prompts), real)


def scenes(judge: Judge, draw: Draw) -> PromptAccuracy:
    """Measure how often each scene, with things of several families, is recognised among all scenes."""
    rng = np.random.default_rng(SEED + 1)
    prompts, expected, real = [], [], []
    for number, scene in enumerate(SCENES):
        for _ in range(THINGS_PER_SCENE):
            thing = sample_family_thing(rng)
            prompts.append(in_scene(portrait_prompt(thing.name), scene.phrase))
            expected.append(number)
            real.append(world_picture((thing,), scene, None, rng))
    sentences = [f"a photo {scene.phrase}" for scene in SCENES]
    return _accuracy("scene", judge, sentences, expected, draw(prompts), real)


def styles(judge: Judge, draw: Draw) -> PromptAccuracy:
    """Measure how often each named style, with things of several families, is recognised among all."""
    rng = np.random.default_rng(SEED + 2)
    things = [sample_family_thing(rng) for _ in range(THINGS_PER_STYLE)]
    right_drawn, right_real = [], []
    for thing in things:
        prompts = [style.template.format(with_article(thing.name)) for style in NAMED_STYLES]
        real = [world_picture((thing,), EMPTY_SCENES[0], style, rng) for style in NAMED_STYLES]
        found = _accuracy("", judge, prompts, list(range(len(prompts))), draw(prompts), real)
        right_drawn.append(found.drawn)
        right_real.append(found.real)
    count = len(NAMED_STYLES) * THINGS_PER_STYLE
    return PromptAccuracy(
        "named style", len(NAMED_STYLES), count, float(np.mean(right_drawn)), float(np.mean(right_real))
    )


def pairs(judge: Judge, draw: Draw) -> PromptAccuracy:
    """Measure how often both things of a pair are recognised, for every pair of families.

    The answer is the two families with which any crop of the picture agrees most.
    """
    rng = np.random.default_rng(SEED + 3)
    chosen = list(combinations(range(len(FAMILIES)), 2))
    families = list(FAMILIES.values())
    names = judge.text_features([portrait_prompt(family.name) for family in families])
    prompts, real = [], []
    for first, second in chosen:
        both = (families[first], families[second])
        prompts.append(f"{portrait_prompt(both[0].name)} and {with_article(both[1].name)}")
        things = tuple(FamilyThing(family, family.sample(rng)) for family in both)
        real.append(world_picture(things, EMPTY_SCENES[0], None, rng))

    def found_both(pictures: Sequence[Image.Image]) -> float:
        right = []
        for picture, expected in zip(pictures, chosen, strict=True):
            agreement = judge.image_features(crops_of(picture)).shared @ names.T
            right.append(set(agreement.amax(0).topk(2).indices.tolist()) == set(expected))
        return float(np.mean(right))

    drawn_share, real_share = found_both(draw(prompts)), found_both(real)
    return PromptAccuracy("both of two things", len(chosen), len(chosen), drawn_share, real_share)


def portrait_prompt(name: str) -> str:
    return PLAIN_TEMPLATES["object"].format(with_article(name))


def world_picture(
    things: tuple[Thing, ...], scene: Scene, style: Style | None, rng: np.random.Generator
) -> Image.Image:
    """Draw the real picture of what a prompt asks for; its things are posed."""
    return Image.fromarray(draw_plan(plan_picture(things, scene, style, rng, posed=1.0)).pixels)


def _accuracy(
    what: str,
    judge: Judge,
    sentences: Sequence[str],
    expected: Sequence[int],
    drawn: Sequence[Image.Image],
    real: Sequence[Image.Image],
) -> PromptAccuracy:
    """Measure how often a picture agrees most with its own sentence, whose index is in ``expected``."""
    texts = judge.text_features(sentences)
    shares = [
        ((judge.image_features(pictures).shared @ texts.T).argmax(1) == torch.tensor(expected))
        .float()
        .mean()
        .item()
        for pictures in (drawn, real)
    ]
    return PromptAccuracy(what, len(sentences), len(expected), *shares)
