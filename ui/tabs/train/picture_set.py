"""The pictures that a person has chosen for one word: a folder with the files and the choices for each.

The folder is the only place where they are kept. Every change is written there, and the page knows only the
folder's name. A picture is prepared once for each crop of it: the page, the remarks on the whole set and the
training use the same result.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from ti_core.errors import PictureError
from ti_core.files import write_text_whole
from ti_core.model.presets import find_preset
from ti_core.pictures.prepare import Box, Crop, Picture, prepare_picture
from ti_core.prompts.templates import Kind
from ti_core.resources import ASSETS
from ui.server.people import Home
from ui.server.studio import Studio
from ui.texts import explain, language_of, say

EXAMPLES: dict[str, Kind] = {"teapot": "object", "cat": "object", "monster": "object", "x-ray": "style"}
"""Folder of example pictures to what they show; the one that the embedded model learns best comes first."""
USUAL_RESOLUTION = 512  # pixels per side, assumed while the model is unknown
SETS_KEPT = 8  # per home; the oldest are deleted
PREPARED_KEPT = 64  # in memory, for all visitors: 50 MB at 512 x 512 pixels, 200 MB at 1024 x 1024
SET_NAME = re.compile(r"[0-9a-f]{32}")
NOTE = "pictures.json"  # in the folder of a set: everything about it but the files


@dataclass(frozen=True)
class Framing:
    """The square crop of a picture: ``zoom`` times smaller than the largest, at a position from 0 to 1."""

    zoom: float = 1.0
    across: float = 0.5
    down: float = 0.5

    def crop(self, size: tuple[int, int]) -> Box:
        """Return the crop for a picture of size ``(width, height)``."""
        width, height = size
        side = min(size) / max(self.zoom, 1.0)
        left, top = (width - side) * self.across, (height - side) * self.down
        return left / width, top / height, min((left + side) / width, 1.0), min((top + side) / height, 1.0)


@dataclass(frozen=True)
class ChosenPicture:
    """One picture of a set: our own copy of the file, and the person's choices for it."""

    file: Path
    name: str
    """The name under which it was uploaded."""
    size: tuple[int, int]
    """Width and height, upright."""
    framing: Framing = Framing()
    caption: str = ""

    @property
    def id(self) -> str:
        return self.file.name


@dataclass(frozen=True)
class SetAside:
    """A person's own pictures, name and kind while an example's are shown in their place."""

    set_name: str
    token: str
    kind: Kind


@dataclass(frozen=True)
class PictureSet:
    """The pictures for one word, as last written to ``folder``."""

    folder: Path
    pictures: tuple[ChosenPicture, ...] = ()
    is_example: bool = False
    """Whether none of the pictures is the person's own."""
    set_aside: SetAside | None = None

    @property
    def name(self) -> str:
        """The name by which :func:`open_set` finds it again."""
        return self.folder.name

    def find(self, identifier: str) -> ChosenPicture | None:
        return next((picture for picture in self.pictures if picture.id == identifier), None)


def new_set(home: Home) -> PictureSet:
    """Make an empty set. Its folder is created with its first picture."""
    return PictureSet(_sets(home) / secrets.token_hex(16))


def open_set(home: Home, name: str) -> PictureSet:
    """Read the set of that name in a home.

    Returns an empty set if there is none, with another name if ``name`` is not a valid name of a set.
    """
    if not SET_NAME.fullmatch(name):
        return new_set(home)
    folder = _sets(home) / name
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return PictureSet(folder)
    return _from_note(folder, note)


def add_pictures(
    studio: Studio, request: gr.Request, chosen: PictureSet, files: Sequence[str]
) -> tuple[PictureSet, list[str]]:
    """Copy files into a set; also return, in the reader's language, why some could not be used."""
    language, limits = language_of(request), studio.limits
    _make_folder(chosen.folder)
    pictures, rejected = list(chosen.pictures), []
    for file in map(Path, files):
        if len(pictures) >= limits.pictures:
            rejected.append(say(language, "train_too_many", limit=limits.pictures))
            break
        if file.stat().st_size > limits.picture_megabytes * 1_000_000:
            rejected.append(say(language, "train_too_large", name=file.name, limit=limits.picture_megabytes))
            continue
        try:
            pictures.append(_take_in(file, chosen.folder, model_resolution(studio)))
        except PictureError as error:
            rejected.append(explain(language, error))
    return _write(replace(chosen, pictures=tuple(pictures), is_example=False)), rejected


def example_set(
    studio: Studio, request: gr.Request, name: str, set_aside: SetAside | None = None
) -> PictureSet:
    """Make a new set with the pictures of one of the :data:`EXAMPLES`."""
    files = sorted((ASSETS / "examples" / name).glob("*.png"))
    chosen, _ = add_pictures(studio, request, new_set(studio.home(request)), [str(file) for file in files])
    return _write(replace(chosen, is_example=True, set_aside=set_aside))


