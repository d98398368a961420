"""Render the chosen pictures: each as the model sees it, with remarks, and hints on the whole set."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ti_core.languages import tell
from ti_core.pictures.prepare import Picture, prepare_picture
from ti_core.pictures.remarks import find_near_duplicates, share_background
from ui.parts.thumbnails import SHOWN_SIDE, data_uri
from ui.tabs.train.picture_set import ChosenPicture, PictureSet, prepared, prepared_pictures
from ui.texts import Language, say

FEW_PICTURES = 3
WHOLE_PICTURES_KEPT = 64  # in memory, a few kilobytes each


def pictures_html(language: Language, chosen: PictureSet, resolution: int, opened: str = "") -> str:
    """Show the pictures with remarks and buttons, the ``opened`` one marked, and hints on the whole set."""
    pictures = prepared_pictures(chosen, resolution)
    titles = [
        say(language, "train_picture", number=number, name=picture.name)
        for number, picture in enumerate(pictures, start=1)
    ]
    remarks = [[tell(language, remark) for remark in picture.remarks] for picture in pictures]
    for first, second in _first_alike(pictures):
        remarks[second].append(say(language, "train_same_as", name=titles[first]))
    items = "".join(
        _picture_html(language, picture.id, seen, title, texts, is_open=picture.id == opened)
        for picture, seen, title, texts in zip(chosen.pictures, pictures, titles, remarks, strict=True)
    )
    hints = []
    if 0 < len(pictures) < FEW_PICTURES:
        hints.append(say(language, "train_few", count=len(pictures)))
    if share_background(pictures):
        hints.append(say(language, "train_same_background"))
    shown = f'<ul class="train-pictures">{items}</ul>' if items else ""
    return shown + _hints_html(hints)


def rejected_html(language: Language, reasons: Sequence[str]) -> str:
    """Say why files of the last upload could not be used; "" if all could."""
    return _hints_html([say(language, "train_rejected", reason=reason) for reason in reasons])


def framing_html(language: Language, picture: ChosenPicture, resolution: int) -> str:
    """Show the whole picture with its crop marked, beside the crop as the model sees it."""
    left, top, right, bottom = picture.framing.crop(picture.size)
    place = f"left:{left:.2%};top:{top:.2%};width:{right - left:.2%};height:{bottom - top:.2%}"
    whole, kept = _whole_uri(picture.file, picture.size), data_uri(prepared(picture, resolution).image)
    name = html.escape(picture.name)
    about_whole, about_kept = (html.escape(say(language, f"train_{part}")) for part in ("whole", "kept"))
    return (
        '<div class="train-frame">'
        f'<figure><div><img src="{whole}" alt="{name}"><span style="{place}"></span></div>'
        f"<figcaption>{about_whole}</figcaption></figure>"
        f'<figure><img src="{kept}" alt="{name}">'
        f"<figcaption>{about_kept}</figcaption></figure></div>"
    )


def _first_alike(pictures: Sequence[Picture]) -> list[tuple[int, int]]:
    """Return (first, other) for each picture that is nearly the same as an earlier one."""
    first_alike: dict[int, int] = {}
    for first, second in find_near_duplicates(pictures):
        first_alike.setdefault(second, first)
    return [(first, second) for second, first in first_alike.items()]


def _picture_html(
    language: Language, identifier: str, seen: Picture, title: str, remarks: Sequence[str], *, is_open: bool
) -> str:
    shown = html.escape(title)
    notes = "".join(f"<li>{html.escape(remark)}</li>" for remark in remarks)
    caption = f'<p class="train-caption">{html.escape(seen.caption)}</p>' if seen.caption else ""
    buttons = "".join(
        f'<button type="button" data-picture="{identifier}" data-act="{act}" '
        f'aria-label="{html.escape(say(language, f"train_{act}_named", name=title))}">'
        f"{html.escape(say(language, f'train_{act}'))}</button>"
        for act in ("edit", "remove")
    )
    return (
        f'<li class="train-picture{" open" if is_open else ""}">'
        f'<img src="{data_uri(seen.image)}" alt="{shown}"><p class="train-name">{shown}</p>'
        f'{caption}<ul class="train-remarks">{notes}</ul><div class="train-acts">{buttons}</div></li>'
    )


def _hints_html(hints: Sequence[str]) -> str:
    if not hints:
        return ""
    lines = "".join(f'<p class="train-hint">{html.escape(hint)}</p>' for hint in hints)
    return f'<div role="status">{lines}</div>'


@lru_cache(maxsize=WHOLE_PICTURES_KEPT)
def _whole_uri(file: Path, size: tuple[int, int]) -> str:
    """Return a small copy of the whole picture. It can be cached, because the file never changes."""
    scale = SHOWN_SIDE / max(size)
    width, height = (max(1, round(side * scale)) for side in size)
    return data_uri(prepare_picture(file, (width, height), alpha="flatten").image)
