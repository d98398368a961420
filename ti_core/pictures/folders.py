"""Find and load the pictures among the files and folders that the user names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ti_core.errors import PictureError
from ti_core.messages import Message, Said
from ti_core.pictures.names import display_name
from ti_core.pictures.prepare import Picture, prepare_picture

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".tif", ".tiff"}
    | {".webp", ".avif", ".avifs", ".heic", ".heics", ".heif", ".hif"}
)
COMPANION_SUFFIXES = frozenset(
    {".txt", ".caption", ".json", ".jsonl", ".csv", ".md"}  # captions, and descriptions of a run or a word
    | {".safetensors", ".bin", ".pt", ".npz"}  # vectors and latents
    | {".ini", ".db"}  # desktop.ini and Thumbs.db of Windows
)
"""Suffixes of files that are often stored beside pictures and are silently skipped."""


@dataclass(frozen=True)
class RejectedPicture:
    """A file that could not be used; ``reason`` is one plain sentence that names it and says why."""

    name: str
    reason: Said


def find_pictures(paths: Iterable[Path | str]) -> list[Path]:
    """List the picture files among ``paths``, in the order given and each once.

    A folder stands for the pictures directly inside it, sorted by name; hidden files are skipped. A file
    named explicitly is listed whatever its suffix is, except a .txt, which is the caption of a picture.

    Raises :class:`PictureError` for a path that does not exist or cannot be read, for a folder without
    pictures, or if nothing was found.
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
    """Prepare every picture among ``paths`` at ``size``; return the pictures and the rejected files.

    A picture that cannot be used is rejected and does not stop the others. A file in a folder is rejected
    too if its suffix is neither that of a picture nor one of ``COMPANION_SUFFIXES``.
    Raises the errors of :func:`find_pictures`.
    """
    paths = list(paths)
    found = find_pictures(paths)
    pictures: list[Picture] = []
    rejected: list[RejectedPicture] = []
    for path in found:
        try:
            pictures.append(prepare_picture(path, size))
        except PictureError as error:
            rejected.append(RejectedPicture(display_name(path), error.message))
    for path in _unrecognised_files(paths):
        if path not in found:
            name = display_name(path)
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


def _unrecognised_files(paths: Iterable[Path | str]) -> Iterator[Path]:
    """Yield files in the folders among ``paths`` whose suffix is neither a picture's nor a companion's."""
    known = PICTURE_SUFFIXES | COMPANION_SUFFIXES
    for folder in filter(Path.is_dir, dict.fromkeys(map(Path, paths))):
        yield from (
            file
            for file in sorted(folder.iterdir())
            if file.suffix.lower() not in known and _is_visible_file(file)
        )


def _is_visible_file(file: Path) -> bool:
    return not file.name.startswith(".") and file.is_file()
