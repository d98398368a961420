"""Prepare a picture for the model: crop and resample it, and attach its mask and caption."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np
from PIL import Image, ImageOps

from ti_core.errors import PictureError
from ti_core.messages import Message
from ti_core.pictures.captions import read_caption
from ti_core.pictures.colour import is_uniform
from ti_core.pictures.decode import AlphaMode, open_picture
from ti_core.pictures.names import display_name

_MAX_ELONGATION = 3.0  # longer side / shorter side; above it the person is warned
Box = tuple[float, float, float, float]  # left, top, right, bottom
Crop = Literal["center"] | Box


@dataclass(frozen=True)
class Picture:
    """One picture as the model sees it."""

    name: str  # the file's name for messages, with unprintable characters replaced
    image: Image.Image  # RGB, at the requested size, without metadata
    mask: Image.Image | None  # "L", same size: weight of each pixel in the loss; None = every pixel counts
    caption: str | None  # from the .txt file of the same name
    original_size: tuple[int, int]  # (width, height), upright, before the crop
    remarks: tuple[Message, ...]  # what the user should know about how the picture was prepared


def prepare_picture(
    source: Path | str | IO[bytes],
    size: int | tuple[int, int],
    *,
    crop: Crop = "center",
    alpha: AlphaMode = "mask",
    name: str | None = None,
) -> Picture:
    """Open one picture, crop it to the aspect ratio of ``size`` and resample it to ``size``.

    ``size`` is (width, height) in pixels, or one number for a square. ``crop`` is "center", or the region to
    keep as (left, top, right, bottom), each a fraction in [0, 1] of the upright picture; the largest centred
    part of that region with the right aspect ratio is used. The caption is read from the .txt file of the
    same name.

    Raises the errors of :func:`open_picture`, and :class:`PictureError` if the crop is invalid or nothing in
    it is visible.
    """
    name = name or display_name(source)
    target = (size, size) if isinstance(size, int) else size
    image, mask, remarks = open_picture(source, alpha=alpha, name=name)
    original_size = image.size

    region = _region(original_size, crop, name)
    elongation = _aspect(region) if _aspect(region) > 1 else 1 / _aspect(region)
    if elongation > _MAX_ELONGATION:
        remarks += (Message("very elongated ({ratio:.1f} to 1); only its middle is used", ratio=elongation),)
    box = _fit_aspect(region, target[0] / target[1])
    if round(box[2] - box[0]) < target[0]:
        wanted = str(target[0]) if target[0] == target[1] else f"{target[0]} x {target[1]}"
        remarks += (Message("smaller than the model's {size} px; it was enlarged", size=wanted),)

    image = image.resize(target, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    if mask is not None:
        mask = mask.resize(target, Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
        if is_uniform(mask, 0):
            raise PictureError(
                "{name} is fully transparent inside the crop. Choose another crop, or leave it out.",
                name=name,
            )
        if is_uniform(mask, 255):
            mask = None
    caption = None
    if isinstance(source, (Path, str)):
        caption, caption_remarks = read_caption(Path(source))
        remarks += caption_remarks
    return Picture(name, image, mask, caption, original_size, remarks)


def fingerprint(picture: Picture) -> str:
    """Return the SHA-256 (hex) of what training sees: pixels, mask and caption, but not the file's name."""
    digest = hashlib.sha256(repr((picture.image.size, picture.caption)).encode())
    digest.update(picture.image.tobytes())
    if picture.mask is not None:
        digest.update(b"mask")
        digest.update(picture.mask.tobytes())
    return digest.hexdigest()


def fit_source(source: Image.Image, width: int, height: int) -> Image.Image:
    """Fit a picture to a size: upright, on white, cropped to the aspect ratio around its centre, resampled.

    Returns an RGB image.
    """
    upright = ImageOps.exif_transpose(source)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return ImageOps.fit(upright.convert("RGB"), (width, height), Image.Resampling.LANCZOS)


def picture_sha256(image: Image.Image) -> str:
    """The SHA-256 of an image's pixels, in hexadecimal."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def to_pixels(pictures: Sequence[Picture]) -> np.ndarray:
    """Stack pictures of one size to (b, 3, h, w) float32 in [-1, 1]."""
    pixels = np.stack([np.asarray(picture.image, dtype=np.float32) for picture in pictures])  # (b, h, w, 3)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) / 127.5 - 1.0


def loss_mask(pictures: Sequence[Picture]) -> np.ndarray | None:
    """Stack the masks to (b, 1, h, w) float32 in [0, 1]; None if no picture has one.

    A picture without a mask counts fully: its row is 1 everywhere.
    """
    if all(picture.mask is None for picture in pictures):
        return None
    masks = [
        Image.new("L", picture.image.size, 255) if picture.mask is None else picture.mask
        for picture in pictures
    ]
    return np.stack([np.asarray(mask, dtype=np.float32) for mask in masks])[:, None] / 255.0


def _region(size: tuple[int, int], crop: Crop, name: str) -> Box:
    """Return the region that ``crop`` selects, in pixels. Raises :class:`PictureError` if it is empty."""
    width, height = size
    if crop == "center":
        return 0.0, 0.0, float(width), float(height)
    left, top, right, bottom = crop
    in_order = 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    if not in_order or (right - left) * width < 1 or (bottom - top) * height < 1:
        raise PictureError(
            "The crop {crop} keeps nothing of {name}. Give left, top, right, bottom as fractions from 0 to "
            "1, left before right and top before bottom.",
            crop=crop,
            name=name,
        )
    return left * width, top * height, right * width, bottom * height


def _aspect(region: Box) -> float:
    """Return width / height."""
    return (region[2] - region[0]) / (region[3] - region[1])


def _fit_aspect(region: Box, aspect: float) -> Box:
    """Return the largest centred box inside ``region`` whose width / height is ``aspect``."""
    left, top, right, bottom = region
    spare_width = max(right - left - (bottom - top) * aspect, 0.0)
    spare_height = max(bottom - top - (right - left) / aspect, 0.0)
    return left + spare_width / 2, top + spare_height / 2, right - spare_width / 2, bottom - spare_height / 2
