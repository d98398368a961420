"""The languages of the program: English, and every language that has a gettext catalogue (PO).

A catalogue is ``locale/<language>/LC_MESSAGES/one-word.po``; adding a language takes one such file. The
environment variable ``ONE_WORD_LOCALE`` names a folder with more catalogues, in which translators can try
theirs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ti_core.messages import Translate, in_english, in_words
from ti_core.resources import LOCALES

ENGLISH = "en"
CATALOGUE = Path("LC_MESSAGES") / "one-word.po"
FOLDER_VARIABLE = "ONE_WORD_LOCALE"
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
PLAIN_LOCALES = ("C", "POSIX")


@cache
def languages() -> tuple[str, ...]:
    """The codes of all available languages: English first, the others in alphabetical order."""
    return (ENGLISH, *sorted(_catalogue_files()))


def choose_language(wishes: Sequence[str]) -> str:
    """The available language for the first of the wishes that has one, otherwise English.

    For a wish, see :func:`find_language`.
    """
    return next(filter(None, map(find_language, wishes)), ENGLISH)


def find_language(wish: str) -> str | None:
    """The available language for a code such as ``ja``, ``ja-JP`` or ``ja_JP.UTF-8``, or None.

    It is the language of exactly that code, or else the same language of another country.
    """
    code = wish.partition(".")[0].replace("_", "-").lower()
    same = [known for known in languages() if known.lower() == code]
    similar = [known for known in languages() if _primary(known) == _primary(code)]
    return next(iter(same or similar), None)


def environment_wishes() -> list[str]:
    """The languages that the environment asks for, as gettext reads it: ``LANGUAGE``, else the locale's.

    In the locale C, by which scripts ask for English, ``LANGUAGE`` does not count.
    """
    locale = next(filter(None, map(os.environ.get, LOCALE_VARIABLES)), "")
    language = "" if locale in PLAIN_LOCALES else os.environ.get("LANGUAGE", "")
    return (language or locale).split(":")


def split_language(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """What ``--lang`` asks for, wherever it stands in a command line, and the arguments without it."""
    asked, others = None, []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            others += [argument, *left]  # these are no options
        elif argument == "--lang":
            asked = next(left, "")
        elif argument.startswith("--lang="):
            asked = argument.removeprefix("--lang=")
        else:
            others.append(argument)
    return asked, others


def _primary(code: str) -> str:
    """The language of a code, without the country."""
    return code.partition("-")[0].lower()


def tell(language: str, said: Any) -> str:
    """Translate a message, an error, a listing or plain text; what has no translation stays English."""
    return str(in_words(said, translator(language)))


@cache
def translator(language: str) -> Translate:
    """A function that looks up templates in the catalogue of a language."""
    if language == ENGLISH:
        return in_english
    texts = _read_catalogue(language)
    return lambda template, context: texts.get((template, context), template)


def language_name(language: str) -> str:
    """A language's name in that language, such as 日本語."""
    from babel import Locale  # takes a moment to import

    return str(Locale.parse(language, sep="-").display_name)


def _catalogue_files() -> Mapping[str, Path]:
    folders = [LOCALES, *map(Path, filter(None, [os.environ.get(FOLDER_VARIABLE)]))]
    files = [file for folder in folders for file in folder.glob(f"*/{CATALOGUE}")]
    return {file.parents[1].name.replace("_", "-"): file for file in files}


def _read_catalogue(language: str) -> Mapping[tuple[str, str], str]:
    """The translations by template and context, without those that are marked fuzzy or empty."""
    from babel.messages.pofile import read_po  # takes a moment to import

    with _catalogue_files()[language].open("rb") as file:
        catalogue = read_po(file)
    return {
        (str(entry.id), entry.context or ""): str(entry.string)
        for entry in catalogue
        if entry.id and entry.string and not entry.fuzzy
    }
