"""A1111's picture format, which stores a word twice: in a text chunk, and in pixels at both sides.

The text chunk ``sd-ti-embedding`` is base64-encoded JSON. The pixels hold the same JSON, compressed with
zlib. The low nibbles of its bytes are in the left wing, the high nibbles in the right one; each nibble is the
low four bits of one colour channel of a pixel, XORed with a fixed pseudo-random sequence. A black column
separates each wing from the picture. Sites that strip the text chunk keep the pixels, provided that the file
stays a PNG.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from ti_core.errors import ConceptError
from ti_core.files import write_whole
from ti_core.messages import Message
from ti_core.words.formats.contents import DAMAGED, Contents, StoredTensor

CHUNK = "sd-ti-embedding"
DATA_IS_DAMAGED = Message("The data in the picture is damaged: save it again as it was first published.")
MAX_PNG_BYTES = 20 * 2**20
MAX_CARD_PIXELS = 8_000_000
MAX_JSON_BYTES = 4 * 2**20  # 75 vectors of 1280 numbers take about 2 MB
LOW_NIBBLE = 0x0F
CARD_SIZE = 512  # pixels per side
MIN_WING = 2  # columns

# The linear congruential generator: state = (A * state + C) mod 2 ** 32, output state % 255.
LCG_A, LCG_C = 1664525, 1013904223

UNREADABLE = (OSError, Image.DecompressionBombError, *DAMAGED)  # what Pillow raises for a damaged picture


def read_png(path: Path) -> Contents:
    """Read the dict from the text chunk or, if that is missing or damaged, from the pixels.

    Raises :class:`ConceptError` if neither is intact, or the picture is damaged or too large.
    """
    if path.stat().st_size > MAX_PNG_BYTES:
        raise ConceptError(
            "It is a picture of more than {limit} MiB: save it smaller.", limit=MAX_PNG_BYTES // 2**20
        )
    try:
        with Image.open(path, formats=["PNG"]) as image:
            width, height = image.size
            if width * height > MAX_CARD_PIXELS:
                raise ConceptError(
                    "It is a picture of {width} × {height} pixels, too large for a word.",
                    width=width,
                    height=height,
                )
            return Contents(_values_in(image), is_picture=True)
    except UNREADABLE as error:
        raise ConceptError("It is a damaged picture: save it again as it was first published.") from error


def _values_in(image: Image.Image) -> dict[str, Any]:
    if CHUNK not in image.info:
        image.load()  # the chunk may come after the pixels
    if CHUNK not in image.info:
        return _values_in_pixels(image)
    try:
        return _values_in_chunk(image.info[CHUNK])
    except ConceptError:
        with suppress(ConceptError, *UNREADABLE):
            return _values_in_pixels(image)
        raise


def write_png(values: Mapping[str, Any], card: Image.Image, path: Path) -> None:
    """Save a card as PNG with both copies of a dict, whose tensors are vectors (n, d)."""
    data = json.dumps(values, default=lambda tensor: {"TORCHTENSOR": tensor.tolist()}).encode()
    chunks = PngInfo()
    chunks.add_text(CHUNK, base64.b64encode(data).decode())
    packed = np.frombuffer(zlib.compress(data, level=9), np.uint8)
    write_whole(path, partial(join_wings(packed, card).save, format="PNG", pnginfo=chunks))


# --- the JSON ---------------------------------------------------------------------------------------------


def _values_in_chunk(text: str) -> dict[str, Any]:
    try:
        return _parse(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise ConceptError(DATA_IS_DAMAGED) from error


def _values_in_pixels(image: Image.Image) -> dict[str, Any]:
    return _parse(_decode(np.asarray(image.convert("RGB"))))


def _parse(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_JSON_BYTES:
        raise ConceptError("The data in the picture is too long for a word: choose another file.")
    try:
        values = json.loads(data)
        return {
            key: {name: _stored(entry) for name, entry in value.items()}
            if key == "string_to_param"
            else value
            for key, value in values.items()
        }
    except DAMAGED as error:
        raise ConceptError(DATA_IS_DAMAGED) from error


def _stored(entry: Any) -> StoredTensor:
    """Convert nested lists to vectors (n, d), or a flat list to one vector (d,)."""
    rows = entry["TORCHTENSOR"]
    flat = not isinstance(rows[0], list)
    numbers = rows if flat else [number for row in rows for number in row]
    is_rectangular = flat or len({len(row) for row in rows}) == 1
    if not is_rectangular or not all(type(number) in (int, float) for number in numbers):
        raise ConceptError(DATA_IS_DAMAGED)
    shape = (len(rows),) if flat else (len(rows), len(rows[0]))
    values = torch.tensor(numbers, dtype=torch.float64).to(torch.float32).reshape(shape)
    return StoredTensor(shape, torch.float32, lambda: values)


# --- the pixels -------------------------------------------------------------------------------------------


def join_wings(data: np.ndarray, card: Image.Image) -> Image.Image:
    """Put a card (w, h) between two wings (h, columns, 3) that hold the nibbles, repeated to fill them."""
    columns = max(MIN_WING, math.ceil(len(data) / (card.height * 3)))
    size = (card.height, columns, 3)
    mask = _random_nibbles(math.prod(size)).reshape(size)
    low = np.resize(data & LOW_NIBBLE, size) ^ mask
    high = np.resize(data >> 4, size) ^ mask
    black = np.zeros((card.height, 1, 3), np.uint8)
    parts = [_shaded(low), black, np.asarray(card.convert("RGB")), black, _shaded(high)]
    return Image.fromarray(np.concatenate(parts, axis=1))


def _shaded(wing: np.ndarray) -> np.ndarray:
    """Fill the high nibbles with visible stripes, which also keep every pixel of a wing from being black."""
    height, columns, _ = wing.shape
    rows = np.arange(height)[:, None, None] // 8 % 4
    return (wing | ((rows + 3) << 4)).astype(np.uint8)


def _decode(pixels: np.ndarray) -> bytes:
    """Decode the JSON in the pixels (h, w, 3), with the same steps as A1111's own decoder."""
    bright = np.min(pixels, axis=2) > 0
    columns, rows = np.flatnonzero(bright.any(axis=0)), np.flatnonzero(bright.any(axis=1))
    no_word = ConceptError("It is a picture without a word in it: choose the file as A1111 saved it.")
    if not columns.size:
        raise no_word
    nibbles = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] & LOW_NIBBLE
    black = np.flatnonzero(nibbles.sum(axis=(0, 2), dtype=np.int64) == 0)
    if black.size < 2:
        raise no_word
    low, high = nibbles[:, : black[0]], nibbles[:, black[-1] + 1 :]
    if low.shape != high.shape or low.size > 2 * MAX_JSON_BYTES:
        raise no_word
    mask = _random_nibbles(low.size).reshape(low.shape)
    packed = ((high ^ mask) << 4 | (low ^ mask)).astype(np.uint8).tobytes()
    try:
        decompressor = zlib.decompressobj()
        data = decompressor.decompress(packed, MAX_JSON_BYTES + 1)
    except zlib.error as error:
        raise no_word from error
    return data


