"""Write a contact sheet of sampled pictures with their captions."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from demo_model.world.picture import Picture, sample_picture

PICTURE_SIZE = 128  # pixels per side
CELL_WIDTH, CELL_HEIGHT = 140, 180  # pixels
COLUMNS = 8


def contact_sheet(pictures: list[Picture]) -> Image.Image:
    """Draw a grid of pictures, each with its first caption below."""
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL_WIDTH, rows * CELL_HEIGHT), "white")
    pen = ImageDraw.Draw(sheet)
    for number, picture in enumerate(pictures):
        left, top = number % COLUMNS * CELL_WIDTH + 6, number // COLUMNS * CELL_HEIGHT + 6
        sheet.paste(Image.fromarray(picture.pixels), (left, top))
        caption = "\n".join(textwrap.wrap(picture.captions[0], 24)[:3])
        pen.multiline_text((left, top + PICTURE_SIZE + 2), caption, fill="black", spacing=1)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_model.world", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="picture file to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=64)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    contact_sheet([sample_picture(rng, PICTURE_SIZE) for _ in range(arguments.count)]).save(arguments.out)


if __name__ == "__main__":
    main()
