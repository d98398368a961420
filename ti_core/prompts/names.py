"""Concept tokens such as ``<our-cat>``: their form, and how a name becomes one."""

from __future__ import annotations

import re
import unicodedata

from ti_core.errors import TokenNameError

MAX_NAME_LENGTH = 31  # characters between < and >
TOKEN_PATTERN = re.compile(rf"<[a-z0-9][a-z0-9-]{{0,{MAX_NAME_LENGTH - 1}}}>")


def token_for_name(name: str) -> str:
    """Turn the name of a concept into its token: ``"Our Cat"`` becomes ``"<our-cat>"``.

    Accented and full-width letters become plain ones. A name that is already a token is returned unchanged.
    Raises :class:`TokenNameError` if the name is empty, has no usable character, or is too long.
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
