"""Decode one picture file safely into an upright sRGB image and an optional alpha mask."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Literal

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ti_core.errors import PictureError
from ti_core.messages import Message
from ti_core.pictures.colour import is_uniform, split_alpha, to_eight_bit, to_srgb
from ti_core.pictures.names import display_name

MAX_PICTURE_PIXELS = 100_000_000
"""Largest width x height that is decoded; the file's header is checked before its pixels are read."""
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")  # and HEIF, if its decoder is installed
AlphaMode = Literal["mask", "flatten"]


def open_picture(
    source: Path | str | IO[bytes], *, alpha: AlphaMode = "mask", name: str | None = None
) -> tuple[Image.Image, Image.Image | None, tuple[Message, ...]]:
    """Decode one picture to (upright RGB image in sRGB, mask or None, remarks).

    The format is detected from the content, not from the suffix. Only the first frame of an animation or a
    multi-page file is used. Transparent parts become white. With ``alpha="mask"`` the alpha channel is also
    returned, as an "L" mask, unless it is fully opaque.

    ``source`` is a path or a seekable binary stream; ``name`` is what messages call it.
    Raises :class:`PictureError` if the picture cannot be read, is too large, or is fully transparent.
    """
    name = name or display_name(source)
    image, remarks = _decode(source, name)
    icc_profile = image.info.get("icc_profile")
    image, alpha_channel = split_alpha(to_eight_bit(image))
    image, colour_remark = to_srgb(image, icc_profile)
    remarks += colour_remark

    mask = None
    if alpha_channel is not None and not is_uniform(alpha_channel, 255):
        if is_uniform(alpha_channel, 0):
            raise PictureError(
                "{name} is fully transparent, so nothing can be seen in it. Leave it out.", name=name
            )
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha_channel)
        if alpha == "mask":
            mask = alpha_channel
            remarks += (Message("its transparent parts do not count in training"),)
        else:
            remarks += (Message("its transparent parts were filled with white"),)
    for result in (image, mask):
        if result is not None:
            result.info = {}
    return image, mask, remarks


def _decode(source: Path | str | IO[bytes], name: str) -> tuple[Image.Image, tuple[Message, ...]]:
    """Load the first frame and turn it upright; its mode is still the file's."""
    with _open_stream(source, name) as stream:
        stream.seek(0)
        head = stream.read(1024)
        formats = _formats_for(head)
        try:
            image = _read_header(stream, formats)
            if image.width * image.height > MAX_PICTURE_PIXELS:
                raise _too_large(name)
            # Read before load(), because the TIFF reader turns the picture itself and then drops the tag.
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
            several_frames = image.format != "MPO" and getattr(image, "is_animated", False)
            image.load()
            upright = ImageOps.exif_transpose(image)
        except PictureError:
            raise
        except Image.DecompressionBombError as error:
            raise _too_large(name) from error
        except UnidentifiedImageError as error:
            raise _unreadable(head, formats, name) from error
        except Exception as error:  # each decoder raises its own kind: OSError, SyntaxError, struct.error, …
            reason = " ".join(str(error).split())
            raise PictureError(
                "{name} is damaged or incomplete ({reason}). Open it in a picture editor and save it again "
                "as JPEG or PNG, or leave it out.",
                name=name,
                reason=reason,
            ) from error
    remarks: tuple[Message, ...] = ()
    if turned:
        remarks += (Message("turned upright as its EXIF says"),)
    if several_frames:
        remarks += (Message("it has several frames; only the first is used"),)
    return upright, remarks


def _read_header(stream: IO[bytes], formats: list[str]) -> Image.Image:
    with warnings.catch_warnings():
        # Pillow warns below its own limit; here MAX_PICTURE_PIXELS is the limit.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(stream, formats=formats)


def _open_stream(source: Path | str | IO[bytes], name: str) -> AbstractContextManager[IO[bytes]]:
    if not isinstance(source, (Path, str)):
        return nullcontext(source)
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise PictureError(
            "{name} cannot be opened ({reason}). Check the path and its permissions.",
            name=name,
            reason=error.strerror,
        ) from error


def _formats_for(head: bytes) -> list[str]:
    """Return Pillow's names of the formats to try; register the HEIF reader if the content may need it."""
    if head[4:8] == b"ftyp":
        try:
            import pillow_heif
        except ImportError:
            return list(_FORMATS)
        pillow_heif.register_heif_opener()
        return [*_FORMATS, "HEIF"]
    return list(_FORMATS)


def _too_large(name: str) -> PictureError:
    return PictureError(
        "{name} has more than {limit:g} million pixels. Make it smaller in a picture editor.",
        name=name,
        limit=MAX_PICTURE_PIXELS / 1e6,
    )


def _unreadable(head: bytes, formats: Sequence[str], name: str) -> PictureError:
    """Build the error that says what the file is instead of a picture, judging by its first bytes."""
    if not head:
        return PictureError(
            "{name} is an empty file. Copy it again from where it came, or leave it out.", name=name
        )
    if head.startswith(b"version https://git-lfs"):
        return PictureError(
            "{name} is a Git LFS pointer, not the picture. Fetch it with `git lfs pull`.", name=name
        )
    if "HEIF" not in formats and head[4:11] in (b"ftyphei", b"ftyphev", b"ftypmif", b"ftypmsf"):
        return PictureError(
            "{name} is a HEIC picture that cannot be read here. Install its reader with `pip install "
            "pillow-heif`, or save the picture as JPEG.",
            name=name,
        )
    if b"<svg" in head:
        return PictureError("{name} is an SVG drawing, not a picture of pixels. Export it as PNG.", name=name)
    if not any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return PictureError(
            "{name} is a text file, not a picture. Leave it out, or copy the picture again.", name=name
        )
    return PictureError(
        "{name} is damaged, or not a picture in a format that can be read. Open it in a picture editor and "
        "save it again as JPEG or PNG, or leave it out.",
        name=name,
    )
