"""Make picture names safe to show in messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

# Control characters, and the surrogates that stand for bytes of a file name that are not UTF-8.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def display_name(source: Path | str | IO[bytes]) -> str:
    """Return what messages call a picture: its file name, or "The picture" for a stream without one."""
    path = source if isinstance(source, (Path, str)) else getattr(source, "name", None)
    return printable(Path(path).name) if isinstance(path, (Path, str)) and path else "The picture"


def printable(name: str) -> str:
    """Replace each unprintable character by U+FFFD."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", name)
