"""Embed small copies of pictures in the page as data URIs, so no other visitor can request them."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image

from ti_core.errors import PictureError
from ti_core.pictures.decode import open_picture

SHOWN_SIDE = 256  # pixels
THUMBNAIL_SIDE = 128
THUMBNAILS_KEPT = 1024  # in memory, a few kilobytes each


def data_uri(image: Image.Image, side: int = SHOWN_SIDE) -> str:
    """Encode a copy of a picture, at most ``side`` pixels wide and high, as a data URI."""
    shown = image.copy()
    shown.thumbnail((side, side))
    buffer = io.BytesIO()
    shown.save(buffer, "WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def thumbnail_uri(file: Path) -> str:
    """Encode a picture of the library as a data URI, "" if it cannot be read: the word works without it."""
    return _thumbnail_uri(file, file.stat().st_mtime_ns)


@lru_cache(THUMBNAILS_KEPT)
def _thumbnail_uri(file: Path, _changed: int) -> str:
    try:
        image, _, _ = open_picture(file, alpha="flatten")
    except PictureError:
        return ""
    return data_uri(image, THUMBNAIL_SIDE)
