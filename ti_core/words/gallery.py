"""The gallery in a concept's folder: pictures drawn with the word, each with its recipe in its metadata."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ti_core.files import write_whole

GALLERY_FILE = re.compile(r"gallery/[0-9]{1,4}\.png")


def gallery_file(number: int) -> str:
    """Return the path of a gallery picture, relative to the concept's folder or repository."""
    return f"gallery/{number}.png"


def gallery_files(folder: Path) -> list[Path]:
    """Return the gallery pictures in a concept's folder, ordered by number."""
    files = [
        file for file in (folder / "gallery").glob("*.png") if GALLERY_FILE.fullmatch(f"gallery/{file.name}")
    ]
    return sorted(files, key=lambda file: int(file.stem))


def save_gallery(pictures: Sequence[Path], folder: Path) -> None:
    """Copy pictures into the gallery of a concept's folder, numbered from 0."""
    (folder / "gallery").mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        write_whole(folder / gallery_file(number), partial(shutil.copyfile, picture))
