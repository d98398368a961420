"""The pictures that a word will be learned from: taken in, checked, shown as the model sees them."""

from __future__ import annotations

import html
import json
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import gradio as gr

from ti_core.errors import PictureError
from ti_core.files import write_text_whole
from ti_core.languages import tell
from ti_core.model.presets import find_preset
from ti_core.pictures.prepare import Box, Picture, prepare_picture
from ti_core.pictures.remarks import find_near_duplicates, share_background
from ti_core.prompts.templates import Kind
from ti_core.resources import ASSETS
from ui.parts.thumbnails import SHOWN_SIDE, data_uri
from ui.server.people import Home
from ui.server.studio import Studio
from ui.texts import Language, explain, language_of, say

EXAMPLES: dict[str, Kind] = {"teapot": "object", "cat": "object", "monster": "object", "x-ray": "style"}
"""Folder of example pictures to what they show; the one that the embedded model learns best comes first."""
USUAL_RESOLUTION = 512  # stands for that of a model which nothing is known of yet
FEW_PICTURES = 3
DESKS_KEPT = 8  # folders of uploads in a home
NOTE = "desk.json"  # in each of them: what was made of the pictures


@dataclass(frozen=True)
class Framing:
    """Which square of a picture is kept: ``zoom`` times smaller than the largest, placed from 0 to 1."""

    zoom: float = 1.0
    across: float = 0.5
    down: float = 0.5

    def crop(self, size: tuple[int, int]) -> Box:
        """Its part of a picture of ``(width, height)``."""
        width, height = size
        side = min(size) / max(self.zoom, 1.0)
        left, top = (width - side) * self.across, (height - side) * self.down
        return left / width, top / height, min((left + side) / width, 1.0), min((top + side) / height, 1.0)


@dataclass(frozen=True)
class Card:
    """One picture of the desk: our own copy of the file, and the picture as the model sees it, made small."""

    file: Path
    seen: Picture
    framing: Framing = Framing()
    caption: str = ""

    @property
    def id(self) -> str:
        return self.file.name


@dataclass(frozen=True, eq=False)  # Gradio takes the hash of a state, and pictures have none
class Desk:
    """The pictures of a word to be; ``rejected`` says what was wrong with files of the last upload."""

    folder: Path | None = None
    cards: tuple[Card, ...] = ()
    rejected: tuple[str, ...] = ()
    selected: str | None = None
    is_example: bool = False
    """Whether it holds nothing of the visitor's own."""

    @property
    def name(self) -> str:
        """What :func:`find_desk` finds it by, "" before there is a picture."""
        return self.folder.name if self.folder else ""

    @property
    def card(self) -> Card | None:
        """The one that is selected."""
        return self.find(self.selected)

    def find(self, identifier: str | None) -> Card | None:
        return next((card for card in self.cards if card.id == identifier), None)


def add_pictures(studio: Studio, request: gr.Request, desk: Desk, files: Sequence[str]) -> Desk:
    """Copy files to the visitor's home and put those that are pictures on the desk."""
    language, limits = language_of(request), studio.limits
    folder = desk.folder or _new_folder(studio.home(request))
    cards, rejected = list(desk.cards), []
    for file in map(Path, files):
        if len(cards) >= limits.pictures:
            rejected.append(say(language, "train_too_many", limit=limits.pictures))
            break
        if file.stat().st_size > limits.picture_megabytes * 1_000_000:
            rejected.append(say(language, "train_too_large", name=file.name, limit=limits.picture_megabytes))
            continue
        try:
            cards.append(_take_in(file, folder, model_resolution(studio)))
        except PictureError as error:
            rejected.append(explain(language, error))
    return Desk(folder, tuple(cards), tuple(rejected), desk.selected)


def example_desk(studio: Studio, request: gr.Request, name: str) -> Desk:
    """A desk with the pictures of one of the :data:`EXAMPLES`."""
    files = sorted((ASSETS / "examples" / name).glob("*.png"))
    return replace(add_pictures(studio, request, Desk(), [str(file) for file in files]), is_example=True)


