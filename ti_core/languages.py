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


@cache
def languages() -> tuple[str, ...]:
    """The codes of all available languages: English first, the others in alphabetical order."""
    return (ENGLISH, *sorted(_catalogue_files()))


def choose_language(wishes: Sequence[str]) -> str:
    """The available language for the first of the wishes that has one, otherwise English.

    A wish is a code such as ``ja``, ``ja-JP`` or ``ja_JP.UTF-8``. It is matched by exactly that code, or else
    by the same language of another country.
    """
    for wish in wishes:
        code = wish.partition(".")[0].replace("_", "-").lower()
        same = [known for known in languages() if known.lower() == code]
        similar = [known for known in languages() if _primary(known) == _primary(code)]
        if granted := same or similar:
            return granted[0]
    return ENGLISH


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
