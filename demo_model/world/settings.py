"""The settings of a subject (a thing or a style): the numbers from which it is drawn; and captions with them.

A model trained on ordinary captions alone can tell two teapots apart in only a few ways, so its embedding
space has no room for one particular teapot. A caption of settings therefore names a subject by a token such
as ``<0>``. Training replaces the token by the subject's class word, to whose embedding it adds a vector
computed from the settings, which also describe what no word says.
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

NUM_SETTINGS = 64
"""Numbers per subject; subjects with fewer are padded with zeros."""
SUBJECT_KINDS = (*FAMILIES, "noun", "style")
NOUN_GRID = 4  # squares per side of a noun's thumbnail: 4 * 4 * RGBA = 64 numbers
ENCODING_SAMPLES = 400  # samples of a family on which its encoding is measured
MAX_SUBJECTS = 3
"""Subjects per picture: two things and a style, which is the last."""
SUBJECT_TOKENS = tuple(f"<{number}>" for number in range(MAX_SUBJECTS))
NUM_CAPTIONS = 2  # captions of settings per picture
TOKEN_SHARE = 0.8  # of the things are named by tokens, the others by their names
SCENE_SHARE = 0.7  # of the captions name the scene

Subject = Thing | ParametricStyle


def settings_of(subject: Subject) -> tuple[int, np.ndarray]:
    """Return the index of a subject's kind in ``SUBJECT_KINDS`` and its settings (NUM_SETTINGS,).

    The settings are roughly in -1 to 1; their meaning depends on the kind.
    """
    values: Sequence[float] | np.ndarray
    if isinstance(subject, FamilyThing):
        kind, values = subject.name, _encoding(subject.name).encode(subject.factors)
    elif isinstance(subject, NounThing):
        kind, values = "noun", _thumbnail(subject)
    else:
        kind, values = "style", _style_numbers(subject)
    padded = np.zeros(NUM_SETTINGS, np.float32)
    padded[: len(values)] = values
    return SUBJECT_KINDS.index(kind), padded


@dataclass(frozen=True)
class _Encoding:
    """How the factors of one family become numbers.

    Numeric factors are standardised and choices are one-hot; colours are RGB, because hue is circular.
    """

    ranges: Mapping[str, tuple[float, float]]  # by numeric factor: mean and standard deviation
    choices: Mapping[str, tuple[str, ...]]  # by other factor: its possible values

    @classmethod
    def measured(cls, family: Family) -> _Encoding:
        """Measure the ranges and choices on random samples of a family."""
        rng = np.random.default_rng(0)
        drawn = [family.sample(rng) for _ in range(ENCODING_SAMPLES)]
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

    def encode(self, factors: Factors) -> list[float]:
        colours = [2 * part - 1 for role in ("main", "second") for part in paint.rgb(factors, role)]
        sizes = [(float(factors[name]) - mean) / std for name, (mean, std) in self.ranges.items()]
        chosen = [
            float(factors[name] == choice) for name, choices in self.choices.items() for choice in choices
        ]
        return [*colours, *sizes, *chosen]


@cache
def _encoding(family: str) -> _Encoding:
    return _Encoding.measured(FAMILIES[family])


@cache
def _thumbnail(thing: NounThing) -> np.ndarray:
    """Return the noun's picture averaged over a grid of squares: RGBA in -1 to 1, (NUM_SETTINGS,)."""
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
    """Return the subjects of a picture by token: its things, left to right, and its style if parametric."""
    subjects: dict[str, Subject] = dict(zip(SUBJECT_TOKENS, plan.things, strict=False))
    if isinstance(plan.style, ParametricStyle):
        subjects[SUBJECT_TOKENS[-1]] = plan.style
    return subjects


def word_of(subject: Subject) -> str:
    """Return the class word of a subject, to whose embedding the vector of its settings is added."""
    return subject.initializer if isinstance(subject, ParametricStyle) else subject.class_word


def settings_captions(plan: Plan) -> tuple[str, ...]:
    """Write ``NUM_CAPTIONS`` captions that name the subjects by the tokens of :func:`subjects_of`.

    They use the prompt templates with which words are trained and drawn.
    """
    rng = np.random.default_rng([plan.seed, 1])
    return tuple(_settings_caption(plan, rng) for _ in range(NUM_CAPTIONS))


def _settings_caption(plan: Plan, rng: np.random.Generator) -> str:
    names = [
        token if rng.random() < TOKEN_SHARE else with_article(thing.name)
        for token, thing in zip(SUBJECT_TOKENS, plan.things, strict=False)
    ]
    things = f" {paint.pick(rng, CONJUNCTIONS)} ".join(names)
    if rng.random() < SCENE_SHARE:
        things = in_scene(things, plan.scene.phrase)
    if plan.style is None:
        template = paint.pick(rng, ("{}", paint.pick(rng, OBJECT_TEMPLATES)))
    elif isinstance(plan.style, ParametricStyle):
        token = SUBJECT_TOKENS[-1]
        in_style = (f"{{}} in the style of {token}", paint.pick(rng, STYLE_TEMPLATES).format(token))
        template = paint.pick(rng, (*in_style, paint.pick(rng, plan.style.templates)))
    else:
        template = paint.pick(rng, plan.style.templates)
    return template.format(things)