def select_picture(desk: Desk, identifier: str | None) -> Desk:
    """Open a picture to change it; None closes."""
    return replace(desk, selected=identifier)


def remove_picture(desk: Desk, identifier: str) -> Desk:
    for card in desk.cards:
        if card.id == identifier:
            card.file.unlink(missing_ok=True)
    return replace(desk, cards=tuple(card for card in desk.cards if card.id != identifier), rejected=())


def reframe_picture(studio: Studio, desk: Desk, identifier: str, framing: Framing) -> Desk:
    """Keep another part of a picture. Raises :class:`PictureError`."""
    card = desk.find(identifier)
    if card is None:
        return desk
    crop = framing.crop(card.seen.original_size)
    seen = _small(prepare_picture(card.file, model_resolution(studio), crop=crop, name=card.seen.name))
    return _with_card(desk, replace(card, seen=seen, framing=framing))


def caption_picture(desk: Desk, identifier: str, caption: str) -> Desk:
    """Describe a picture."""
    card = desk.find(identifier)
    return desk if card is None else _with_card(desk, replace(card, caption=" ".join(caption.split())))


def prepared_pictures(desk: Desk, resolution: int) -> list[Picture]:
    """The pictures at the model's full resolution, with their captions. Raises :class:`PictureError`."""
    return [
        replace(
            prepare_picture(
                card.file, resolution, crop=card.framing.crop(card.seen.original_size), name=card.seen.name
            ),
            caption=card.caption or None,
        )
        for card in desk.cards
    ]


def note_desk(desk: Desk) -> None:
    """Write beside the pictures what :func:`find_desk` needs to know of them."""
    if desk.folder is None or not desk.folder.is_dir():  # of many desks the oldest are gone
        return
    notes = [
        {
            "file": card.file.name,
            "name": card.seen.name,
            "size": card.seen.original_size,
            "framing": astuple(card.framing),
            "caption": card.caption,
        }
        for card in desk.cards
    ]
    write_text_whole(desk.folder / NOTE, json.dumps(notes))


def find_desk(studio: Studio, request: gr.Request, name: str) -> Desk:
    """The desk of a name as it was noted last, an empty one if the visitor's home has none of that name.

    Raises :class:`PictureError` if a picture is no longer there.
    """
    folder = studio.home(request).folder / "uploads" / name
    if not re.fullmatch("[0-9a-f]{32}", name) or not (folder / NOTE).is_file():
        return Desk()
    cards, resolution = [], model_resolution(studio)
    for note in json.loads((folder / NOTE).read_text(encoding="utf-8")):
        file, framing = folder / note["file"], Framing(*note["framing"])
        seen = prepare_picture(file, resolution, crop=framing.crop(tuple(note["size"])), name=note["name"])
        cards.append(Card(file, _small(seen), framing, note["caption"]))
    return Desk(folder, tuple(cards))


def model_resolution(studio: Studio) -> int:
    """Of the model in use, or of the one that is being loaded."""
    backbone = studio.models.backbone
    if backbone is not None:
        return backbone.resolution
    preset = find_preset(studio.models.status.name)
    return preset.resolution if preset else USUAL_RESOLUTION


