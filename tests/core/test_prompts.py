"""Prompts as text: token names, templates, attention weights and concept tokens."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from ti_core.errors import PromptError, TokenNameError, UnknownTokenError
from ti_core.prompts.checks import MAX_REPORTED_TOKENS, check_length, check_tokens
from ti_core.prompts.grammar import (
    Span,
    TextPiece,
    TokenPiece,
    concept_tokens,
    parse_weights,
    replace_token,
    split_prompt,
    weight_token,
)
from ti_core.prompts.initializers import OBJECT_WORDS, STYLE_WORDS
from ti_core.prompts.names import TOKEN_PATTERN, token_for_name
from ti_core.prompts.templates import (
    OBJECT_TEMPLATES,
    STYLE_TEMPLATES,
    Kind,
    caption_prompt,
    fill_template,
    templates_for,
)


def weights(prompt: str) -> list[tuple[str, float]]:
    return [(span.text, pytest.approx(span.weight)) for span in parse_weights(prompt)]


def nasty_prompts(count: int, pieces: list[str]) -> list[str]:
    rng = random.Random(0)
    return ["".join(rng.choices(pieces, k=rng.randrange(12))) for _ in range(count)]


BRACKETS = ["(", ")", "[", "]", "\\", ":1.2)", ":", " cat ", "猫🐈", "<our-cat>", "<b>", "<", ">", "\n"]


# Names


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("Our Cat", "<our-cat>"),
        ("<our-cat>", "<our-cat>"),
        ("  our__cat!! ", "<our-cat>"),
        ("Mom's mug", "<moms-mug>"),
        ("Café Noël", "<cafe-noel>"),
        ("Ｏｕｒ Cat ２", "<our-cat-2>"),
        ("Spaß", "<spass>"),
        ("7", "<7>"),
        ("x" * 31, f"<{'x' * 31}>"),
    ],
)
def test_a_name_becomes_a_token(name: str, token: str) -> None:
    assert token_for_name(name) == token
    assert TOKEN_PATTERN.fullmatch(token)
    assert token_for_name(token) == token


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("", "needs a name"),
        (" \n", "needs a name"),
        ("うちの猫", "a-z, digits and hyphens"),
        ("<>", "a-z, digits and hyphens"),
        ("the very old cat of our kind neighbours", r"Try the-very-old-cat-of-our-kind\."),
        ("x" * 32, rf"Try {'x' * 31}\."),
    ],
)
def test_a_name_that_cannot_be_a_token_is_refused_with_advice(name: str, advice: str) -> None:
    with pytest.raises(TokenNameError, match=advice):
        token_for_name(name)


# Templates, captions, words


@pytest.mark.parametrize(("kind", "templates"), [("object", OBJECT_TEMPLATES), ("style", STYLE_TEMPLATES)])
def test_every_template_has_one_place_for_the_token(kind: Kind, templates: tuple[str, ...]) -> None:
    assert templates_for(kind) == templates
    assert len(set(templates)) == len(templates) >= 19
    for template in templates:
        assert template.count("{}") == 1
        assert concept_tokens(fill_template(template, "<our-cat>")) == ("<our-cat>",)


def test_a_template_without_a_place_is_refused_and_other_braces_stay() -> None:
    assert fill_template("{} in {braces}", "<our-cat>") == "<our-cat> in {braces}"
    with pytest.raises(PromptError, match="{}"):
        fill_template("a photo", "<our-cat>")


@pytest.mark.parametrize(
    ("caption", "kind", "prompt"),
    [
        ("asleep on a sofa", "object", "a photo of <our-cat>, asleep on a sofa"),
        ("a harbour", "style", "a harbour in the style of <our-cat>"),
        ("  ", "object", "a photo of <our-cat>"),
        ("", "style", "a picture in the style of <our-cat>"),
        ("{} on a sofa", "object", "<our-cat> on a sofa"),
        ("a sofa and <our-cat>", "style", "a sofa and <our-cat>"),
    ],
)
def test_a_caption_becomes_a_prompt_with_the_token(caption: str, kind: Kind, prompt: str) -> None:
    assert caption_prompt(caption, "<our-cat>", kind) == prompt


@pytest.mark.parametrize(("words", "least"), [(OBJECT_WORDS, 150), (STYLE_WORDS, 40)])
def test_initializer_words_are_distinct_single_lower_case_words(words: tuple[str, ...], least: int) -> None:
    assert len(set(words)) == len(words) >= least
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)


# Attention weights


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", []),
        ("()", []),
        ("normal text", [("normal text", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("((two))", [("two", 1.21)]),
        ("[less]", [("less", 1 / 1.1)]),
        ("[[less]]", [("less", 1 / 1.21)]),
        ("(word:1.3)", [("word", 1.3)]),
        ("(word: 1.3 )", [("word", 1.3)]),
        ("(word:.5)", [("word", 0.5)]),
        ("(word:0)", [("word", 0)]),
        ("(word:10)", [("word", 10)]),
        ("(word:+2)", [("word", 2)]),
        ("([word])", [("word", 1)]),
        ("(a (b:1.5) c:2)", [("a ", 2), ("b", 3), (" c", 2)]),
        ("(a)(b)", [("ab", 1.1)]),
        ("[word:1.3]", [("word:1.3", 1 / 1.1)]),
        ("[(word:2)]", [("word", 2 / 1.1)]),
        ("(a: b)", [("a: b", 1.1)]),
        ("(a:1e3)", [("a:1e3", 1.1)]),
        ("(a:b:1.3)", [("a:b", 1.3)]),
        (":1.5)", [(":1.5)", 1)]),
        ("a) b] c", [("a) b] c", 1)]),
        ("(open [inner", [("open ", 1.1), ("inner", 1)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1), (" c", 1 / 1.1)]),
        (r"\(a\) \[b\] \\", [("(a) [b] \\", 1)]),
        (r"(\(a\):1.5)", [("(a)", 1.5)]),
        (r"(a\:1.5)", [("a", 1.5)]),
        (r"C:\cat", [("C:cat", 1)]),
        ("(<our-cat>:1.2) here", [("<our-cat>", 1.2), (" here", 1)]),
        ("(猫🐈:1.2)\n[犬]", [("猫🐈", 1.2), ("\n", 1), ("犬", 1 / 1.1)]),
    ],
)
def test_weights_follow_the_attention_grammar(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert weights(prompt) == expected


def test_a_long_mixture_of_brackets() -> None:
    assert weights("a ((big:1.3) [old] (oak:0.5), ((sky)).") == [
        ("a ", 1),
        ("big", 1.3 * 1.1),
        (" ", 1.1),
        ("old", 1),
        (" ", 1.1),
        ("oak", 0.5 * 1.1),
        (", ", 1.1),
        ("sky", 1.1**3),
        (".", 1.1),
    ]


@pytest.mark.parametrize(
    "prompt",
    [
        "(a:10.1)",
        "(a:-1)",
        "((a:-1):-1)",
        "(a:1.2.3)",
        "(a:.)",
        f"(a:{'9' * 400})",
        "((a:5):5)",
        "(" * 30 + "a",
    ],
)
def test_a_weight_that_cannot_work_is_refused(prompt: str) -> None:
    with pytest.raises(PromptError, match=r"weight"):
        parse_weights(prompt)


@pytest.mark.parametrize(("opening", "closing"), [("(a", ""), ("([a", ""), ("[a", "]"), ("(a:", ":0.9)")])
def test_reading_many_brackets_takes_time_by_their_number_not_its_square(opening: str, closing: str) -> None:
    started = time.process_time()
    with suppress(PromptError):  # because the weight is too large
        parse_weights(opening * 30_000 + closing * 30_000)
    assert time.process_time() - started < 5


def test_a_long_text_is_refused() -> None:
    check_length("a" * 40, 40)
    with pytest.raises(PromptError, match='"aaaaaaaaaaaaaaaaaaaa…" has 41 characters: shorten it to 40'):
        check_length("a" * 41, 40)


def test_spans_of_nasty_prompts_are_merged_bounded_and_lose_no_word() -> None:
    for prompt in nasty_prompts(3000, BRACKETS):
        spans = parse_weights(prompt)
        assert all(span.text and 0 <= span.weight <= 10 for span in spans)
        assert all(left.weight != right.weight for left, right in zip(spans, spans[1:], strict=False))
        text = "".join(span.text for span in spans)
        for word in (" cat ", "猫🐈", "<our-cat>"):
            assert text.count(word) == prompt.count(word)


def test_escaped_text_reads_back_as_it_was() -> None:
    for text in filter(None, nasty_prompts(1000, BRACKETS)):
        escaped = "".join("\\" + letter if letter in "()[]\\" else letter for letter in text)
        assert parse_weights(escaped) == (Span(text, 1.0),)
        assert "".join(span.text for span in parse_weights(f"({escaped}:2)")) == text


# Concept tokens


def test_a_prompt_is_cut_into_text_and_tokens() -> None:
    assert split_prompt("a (photo of <our-cat>:1.5) in <ink>'s style") == (
        TextPiece("a ", 1.0),
        TextPiece("photo of ", 1.5),
        TokenPiece("<our-cat>", 1.5),
        TextPiece(" in ", 1.0),
        TokenPiece("<ink>", 1.0),
        TextPiece("'s style", 1.0),
    )
    assert split_prompt("<a><b>") == (TokenPiece("<a>", 1.0), TokenPiece("<b>", 1.0))
    assert split_prompt("") == ()


def test_pieces_hold_all_the_text_of_the_spans() -> None:
    for prompt in nasty_prompts(1000, BRACKETS):
        pieces = split_prompt(prompt)
        joined = "".join(piece.token if isinstance(piece, TokenPiece) else piece.text for piece in pieces)
        assert joined == "".join(span.text for span in parse_weights(prompt))
        assert not any(isinstance(piece, TextPiece) and TOKEN_PATTERN.search(piece.text) for piece in pieces)


def test_concept_tokens_come_in_order_once_each() -> None:
    assert concept_tokens("<b> and (<a>:1.2) and <b>, <Our-Cat>, a < b, <3") == ("<b>", "<a>")


@pytest.mark.parametrize(
    "prompt", ["<our-cat>", "a < b", "I <3 you", "a < b and c > d", "x<y and z>w", ">_<", "<>"]
)
def test_known_tokens_and_plain_angle_brackets_pass(prompt: str) -> None:
    check_tokens(prompt, {"<our-cat>"})


@pytest.mark.parametrize(
    ("prompt", "token", "closest"),
    [
        ("a <Our-Cat>", "<Our-Cat>", ("<our-cat>",)),
        ("a <our cat>", "<our cat>", ("<our-cat>",)),
        ("a <our_cat>", "<our_cat>", ("<our-cat>",)),
        ("<our-cat> and <our-cta>", "<our-cta>", ("<our-cat>",)),
        ("(<Our-Cat:1.2>)", "<Our-Cat:1.2>", ("<our-cat>",)),
        ("a <zebra>", "<zebra>", ()),
        ("<1(a:1)>", "<1a>", ()),
        ("a <うちの猫>", "<うちの猫>", ()),
    ],
)
def test_an_unknown_token_is_named_with_the_closest_known(
    prompt: str, token: str, closest: tuple[str, ...]
) -> None:
    with pytest.raises(UnknownTokenError) as caught:
        check_tokens(prompt, ["<ink>", "<our-cat>"])
    assert caught.value.unknown == {token: closest}


def test_all_unknown_tokens_are_named_but_not_endlessly_many() -> None:
    with pytest.raises(UnknownTokenError, match="<our-cta>. Did you mean <our-cat>.* <fog>. Load") as caught:
        check_tokens("<our-cta> in <fog> by <our-cta>", ["<our-cat>"])
    assert caught.value.unknown == {"<our-cta>": ("<our-cat>",), "<fog>": ()}
    with pytest.raises(UnknownTokenError) as caught:
        check_tokens(" ".join(f"<a{number}>" for number in range(1000)), ["<our-cat>"])
    assert len(caught.value.unknown) == MAX_REPORTED_TOKENS


@pytest.mark.parametrize("tag", ["<lora:x:1>", "<LoRA:Some Name v2:0.8>", "<lyco:x:1>", "<hypernet:x:1>"])
def test_lora_tags_are_refused(tag: str) -> None:
    with pytest.raises(PromptError, match="LoRA") as caught:
        check_tokens(f"a cat {tag}", [])
    assert not isinstance(caught.value, UnknownTokenError)
    with pytest.raises(PromptError, match="LoRA"):
        split_prompt(f"a cat {tag}")


def test_weighing_a_token_rewrites_each_occurrence() -> None:
    assert weight_token("<a>, <b>, <a>", "<a>", 1.3) == "(<a>:1.3), <b>, (<a>:1.3)"
    assert weight_token("<a>", "<a>", 1) == "<a>"
    assert weight_token("<a>", "<a>", 0.00004) == "(<a>:0)"
    for weight in (-0.1, 10.1, math.nan, math.inf):
        with pytest.raises(PromptError):
            weight_token("<a>", "<a>", weight)


def test_weighing_a_token_multiplies_its_weight_and_changes_nothing_else() -> None:
    def letters(prompt: str, factor: float) -> list[tuple[str, float]]:
        """List every character and token with its weight, so that merged spans do not matter."""
        found: list[tuple[str, float]] = []
        for piece in split_prompt(prompt):
            if isinstance(piece, TokenPiece):
                found.append((piece.token, piece.weight * (factor if piece.token == "<our-cat>" else 1)))
            else:
                found += [(letter, piece.weight) for letter in piece.text]
        return [(text, pytest.approx(weight)) for text, weight in found]

    for prompt in nasty_prompts(2000, BRACKETS):
        assert letters(weight_token(prompt, "<our-cat>", 1.5), 1.0) == letters(prompt, 1.5), prompt


def test_replacing_a_token_leaves_the_others() -> None:
    prompt = "(<our-cat>:1.2) beside <our-cat-2>, <our-cat>"
    assert replace_token(prompt, "<our-cat>", r"cat\1") == r"(cat\1:1.2) beside <our-cat-2>, cat\1"
    assert replace_token(prompt, "our", "their") == prompt


def test_the_text_modules_load_without_a_model_library() -> None:
    code = (
        "import sys, ti_core.prompts.checks, ti_core.prompts.templates, ti_core.drawing.recipe; "
        "sys.exit(bool({'torch', 'transformers', 'diffusers', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
