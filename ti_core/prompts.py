"""Prompts as text: concept tokens, training templates, initializer words and attention weights.

Pure text; nothing here loads a model. :mod:`ti_core.backbone` turns the pieces of :func:`split_prompt`
into tokenizer ids and concept vectors.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby
from operator import itemgetter
from typing import Literal

from ti_core.errors import PromptError, TokenNameError, UnknownTokenError

Kind = Literal["object", "style"]

MAX_NAME_LENGTH = 31
TOKEN_PATTERN = re.compile(rf"<[a-z0-9][a-z0-9-]{{0,{MAX_NAME_LENGTH - 1}}}>")

MAX_WEIGHT = 10.0
MAX_NAMED = 8  # unknown tokens that an error names

OBJECT_TEMPLATES: tuple[str, ...] = (
    "a photo of {}",
    "a picture of {}",
    "a close view of {}",
    "a distant view of {}",
    "a sharp photo of {}",
    "a slightly blurred photo of {}",
    "a bright photo of {}",
    "a photo of {} in dim light",
    "a photo of {} in daylight",
    "a photo of {} taken indoors",
    "a photo of {} taken outdoors",
    "a photo of {} from the side",
    "a photo of {} from the front",
    "a photo of {} from above",
    "a photo of {} on a plain background",
    "a photo of {} on a busy background",
    "a photo of {} in the middle of the frame",
    "a photo of {} near the edge of the frame",
    "a snapshot of {}",
    "a quick phone picture of {}",
    "a careful studio photo of {}",
    "a square photo of {}",
    "a detailed picture of {}",
    "a simple picture of {}",
    "a photo showing {}",
    "a photo showing all of {}",
    "an unedited photo of {}",
)

STYLE_TEMPLATES: tuple[str, ...] = (
    "a painting in the style of {}",
    "a picture in the style of {}",
    "a drawing in the style of {}",
    "an artwork in the style of {}",
    "a scene in the style of {}",
    "a landscape in the style of {}",
    "a portrait in the style of {}",
    "a still life in the style of {}",
    "a street in the style of {}",
    "an interior in the style of {}",
    "a small study in the style of {}",
    "a large canvas in the style of {}",
    "a detail of a work in the style of {}",
    "a bright picture in the style of {}",
    "a dark picture in the style of {}",
    "a busy composition in the style of {}",
    "a plain composition in the style of {}",
    "a finished work in the style of {}",
    "a page of pictures in the style of {}",
)

PLAIN_TEMPLATES: dict[Kind, str] = {"object": "a photo of {}", "style": "a house in the style of {}"}
"""The sentence that shows a word of each kind with the least beside it."""

COMPOSITION_TEMPLATES: tuple[str, ...] = (
    "a photo of {} and {}",
    "{} next to {}",
    "{} in the style of {}",
    "{} painted on {}",
)

_OBJECT_WORDS = """
cat dog kitten puppy bird fish horse cow pig sheep goat rabbit mouse bear lion tiger elephant monkey fox wolf
deer duck chicken owl penguin frog turtle snake lizard dragon dinosaur butterfly bee spider snail
toy doll monster robot puppet figurine statue sculpture mask alien ghost
person man woman boy girl baby face hand
mug cup teapot kettle bottle glass bowl plate vase jar pot pan spoon knife fork basket bucket box
lamp lantern candle clock watch mirror chair table sofa bed desk shelf cabinet pillow blanket rug curtain
bag backpack purse suitcase wallet umbrella shoe boot sandal sneaker hat cap helmet glasses scarf glove
shirt jacket coat dress sweater sock ring necklace
phone camera laptop keyboard radio television headphones guitar piano violin drum trumpet
car truck bus train bicycle motorcycle boat ship airplane rocket scooter
house building castle tower church bridge tent barn door window
plant flower tree cactus mushroom leaf rose fruit apple banana orange lemon pumpkin
cake bread cookie pizza sandwich burger
book pen pencil brush key coin ball balloon kite drone hammer chess
"""

_STYLE_WORDS = """
painting sketch drawing watercolor illustration photo cartoon engraving mosaic comic print pixel ink chalk
neon poster pastel charcoal pencil crayon fresco collage woodcut etching mural graffiti anime origami
embroidery tapestry pottery calligraphy silhouette abstract vintage minimal impressionist cubist gothic
baroque
"""

# Candidate initializer words; each is one common lower-case word, so most tokenizers hold it as one token.
OBJECT_WORDS: tuple[str, ...] = tuple(_OBJECT_WORDS.split())
STYLE_WORDS: tuple[str, ...] = tuple(_STYLE_WORDS.split())


@dataclass(frozen=True)
class Span:
    """A run of text under one attention weight; escapes are resolved."""

    text: str
    weight: float


@dataclass(frozen=True)
class TextPiece:
    """Ordinary words of a prompt, for the tokenizer."""

    text: str
    weight: float


@dataclass(frozen=True)
class TokenPiece:
    """A concept token of a prompt, to be replaced by the concept's vectors."""

    token: str
    weight: float


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
            f'The name "{name}" cannot become a token: use the letters a-z, digits and hyphens, '
            "for example our-cat."
        )
    if len(slug) > MAX_NAME_LENGTH:
        shorter = slug[: MAX_NAME_LENGTH + 1].rpartition("-")[0] or slug[:MAX_NAME_LENGTH]
        raise TokenNameError(
            f"The name is too long: a token holds at most {MAX_NAME_LENGTH} characters. Try {shorter}."
        )
    return f"<{slug}>"


