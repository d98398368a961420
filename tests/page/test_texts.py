"""The page's texts: every key exists, gets the values it needs, and is used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.requests import request_of

from ui.server.device_queue import QueueFull
from ui.server.errors import error_text
from ui.server.jobs import JobStatus, TooManyJobs
from ui.texts import TEXTS, language_of, say
from ui.texts.extraction import page_texts_in, placeholders

UI = Path(__file__).resolve().parents[2] / "ui"
PREFIXES = tuple({f"{key.partition('_')[0]}_" for key in TEXTS})
KEY_ARGUMENT = {"label": 0, "say": 1, "refusal": 1}
"""The functions that take a key, and where."""


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Yield all nodes of the page's code except the tables of its texts, with the file's name."""
    for file in sorted(UI.rglob("*.py")):
        if file.parent.name != "texts" or file.stem == "__init__":
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                yield file.name, node


def pattern_of(node: ast.JoinedStr) -> re.Pattern[str]:
    """Return a pattern that matches every value of an f-string."""
    parts = (
        re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z0-9_-]+"
        for part in node.values
    )
    return re.compile("".join(parts))


def keys_meant(node: ast.expr) -> list[ast.expr]:
    """Return the constants and f-strings that an argument may be."""
    if isinstance(node, ast.IfExp):
        return keys_meant(node.body) + keys_meant(node.orelse)
    return [node]


def calls() -> Iterator[tuple[str, ast.Call, ast.expr]]:
    """Return the calls of functions that take a key, each with all its possible keys."""
    for file, node in nodes():
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if name in KEY_ARGUMENT and len(node.args) > KEY_ARGUMENT[name]:
            for key in keys_meant(node.args[KEY_ARGUMENT[name]]):
                yield f"{file}:{node.lineno}", node, key


def test_no_key_is_in_two_parts() -> None:
    tables = [page_texts_in(file) for file in sorted((UI / "texts").glob("*.py"))]
    assert sum(1 for table in tables for _ in table) == len(TEXTS)


def test_no_text_is_empty() -> None:
    assert [key for key, text in TEXTS.items() if not text.strip()] == []


def test_every_key_that_is_said_exists() -> None:
    missing = []
    for place, _, key in calls():
        if isinstance(key, ast.Constant) and key.value not in TEXTS:
            missing.append(f"{place}: {key.value}")
        if isinstance(key, ast.JoinedStr) and not any(map(pattern_of(key).fullmatch, TEXTS)):
            missing.append(f"{place}: {ast.unparse(key)}")
    assert missing == []


def test_every_text_is_given_what_it_needs() -> None:
    wrong = []
    for place, call, key in calls():
        given = {keyword.arg for keyword in call.keywords}
        if not isinstance(key, ast.Constant) or key.value not in TEXTS or None in given:
            continue
        needed = placeholders(TEXTS[key.value])
        if call.func.id != "label" and not needed <= given:  # type: ignore[attr-defined]
            wrong.append(f"{place}: {key.value} needs {sorted(needed - given)}")
        if call.func.id == "label" and needed:  # type: ignore[attr-defined]
            wrong.append(f"{place}: the browser cannot fill in {sorted(needed)}")
    assert wrong == []


def test_every_text_is_said_somewhere() -> None:
    constants, patterns = set(), []
    for _, node in nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            constants.add(node.value)
        if isinstance(node, ast.JoinedStr) and pattern_of(node).pattern.startswith(PREFIXES):
            patterns.append(pattern_of(node))
    unsaid = [
        key
        for key in TEXTS
        if key not in constants and not any(pattern.fullmatch(key) for pattern in patterns)
    ]
    assert unsaid == []


def test_values_are_filled_in() -> None:
    assert say("en", "frame_seconds", seconds=12.4) == "12 s"
    assert say("ja", "frame_seconds", seconds=12.4) == "12 秒"


def test_what_is_full_says_for_how_long_if_that_is_known() -> None:
    assert error_text("en", QueueFull(1, None)) == "The queue is full: 1 waiting. Try again in a moment."
    assert "2 waiting, about 40 s in all" in error_text("en", QueueFull(2, 40.0))
    jobs = [JobStatus("training", 1, 9, seconds) for seconds in (None, 400.0, 200.0)]
    assert error_text("en", TooManyJobs(jobs[:1])).endswith("Try again when one has finished.")
    assert error_text("en", TooManyJobs(jobs)).endswith("when one has finished, in about 3 min at most.")
    assert "長くて約 3 分後" in error_text("ja", TooManyJobs(jobs))


@pytest.mark.parametrize(
    ("accepted", "query", "language"),
    [
        ("ja", {}, "ja"),
        ("ja-JP,en;q=0.8", {}, "ja"),
        ("en-GB", {}, "en"),
        ("fr-FR,fr;q=0.9,ja;q=0.8,en;q=0.7", {}, "ja"),
        ("fr", {}, "en"),
        ("", {}, "en"),
        ("ja", {"lang": "en"}, "en"),
        ("en", {"lang": "ja"}, "ja"),
        ("ja", {"lang": "tlh"}, "ja"),
    ],
)
def test_the_language_is_the_address_or_the_browser_s(
    accepted: str, query: dict[str, str], language: str
) -> None:
    assert language_of(request_of(language=accepted, **query)) == language
