"""What a picture is called in messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, bytes not in UTF-8


def name_of(source: Path | str | IO[bytes]) -> str:
    path = source if isinstance(source, (Path, str)) else getattr(source, "name", None)
    return printable(Path(path).name) if isinstance(path, (Path, str)) and path else "The picture"


def printable(name: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", name)