def with_set_aside(chosen: PictureSet, set_aside: SetAside | None) -> PictureSet:
    """Note in a set which other pictures it is shown in place of."""
    return _write(replace(chosen, set_aside=set_aside))


def delete_set(chosen: PictureSet) -> None:
    shutil.rmtree(chosen.folder, ignore_errors=True)


def remove_picture(chosen: PictureSet, identifier: str) -> PictureSet:
    gone = chosen.find(identifier)
    if gone is None:
        return chosen
    changed = _write(
        replace(chosen, pictures=tuple(picture for picture in chosen.pictures if picture is not gone))
    )
    gone.file.unlink(missing_ok=True)
    return changed


def reframe_picture(studio: Studio, chosen: PictureSet, identifier: str, framing: Framing) -> PictureSet:
    """Change the crop of a picture. Raises :class:`PictureError` if nothing can be seen in the crop."""
    picture = chosen.find(identifier)
    if picture is not None:
        prepared(replace(picture, framing=framing), model_resolution(studio))
    return _change(chosen, identifier, framing=framing)


def caption_picture(chosen: PictureSet, identifier: str, caption: str) -> PictureSet:
    """Set the caption of a picture."""
    return _change(chosen, identifier, caption=" ".join(caption.split()))


def prepared(picture: ChosenPicture, resolution: int) -> Picture:
    """Return the picture as the model sees it, with its caption. Raises :class:`PictureError`."""
    is_whole = picture.framing == Framing()
    crop: Crop = "center" if is_whole else picture.framing.crop(picture.size)
    made = _prepare(picture.file, picture.name, crop, resolution)
    return replace(made, caption=picture.caption or None)


def prepared_pictures(chosen: PictureSet, resolution: int) -> list[Picture]:
    """Return all pictures as the model sees them. Raises :class:`PictureError`."""
    return [prepared(picture, resolution) for picture in chosen.pictures]


def model_resolution(studio: Studio) -> int:
    """Return the resolution of the model in use, or of the one that is being loaded."""
    backbone = studio.models.backbone
    if backbone is not None:
        return backbone.resolution
    preset = find_preset(studio.models.status.name)
    return preset.resolution if preset else USUAL_RESOLUTION


@lru_cache(maxsize=PREPARED_KEPT)
def _prepare(file: Path, name: str, crop: Crop, resolution: int) -> Picture:
    """Prepare a picture. The result can be cached, because a file of a set never changes."""
    return prepare_picture(file, resolution, crop=crop, name=name)


def _take_in(file: Path, folder: Path, resolution: int) -> ChosenPicture:
    """Copy a file under a name of ours. Raises :class:`PictureError` if it is not a picture."""
    copy = folder / secrets.token_hex(8)
    shutil.copyfile(file, copy)
    try:
        return ChosenPicture(copy, file.name, _prepare(copy, file.name, "center", resolution).original_size)
    except PictureError:
        copy.unlink()
        raise


def _sets(home: Home) -> Path:
    return home.folder / "uploads"


def _make_folder(folder: Path) -> None:
    """Make the folder of a set if it is missing; if there are too many sets, delete the oldest."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True)
    for old in sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-SETS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)  # on Windows a folder in use stays until the next time


def _change(chosen: PictureSet, identifier: str, **changes: Any) -> PictureSet:
    """Change one picture, if it is still in the set."""
    if chosen.find(identifier) is None:
        return chosen
    pictures = tuple(
        replace(picture, **changes) if picture.id == identifier else picture for picture in chosen.pictures
    )
    return chosen if pictures == chosen.pictures else _write(replace(chosen, pictures=pictures))


def _write(chosen: PictureSet) -> PictureSet:
    """Write the note that :func:`_from_note` reads."""
    pictures = [
        {
            "file": picture.file.name,
            "name": picture.name,
            "size": picture.size,
            "framing": astuple(picture.framing),
            "caption": picture.caption,
        }
        for picture in chosen.pictures
    ]
    set_aside = None if chosen.set_aside is None else astuple(chosen.set_aside)
    note = {"pictures": pictures, "is_example": chosen.is_example, "set_aside": set_aside}
    if chosen.folder.is_dir():  # it may have been deleted as one of the oldest sets
        write_text_whole(chosen.folder / NOTE, json.dumps(note))
    return chosen


def _from_note(folder: Path, note: dict[str, Any]) -> PictureSet:
    pictures = [
        ChosenPicture(
            file=folder / entry["file"],
            name=entry["name"],
            size=tuple(entry["size"]),
            framing=Framing(*entry["framing"]),
            caption=entry["caption"],
        )
        for entry in note["pictures"]
    ]
    set_aside = None if note["set_aside"] is None else SetAside(*note["set_aside"])
    return PictureSet(folder, tuple(pictures), note["is_example"], set_aside)
