"""Fixed concepts that are never in the training data: DEVELOPMENT for tuning, HELD_OUT only for measuring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from demo_model.world.families import FAMILIES
from demo_model.world.families.family import Factors, Family
from demo_model.world.nouns import DEVELOPMENT_NOUNS, HELD_OUT_NOUNS, Noun
from demo_model.world.picture import Picture, draw_plan, plan_picture
from demo_model.world.scenes import PLAIN_BACKGROUNDS, SCENES
from demo_model.world.styles import DEVELOPMENT_STYLES, HELD_OUT_STYLES, Style
from demo_model.world.things import FamilyThing, NounThing, Thing, sample_family_thing

MAX_DRAWS = 100_000


@dataclass(frozen=True)
class Concept:
    """One thing or style to learn from a few pictures; ``initializer`` is a word of the training captions."""

    name: str
    kind: Literal["object", "style"]
    initializer: str
    subject: Thing | Style
    seed: int


def _family_concept(family: Family, seed: int, is_wanted: Callable[[Factors], bool]) -> Concept:
    """Return the first member of a family, sampled from ``seed``, whose factors are wanted.

    Raises :class:`ValueError` if there is none in ``MAX_DRAWS`` samples.
    """
    rng = np.random.default_rng(seed)
    for _ in range(MAX_DRAWS):
        factors = family.sample(rng)
        if is_wanted(factors):
            thing = FamilyThing(family, factors)
            return Concept(f"{_slug(family.name)}-{seed}", "object", thing.class_word, thing, seed)
    raise ValueError(f"No setting of the family {family.name} lies in its region: widen the region.")


def _noun_concept(noun: Noun, seed: int) -> Concept:
    return Concept(_slug(noun.name), "object", noun.kind, NounThing(noun), seed)


def _style_concept(style: Style, seed: int) -> Concept:
    return Concept(_slug(style.name), "style", style.initializer, style, seed)


def _slug(name: str) -> str:
    return name.replace(" ", "-")


def _noun_named(name: str, nouns: tuple[Noun, ...]) -> Noun:
    return next(noun for noun in nouns if noun.name == name)


def _held_out(name: str, seed: int) -> Concept:
    return _family_concept(FAMILIES[name], seed, FAMILIES[name].is_held_out)


def _development(name: str, seed: int) -> Concept:
    return _family_concept(FAMILIES[name], seed, FAMILIES[name].is_development)


HELD_OUT = (
    _held_out("monster", seed=7),
    _held_out("teapot", seed=11),
    _held_out("cat", seed=13),
    _held_out("robot", seed=17),
    _held_out("mug", seed=19),
    _held_out("house", seed=23),
    _held_out("lamp", seed=71),
    _held_out("clock", seed=73),
    _held_out("fish", seed=79),
    _held_out("bag", seed=83),
    _held_out("monster", seed=89),
    _held_out("teapot", seed=97),
    _held_out("cat", seed=103),
    _held_out("robot", seed=107),
    _held_out("mug", seed=109),
    _held_out("fish", seed=113),
    _noun_concept(_noun_named("giraffe", HELD_OUT_NOUNS), seed=29),
    _noun_concept(_noun_named("guitar", HELD_OUT_NOUNS), seed=31),
    _noun_concept(_noun_named("strawberry", HELD_OUT_NOUNS), seed=127),
    _noun_concept(_noun_named("sailboat", HELD_OUT_NOUNS), seed=131),
    *(_style_concept(style, seed=100 + number) for number, style in enumerate(HELD_OUT_STYLES)),
)

DEVELOPMENT = (
    _development("monster", seed=37),
    _development("teapot", seed=41),
    _development("cat", seed=43),
    _development("fish", seed=47),
    _development("lamp", seed=53),
    _development("bag", seed=59),
    _development("mug", seed=211),
    _development("robot", seed=223),
    _development("house", seed=227),
    _development("clock", seed=229),
    _development("monster", seed=233),
    _development("teapot", seed=239),
    _noun_concept(_noun_named("hedgehog", DEVELOPMENT_NOUNS), seed=61),
    _noun_concept(_noun_named("tractor", DEVELOPMENT_NOUNS), seed=67),
    *(_style_concept(style, seed=200 + number) for number, style in enumerate(DEVELOPMENT_STYLES)),
)


def concept_pictures(concept: Concept, count: int = 4, size: int = 128) -> list[Picture]:
    """Draw ``count`` pictures of a concept, always the same ones.

    An object is drawn without a style, in different scenes and on plain backgrounds. A style is shown on a
    different training thing in each picture.
    """
    rng = np.random.default_rng(concept.seed)
    places = [*SCENES, *PLAIN_BACKGROUNDS]
    order = rng.permutation(len(places))
    pictures = []
    for number in range(count):
        scene = places[order[number % len(places)]]
        if isinstance(concept.subject, FamilyThing | NounThing):
            plan = plan_picture((concept.subject,), scene, None, rng)
        else:
            plan = plan_picture((sample_family_thing(rng),), scene, concept.subject, rng)
        pictures.append(draw_plan(plan, size))
    return pictures
