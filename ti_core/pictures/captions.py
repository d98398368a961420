"""The caption beside a picture."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from ti_core.messages import Message
from ti_core.pictures.names import printable

_CAPTION_SUFFIXES = tuple(map("".join, product(".", "tT", "xX", "tT")))  # Linux tells them apart


def read_caption(picture: Path) -> tuple[str | None, tuple[Message, ...]]:
    """The caption beside a picture, its white space collapsed; (None, remarks) if there is none to use."""
    beside = (picture.with_suffix(suffix) for suffix in _CAPTION_SUFFIXES)
    file = next((file for file in beside if file.is_file()), None)
    if file is None:
        return None, ()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None, (
            Message(
                "its caption {file} is not readable as UTF-8 text and was ignored", file=printable(file.name)
            ),
        )
    return " ".join(text.split()) or None, ()
