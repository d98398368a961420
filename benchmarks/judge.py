"""How well the judge of the embedded model judges: ``python -m benchmarks.judge``.

On held-out things, which neither it nor the diffusion model was trained on: to find, among pictures of 100
things, ten of each family, the one that shows the same thing; and among 100 captions that of a picture. Each
figure is the mean over ten such hundreds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.errors import told_in_a_sentence
from benchmarks.machine import describe_machine
from demo_model.world import (
    FAMILIES,
    FULL_MIX,
    HELD_OUT_STYLES,
    FamilyThing,
    Picture,
    Style,
    draw_plan,
    plan_picture,
)
from demo_model.world.picture import sample_scene, sample_style
from ti_core.judging.judge import EMBEDDED_JUDGE, Judge, likeness, load_judge

SEED = 9_000_011
HUNDREDS = 10
THINGS = 100
STYLED_THINGS = 25  # for each held-out style

Things = list[FamilyThing]
Measure = Callable[[Judge, Things, np.random.Generator], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", type=Path, default=EMBEDDED_JUDGE, help="its folder")
    options = parser.parse_args()
    print(describe_machine())
    judge = load_judge(str(options.judge), torch.device("cpu"))
    measures: dict[str, Measure] = {
        f"the same thing among {THINGS}, unstyled": same_thing,
        f"the same thing among {THINGS}, some in styles": same_styled_thing,
        "one thing more alike than two of a family": closer_pairs,
        f"the same style among {len(HELD_OUT_STYLES)} held out": same_style,
        f"the caption among {THINGS}": right_caption,
    }
    found: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(HUNDREDS):
        things = held_out_things(np.random.default_rng([SEED, number]))
        for kind, (name, measure) in enumerate(measures.items()):
            found[name].append(measure(judge, things, np.random.default_rng([SEED, number, kind])))
    for name, shares in found.items():
        print(f"{name:<42}{statistics.mean(shares):6.1%}")


def held_out_things(rng: np.random.Generator) -> Things:
    """``THINGS`` settings from the families' held-out regions, as many of each family."""
    things: Things = []
    for family in FAMILIES.values():
        found: Things = []
        while len(found) < THINGS // len(FAMILIES):
            factors = family.sample(rng)
            if family.is_held_out(factors):
                found.append(FamilyThing(family, factors))
        things += found
    return things


def view(thing: FamilyThing, style: Style | None, rng: np.random.Generator) -> Picture:
    return draw_plan(plan_picture((thing,), sample_scene(rng), style, rng))


def same_thing(judge: Judge, things: Things, rng: np.random.Generator) -> float:
    """How often the picture most like another one is of the same thing."""
    return found_again(judge, *([view(thing, None, rng) for thing in things] for _ in range(2)))


def same_styled_thing(judge: Judge, things: Things, rng: np.random.Generator) -> float:
    """The same where some of the pictures are in a style."""
    styled = ([view(thing, sample_style(rng, FULL_MIX), rng) for thing in things] for _ in range(2))
    return found_again(judge, *styled)


def found_again(judge: Judge, first: list[Picture], second: list[Picture]) -> float:
    """How often, of the ``second`` pictures, the one most like a ``first`` one has its place."""
    seen, again = (
        judge.image_features([image_of(picture) for picture in pictures]) for pictures in (first, second)
    )
    best = likeness(seen, again, "object").argmax(1)
    return float((best == torch.arange(len(best))).float().mean())


def closer_pairs(judge: Judge, things: Things, rng: np.random.Generator) -> float:
    """How often two pictures of one thing are more alike than pictures of it and of another of its family."""
    first, second = (
        judge.image_features([image_of(view(thing, None, rng)) for thing in things]) for _ in range(2)
    )
    cosines = likeness(first, second, "object")
    names = [thing.name for thing in things]
    same_family = torch.tensor([[one == other for other in names] for one in names]).fill_diagonal_(False)
    return float((cosines.diagonal()[:, None] > cosines)[same_family].float().mean())


def same_style(judge: Judge, things: Things, rng: np.random.Generator) -> float:
    """How often a picture is most like a picture of another thing in the same held-out style."""
    chosen = [things[index] for index in rng.permutation(len(things))]
    references = judge.image_features([image_of(view(chosen.pop(), style, rng)) for style in HELD_OUT_STYLES])
    right = []
    for number, style in enumerate(HELD_OUT_STYLES):
        pictures = [image_of(view(chosen[index], style, rng)) for index in range(STYLED_THINGS)]
        best = likeness(judge.image_features(pictures), references, "style").argmax(1)
        right.append((best == number).float().mean())
    return float(torch.stack(right).mean())


def right_caption(judge: Judge, things: Things, rng: np.random.Generator) -> float:
    """How often, of 100 different detailed captions, a picture agrees most with its own."""
    pictures: dict[str, Image.Image] = {}
    while len(pictures) < THINGS:
        picture = view(things[len(pictures)], sample_style(rng, FULL_MIX), rng)
        pictures.setdefault(picture.captions[0], image_of(picture))
    agreement = judge.image_features(list(pictures.values())).shared @ judge.text_features(list(pictures)).T
    return float((agreement.argmax(1) == torch.arange(THINGS)).float().mean())


def image_of(picture: Picture) -> Image.Image:
    return Image.fromarray(picture.pixels)


if __name__ == "__main__":
    with told_in_a_sentence():
        main()
