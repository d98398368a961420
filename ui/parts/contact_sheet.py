"""The contact sheet of a grid: one picture of all its pictures, with labels for columns and rows."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
from PIL import Image, ImageDraw, ImageFont

from ui.parts.events import Updates
from ui.server.drawing import Drawn
from ui.texts import label

TILE = 192  # pixels on the longer side of each picture
FONT_SIZE, PADDING = 16, 8  # pixels
TEXT_COLOUR, PAPER_COLOUR = "#1e293b", "#ffffff"


def place_contact_sheet(tab: str) -> gr.Image:
    """Place the contact sheet of a tab, hidden until there is one."""
    return gr.Image(
        label=label("generate_grid_sheet"),
        show_label=False,  # Gradio's label would cover those of the grid
        format="png",
        type="pil",
        interactive=False,
        visible=False,
        buttons=["download", "fullscreen"],
        elem_id=f"{tab}-grid-sheet",
    )


def show_contact_sheet(
    sheet: gr.Image, columns: Sequence[str], rows: Sequence[str], drawn: Sequence[Drawn]
) -> Updates:
    """Show the pictures drawn so far with their labels, or hide the sheet if there is none."""
    if not drawn:
        return {}
    picture = make_contact_sheet(columns, rows, [picture.open() for picture in drawn])
    return {sheet: gr.update(value=picture, visible=True)}


def make_contact_sheet(
    columns: Sequence[str], rows: Sequence[str], pictures: Sequence[Image.Image]
) -> Image.Image:
    """Lay out the pictures row by row with their labels. Places of missing pictures at the end stay blank."""
    font = ImageFont.load_default(FONT_SIZE)
    columns, rows = ([_ascii(text) for text in texts] for texts in (columns, rows))
    width, height = (round(side * TILE / max(pictures[0].size)) for side in pictures[0].size)
    left = PADDING + (round(max(map(font.getlength, rows))) + PADDING if any(rows) else 0)
    top = FONT_SIZE + 2 * PADDING
    size = left + len(columns) * (width + PADDING), top + len(rows) * (height + PADDING)
    sheet = Image.new("RGB", size, PAPER_COLOUR)
    draw = ImageDraw.Draw(sheet)
    for number, text in enumerate(columns):
        while font.getlength(text) > width:
            text = text[:-1]
        draw.text((left + number * (width + PADDING), PADDING), text, TEXT_COLOUR, font)
    for number, text in enumerate(rows):
        middle = top + number * (height + PADDING) + height // 2
        draw.text((PADDING, middle), text, TEXT_COLOUR, font, "lm")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, len(columns))
        place = left + column * (width + PADDING), top + row * (height + PADDING)
        sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS), place)
    return sheet


def _ascii(text: str) -> str:
    """Replace the characters that Pillow's built-in font lacks."""
    return text.encode("ascii", "replace").decode()
