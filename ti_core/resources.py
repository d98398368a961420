"""The files that come with the program."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# They lie beside the package in a checkout, and inside it once installed: pyproject.toml puts them there.
_HOME = _PACKAGE if (_PACKAGE / "assets").is_dir() else _PACKAGE.parent

ASSETS = _HOME / "assets"
"""The embedded model, its judge, ready-made words, and example pictures."""
LOCALES = _HOME / "locale"
"""One folder for each language, with its catalogues of messages."""
