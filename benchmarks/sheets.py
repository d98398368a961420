"""Draw contact sheets: rows of pictures with captions."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

MARGIN = 8  # pixels
LINE = 12  # pixels per line of text


@dataclass(frozen=True)
class Cell:
    """A picture and the caption below it."""

    image: Image.Image
    caption: str = ""


def contact_sheet(rows: Sequence[tuple[str, Sequence[Cell]]], side: int = 128, lines: int = 2) -> Image.Image:
    """Draw rows of (title, cells) on white, with pictures of ``side`` x ``side`` pixels.

    A caption has at most ``lines`` lines.
    """
    cell_width, cell_height = side + MARGIN, side + lines * LINE + MARGIN
    columns = max(len(cells) for _, cells in rows)
    height = sum(cell_height + (2 * LINE if title else 0) for title, _ in rows) + MARGIN
    sheet = Image.new("RGB", (columns * cell_width + MARGIN, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=10)
    title_font = ImageFont.load_default(size=14)
    top = MARGIN
    for title, cells in rows:
        if title:
            draw.text((MARGIN, top), title, fill="black", font=title_font)
            top += 2 * LINE
        for number, cell in enumerate(cells):
            left = MARGIN + number * cell_width
            sheet.paste(cell.image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), (left, top))
            wrapped = textwrap.wrap(cell.caption, width=side // 5)[:lines]
            for line, text in enumerate(wrapped):
                draw.text((left, top + side + 2 + line * LINE), text, fill="#333", font=font)
        top += cell_height
    return sheet