def templates_for(kind: Kind) -> tuple[str, ...]:
    """The training templates of a kind of concept."""
    return STYLE_TEMPLATES if kind == "style" else OBJECT_TEMPLATES


def fill_template(template: str, token: str) -> str:
    """Put the token where the template has ``{}``. Raises PromptError when it has no such place."""
    if "{}" not in template:
        raise PromptError(f'The template "{template}" has no place for the concept: write {{}} there.')
    return template.replace("{}", token)


def caption_prompt(caption: str, token: str, kind: Kind) -> str:
    """The training prompt for a picture with its own caption.

    A caption that names the token, or has ``{}`` for it, is used as written; otherwise the token is added.
    """
    caption = caption.strip()
    if token in caption or "{}" in caption:
        return caption.replace("{}", token)
    if kind == "style":
        return f"{caption or 'a picture'} in the style of {token}"
    return f"a photo of {token}, {caption}" if caption else f"a photo of {token}"


_ATTENTION = re.compile(
    r"""
    \\(?P<escaped>[()\[\]\\]?)              # a backslash before anything else vanishes
    | (?P<opening>[(\[])
    | :\s*(?P<weight>[+-]?[.\d]+)\s*\)
    | (?P<closing>[)\]])
    | [^\\()\[\]:]+
    | :
    """,
    re.VERBOSE,
)
_BRACKETS = {")": "(", "]": "["}
_FACTORS = {"(": 1.1, "[": 1 / 1.1}


def parse_weights(prompt: str) -> tuple[Span, ...]:
    r"""Read a prompt's attention weights; neighbours of equal weight are merged and empty text is dropped.

    The grammar is that of AUTOMATIC1111's stable-diffusion-webui: ``(word)`` multiplies by 1.1, ``[word]``
    divides by 1.1, ``(word:1.3)`` multiplies by 1.3, nesting multiplies, ``\(`` ``\)`` ``\[`` ``\]`` ``\\``
    are literal. A bracket never closed reaches to the end of the prompt; one never opened is text.
    Raises PromptError for a weight that is no number or lies outside 0 to 10.
    """
    factors, around = [1.0], [0]  # of each bracket that opens: what it multiplies by, and the one around it
    opened: dict[str, list[int]] = {"(": [0], "[": [0]}  # by number; 0 is no bracket
    texts: list[tuple[str, int, int]] = []  # each in the innermost of the brackets of both kinds
    for match in _ATTENTION.finditer(prompt):
        closed = "(" if match["weight"] else _BRACKETS.get(match["closing"])
        if opening := match["opening"]:
            around.append(opened[opening][-1])
            opened[opening].append(len(factors))
            factors.append(_FACTORS[opening])
        elif closed and opened[closed][-1]:
            bracket = opened[closed].pop()
            if match["weight"]:
                factors[bracket] = _read_weight(match["weight"])
        elif text := match[0] if match["escaped"] is None else match["escaped"]:
            texts.append((text, opened["("][-1], opened["["][-1]))

    products = [1.0]  # of each bracket and all of its kind around it
    for factor, outer in zip(factors[1:], around[1:], strict=True):
        products.append(factor * products[outer])
    weighed = [(text, products[round_] * products[square]) for text, round_, square in texts]

    spans: list[Span] = []
    for weight, group in groupby(weighed, key=itemgetter(1)):
        text = "".join(text for text, _ in group)
        if not weight <= MAX_WEIGHT:
            raise PromptError(
                f'The brackets around "{text.strip()}" give it a weight of {weight:.3g}: '
                f"remove some, weights may reach {MAX_WEIGHT:g}."
            )
        spans.append(Span(text, weight))
    return tuple(spans)


