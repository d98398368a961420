"""Concept tokens: the form of ``<our-cat>``, and the token for a person's own name of something."""

from __future__ import annotations

import re
import unicodedata

from ti_core.errors import TokenNameError

MAX_NAME_LENGTH = 31
TOKEN_PATTERN = re.compile(rf"<[a-z0-9][a-z0-9-]{{0,{MAX_NAME_LENGTH - 1}}}>")


def token_for_name(name: str) -> str:
    """The concept token for a person's name of it: ``"Our Cat"`` becomes ``"<our-cat>"``.

    Accents and full-width letters become plain ones; a token is returned as it is.
    Raises TokenNameError when the name is empty, holds nothing that a token can hold, or is too long.
    """
    if not name.strip():
        raise TokenNameError("The concept needs a name: write one such as our-cat.")
    letters = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in letters if letter not in "'’" and not unicodedata.combining(letter))
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not slug:
        raise TokenNameError(
            'The name "{name}" cannot become a token: use the letters a-z, digits and hyphens, for example '
            "our-cat.",
            name=name,
        )
    if len(slug) > MAX_NAME_LENGTH:
        shorter = slug[: MAX_NAME_LENGTH + 1].rpartition("-")[0] or slug[:MAX_NAME_LENGTH]
        raise TokenNameError(
            "The name is too long: a token holds at most {most} characters. Try {shorter}.",
            most=MAX_NAME_LENGTH,
            shorter=shorter,
        )
    return f"<{slug}>"
