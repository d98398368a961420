"""Picture files → checked, upright sRGB pictures as the model will see them.

`find_pictures` → `prepare_picture` per file (or `load_pictures` for all) → `to_pixels` and `loss_mask`.
What is wrong with a picture raises `PictureError`; what is merely worth knowing becomes a remark on it.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import IO, Literal

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from ti_core.errors import PictureError

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".tif", ".tiff"}
    | {".webp", ".avif", ".avifs", ".heic", ".heics", ".heif", ".hif"}
)
COMPANION_SUFFIXES = frozenset(
    {".txt", ".caption", ".json", ".jsonl", ".csv", ".md"}  # captions, and what describes a run or a word
    | {".safetensors", ".bin", ".pt", ".npz"}  # vectors and latents
    | {".ini", ".db"}  # what Windows keeps in a folder of pictures
)
"""Of the files beside pictures that were not meant as one."""
MAX_PIXELS = 100_000_000
"""The largest width x height that is decoded; checked from the file's header."""

_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")  # HEIF joins when its decoder is installed
_SAVE_AGAIN = "Open it in a picture editor and save it again as JPEG or PNG, or leave it out."
_CAPTION_SUFFIXES = tuple(map("".join, product(".", "tT", "xX", "tT")))  # Linux tells them apart
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, bytes not in UTF-8
_ELONGATED = 3.0  # the longer side over the shorter one
_NEAR_DUPLICATE_BITS = 5  # of the 64 of a difference hash

AlphaMode = Literal["mask", "flatten"]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Crop = Literal["center"] | Box


@dataclass(frozen=True)
class Picture:
    """One picture as the model sees it."""

    name: str  # the file's name, for messages; what cannot be printed in it is replaced
    image: Image.Image  # RGB, of the asked size, without metadata
    mask: Image.Image | None  # "L", same size: how much each pixel counts in the loss; None = all of them
    caption: str | None  # from the .txt of the same name beside it
    original_size: tuple[int, int]  # (width, height), upright, before the crop
    remarks: tuple[str, ...]  # plain facts for the person


@dataclass(frozen=True)
class RejectedPicture:
    """A file that could not be used, and why, in one plain sentence that names it."""

    name: str
    reason: str


