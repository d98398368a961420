"""What the program says in Japanese."""

from __future__ import annotations

import re
from typing import Any

from ti_core.languages import tell

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


def in_japanese(said: Any) -> str:
    """A message or an error as a Japanese reader sees it; fails if there is no Japanese in it."""
    text = tell("ja", said)
    assert JAPANESE.search(text), text
    return text
