"""Write files completely or not at all."""

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
    """Let ``write`` fill a temporary file, then move it to ``path``. If that fails, ``path`` is unchanged.

    ``sync`` flushes the file to disk before it is moved, so that a power failure cannot leave it incomplete.
    The file that was at ``path`` is moved to ``previous``, if given.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        partial.touch()
        mode = stat.S_IMODE(partial.stat().st_mode)  # as the umask allows
        write(partial)
        partial.chmod(mode)  # because safetensors makes files that only their owner can read
        if sync:
            with partial.open("r+b") as file:  # Windows can only sync a file that is open for writing
                os.fsync(file.fileno())
        if previous is not None and path.is_file():
            replace_file(path, previous)
        replace_file(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text_whole(path: Path, text: str) -> None:
    """Write a UTF-8 text file completely or not at all."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def replace_file(source: Path, target: Path) -> None:
    """Call :func:`os.replace` with a few retries: Windows refuses while another process reads the file."""
    for _ in range(REPLACE_TRIES - 1):
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(REPLACE_WAIT)
    os.replace(source, target)
