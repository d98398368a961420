"""The folders of the files that come with the program."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# In a checkout the folders are next to the package; pyproject.toml installs them inside it.
_HOME = _PACKAGE if (_PACKAGE / "assets").is_dir() else _PACKAGE.parent

ASSETS = _HOME / "assets"
"""The embedded model, its judge, ready-made words, and example pictures."""
LOCALES = _HOME / "locale"
"""The catalogues of messages, in one folder for each language."""
