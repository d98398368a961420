"""The gallery of a concept's folder: pictures drawn with the word, with their recipes inside."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ti_core.files import write_whole

GALLERY_FILE = re.compile(r"gallery/[0-9]{1,4}\.png")


def gallery_file(number: int) -> str:
    """Where a drawn picture of the card is, in the concept's folder and in its repository."""
    return f"gallery/{number}.png"


def gallery_files(folder: Path) -> list[Path]:
    """The drawn pictures that a concept's folder holds, in the order of their numbers."""
    files = [
        file for file in (folder / "gallery").glob("*.png") if GALLERY_FILE.fullmatch(f"gallery/{file.name}")
    ]
    return sorted(files, key=lambda file: int(file.stem))


def save_gallery(pictures: Sequence[Path], folder: Path) -> None:
    """Keep pictures that were drawn with a concept in its folder, the twin of :func:`gallery_files`."""
    (folder / "gallery").mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        write_whole(folder / gallery_file(number), partial(shutil.copyfile, picture))
