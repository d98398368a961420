"""Check the program's messages in Japanese."""

from __future__ import annotations

import re
from typing import Any

from ti_core.languages import tell

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


def in_japanese(said: Any) -> str:
    """Return a message or error in Japanese; fails if the text has no Japanese letters."""
    text = tell("ja", said)
    assert JAPANESE.search(text), text
    return text