def _random_nibbles(count: int) -> np.ndarray:
    """Return the first ``count`` low nibbles of the pseudo-random sequence, (count,) uint8.

    Each round doubles the number of states: with k states known, one jump of k steps gives k more.
    """
    states = np.array([LCG_C], np.uint64)  # the state after 0
    a, c, modulus = LCG_A, LCG_C, 2**32
    while len(states) < count:
        states = np.concatenate([states, (states * np.uint64(a) + np.uint64(c)) % np.uint64(modulus)])
        a, c = a * a % modulus, (a * c + c) % modulus
    return (states[:count] % np.uint64(255)).astype(np.uint8) & LOW_NIBBLE


# --- the card ---------------------------------------------------------------------------------------------


def draw_card(title: str, footer: str, picture: Image.Image | None = None) -> Image.Image:
    """Draw a title and a footer over a picture, or over a gradient if there is none."""
    if picture is None:
        card = Image.linear_gradient("L").resize((CARD_SIZE, CARD_SIZE)).convert("RGB")
        card = Image.blend(card, Image.new("RGB", card.size, (70, 90, 140)), 0.8)
    else:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        card = (
            picture.convert("RGB").crop((left, top, left + side, top + side)).resize((CARD_SIZE, CARD_SIZE))
        )
    draw = ImageDraw.Draw(card)
    for text, size, corner, anchor in ((title, 40, 16, "lt"), (footer, 20, CARD_SIZE - 16, "ls")):
        font = ImageFont.load_default(size)
        size = min(size, int(size * (CARD_SIZE - 32) / max(1.0, draw.textlength(text, font))))
        font = ImageFont.load_default(max(8, size))
        draw.text((16, corner), text, "white", font, anchor, stroke_width=2, stroke_fill="black")
    return card