def find_pictures(paths: Iterable[Path | str]) -> list[Path]:
    """List the picture files among `paths`, in the order given.

    A folder stands for the pictures directly inside it, sorted by name; hidden files are passed over.
    A file that is named itself is taken whatever its suffix, except a .txt, which is a picture's caption.
    A file met twice is listed once.

    Raises PictureError for a path that does not exist or cannot be read, a folder without pictures, or when
    nothing was found.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        try:
            for file in _pictures_at(path):
                found.setdefault(file.resolve(), file)
        except OSError as error:
            raise PictureError(
                f"{path} cannot be read ({error.strerror}). Check the path and its permissions."
            ) from error
    if not found:
        raise PictureError("No picture was given. Give three to five pictures, or a folder that holds them.")
    return list(found.values())


def open_picture(
    source: Path | str | IO[bytes], *, alpha: AlphaMode = "mask", name: str | None = None
) -> tuple[Image.Image, Image.Image | None, tuple[str, ...]]:
    """Decode one picture to (upright RGB image in sRGB, mask or None, remarks).

    The format is told by the content, not by the suffix. Of an animation or a multi-page file the first frame
    is used. Transparent parts become white; with `alpha="mask"` the alpha channel is also returned, as an "L"
    mask; a fully opaque one is not.

    `source` is a path or a seekable binary stream; `name` stands for it in messages.
    Raises PictureError if it cannot be read, is too large, or is fully transparent.
    """
    name = name or _name_of(source)
    image, remarks = _decode(source, name)
    icc_profile = image.info.get("icc_profile")
    image, alpha_channel = _split_alpha(_to_eight_bit(image))
    image, colour_remark = _to_srgb(image, icc_profile)
    remarks += colour_remark

    mask = None
    if alpha_channel is not None and not _is_uniform(alpha_channel, 255):
        if _is_uniform(alpha_channel, 0):
            raise PictureError(f"{name} is fully transparent, so nothing can be seen in it. Leave it out.")
        image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha_channel)
        if alpha == "mask":
            mask = alpha_channel
            remarks += ("its transparent parts do not count in training",)
        else:
            remarks += ("its transparent parts were filled with white",)
    for result in (image, mask):
        if result is not None:
            result.info = {}
    return image, mask, remarks


def prepare_picture(
    source: Path | str | IO[bytes],
    size: int | tuple[int, int],
    *,
    crop: Crop = "center",
    alpha: AlphaMode = "mask",
    name: str | None = None,
) -> Picture:
    """Open one picture, crop it to the aspect ratio of `size` and resample it to `size`.

    `size` is (width, height) in pixels, or one number for a square. `crop` is "center", or the region to keep
    as (left, top, right, bottom), each a fraction in [0, 1] of the upright picture; the largest centred part
    of that region with the right aspect ratio is used. The caption is read from the .txt of the same name.

    Raises PictureError as `open_picture`, or if nothing visible is left in the crop.
    """
    name = name or _name_of(source)
    target = (size, size) if isinstance(size, int) else size
    image, mask, remarks = open_picture(source, alpha=alpha, name=name)
    original_size = image.size

    region = _region(original_size, crop, name)
    elongation = _aspect(region) if _aspect(region) > 1 else 1 / _aspect(region)
    if elongation > _ELONGATED:
        remarks += (f"very elongated ({elongation:.1f} to 1); only its middle is used",)
    box = _fit_aspect(region, target[0] / target[1])
    if round(box[2] - box[0]) < target[0]:
        wanted = str(target[0]) if target[0] == target[1] else f"{target[0]} x {target[1]}"
        remarks += (f"smaller than the model's {wanted} px; it was enlarged",)

    image = image.resize(target, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    if mask is not None:
        mask = mask.resize(target, Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
        if _is_uniform(mask, 0):
            raise PictureError(
                f"{name} is fully transparent inside the crop. Choose another crop, or leave it out."
            )
        if _is_uniform(mask, 255):
            mask = None
    caption = None
    if isinstance(source, (Path, str)):
        caption, caption_remarks = _read_caption(Path(source))
        remarks += caption_remarks
    return Picture(name, image, mask, caption, original_size, remarks)


def load_pictures(
    paths: Iterable[Path | str], size: int | tuple[int, int]
) -> tuple[list[Picture], list[RejectedPicture]]:
    """Prepare every picture among `paths`; one that cannot be used is reported and does not stop the others.

    So is a file in a folder that is neither named like a picture nor plainly something else.
    Raises PictureError as `find_pictures`.
    """
    paths = list(paths)
    found = find_pictures(paths)
    pictures: list[Picture] = []
    rejected: list[RejectedPicture] = []
    for path in found:
        try:
            pictures.append(prepare_picture(path, size))
        except PictureError as error:
            rejected.append(RejectedPicture(_name_of(path), str(error)))
    for path in _strangers_among(paths):
        if path not in found:
            name = _name_of(path)
            reason = f"{name} is not named like a picture. Save it as JPEG or PNG, or leave it out."
            rejected.append(RejectedPicture(name, reason))
    return pictures, rejected


def fingerprint(picture: Picture) -> str:
    """SHA-256 (hex) of what training sees: the pixels, the mask and the caption, not the name or the file."""
    digest = hashlib.sha256(repr((picture.image.size, picture.caption)).encode())
    digest.update(picture.image.tobytes())
    if picture.mask is not None:
        digest.update(b"mask")
        digest.update(picture.mask.tobytes())
    return digest.hexdigest()


def find_near_duplicates(pictures: Sequence[Picture]) -> list[tuple[int, int]]:
    """Index pairs (i < j) of pictures that look almost the same, by the distance of their 64-bit dHash."""
    hashes = [_difference_hash(picture.image) for picture in pictures]
    return [
        (i, j)
        for i, j in combinations(range(len(hashes)), 2)
        if np.count_nonzero(hashes[i] != hashes[j]) <= _NEAR_DUPLICATE_BITS
    ]


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


# --- decoding ---------------------------------------------------------------------------------------------


def _decode(source: Path | str | IO[bytes], name: str) -> tuple[Image.Image, tuple[str, ...]]:
    """The first frame, loaded and upright, in whatever mode the file has."""
    with _open_stream(source, name) as stream:
        stream.seek(0)
        head = stream.read(1024)
        formats = _formats_for(head)
        try:
            image = _read_header(stream, formats)
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(name)
            # Before load(), because the TIFF reader turns the picture itself and then forgets the tag.
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
        except Exception as error:  # each decoder has its own: OSError, SyntaxError, struct.error, …
            reason = " ".join(str(error).split())
            raise PictureError(f"{name} is damaged or incomplete ({reason}). {_SAVE_AGAIN}") from error
    remarks: tuple[str, ...] = ()
    if turned:
        remarks += ("turned upright as its EXIF says",)
    if several_frames:
        remarks += ("it has several frames; only the first is used",)
    return upright, remarks


def _read_header(stream: IO[bytes], formats: list[str]) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS decides
        return Image.open(stream, formats=formats)


def _open_stream(source: Path | str | IO[bytes], name: str) -> AbstractContextManager[IO[bytes]]:
    if not isinstance(source, (Path, str)):
        return nullcontext(source)
    try:
        return Path(source).open("rb")
    except OSError as error:
        reason = f"{name} cannot be opened ({error.strerror}). Check the path and its permissions."
        raise PictureError(reason) from error


def _formats_for(head: bytes) -> list[str]:
    """Pillow's names of the formats to try; registers the HEIF reader when the content may need it."""
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
        f"{name} has more than {MAX_PIXELS / 1e6:g} million pixels. Make it smaller in a picture editor."
    )


