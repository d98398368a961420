"""Normalise the colour depth, transparency and colour profile of a decoded picture."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from ti_core.messages import Message


def to_eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float greyscale to "L"; Pillow's own conversion would clip at 255.

    Files of mode "I" and "F" do not record which value is white. The smallest common white level that is not
    below the brightest pixel is assumed.
    """
    if image.mode.startswith("I;16"):
        whites: tuple[float, ...] = (65535,)
    elif image.mode == "I":
        whites = (255, 65535, 2**31 - 1)
    elif image.mode == "F":
        whites = (1, 255, 65535)
    else:
        return image
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    peak = float(values.max())
    white = next((white for white in whites if peak <= white), peak)
    return Image.fromarray((values / white * 255.0).round().clip(0, 255).astype(np.uint8))


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours and the alpha channel ("L"), or None for the latter if nothing can be transparent.

    Alpha may be stored as a channel, in palette entries or as a key colour.
    """
    if not image.has_transparency_data:
        return image, None
    grey = image.mode in ("1", "L", "LA", "La")
    with_alpha = image.convert("LA" if grey else "RGBA")
    alpha = with_alpha.getchannel("A")
    return with_alpha.convert("L" if grey else "RGB"), alpha


def to_srgb(image: Image.Image, icc_profile: bytes | None) -> tuple[Image.Image, tuple[Message, ...]]:
    """Convert to RGB, through the embedded ICC profile unless that is missing or already sRGB.

    The remarks say whether the colours were converted or the profile was unusable.
    """
    if image.mode == "LAB":
        return _through_profile(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))), ()
    if not icc_profile:
        return image.convert("RGB"), ()
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        description = ImageCms.getProfileDescription(profile).strip()
        if description.lower().startswith("srgb"):
            return image.convert("RGB"), ()
        if profile.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        converted = _through_profile(image, profile)
        return converted, (Message("its colours were converted from {profile} to sRGB", profile=description),)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB"), (Message("its colour profile could not be used and was ignored"),)


def _through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    assert converted is not None  # Pillow returns None only when it converts in place
    return converted


def is_uniform(channel: Image.Image, value: int) -> bool:
    """Whether every pixel of a channel has this value."""
    return channel.getextrema() == (value, value)