def desk_html(language: Language, desk: Desk) -> str:
    """The cards, what is to be said of all of them, and what could not be used."""
    pictures = [card.seen for card in desk.cards]
    remarks = [[tell(language, remark) for remark in picture.remarks] for picture in pictures]
    names = [
        say(language, "train_picture", number=number, name=picture.name)
        for number, picture in enumerate(pictures, start=1)
    ]
    first_alike: dict[int, int] = {}
    for first, second in find_near_duplicates(pictures):
        first_alike.setdefault(second, first)
    for second, first in first_alike.items():
        remarks[second].append(say(language, "train_same_as", name=names[first]))
    cards = "".join(
        _card_html(language, card, name, texts, selected=card.id == desk.selected)
        for card, name, texts in zip(desk.cards, names, remarks, strict=True)
    )
    hints = [say(language, "train_rejected", reason=reason) for reason in desk.rejected]
    if 0 < len(pictures) < FEW_PICTURES:
        hints.append(say(language, "train_few", count=len(pictures)))
    if share_background(pictures):
        hints.append(say(language, "train_same_background"))
    notes = "".join(f'<p class="train-hint">{html.escape(hint)}</p>' for hint in hints)
    shown = f'<ul class="train-cards">{cards}</ul>' if cards else ""
    return f'{shown}<div role="status">{notes}</div>'


def framing_html(language: Language, card: Card) -> str:
    """The whole picture with its kept square marked, beside that square as the model sees it."""
    width, height = card.seen.original_size
    left, top, right, bottom = card.framing.crop((width, height))
    place = f"left:{left:.2%};top:{top:.2%};width:{right - left:.2%};height:{bottom - top:.2%}"
    whole = data_uri(prepare_picture(card.file, _shown_size(width, height), alpha="flatten").image)
    name = html.escape(card.seen.name)
    kept, all_of_it = html.escape(say(language, "train_kept")), html.escape(say(language, "train_whole"))
    return (
        '<div class="train-frame">'
        f'<figure><div><img src="{whole}" alt="{name}"><span style="{place}"></span></div>'
        f"<figcaption>{all_of_it}</figcaption></figure>"
        f'<figure><img src="{data_uri(card.seen.image)}" alt="{name}">'
        f"<figcaption>{kept}</figcaption></figure></div>"
    )


def _take_in(file: Path, folder: Path, resolution: int) -> Card:
    """Copy a file under a name of ours. Raises :class:`PictureError` if it is no picture."""
    copy = folder / secrets.token_hex(8)
    shutil.copyfile(file, copy)
    try:
        return Card(copy, _small(prepare_picture(copy, resolution, name=file.name)))
    except PictureError:
        copy.unlink()
        raise


def _new_folder(home: Home) -> Path:
    """A new folder for uploads; of many, the oldest go."""
    uploads = home.folder / "uploads"
    folder = uploads / secrets.token_hex(16)
    folder.mkdir(parents=True)
    for old in sorted(uploads.iterdir(), key=lambda path: path.stat().st_mtime)[:-DESKS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)  # on Windows one in use stays until the next time
    return folder


def _small(picture: Picture) -> Picture:
    """The picture at the size in which the page shows it; the mask is not shown."""
    image = picture.image.copy()
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return replace(picture, image=image, mask=None)


def _shown_size(width: int, height: int) -> tuple[int, int]:
    scale = SHOWN_SIDE / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _with_card(desk: Desk, changed: Card) -> Desk:
    cards = tuple(changed if card.id == changed.id else card for card in desk.cards)
    return replace(desk, cards=cards)


def _card_html(language: Language, card: Card, name: str, remarks: Sequence[str], *, selected: bool) -> str:
    shown = html.escape(name)
    notes = "".join(f"<li>{html.escape(remark)}</li>" for remark in remarks)
    caption = f'<p class="train-caption">{html.escape(card.caption)}</p>' if card.caption else ""
    buttons = "".join(
        f'<button type="button" data-card="{card.id}" data-act="{act}" '
        f'aria-label="{html.escape(say(language, f"train_{act}_named", name=name))}">'
        f"{html.escape(say(language, f'train_{act}'))}</button>"
        for act in ("edit", "remove")
    )
    return (
        f'<li class="train-card{" selected" if selected else ""}">'
        f'<img src="{data_uri(card.seen.image)}" alt="{shown}"><p class="train-name">{shown}</p>'
        f'{caption}<ul class="train-remarks">{notes}</ul><div class="train-acts">{buttons}</div></li>'
    )
