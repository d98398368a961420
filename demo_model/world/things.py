"""Things, the objects in a picture: members of a family, or nouns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import skia

from demo_model.world.families import FAMILIES
from demo_model.world.families.family import Factors, Family
from demo_model.world.nouns import TINTS, TRAINING_NOUNS, Noun, draw_noun

TINTED_SHARE = 0.25  # of the nouns that can be tinted


@dataclass(frozen=True)
class FamilyThing:
    """A member of a family, defined by its factors."""

    family: Family
    factors: Factors

    @property
    def name(self) -> str:
        return self.family.name

    @property
    def class_word(self) -> str:
        return self.family.name

    @property
    def in_training(self) -> bool:
        """Whether the factors lie outside the family's held-out and development regions."""
        return not (self.family.is_held_out(self.factors) or self.family.is_development(self.factors))

    def describe(self, rng: np.random.Generator) -> str:
        return self.family.describe(self.factors, rng)

    def draw(self, canvas: skia.Canvas) -> None:
        self.family.draw(canvas, self.factors)


@dataclass(frozen=True)
class NounThing:
    """A noun, in its own colours or in a tint (a key of ``TINTS``)."""

    noun: Noun
    tint: str | None = None

    @property
    def name(self) -> str:
        return self.noun.name

    @property
    def class_word(self) -> str:
        return self.noun.kind

    @property
    def in_training(self) -> bool:
        return self.noun in TRAINING_NOUNS

    def describe(self, rng: np.random.Generator) -> str:
        return f"{self.tint} {self.name}" if self.tint else self.name

    def draw(self, canvas: skia.Canvas) -> None:
        draw_noun(canvas, self.noun, self.tint)


Thing = FamilyThing | NounThing


def sample_family_thing(rng: np.random.Generator, unpatterned: float = 0.0) -> FamilyThing:
    """Sample a member of a random family, never from its held-out or development region.

    ``unpatterned`` is the share of things whose sampled pattern is replaced by plain colour.
    """
    family = list(FAMILIES.values())[rng.integers(len(FAMILIES))]
    while True:
        factors = family.sample(rng)
        if unpatterned and rng.random() < unpatterned:
            factors["pattern"] = "plain"
        thing = FamilyThing(family, factors)
        if thing.in_training:
            return thing


def sample_noun_thing(rng: np.random.Generator) -> NounThing:
    """Sample a training noun, sometimes tinted; a noun whose name contains a colour never is."""
    noun = TRAINING_NOUNS[rng.integers(len(TRAINING_NOUNS))]
    tintable = not any(word in TINTS for word in noun.name.split())
    tint = list(TINTS)[rng.integers(len(TINTS))] if tintable and rng.random() < TINTED_SHARE else None
    return NounThing(noun, tint)