def _read_weight(number: str) -> float:
    try:
        return _checked_weight(float(number))
    except ValueError:
        raise PromptError(f'"{number}" is no weight: write a number such as 1.3.') from None


def _checked_weight(weight: float) -> float:
    if not 0 <= weight <= MAX_WEIGHT:
        raise PromptError(f"The weight {weight:g} cannot work: choose one from 0 to {MAX_WEIGHT:g}.")
    return weight


def split_prompt(prompt: str) -> tuple[TextPiece | TokenPiece, ...]:
    """Cut a prompt into ordinary text and concept tokens, in order, each with its attention weight.

    Whether the tokens are known is :func:`check_tokens`' question.
    Raises PromptError for a LoRA tag, a weight that cannot work or a broken character.
    """
    _refuse_network_tags(prompt)
    _refuse_broken_characters(prompt)
    pieces: list[TextPiece | TokenPiece] = []
    for span in parse_weights(prompt):
        end = 0
        for match in TOKEN_PATTERN.finditer(span.text):
            if match.start() > end:
                pieces.append(TextPiece(span.text[end : match.start()], span.weight))
            pieces.append(TokenPiece(match[0], span.weight))
            end = match.end()
        if end < len(span.text):
            pieces.append(TextPiece(span.text[end:], span.weight))
    return tuple(pieces)


def concept_tokens(prompt: str) -> tuple[str, ...]:
    """The distinct concept tokens of a prompt, in order."""
    return tuple(dict.fromkeys(TOKEN_PATTERN.findall(prompt)))


# Written like a token, though perhaps no valid one: "<Our-Cat>", "<our cat>"; but not "a < b" or "x<y, z>w".
_TOKEN_LIKE = re.compile(rf"{TOKEN_PATTERN.pattern}|(?<!\w)<[^\W\d_](?:[^<>\n]{{0,62}}[^<>\s])?>")
_NETWORK_TAG = re.compile(r"<(?:lora|lyco|hypernet):[^<>\n]{1,200}>", re.IGNORECASE)


def check_tokens(prompt: str, known: Collection[str]) -> None:
    """Check that every concept token of a prompt, also a misspelt one, is among the known tokens.

    Raises UnknownTokenError with those that are not, the first few of them, and the known tokens closest to
    each; and PromptError as :func:`split_prompt`.
    """
    _refuse_network_tags(prompt)
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
        raise PromptError(f'"{text[:20]}…" has {len(text)} characters: shorten it to {most}.')


def _refuse_network_tags(prompt: str) -> None:
    if tag := _NETWORK_TAG.search(prompt):
        raise PromptError(f"LoRA tags are not supported here. Remove {tag[0]} from the prompt.")


def _refuse_broken_characters(prompt: str) -> None:
    # Lone surrogates: Python's stand-ins for bytes of the command line that are not UTF-8.
    if re.search(r"[\ud800-\udfff]", prompt):
        raise PromptError("The prompt holds characters that are not UTF-8: write them again.")


def weight_token(prompt: str, token: str, weight: float) -> str:
    """Weigh every occurrence of a token: ``<our-cat>`` becomes ``(<our-cat>:1.3)``.

    Inside brackets of the prompt's own the weights multiply. Raises PromptError for a weight outside 0 to 10.
    """
    if _checked_weight(weight) == 1:
        return prompt
    number = f"{weight:.4f}".rstrip("0").rstrip(".")

    def weigh(match: re.Match[str]) -> str:
        # A last odd backslash is dropped by the grammar; left in, it would escape the new bracket.
        backslashes = match[1][: len(match[1]) // 2 * 2]
        return f"{backslashes}({token}:{number})"

    return re.sub(rf"(\\*){re.escape(token)}", weigh, prompt)


def replace_token(prompt: str, token: str, replacement: str) -> str:
    """The same prompt with other text, such as the initializer word, in place of one token."""
    return TOKEN_PATTERN.sub(lambda match: replacement if match[0] == token else match[0], prompt)
