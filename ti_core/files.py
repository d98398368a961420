"""Files that are written as a whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path

REPLACE_TRIES = 5
REPLACE_WAIT = 0.02  # seconds


def write_whole(
    path: Path, write: Callable[[Path], object], *, sync: bool = False, previous: Path | None = None
) -> None:
    """Let ``write`` fill a file beside ``path`` and put it in its place; ``path`` stays if that fails.

    ``sync`` waits until the disk has it, so that a power cut cannot take it; what was at ``path`` before is
    kept as ``previous``.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        partial.touch()
        mode = stat.S_IMODE(partial.stat().st_mode)  # what the person's umask leaves
        write(partial)
        partial.chmod(mode)  # safetensors writes files that only their owner can read
        if sync:
            with partial.open("r+b") as file:  # Windows syncs only what is open for writing
                os.fsync(file.fileno())
        if previous is not None and path.is_file():
            replace_file(path, previous)
        replace_file(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text_whole(path: Path, text: str) -> None:
    """:func:`write_whole` for UTF-8 text."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def replace_file(source: Path, target: Path) -> None:
    """:func:`os.replace`, tried again for a moment: Windows refuses while another process reads the file."""
    for _ in range(REPLACE_TRIES - 1):
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(REPLACE_WAIT)
    os.replace(source, target)
