"""Update the catalogues from the program's texts: ``make messages``.

Four kinds of texts are collected from the program's source, which is read but not run: the literal templates
of messages and errors; the program's own words that are inserted into such messages; the help of the command
line; and the page's texts by key. A new text is added to each catalogue without a translation, a removed text
becomes obsolete, and a changed text keeps its translation, marked as fuzzy.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from ti_core import __version__, errors
from ti_core.cli.usage import paragraphs
from ti_core.languages import CATALOGUE
from ti_core.messages import TERMS
from ti_core.resources import LOCALES

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT / "ui" / "texts"
MARKS = {"Message", "give_up", "say", "template"}
"""The functions whose first argument is a template, beside the classes of errors."""
NO_TEMPLATES = {"UnknownTokenError", "RunMismatchError"}  # their arguments are not templates
HELPED = {"Typer", "Option", "Argument"}
"""The functions whose arguments ``help`` and ``show_default`` are told by the command line's help."""
NOTE = "Translators:"  # begins a comment for translators above a text


@dataclass(frozen=True)
class Text:
    """A text to translate: ``context`` distinguishes equal texts, ``note`` is for translators."""

    english: str
    context: str
    file: str
    note: str = ""


class NotWrittenOut(Exception):
    """A message's template is not a literal, so it cannot be found in a catalogue."""


def collect() -> list[Text]:
    """Collect all texts of the program. Raises :class:`NotWrittenOut` if a template is not a literal."""
    texts = [text for file in source_files() for text in messages_in(file)]
    texts += [
        Text(word, context, "ti_core/messages.py") for context, words in TERMS.items() for word in words
    ]
    commands = {name for file in source_files() for name in commands_named_in(file)}
    texts += [text for file in source_files() for text in help_in(file, commands)]
    texts += [text for file in sorted(TEXTS.glob("*.py")) for text in page_texts_in(file)]
    return texts


def source_files() -> list[Path]:
    """Return the files in which messages are created."""
    files = [file for room in ("ti_core", "ui") for file in sorted((ROOT / room).rglob("*.py"))]
    return [file for file in files if file.parent != TEXTS]


def messages_in(file: Path) -> Iterator[Text]:
    """Collect the templates that a file passes to :data:`MARKS` and to error classes."""
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    tree = ast.parse(source)
    marks = (MARKS | _errors_in(tree)) - NO_TEMPLATES
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and _name_of(node.func) in marks and node.args):
            continue
        for text in _written_out(node.args[0]):
            if text is None:
                place = f"{file.relative_to(ROOT)}:{node.lineno}"
                raise NotWrittenOut(f"{place}: write the template out and give its values by name.")
            yield Text(
                str(text.value), "", file.relative_to(ROOT).as_posix(), _note_above(lines, text.lineno)
            )


def _written_out(argument: ast.expr) -> Iterator[ast.Constant | None]:
    """Return the literal texts that an argument can be; None if it is composed there."""
    match argument:
        case ast.Constant(value=str()):
            yield argument
        case ast.IfExp(body=body, orelse=orelse):
            yield from _written_out(body)
            yield from _written_out(orelse)
        case ast.JoinedStr() | ast.BinOp():
            yield None


def commands_named_in(file: Path) -> Iterator[str]:
    """Return the functions that a file registers as commands: ``app.command("train")(train_command)``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Call(func=ast.Attribute(attr="command")), args=[ast.Name(id=name)]):
                yield name


def help_in(file: Path, commands: Collection[str]) -> Iterator[Text]:
    """Collect a file's help for options and arguments, and the docstring paragraphs of ``commands``."""
    name = file.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=function, keywords=keywords) if _name_of(function) in HELPED:
                for keyword in keywords:
                    if keyword.arg not in ("help", "show_default"):
                        continue
                    for text in _written_out(keyword.value):
                        if text is None:
                            place = f"{name}:{node.lineno}"
                            raise NotWrittenOut(f"{place}: write the text out; values are in HELP_VALUES.")
                        if any(map(str.isalpha, str(text.value))):  # a number needs no translation
                            yield Text(str(text.value), "", name)
            case ast.FunctionDef(name=function_name) if function_name in commands:
                for paragraph in paragraphs(ast.get_docstring(node) or ""):
                    yield Text(paragraph, "", name)


