"""Read a Markdown page: its code blocks, links, pictures and headings, with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

NOT_RUN = re.compile(r"<!-- not run: (?P<reason>.+) -->")
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block; ``not_run`` is the reason in the comment above it, "" if the block is to be run."""

    page: Path
    line: int
    language: str
    code: str
    not_run: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Link:
    """A link or a picture, with its address as written."""

    line: int
    target: str
    is_picture: bool


@lru_cache
def _tokens(page: Path) -> list[Token]:
    text = page.read_text(encoding="utf-8")
    text = FRONT_MATTER.sub(lambda match: "\n" * match[0].count("\n"), text)  # keeps the line numbers
    return MarkdownIt("commonmark").enable("table").parse(text)


def blocks(page: Path) -> list[Block]:
    found, reason = [], ""
    for token in _tokens(page):
        if token.type == "fence":
            assert token.map is not None
            found.append(Block(page, token.map[0] + 1, token.info, token.content, reason))
        comment = NOT_RUN.search(token.content) if token.type == "html_block" else None
        reason = comment["reason"] if comment else ""
    return found


def links(page: Path) -> list[Link]:
    return [
        Link(line, str(child.attrs["src" if child.type == "image" else "href"]), child.type == "image")
        for line, child in _inline(page)
        if child.type in ("image", "link_open")
    ]


def inline_code(page: Path) -> list[tuple[int, str]]:
    """Return the code spans within sentences, with their lines."""
    return [(line, child.content) for line, child in _inline(page) if child.type == "code_inline"]


def headings(page: Path) -> list[tuple[str, str]]:
    """Return the tag (h1, h2, …) and the text of each heading."""
    tokens = _tokens(page)
    return [
        (token.tag, tokens[index + 1].content)
        for index, token in enumerate(tokens)
        if token.type == "heading_open"
    ]


def anchors(page: Path) -> set[str]:
    """Return the anchors that a code host gives the headings."""
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for _, text in headings(page)}


def _inline(page: Path) -> Iterator[tuple[int, Token]]:
    for token in _tokens(page):
        for child in token.children or ():
            yield (token.map or [0])[0] + 1, child
