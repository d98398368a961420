"""Measure the embedded model and draw a contact sheet with it: ``python -m benchmarks.toybox``."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import asked
from benchmarks.errors import exit_on_input_error
from benchmarks.machine import describe_machine
from benchmarks.sheets import Cell, contact_sheet
from demo_model.world import (
    FAMILIES,
    HELD_OUT,
    NAMED_STYLES,
    SCENES,
    TRAINING_NOUNS,
    concept_pictures,
)
from demo_model.world.captions import with_article
from ti_core.drawing.generate import generate, generate_all
from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.judging.judge import EMBEDDED_JUDGE, load_judge
from ti_core.model.backbone import Backbone
from ti_core.model.presets import find_preset
from ti_core.model.sources import model_source

COLUMNS = 8
PAIRS = (
    "a cat and a mug on the beach",
    "a robot next to a teapot",
    "a monster and a house in the snow",
    "a fish next to a lamp at night",
    "a clock and a bag on a table",
    "a red mug and a blue teapot",
    "a monster next to a robot in the forest",
    "a cat and a fish on a pink background",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="toybox", help="a preset or a model folder")
    parser.add_argument("--judge", type=Path, default=EMBEDDED_JUDGE, help="the judge's folder")
    parser.add_argument("--out", type=Path, default=Path("outputs/toybox.webp"), help="the contact sheet")
    parser.add_argument("--no-sheet", action="store_true", help="print the figures only")
    parser.add_argument("--guidance-scale", type=float, help="instead of the model's own")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first picture of each kind")
    options = parser.parse_args()
    print(describe_machine())
    start = time.perf_counter()
    backbone = load_toybox(options.model)
    print(f"load                              {time.perf_counter() - start:8.1f} s")
    print(f"reconstruction, held-out pictures {reconstruction_psnr(backbone):8.2f} dB PSNR")
    print(f"four pictures, 25 steps           {four_pictures(backbone):8.1f} s, median of 3")
    print(f"files                             {size_on_disk(Path(str(model_source(options.model)))):8.1f} MB")
    judge = load_judge(str(options.judge), backbone.device)
    print("what was asked for, as the judge sees it        drawn     real pictures")
    draw = partial(draw_each, backbone, guidance_scale=options.guidance_scale, first_seed=options.seed)
    for found in asked.measure(judge, draw):
        print(f"{found.what:<20} of {found.among:>3}, {found.pictures:>3} pictures", end="")
        print(f"{found.drawn:>12.0%} {found.real:>12.0%}")
    if not options.no_sheet:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        draw_sheet(backbone).save(options.out)
        print(f"contact sheet: {options.out}")


def load_toybox(model: str) -> Backbone:
    """Load the embedded model, or a newly trained one from its folder, with the embedded model's defaults."""
    backbone, preset = Backbone.load(model), find_preset("toybox")
    if preset is not None and find_preset(model) is None:
        backbone.guidance_scale, backbone.scheduler = preset.guidance_scale, preset.scheduler
        backbone.learning_rate_scale = preset.learning_rate_scale
        backbone.timestep_bias = preset.timestep_bias
    return backbone


@torch.no_grad()
def reconstruction_psnr(backbone: Backbone) -> float:
    """Return the autoencoder's mean PSNR in dB over four pictures of each held-out concept.

    Decoded values are clamped to [-1, 1], as they are when a picture is shown.
    """
    pictures = [picture.pixels for concept in HELD_OUT for picture in concept_pictures(concept, 4)]
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    decoded = torch.cat(
        [backbone.decode_latents(backbone.encode_pictures(batch).mean).cpu() for batch in pixels.split(8)]
    )
    error = ((decoded.clamp(-1, 1) - pixels) / 2).square().mean((1, 2, 3))
    return float((-10 * error.log10()).mean())


def four_pictures(backbone: Backbone) -> float:
    """Return the median seconds in which four pictures are drawn, of three calls after a warm-up."""
    settings = GenerationSettings(prompt="a cat on the beach", count=4)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        list(generate(backbone, settings))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def draw_each(
    backbone: Backbone, prompts: Sequence[str], *, guidance_scale: float | None = None, first_seed: int = 0
) -> list[Image.Image]:
    """Draw one picture for each prompt, with consecutive seeds."""
    orders = [
        Order(GenerationSettings(prompt, count=1, seed=seed, guidance_scale=guidance_scale))
        for seed, prompt in enumerate(prompts, first_seed)
    ]
    return [picture.image for picture in generate_all(backbone, orders)]


def size_on_disk(folder: Path) -> float:
    """Return the size of a folder in megabytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def draw_sheet(backbone: Backbone) -> Image.Image:
    """Draw families, nouns, scenes, styles and pairs, with seeds from 0 in each group."""
    families = list(FAMILIES)
    nouns = [noun.name for noun in TRAINING_NOUNS[:: len(TRAINING_NOUNS) // 16]][:16]
    scenes = [f"a {families[number % len(families)]} {scene.phrase}" for number, scene in enumerate(SCENES)]
    styles = [
        style.template.format(f"a {families[number % len(families)]}")
        for number, style in enumerate(NAMED_STYLES)
    ]
    groups = {
        "Families": [f"a {family}" for family in families],
        "Families, some factors named": [
            "a striped monster", "a red mug", "a spotted teapot", "a blue lamp", "a purple clock",
            "a green robot", "a yellow fish", "a checked house", "a pink bag", "a black cat",
        ],
        "Nouns": [with_article(noun) for noun in nouns],
        "Scenes": scenes,
        "Styles": styles,
        "Pairs": list(PAIRS),
    }  # fmt: skip
    rows = []
    for title, prompts in groups.items():
        cells = [
            Cell(picture, prompt)
            for picture, prompt in zip(draw_each(backbone, prompts), prompts, strict=True)
        ]
        for first in range(0, len(cells), COLUMNS):
            rows.append((title if first == 0 else "", cells[first : first + COLUMNS]))
    return contact_sheet(rows)


if __name__ == "__main__":
    with exit_on_input_error():
        main()
