"""Read the caption file that belongs to a picture."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from ti_core.messages import Message
from ti_core.pictures.names import printable

# Every mix of upper and lower case, because file names are case-sensitive on Linux.
_CAPTION_SUFFIXES = tuple(map("".join, product(".", "tT", "xX", "tT")))


def read_caption(picture: Path) -> tuple[str | None, tuple[Message, ...]]:
    """Read the caption from the .txt file of the same name; return it with remarks.

    Runs of white space become one space. The caption is None if there is no such file, or if it is empty or
    not UTF-8; the remarks mention the latter.
    """
    candidates = (picture.with_suffix(suffix) for suffix in _CAPTION_SUFFIXES)
    file = next((file for file in candidates if file.is_file()), None)
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
