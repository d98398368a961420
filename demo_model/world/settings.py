"""Things and styles as numbers: all that is drawn of them, also what no word says; and captions of these.

A model that has only read captions knows few ways to tell two teapots apart, so that its space of words has
no room for one certain teapot. In a caption of settings a subject is therefore named by a token like ``<0>``,
which training replaces with a vector that is computed from the subject's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import skia

from demo_model.world.captions import in_scene, with_article
from demo_model.world.families import FAMILIES, paint
from demo_model.world.families.family import Factors, Family
from demo_model.world.nouns import draw_noun
from demo_model.world.picture import CONJUNCTIONS, Plan
from demo_model.world.styles import MAPPINGS, TEXTURES, ParametricStyle
from demo_model.world.things import FamilyThing, NounThing, Thing
from ti_core.prompts.templates import OBJECT_TEMPLATES, STYLE_TEMPLATES

SETTINGS = 64
"""The most numbers that say what a subject looks like; shorter ones are filled with zeros."""
SUBJECT_KINDS = (*FAMILIES, "noun", "style")
NOUN_GRID = 4  # a noun is its picture in so many squares a side: 4 * 4 * RGBA = 64 numbers
MEASURED_SETTINGS = 400
SUBJECTS = 3
"""The most that one picture has: two things, and the last, a style."""
TOKENS = tuple(f"<{number}>" for number in range(SUBJECTS))
CAPTIONS = 2  # of settings, of each picture
TOKEN_SHARE = 0.8  # of the things; the others have their names
SCENE_SHARE = 0.7

Subject = Thing | ParametricStyle


def settings_of(subject: Subject) -> tuple[int, np.ndarray]:
    """The index of its kind in ``SUBJECT_KINDS``, and its numbers (SETTINGS,), about -1 to 1 each.

    Numbers of different kinds mean different things.
    """
    values: Sequence[float] | np.ndarray
    if isinstance(subject, FamilyThing):
        kind, values = subject.name, _scales(subject.name).numbers(subject.factors)
    elif isinstance(subject, NounThing):
        kind, values = "noun", _thumbnail(subject)
    else:
        kind, values = "style", _style_numbers(subject)
    filled = np.zeros(SETTINGS, np.float32)
    filled[: len(values)] = values
    return SUBJECT_KINDS.index(kind), filled


@dataclass(frozen=True)
class _Scales:
    """How the factors of one family become numbers; colours as RGB, since a hue is a circle."""

    ranges: Mapping[str, tuple[float, float]]  # mean and standard deviation
    choices: Mapping[str, tuple[str, ...]]

    @classmethod
    def measured(cls, family: Family) -> _Scales:
        """From settings drawn at random."""
        rng = np.random.default_rng(0)
        drawn = [family.sample(rng) for _ in range(MEASURED_SETTINGS)]
        ranges, choices = {}, {}
        for factor, example in drawn[0].items():
            if factor.startswith(("main_", "second_")):
                continue
            if isinstance(example, str):
                choices[factor] = tuple(sorted({str(factors[factor]) for factors in drawn}))
            else:
                sizes = [float(factors[factor]) for factors in drawn]
                ranges[factor] = (float(np.mean(sizes)), float(np.std(sizes)))
        return cls(ranges, choices)

    def numbers(self, factors: Factors) -> list[float]:
        colours = [2 * part - 1 for role in ("main", "second") for part in paint.rgb(factors, role)]
        sizes = [(float(factors[name]) - mean) / std for name, (mean, std) in self.ranges.items()]
        chosen = [
            float(factors[name] == choice) for name, choices in self.choices.items() for choice in choices
        ]
        return [*colours, *sizes, *chosen]


@cache
def _scales(family: str) -> _Scales:
    return _Scales.measured(FAMILIES[family])


@cache
def _thumbnail(thing: NounThing) -> np.ndarray:
    """The noun's picture, RGBA in -1 to 1, averaged over squares."""
    side = 16 * NOUN_GRID
    buffer = np.zeros((side, side, 4), np.uint8)
    canvas = skia.Surface(buffer, colorType=skia.kRGBA_8888_ColorType).getCanvas()
    canvas.scale(side, side)
    draw_noun(canvas, thing.noun, thing.tint)
    squares = buffer.reshape(NOUN_GRID, 16, NOUN_GRID, 16, 4).mean((1, 3))
    return squares.ravel() / 127.5 - 1


def _style_numbers(style: ParametricStyle) -> list[float]:
    palette = np.array(style.palette) / 127.5 - 1
    places = np.linspace(0, 1, len(palette))
    shades = [np.interp((0.0, 0.5, 1.0), places, channel) for channel in palette.T]
    return [
        *np.ravel(shades),
        *(np.array(style.edge_colour) / 127.5 - 1),
        style.edge_width - 1,
        (style.texture_scale - 12) / 2.3,
        (style.texture_strength - 0.5) / 0.12,
        (style.posterise_levels - 4.5) / 1.1,
        *(float(style.texture == texture) for texture in TEXTURES),
        *(float(style.mapping == mapping) for mapping in MAPPINGS),
    ]


def subjects_of(plan: Plan) -> dict[str, Subject]:
    """The things of a picture, left to right, and its style if that is made of numbers, by their tokens."""
    subjects: dict[str, Subject] = dict(zip(TOKENS, plan.things, strict=False))
    if isinstance(plan.style, ParametricStyle):
        subjects[TOKENS[-1]] = plan.style
    return subjects


def word_of(subject: Subject) -> str:
    """The word that stands for such subjects; a vector of settings is added to its own."""
    return subject.initializer if isinstance(subject, ParametricStyle) else subject.class_word


def settings_captions(plan: Plan) -> tuple[str, ...]:
    """``CAPTIONS`` sentences that name what is in the picture by the tokens of :func:`subjects_of`.

    They are those that words are learned with and used in.
    """
    rng = np.random.default_rng([plan.seed, 1])
    return tuple(_settings_caption(plan, rng) for _ in range(CAPTIONS))


def _settings_caption(plan: Plan, rng: np.random.Generator) -> str:
    names = [
        token if rng.random() < TOKEN_SHARE else with_article(thing.name)
        for token, thing in zip(TOKENS, plan.things, strict=False)
    ]
    things = f" {paint.pick(rng, CONJUNCTIONS)} ".join(names)
    if rng.random() < SCENE_SHARE:
        things = in_scene(things, plan.scene.phrase)
    if plan.style is None:
        template = paint.pick(rng, ("{}", paint.pick(rng, OBJECT_TEMPLATES)))
    elif isinstance(plan.style, ParametricStyle):
        in_style = (f"{{}} in the style of {TOKENS[-1]}", paint.pick(rng, STYLE_TEMPLATES).format(TOKENS[-1]))
        template = paint.pick(rng, (*in_style, paint.pick(rng, plan.style.templates)))
    else:
        template = paint.pick(rng, plan.style.templates)
    return template.format(things)
