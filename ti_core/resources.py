"""Where the files are that come with the program."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
ASSETS = _ROOT / "assets"
LOCALES = _ROOT / "locale"
