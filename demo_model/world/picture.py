"""Pictures: first a plan is sampled (things, placements, scene, style, captions), then it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import skia

from demo_model.world.captions import in_scene, join_things
from demo_model.world.families import paint
from demo_model.world.scenes import EMPTY_SCENES, PLAIN_BACKGROUNDS, SCENES, Scene
from demo_model.world.styles import NamedStyle, ParametricStyle, Style, sample_named_style
from demo_model.world.things import Thing, sample_family_thing, sample_noun_thing
from ti_core.prompts.templates import OBJECT_TEMPLATES, STYLE_TEMPLATES

TEMPLATE_SHARE = 0.25  # of an unstyled picture's detailed captions use a template; the short one always does
STYLE_ALONE_SHARE = 0.25  # of the third captions of pictures in a named style name only the style
CLASS_WORD_SHARE = 0.3  # of the short captions of single things use the class word, not the name
CONJUNCTIONS = ("and", "next to")
SHADOW_OPACITY = 60  # of 255


@dataclass(frozen=True)
class Mix:
    """The shares of pictures with different contents."""

    family: float = 0.47  # show one thing of a family
    noun: float = 0.35  # show one noun; the rest show two things
    family_of_two: float = 0.57  # of the things in pairs are of a family
    scene: float = 0.5  # have a scene
    plain: float = 0.3  # have a coloured background; the rest have no scene
    unstyled: float = 0.72
    named_style: float = 0.18  # the rest have a parametric style
    unpatterned: float = 0.4  # of the things of a family have their pattern removed
    posed: float = 0.3  # of the single things are large, upright, centred and not mirrored


FULL_MIX = Mix()
SIMPLE_MIX = Mix(
    family=0.9,
    noun=0.07,
    family_of_two=0.93,
    scene=0.3,
    plain=0.45,
    unstyled=0.92,
    named_style=0.06,
    unpatterned=0.8,
    posed=0.9,
)
"""For the start of training: mostly single things of a family, posed, unstyled and in plain colours."""
MIDDLE_MIX = Mix(
    family=0.5,
    noun=0.35,
    scene=0.42,
    plain=0.35,
    unstyled=0.82,
    named_style=0.12,
    unpatterned=0.6,
    posed=0.5,
)
"""Between ``SIMPLE_MIX`` and ``FULL_MIX``."""
NOUN_MIX = Mix(
    family=0.22,
    noun=0.48,
    family_of_two=0.6,
    scene=0.3,
    plain=0.45,
    unstyled=0.87,
    named_style=0.08,
    unpatterned=0.6,
    posed=0.7,
)
"""Mostly nouns, because each of them is otherwise seen a hundred times less often than a family."""
THING_MIX = replace(NOUN_MIX, family=0.6, noun=0.22, unpatterned=0.4)
"""For the end of training: things of families in all patterns, which are most like the words people learn."""


@dataclass(frozen=True)
class Placement:
    """Where a thing stands: x of its middle, y of its foot, and side length, all relative to the picture."""

    x: float
    foot: float
    scale: float
    degrees: float
    mirrored: bool


@dataclass(frozen=True)
class Plan:
    """Everything about a picture but its pixels; ``seed`` is for random details of the scene and style."""

    things: tuple[Thing, ...]
    placements: tuple[Placement, ...]
    scene: Scene
    style: Style | None
    captions: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Picture:
    """Pixels uint8 (size, size, 3), captions of different detail, and the plan of the picture."""

    pixels: np.ndarray
    captions: tuple[str, ...]
    plan: Plan


def sample_picture(rng: np.random.Generator, size: int = 128, mix: Mix = FULL_MIX) -> Picture:
    """Sample and draw one training picture; the state of ``rng`` determines it."""
    return draw_plan(sample_plan(rng, mix), size)


def training_captions(rng: np.random.Generator, count: int) -> Iterator[str]:
    """Yield ``count`` random captions of training pictures, without drawing the pictures."""
    for _ in range(count):
        captions = sample_plan(rng).captions
        yield captions[rng.integers(len(captions))]


def sample_plan(rng: np.random.Generator, mix: Mix = FULL_MIX) -> Plan:
    """Sample everything about one training picture but its pixels."""
    return plan_picture(
        sample_things(rng, mix), sample_scene(rng, mix), sample_style(rng, mix), rng, mix.posed
    )


def plan_picture(
    things: tuple[Thing, ...],
    scene: Scene,
    style: Style | None,
    rng: np.random.Generator,
    posed: float = 0.0,
) -> Plan:
    """Place the given things, left to right, in the given scene and style, and write captions.

    ``posed`` is the probability that a single thing is large, upright and centred.
    """
    return Plan(
        things=things,
        placements=sample_placements(len(things), scene, rng, posed),
        scene=scene,
        style=style,
        captions=write_captions(things, scene, style, rng),
        seed=int(rng.integers(2**32)),
    )


def draw_plan(plan: Plan, size: int = 128) -> Picture:
    """Draw a plan at ``size`` x ``size`` pixels."""
    return Picture(compose(plan, size), plan.captions, plan)


def sample_things(rng: np.random.Generator, mix: Mix = FULL_MIX) -> tuple[Thing, ...]:
    """Sample one thing of a family, one noun, or two things with different names."""
    choice = rng.random()
    if choice < mix.family:
        return (sample_family_thing(rng, mix.unpatterned),)
    if choice < mix.family + mix.noun:
        return (sample_noun_thing(rng),)
    first, second = _sample_thing(rng, mix), _sample_thing(rng, mix)
    while second.name == first.name:
        second = _sample_thing(rng, mix)
    return first, second


def _sample_thing(rng: np.random.Generator, mix: Mix) -> Thing:
    if rng.random() < mix.family_of_two:
        return sample_family_thing(rng, mix.unpatterned)
    return sample_noun_thing(rng)


def sample_scene(rng: np.random.Generator, mix: Mix = FULL_MIX) -> Scene:
    choice = rng.random()
    scenes: tuple[Scene, ...]
    if choice < mix.scene:
        scenes = SCENES
    elif choice < mix.scene + mix.plain:
        scenes = PLAIN_BACKGROUNDS
    else:
        scenes = EMPTY_SCENES
    return scenes[rng.integers(len(scenes))]


def sample_style(rng: np.random.Generator, mix: Mix = FULL_MIX) -> Style | None:
    choice = rng.random()
    if choice < mix.unstyled:
        return None
    if choice < mix.unstyled + mix.named_style:
        return sample_named_style(rng)
    return ParametricStyle.sample(rng)


def sample_placements(
    count: int, scene: Scene, rng: np.random.Generator, posed: float = 0.0
) -> tuple[Placement, ...]:
    """Sample places for one or two things, left to right, inside the picture."""
    if posed and count == 1 and rng.random() < posed:
        scale = rng.uniform(0.8, 0.9)
        foot = 0.93 if scene.has_ground else 0.5 + 0.46 * scale
        return (Placement(0.5, foot, scale, degrees=0.0, mirrored=False),)
    placements = []
    for position in range(count):
        scale = rng.uniform(0.6, 0.9) if count == 1 else rng.uniform(0.44, 0.54)
        slack = max(0.0, 0.5 - 0.47 * scale)
        if count == 1:
            x = 0.5 + rng.uniform(-slack, slack)
        else:
            x = (0.26, 0.74)[position] + rng.uniform(-0.02, 0.02)
        lowest, highest = (0.97, 0.88) if scene.has_ground else (0.98, 0.04 + 0.92 * scale)
        foot = rng.uniform(min(highest, lowest), lowest)
        placements.append(Placement(x, foot, scale, rng.uniform(-12, 12), bool(rng.random() < 0.5)))
    return tuple(placements)


def write_captions(
    things: tuple[Thing, ...], scene: Scene, style: Style | None, rng: np.random.Generator
) -> tuple[str, str, str]:
    """Write three captions of one picture: a detailed one, a short one, and another detailed one.

    The third does not always name the scene. The captions partly use the templates with which words are
    trained, so that the model knows them.
    """
    conjunction = CONJUNCTIONS[rng.integers(len(CONJUNCTIONS))]
    detailed = in_scene(join_things([thing.describe(rng) for thing in things], conjunction), scene.phrase)
    by_class = len(things) == 1 and rng.random() < CLASS_WORD_SHARE
    short_names = [thing.class_word if by_class else thing.name for thing in things]
    short = in_scene(join_things(short_names, conjunction), scene.phrase)
    again = join_things([thing.describe(rng) for thing in things])
    if rng.random() < 0.7:
        again = in_scene(again, scene.phrase)
    if style is None:
        templates = [
            paint.pick(rng, OBJECT_TEMPLATES) if rng.random() < share else "{}"
            for share in (TEMPLATE_SHARE, 1.0, TEMPLATE_SHARE)
        ]
    else:
        templates = [paint.pick(rng, style.templates) for _ in range(3)]
        if isinstance(style, NamedStyle) and rng.random() < STYLE_ALONE_SHARE:
            templates[2], again = paint.pick(rng, STYLE_TEMPLATES), style.phrase
    return templates[0].format(detailed), templates[1].format(short), templates[2].format(again)


def draw_thing(canvas: skia.Canvas, thing: Thing, placement: Placement, has_shadow: bool = False) -> None:
    """Draw one thing at its place on a canvas whose unit is the side of the picture."""
    if has_shadow:
        half_width = 0.34 * placement.scale
        shadow = skia.Rect.MakeXYWH(placement.x - half_width, placement.foot - 0.03, 2 * half_width, 0.06)
        canvas.drawOval(shadow, skia.Paint(Color=skia.Color(0, 0, 0, SHADOW_OPACITY), AntiAlias=True))
    canvas.save()
    canvas.translate(placement.x, placement.foot - 0.45 * placement.scale)
    canvas.rotate(placement.degrees)
    canvas.scale(-placement.scale if placement.mirrored else placement.scale, placement.scale)
    canvas.translate(-0.5, -0.5)
    thing.draw(canvas)
    canvas.restore()


def compose(plan: Plan, size: int = 128) -> np.ndarray:
    """Draw the scene, then the things, then apply the style: uint8 (size, size, 3)."""
    rng = np.random.default_rng(plan.seed)
    buffer = np.zeros((size, size, 4), np.uint8)
    canvas = skia.Surface(buffer, colorType=skia.kRGBA_8888_ColorType).getCanvas()
    canvas.scale(size, size)
    plan.scene.draw(canvas, rng)
    for thing, placement in zip(plan.things, plan.placements, strict=True):
        draw_thing(canvas, thing, placement, has_shadow=plan.scene.has_ground)
    pixels = np.ascontiguousarray(buffer[..., :3])
    return pixels if plan.style is None else plan.style.apply(pixels, rng)
