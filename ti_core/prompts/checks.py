"""Check before encoding that a prompt has only known concept tokens and is not too long."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches

from ti_core.errors import PromptError, TokenNameError, UnknownTokenError
from ti_core.prompts.grammar import TextPiece, TokenPiece, refuse_network_tags, split_prompt
from ti_core.prompts.names import TOKEN_PATTERN, token_for_name

MAX_REPORTED_TOKENS = 8  # unknown tokens that one error lists
# Anything meant as a token, valid or not: "<Our-Cat>", "<our cat>"; but not "a < b" or "x<y, z>w".
_TOKEN_LIKE = re.compile(rf"{TOKEN_PATTERN.pattern}|(?<!\w)<[^\W\d_](?:[^<>\n]{{0,62}}[^<>\s])?>")


def check_tokens(prompt: str, known: Collection[str]) -> None:
    """Check that everything written like a concept token in a prompt is one of the known tokens.

    Raises :class:`UnknownTokenError` with the first unknown tokens and the known tokens closest to each, and
    the errors of :func:`split_prompt`.
    """
    refuse_network_tags(prompt)
    written = _TOKEN_LIKE.findall(prompt)
    # The grammar removes brackets and backslashes, which may leave a token: "<our-(cat:1.2)>".
    read = [piece.token for piece in split_prompt(prompt) if isinstance(piece, TokenPiece)]
    for tokens in (written, read):
        unknown = list(dict.fromkeys(token for token in tokens if token not in known))[:MAX_REPORTED_TOKENS]
        if unknown:
            raise UnknownTokenError({token: _closest(token, known) for token in unknown})


def is_plain(text: str) -> bool:
    """Whether a prompt would take a text literally: it has no concept token, weighting or escape."""
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
    """Raise :class:`PromptError` if a prompt or caption has more than ``most`` characters."""
    if len(text) > most:
        raise PromptError(
            '"{text}…" has {length} characters: shorten it to {most}.',
            text=text[:20],
            length=len(text),
            most=most,
        )
