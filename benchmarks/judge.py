"""Measure how well the embedded model's judge recognises things and styles: ``python -m benchmarks.judge``.

Only held-out things are used, on which neither the judge nor the diffusion model was trained. The tasks
include finding, among pictures of 100 things (ten of each family), the one that shows the same thing, and
finding the caption of a picture among 100. Each figure is the mean over ten sets of 100 things.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.errors import exit_on_input_error
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
REPEATS = 10  # sets of things
THINGS = 100  # per set
STYLED_THINGS = 25  # per held-out style

Things = list[FamilyThing]
Measure = Callable[[Judge, Things, np.random.Generator], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", type=Path, default=EMBEDDED_JUDGE, help="the judge's folder")
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
    for number in range(REPEATS):
        things = held_out_things(np.random.default_rng([SEED, number]))
        for kind, (name, measure) in enumerate(measures.items()):
            found[name].append(measure(judge, things, np.random.default_rng([SEED, number, kind])))
    for name, shares in found.items():
        print(f"{name:<42}{statistics.mean(shares):6.1%}")


def held_out_things(rng: np.random.Generator) -> Things:
    """Sample ``THINGS`` things from the families' held-out regions, the same number of each family."""
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
    """Return how often the picture most like another one shows the same thing."""
    return found_again(judge, *([view(thing, None, rng) for thing in things] for _ in range(2)))


def same_styled_thing(judge: Judge, things: Things, rng: np.random.Generator) -> float:
    """Return the same as :func:`same_thing` for pictures some of which have a style."""
    styled = ([view(thing, sample_style(rng, FULL_MIX), rng) for thing in things] for _ in range(2))
    return found_again(judge, *styled)


def found_again(judge: Judge, first: list[Picture], second: list[Picture]) -> float:
    """Return how often the ``second`` picture most like a ``first`` one has the same index."""
    references, candidates = (
        judge.image_features([image_of(picture) for picture in pictures]) for pictures in (first, second)
    )
    best = likeness(references, candidates, "object").argmax(1)
    return float((best == torch.arange(len(best))).float().mean())


def closer_pairs(judge: Judge, things: Things, rng: np.random.Generator) -> float:
    """Return how often two pictures of one thing are more alike than pictures of two things of its family."""
    first, second = (
        judge.image_features([image_of(view(thing, None, rng)) for thing in things]) for _ in range(2)
    )
    cosines = likeness(first, second, "object")
    names = [thing.name for thing in things]
    same_family = torch.tensor([[one == other for other in names] for one in names]).fill_diagonal_(False)
    return float((cosines.diagonal()[:, None] > cosines)[same_family].float().mean())


def same_style(judge: Judge, things: Things, rng: np.random.Generator) -> float:
    """Return how often a picture is most like the one of another thing in the same held-out style."""
    chosen = [things[index] for index in rng.permutation(len(things))]
    references = judge.image_features([image_of(view(chosen.pop(), style, rng)) for style in HELD_OUT_STYLES])
    right = []
    for number, style in enumerate(HELD_OUT_STYLES):
        pictures = [image_of(view(chosen[index], style, rng)) for index in range(STYLED_THINGS)]
        best = likeness(judge.image_features(pictures), references, "style").argmax(1)
        right.append((best == number).float().mean())
    return float(torch.stack(right).mean())


def right_caption(judge: Judge, things: Things, rng: np.random.Generator) -> float:
    """Return how often a picture agrees most with its own detailed caption, of ``THINGS`` different ones."""
    pictures: dict[str, Image.Image] = {}
    while len(pictures) < THINGS:
        picture = view(things[len(pictures)], sample_style(rng, FULL_MIX), rng)
        pictures.setdefault(picture.captions[0], image_of(picture))
    agreement = judge.image_features(list(pictures.values())).shared @ judge.text_features(list(pictures)).T
    return float((agreement.argmax(1) == torch.arange(THINGS)).float().mean())


def image_of(picture: Picture) -> Image.Image:
    return Image.fromarray(picture.pixels)


if __name__ == "__main__":
    with exit_on_input_error():
        main()
