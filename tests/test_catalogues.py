"""The languages' catalogues are complete and well-formed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from ti_core.languages import CATALOGUE
from ti_core.messages import TERMS
from ti_core.resources import LOCALES
from ui.texts import TEXTS
from ui.texts.extraction import (
    NotWrittenOut,
    Text,
    collect,
    commands_named_in,
    faults,
    help_in,
    messages_in,
    page_texts_in,
    placeholders,
    source_files,
    update,
    write,
)

FILES = sorted(LOCALES.glob(f"*/{CATALOGUE}"))
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")
LATIN = re.compile(r"[A-Za-z]{2,}")
NAMES = re.compile("joint|frame_model_|library_layout_|generate_file$|.*_placeholder$")
"""The contexts of texts that are names, or prompts, which are written in Latin letters in Japanese, too."""


def read(file: Path) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened)


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    return collect()


def test_there_is_much_to_translate(texts: list[Text]) -> None:
    """No other test here would notice if a kind of text were no longer found."""
    contexts = {text.context for text in texts}
    assert set(TERMS) <= contexts and set(TEXTS) <= contexts
    assert sum(not text.context for text in texts) > 250
    assert any("its transparent parts" in text.english for text in texts)
    assert {"Learn a new word from pictures.", "Denoising steps.", "the newest"} <= {
        text.english for text in texts
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parents[1].name)
def test_a_catalogue_has_every_text_and_no_other(file: Path, texts: list[Text]) -> None:
    assert faults(read(file), texts) == [], "Run `make messages`, then translate what it names."


def test_japanese_is_japanese() -> None:
    [file] = [file for file in FILES if file.parents[1].name == "ja"]
    english = [
        entry.id
        for entry in read(file)
        if entry.id and not NAMES.match(entry.context or "")
        if not JAPANESE.search(str(entry.string)) and LATIN.search(without_placeholders(str(entry.string)))
    ]
    assert english == []


def without_placeholders(text: str) -> str:
    return re.sub(r"\{[^}]*\}", "", text)


# --- what goes wrong is found -----------------------------------------------------------------------------


def catalogue_of(*entries: tuple[str, str]) -> Catalog:
    catalogue = Catalog()
    for english, translation in entries:
        catalogue.add(english, translation)
    return catalogue


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([], "has no entry"),
        ([("It is {name}.", "")], "is not translated"),
        ([("It is {name}.", "{nome} です。")], "other placeholders"),
        ([("It is {name}.", "{name です。")], "other placeholders"),
        ([("It is {name}.", "{name} です。"), ("It was.", "でした。")], "is not said any more"),
    ],
)
def test_a_missing_obsolete_or_ill_formed_entry_is_found(entries: list[tuple[str, str]], fault: str) -> None:
    [found] = faults(catalogue_of(*entries), [Text("It is {name}.", "", "a.py")])
    assert fault in found


def test_a_sound_catalogue_has_no_fault() -> None:
    catalogue = catalogue_of(("It is {size:.1f}.", "{size:.1f} です。"))
    assert faults(catalogue, [Text("It is {size:.1f}.", "", "a.py")]) == []


def test_an_update_adds_what_is_new_and_marks_what_is_gone_or_changed(tmp_path: Path) -> None:
    file = tmp_path / "one-word.po"
    before = [Text(text, "", "a.py") for text in ("It stays here.", "It goes away.", "Give three pictures.")]
    catalogue = Catalog()
    for text in before:
        catalogue.add(text.english, f"«{text.english}»")
    write(catalogue, file)
    after = [Text("It stays here.", "", "a.py"), Text("Give four pictures.", "", "a.py", "the least")]
    write(update(file, [*after, Text("New.", "", "b.py")]), file)
    written = read(file)
    assert written["It stays here."].string == "«It stays here.»"
    assert written["Give four pictures."].fuzzy and written["Give four pictures."].auto_comments == [
        "the least"
    ]
    assert not written["New."].string
    assert "It goes away." in written.obsolete
    assert len(faults(written, [*after, Text("New.", "", "b.py")])) == 3


@pytest.mark.parametrize(
    "argument", ['f"{name} is empty."', '"It is " + name', '"It is fine." if name else f"{name}?"']
)
def test_a_message_that_is_put_together_before_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    monkeypatch.setattr("ui.texts.extraction.ROOT", tmp_path)
    file = tmp_path / "module.py"
    file.write_text(f"def check(name):\n    raise PictureError({argument})\n", encoding="utf-8")
    with pytest.raises(NotWrittenOut, match=r"module\.py:2"):
        list(messages_in(file))


def test_templates_and_notes_are_read_from_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.texts.extraction.ROOT", tmp_path)
    file = tmp_path / "module.py"
    file.write_text(
        "class TooHot(OneWordError):\n    pass\n"
        "# Translators: of a picture\nremark = Message('turned')\n"
        "# not for them\nraise TooHot('It is {degrees} ' 'hot.', degrees=3)\n"
        "raise ValueError('of the program')\n",
        encoding="utf-8",
    )
    found = [(text.english, text.note) for text in messages_in(file)]
    assert found == [("turned", "of a picture"), ("It is {degrees} hot.", "")]
    file.write_text('TEXTS = {\n    # Translators: a button\n    "a_key": "Draw",\n}\n', encoding="utf-8")
    [text] = page_texts_in(file)
    assert (text.english, text.context, text.note) == ("Draw", "a_key", "a button")


def test_the_texts_of_the_help_are_read_from_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.texts.extraction.ROOT", tmp_path)
    file = tmp_path / "module.py"
    file.write_text(
        "COUNT = typer.Option('--count', help='How many.', show_default='12')\n"
        "WHAT = typer.Argument(help=LONG_HELP, show_default='as ' 'before', metavar='WHAT')\n"
        "def draw(count: int) -> None:\n"
        "    'Draw\\n    pictures.\\n\\n    They are new.'\n"
        "def other() -> None:\n"
        "    'No command.'\n"
        "app.command('draw', cls=Command)(draw)\n",
        encoding="utf-8",
    )
    assert list(commands_named_in(file)) == ["draw"]
    found = {text.english for text in help_in(file, ["draw"])}
    assert found == {"How many.", "as before", "Draw pictures.", "They are new."}
    file.write_text("COUNT = typer.Option(help=f'The most is {most}.')\n", encoding="utf-8")
    with pytest.raises(NotWrittenOut, match=r"module\.py:1"):
        list(help_in(file, []))


def test_every_message_gets_the_values_that_its_template_needs() -> None:
    """Only calls with both a template and values are checked; the tests that raise the others cover those."""
    wrong = []
    for file in source_files():
        known = {text.english for text in messages_in(file)}
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="template")):
                    pass  # it stands apart from its values
                case ast.Call(args=[ast.Constant(value=str(template))], keywords=keywords):
                    given = {keyword.arg for keyword in keywords}
                    if template in known and None not in given and not placeholders(template) <= given:
                        wrong.append(f"{file.name}:{node.lineno} {template!r}")
    assert wrong == []
