"""Small copies of pictures inside the page itself, at no address that another visitor could ask for."""

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
THUMBNAILS_KEPT = 1024  # in memory, of a few kilobytes each


def data_uri(image: Image.Image, side: int = SHOWN_SIDE) -> str:
    """Encode a copy of a picture at most ``side`` pixels wide and high."""
    shown = image.copy()
    shown.thumbnail((side, side))
    buffer = io.BytesIO()
    shown.save(buffer, "WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def thumbnail_uri(file: Path) -> str:
    """Encode a picture of the library, "" if it cannot be read: the word is as good without it."""
    return _thumbnail_uri(file, file.stat().st_mtime_ns)


@lru_cache(THUMBNAILS_KEPT)
def _thumbnail_uri(file: Path, _changed: int) -> str:
    try:
        image, _, _ = open_picture(file, alpha="flatten")
    except PictureError:
        return ""
    return data_uri(image, THUMBNAIL_SIDE)
