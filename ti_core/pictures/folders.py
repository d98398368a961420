"""The picture files among the paths that a person gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ti_core.errors import PictureError
from ti_core.messages import Message, Said
from ti_core.pictures.names import name_of
from ti_core.pictures.prepare import Picture, prepare_picture

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


@dataclass(frozen=True)
class RejectedPicture:
    """A file that could not be used, and why, in one plain sentence that names it."""

    name: str
    reason: Said


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
                "{path} cannot be read ({reason}). Check the path and its permissions.",
                path=path,
                reason=error.strerror,
            ) from error
    if not found:
        raise PictureError("No picture was given. Give three to five pictures, or a folder that holds them.")
    return list(found.values())


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
            rejected.append(RejectedPicture(name_of(path), error.message))
    for path in _strangers_among(paths):
        if path not in found:
            name = name_of(path)
            reason = Message(
                "{name} is not named like a picture. Save it as JPEG or PNG, or leave it out.", name=name
            )
            rejected.append(RejectedPicture(name, reason))
    return pictures, rejected


def _pictures_at(path: Path) -> list[Path]:
    if path.is_dir():
        inside = [file for file in sorted(path.iterdir()) if _looks_like_picture(file)]
        if not inside:
            raise PictureError(
                "The folder {folder} holds no pictures. Put three to five of them in it.", folder=path
            )
        return inside
    if path.exists():
        return [] if path.suffix.lower() == ".txt" else [path]
    raise PictureError("{path} does not exist. Check the path, or leave it out.", path=path)


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