def _unreadable(head: bytes, formats: Sequence[str], name: str) -> PictureError:
    """Say what the file is instead of a picture, as far as its first bytes tell."""
    if not head:
        return PictureError(f"{name} is an empty file. Copy it again from where it came, or leave it out.")
    if head.startswith(b"version https://git-lfs"):
        return PictureError(f"{name} is a Git LFS pointer, not the picture. Fetch it with `git lfs pull`.")
    if "HEIF" not in formats and head[4:11] in (b"ftyphei", b"ftyphev", b"ftypmif", b"ftypmsf"):
        return PictureError(
            f"{name} is a HEIC picture that cannot be read here. "
            "Install its reader with `pip install pillow-heif`, or save the picture as JPEG."
        )
    if b"<svg" in head:
        return PictureError(f"{name} is an SVG drawing, not a picture of pixels. Export it as PNG.")
    if not any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return PictureError(f"{name} is a text file, not a picture. Leave it out, or copy the picture again.")
    return PictureError(f"{name} is damaged, or not a picture in a format that can be read. {_SAVE_AGAIN}")


# --- colour and transparency ------------------------------------------------------------------------------


def _to_eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float greyscale to "L"; Pillow's own conversion would clip it at 255.

    "I" and "F" files do not record their white, so the smallest usual one that holds the brightest
    pixel is taken.
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


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Separate colours and alpha, whether alpha is a channel, palette entries or a key colour."""
    if not image.has_transparency_data:
        return image, None
    grey = image.mode in ("1", "L", "LA", "La")
    with_alpha = image.convert("LA" if grey else "RGBA")
    alpha = with_alpha.getchannel("A")
    return with_alpha.convert("L" if grey else "RGB"), alpha


def _to_srgb(image: Image.Image, icc_profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert to RGB through the embedded ICC profile, if there is one and it is not sRGB already."""
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
        return converted, (f"its colours were converted from {description} to sRGB",)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB"), ("its colour profile could not be used and was ignored",)


def _through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    assert converted is not None  # None is for in-place conversion only
    return converted


# --- helpers ----------------------------------------------------------------------------------------------


def _pictures_at(path: Path) -> list[Path]:
    if path.is_dir():
        inside = [file for file in sorted(path.iterdir()) if _looks_like_picture(file)]
        if not inside:
            raise PictureError(f"The folder {path} holds no pictures. Put three to five of them in it.")
        return inside
    if path.exists():
        return [] if path.suffix.lower() == ".txt" else [path]
    raise PictureError(f"{path} does not exist. Check the path, or leave it out.")


def _name_of(source: Path | str | IO[bytes]) -> str:
    path = source if isinstance(source, (Path, str)) else getattr(source, "name", None)
    return _printable(Path(path).name) if isinstance(path, (Path, str)) and path else "The picture"


def _printable(name: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", name)


def _looks_like_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES and _is_visible_file(file)


def _strangers_among(paths: Iterable[Path | str]) -> Iterator[Path]:
    """Files in the folders among `paths` that may have been meant as pictures but are not named like one."""
    known = PICTURE_SUFFIXES | COMPANION_SUFFIXES
    for folder in filter(Path.is_dir, dict.fromkeys(map(Path, paths))):
        yield from (
            file
            for file in sorted(folder.iterdir())
            if file.suffix.lower() not in known and _is_visible_file(file)
        )


def _is_visible_file(file: Path) -> bool:
    return not file.name.startswith(".") and file.is_file()


def _is_uniform(channel: Image.Image, value: int) -> bool:
    return channel.getextrema() == (value, value)


def _region(size: tuple[int, int], crop: Crop, name: str) -> Box:
    """The part to keep, in pixels."""
    width, height = size
    if crop == "center":
        return 0.0, 0.0, float(width), float(height)
    left, top, right, bottom = crop
    in_order = 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    if not in_order or (right - left) * width < 1 or (bottom - top) * height < 1:
        raise PictureError(
            f"The crop {crop} keeps nothing of {name}. "
            "Give left, top, right, bottom as fractions from 0 to 1, left before right and top before bottom."
        )
    return left * width, top * height, right * width, bottom * height


def _aspect(region: Box) -> float:
    return (region[2] - region[0]) / (region[3] - region[1])


def _fit_aspect(region: Box, aspect: float) -> Box:
    """The largest centred box inside `region` whose width / height is `aspect`."""
    left, top, right, bottom = region
    spare_width = max(right - left - (bottom - top) * aspect, 0.0)
    spare_height = max(bottom - top - (right - left) / aspect, 0.0)
    return left + spare_width / 2, top + spare_height / 2, right - spare_width / 2, bottom - spare_height / 2


def _read_caption(picture: Path) -> tuple[str | None, tuple[str, ...]]:
    """The caption beside a picture, its white space collapsed; (None, remarks) if there is none to use."""
    beside = (picture.with_suffix(suffix) for suffix in _CAPTION_SUFFIXES)
    file = next((file for file in beside if file.is_file()), None)
    if file is None:
        return None, ()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None, (f"its caption {_printable(file.name)} is not readable as UTF-8 text and was ignored",)
    return " ".join(text.split()) or None, ()


def _difference_hash(image: Image.Image) -> np.ndarray:
    """dHash: is each cell of an 8 x 8 grid darker than its right neighbour? (64,) bool."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return (grey[:, 1:] > grey[:, :-1]).ravel()