def page_texts_in(file: Path) -> Iterator[Text]:
    """Collect the entries of the table TEXTS in a module of :mod:`ui.texts`."""
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="TEXTS")], value=ast.Dict(keys=keys, values=values)):
                for key, value in zip(keys, values, strict=True):
                    assert isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
                    note = _note_above(lines, key.lineno)
                    yield Text(str(value.value), str(key.value), file.relative_to(ROOT).as_posix(), note)


def update(file: Path, texts: list[Text]) -> Catalog:
    """Return a file's catalogue with exactly these texts; the module's docstring explains all changes."""
    current = Catalog(project="One Word", version=__version__)
    for text in texts:
        comments = [text.note] if text.note else []
        current.add(
            text.english, locations=[(text.file, 0)], auto_comments=comments, context=text.context or None
        )
    with file.open("rb") as opened:
        catalogue = read_po(opened)
    current.creation_date = catalogue.creation_date  # a date would change with every run
    catalogue.update(current, keep_user_comments=True)
    return catalogue


def write(catalogue: Catalog, file: Path) -> None:
    """Write a catalogue in the order of the program's files."""
    with file.open("wb") as opened:
        write_po(opened, catalogue, width=100, include_lineno=False, sort_by_file=True)


def placeholders(text: str) -> set[str]:
    """Return a template's placeholder names. Raises :class:`ValueError` if the template is malformed."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def faults(catalogue: Catalog, texts: list[Text]) -> list[str]:
    """List a catalogue's faults: missing, obsolete, fuzzy and malformed translations."""
    wanted = {(text.english, text.context) for text in texts}
    present = {(str(entry.id), entry.context or "") for entry in catalogue if entry.id}
    found = [f"has no entry: {english!r}" for english, _ in sorted(wanted - present)]
    found += [f"is not said any more: {english!r}" for english, _ in sorted(present - wanted)]
    found += [f"is not said any more: {entry.id!r}" for entry in catalogue.obsolete.values()]
    for entry in catalogue:
        if not entry.id:
            continue
        if not entry.string:
            found.append(f"is not translated: {entry.id!r}")
        elif entry.fuzzy:
            found.append(f"is marked as fuzzy: {entry.id!r}")
        elif not _fit(str(entry.id), str(entry.string)):
            found.append(f"has other placeholders: {entry.id!r}")
    return found


def _fit(english: str, translation: str) -> bool:
    try:
        return placeholders(translation) == placeholders(english)
    except ValueError:
        return False


def _errors_in(tree: ast.Module) -> set[str]:
    """Return the core's error classes, and those that a file derives from them."""
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.OneWordError)
    }
    own = {
        node.name: {_name_of(base) for base in node.bases}
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    return kinds | {name for name, bases in own.items() if bases & kinds}


def _name_of(function: ast.expr) -> str:
    """Return the last name of ``a`` or ``a.b``, "" for other expressions."""
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _note_above(lines: list[str], line: int) -> str:
    """Return the comment for translators directly above a line; lines count from 1."""
    note: list[str] = []
    for above in reversed(lines[: line - 1]):
        if not above.strip().startswith("#"):
            break
        note.insert(0, above.strip().lstrip("# "))
    text = " ".join(note)
    return text.removeprefix(NOTE).strip() if text.startswith(NOTE) else ""


def main() -> None:
    texts = collect()
    for file in sorted(LOCALES.glob(f"*/{CATALOGUE}")):
        catalogue = update(file, texts)
        write(catalogue, file)
        print(f"{file.relative_to(ROOT)}: {len(catalogue)} texts")
        for fault in faults(catalogue, texts):
            print(f"  {fault}")


if __name__ == "__main__":
    main()
