"""The grammar of a prompt: attention weights, escapes and concept tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from ti_core.errors import PromptError
from ti_core.prompts.names import TOKEN_PATTERN

MAX_WEIGHT = 10.0


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
                'The brackets around "{text}" give it a weight of {weight:.3g}: remove some, weights may '
                "reach {most:g}.",
                text=text.strip(),
                weight=weight,
                most=MAX_WEIGHT,
            )
        spans.append(Span(text, weight))
    return tuple(spans)


def _read_weight(number: str) -> float:
    try:
        return _checked_weight(float(number))
    except ValueError:
        raise PromptError('"{number}" is no weight: write a number such as 1.3.', number=number) from None


def _checked_weight(weight: float) -> float:
    if not 0 <= weight <= MAX_WEIGHT:
        raise PromptError(
            "The weight {weight:g} cannot work: choose one from 0 to {most:g}.",
            weight=weight,
            most=MAX_WEIGHT,
        )
    return weight


def split_prompt(prompt: str) -> tuple[TextPiece | TokenPiece, ...]:
    """Cut a prompt into ordinary text and concept tokens, in order, each with its attention weight.

    Whether the tokens are known is :func:`check_tokens`' question.
    Raises PromptError for a LoRA tag, a weight that cannot work or a broken character.
    """
    refuse_network_tags(prompt)
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


_NETWORK_TAG = re.compile(r"<(?:lora|lyco|hypernet):[^<>\n]{1,200}>", re.IGNORECASE)


def refuse_network_tags(prompt: str) -> None:
    if tag := _NETWORK_TAG.search(prompt):
        raise PromptError("LoRA tags are not supported here. Remove {tag} from the prompt.", tag=tag[0])


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
