"""A1111's picture that holds a word twice: in a text chunk, and in the pixels at its sides.

The text chunk ``sd-ti-embedding`` is base64 of JSON. In the pixels stands the same JSON, packed by zlib: the
low halves of its bytes in the wing on the left, the high halves in that on the right, each half byte in the
lower bits of one colour of a pixel, XORed with a fixed random sequence; a black column parts each wing from
the picture. Sites that strip the text chunk leave the pixels, if they keep the file a PNG.
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
MAX_JSON_BYTES = 4 * 2**20  # 75 vectors of 1280 numbers take some 2 MB
LOW_BITS = 0x0F
CARD_SIZE = 512  # pixels
MIN_WING = 2  # columns

# The generator of the random sequence: state = (A * state + C) mod 2 ** 32, output state % 255.
LCG_A, LCG_C = 1664525, 1013904223

UNREADABLE = (OSError, Image.DecompressionBombError, *DAMAGED)  # what Pillow raises for a damaged picture


def read_png(path: Path) -> Contents:
    """The dict in the text chunk; without one, or if that is damaged, the dict in the pixels.

    Raises :class:`ConceptError` if there is no sound one, or the picture is damaged or too large.
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
        image.load()  # it may also stand behind the pixels
    if CHUNK not in image.info:
        return _in_pixels(image)
    try:
        return _in_text(image.info[CHUNK])
    except ConceptError:
        with suppress(ConceptError, *UNREADABLE):
            return _in_pixels(image)
        raise


def write_png(values: Mapping[str, Any], card: Image.Image, path: Path) -> None:
    """Save a card with both copies of the dict, whose tensors are rows (n, d)."""
    data = json.dumps(values, default=lambda tensor: {"TORCHTENSOR": tensor.tolist()}).encode()
    chunks = PngInfo()
    chunks.add_text(CHUNK, base64.b64encode(data).decode())
    packed = np.frombuffer(zlib.compress(data, level=9), np.uint8)
    write_whole(path, partial(join_wings(packed, card).save, format="PNG", pnginfo=chunks))


# --- the JSON ---------------------------------------------------------------------------------------------


def _in_text(text: str) -> dict[str, Any]:
    try:
        return _parse(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise ConceptError(DATA_IS_DAMAGED) from error


def _in_pixels(image: Image.Image) -> dict[str, Any]:
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
    """Nested lists as rows (n, d), or one vector (d,)."""
    rows = entry["TORCHTENSOR"]
    flat = not isinstance(rows[0], list)
    numbers = rows if flat else [number for row in rows for number in row]
    is_even = flat or len({len(row) for row in rows}) == 1
    if not is_even or not all(type(number) in (int, float) for number in numbers):
        raise ConceptError(DATA_IS_DAMAGED)
    shape = (len(rows),) if flat else (len(rows), len(rows[0]))
    values = torch.tensor(numbers, dtype=torch.float64).to(torch.float32).reshape(shape)
    return StoredTensor(shape, torch.float32, lambda: values)


# --- the pixels -------------------------------------------------------------------------------------------


def join_wings(data: np.ndarray, card: Image.Image) -> Image.Image:
    """The card (w, h) between two wings (h, columns, 3) of the halves of the bytes, repeated to fill them."""
    columns = max(MIN_WING, math.ceil(len(data) / (card.height * 3)))
    size = (card.height, columns, 3)
    mask = _random_halves(math.prod(size)).reshape(size)
    low = np.resize(data & LOW_BITS, size) ^ mask
    high = np.resize(data >> 4, size) ^ mask
    black = np.zeros((card.height, 1, 3), np.uint8)
    parts = [_shaded(low), black, np.asarray(card.convert("RGB")), black, _shaded(high)]
    return Image.fromarray(np.concatenate(parts, axis=1))


def _shaded(wing: np.ndarray) -> np.ndarray:
    """Upper bits to look at, which also part every pixel of a wing from the black columns."""
    height, columns, _ = wing.shape
    rows = np.arange(height)[:, None, None] // 8 % 4
    return (wing | ((rows + 3) << 4)).astype(np.uint8)


def _decode(pixels: np.ndarray) -> bytes:
    """The JSON in the pixels (h, w, 3); the steps are those of A1111's own decoder."""
    bright = np.min(pixels, axis=2) > 0
    columns, rows = np.flatnonzero(bright.any(axis=0)), np.flatnonzero(bright.any(axis=1))
    nothing = ConceptError("It is a picture without a word in it: choose the file as A1111 saved it.")
    if not columns.size:
        raise nothing
    halves = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] & LOW_BITS
    black = np.flatnonzero(halves.sum(axis=(0, 2), dtype=np.int64) == 0)
    if black.size < 2:
        raise nothing
    low, high = halves[:, : black[0]], halves[:, black[-1] + 1 :]
    if low.shape != high.shape or low.size > 2 * MAX_JSON_BYTES:
        raise nothing
    mask = _random_halves(low.size).reshape(low.shape)
    packed = ((high ^ mask) << 4 | (low ^ mask)).astype(np.uint8).tobytes()
    try:
        machine = zlib.decompressobj()
        data = machine.decompress(packed, MAX_JSON_BYTES + 1)
    except zlib.error as error:
        raise nothing from error
    return data


def _random_halves(count: int) -> np.ndarray:
    """The first ``count`` numbers of the sequence, & 0x0F; each round doubles how many there are."""
    states = np.array([LCG_C], np.uint64)  # what follows 0
    a, c, modulus = LCG_A, LCG_C, 2**32
    while len(states) < count:
        states = np.concatenate([states, (states * np.uint64(a) + np.uint64(c)) % np.uint64(modulus)])
        a, c = a * a % modulus, (a * c + c) % modulus
    return (states[:count] % np.uint64(255)).astype(np.uint8) & LOW_BITS


# --- the card ---------------------------------------------------------------------------------------------


def draw_card(title: str, footer: str, picture: Image.Image | None = None) -> Image.Image:
    """A picture, or a plain ground, with a word above and what is known of it below."""
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
