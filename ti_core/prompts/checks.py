"""Whether a prompt can be encoded: known tokens, bearable length."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches

from ti_core.errors import PromptError, TokenNameError, UnknownTokenError
from ti_core.prompts.grammar import TextPiece, TokenPiece, refuse_network_tags, split_prompt
from ti_core.prompts.names import TOKEN_PATTERN, token_for_name

MAX_NAMED = 8  # unknown tokens that an error names
# Written like a token, though perhaps no valid one: "<Our-Cat>", "<our cat>"; but not "a < b" or "x<y, z>w".
_TOKEN_LIKE = re.compile(rf"{TOKEN_PATTERN.pattern}|(?<!\w)<[^\W\d_](?:[^<>\n]{{0,62}}[^<>\s])?>")


def check_tokens(prompt: str, known: Collection[str]) -> None:
    """Check that every concept token of a prompt, also a misspelt one, is among the known tokens.

    Raises UnknownTokenError with those that are not, the first few of them, and the known tokens closest to
    each; and PromptError as :func:`split_prompt`.
    """
    refuse_network_tags(prompt)
    written = _TOKEN_LIKE.findall(prompt)
    # Brackets and backslashes vanish, and what is left may be a token: "<our-(cat:1.2)>".
    read = [piece.token for piece in split_prompt(prompt) if isinstance(piece, TokenPiece)]
    for tokens in (written, read):
        unknown = list(dict.fromkeys(token for token in tokens if token not in known))[:MAX_NAMED]
        if unknown:
            raise UnknownTokenError({token: _closest(token, known) for token in unknown})


def is_plain(text: str) -> bool:
    """Whether a prompt reads a text as it is written: no token, no weight, nothing that vanishes."""
    try:
        check_tokens(text, ())
        return split_prompt(text) == (TextPiece(text, 1.0),)
    except PromptError:
        return False


def _closest(token: str, known: Collection[str]) -> list[str]:
    try:
        meant = token_for_name(token)
    except TokenNameError:
        return []
    return [meant] if meant in known else get_close_matches(meant, sorted(known), n=2)


def check_length(text: str, most: int) -> None:
    """Raises PromptError for a prompt, or a caption, of more than ``most`` characters."""
    if len(text) > most:
        raise PromptError(
            '"{text}…" has {length} characters: shorten it to {most}.',
            text=text[:20],
            length=len(text),
            most=most,
        )
