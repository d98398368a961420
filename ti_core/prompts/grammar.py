"""Parse the prompt grammar: attention weights, escapes and concept tokens."""

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
    """A run of text with one attention weight; its escapes are resolved."""

    text: str
    weight: float


@dataclass(frozen=True)
class TextPiece:
    """Ordinary prompt text, for the tokenizer."""

    text: str
    weight: float


@dataclass(frozen=True)
class TokenPiece:
    """A concept token in a prompt, to be replaced by the concept's vectors."""

    token: str
    weight: float


_ATTENTION = re.compile(
    r"""
    \\(?P<escaped>[()\[\]\\]?)              # a backslash before any other character is dropped
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
    r"""Split a prompt into spans of equal attention weight, merging neighbours and dropping empty text.

    The grammar is that of AUTOMATIC1111's stable-diffusion-webui: ``(word)`` multiplies by 1.1, ``[word]``
    divides by 1.1, ``(word:1.3)`` multiplies by 1.3, nested brackets multiply, and ``\(`` ``\)`` ``\[``
    ``\]`` ``\\`` are literal. An unclosed bracket extends to the end of the prompt; an unopened one is text.
    Raises :class:`PromptError` for a weight that is not a number or is outside 0 to 10.
    """
    # Brackets are numbered in the order in which they open; 0 stands for "no bracket".
    factors = [1.0]  # by bracket: what it multiplies the weight by
    parents = [0]  # by bracket: the enclosing bracket of the same kind
    opened: dict[str, list[int]] = {"(": [0], "[": [0]}  # stacks of open brackets
    texts: list[tuple[str, int, int]] = []  # text, its innermost round bracket, its innermost square one
    for match in _ATTENTION.finditer(prompt):
        closed = "(" if match["weight"] else _BRACKETS.get(match["closing"])
        if opening := match["opening"]:
            parents.append(opened[opening][-1])
            opened[opening].append(len(factors))
            factors.append(_FACTORS[opening])
        elif closed and opened[closed][-1]:
            bracket = opened[closed].pop()
            if match["weight"]:
                factors[bracket] = _read_weight(match["weight"])
        elif text := match[0] if match["escaped"] is None else match["escaped"]:
            texts.append((text, opened["("][-1], opened["["][-1]))

    products = [1.0]  # by bracket: its factor times those of all enclosing brackets of the same kind
    for factor, parent in zip(factors[1:], parents[1:], strict=True):
        products.append(factor * products[parent])
    weighted = [(text, products[round_] * products[square]) for text, round_, square in texts]

    spans: list[Span] = []
    for weight, group in groupby(weighted, key=itemgetter(1)):
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
    """Split a prompt into ordinary text and concept tokens, in order, each with its attention weight.

    Does not check that the tokens are known; :func:`~ti_core.prompts.checks.check_tokens` does.
    Raises :class:`PromptError` for a LoRA tag, an invalid weight or a lone surrogate.
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
    """Return the distinct concept tokens of a prompt, in order."""
    return tuple(dict.fromkeys(TOKEN_PATTERN.findall(prompt)))


_NETWORK_TAG = re.compile(r"<(?:lora|lyco|hypernet):[^<>\n]{1,200}>", re.IGNORECASE)


def refuse_network_tags(prompt: str) -> None:
    """Raise :class:`PromptError` if a prompt has a LoRA, LyCORIS or hypernetwork tag."""
    if tag := _NETWORK_TAG.search(prompt):
        raise PromptError("LoRA tags are not supported here. Remove {tag} from the prompt.", tag=tag[0])


def _refuse_broken_characters(prompt: str) -> None:
    # Python represents command-line bytes that are not UTF-8 by lone surrogates.
    if re.search(r"[\ud800-\udfff]", prompt):
        raise PromptError("The prompt holds characters that are not UTF-8: write them again.")


def weight_token(prompt: str, token: str, weight: float) -> str:
    """Give every occurrence of a token an attention weight: ``<our-cat>`` becomes ``(<our-cat>:1.3)``.

    The weight multiplies with those of brackets that are already in the prompt.
    Raises :class:`PromptError` for a weight outside 0 to 10.
    """
    if _checked_weight(weight) == 1:
        return prompt
    number = f"{weight:.4f}".rstrip("0").rstrip(".")

    def weigh(match: re.Match[str]) -> str:
        # Drop an unpaired last backslash, as the grammar would: it must not escape the new bracket.
        backslashes = match[1][: len(match[1]) // 2 * 2]
        return f"{backslashes}({token}:{number})"

    return re.sub(rf"(\\*){re.escape(token)}", weigh, prompt)


def replace_token(prompt: str, token: str, replacement: str) -> str:
    """Replace one concept token in a prompt by other text, such as the initializer word."""
    return TOKEN_PATTERN.sub(lambda match: replacement if match[0] == token else match[0], prompt)
