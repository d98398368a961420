"""The usage of a command in the person's language: its help, and its usage errors.

Typer's help is English only, and it wraps lines by the number of characters, although Japanese characters
are twice as wide. So this module writes the help from typer's commands and options, in the look of typer's
own.
"""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ti_core.cli.terminal import columns, told
from ti_core.drawing.recipe import SCHEDULER_LABELS
from ti_core.languages import languages, split_language
from ti_core.messages import Message, Said, clauses, series, template
from ti_core.model.presets import PRESETS
from ti_core.model.sources import SOURCE_SYNTAX
from ti_core.prompts.composition import COMPOSITION_TEMPLATES

USAGE_ERROR: type[Any] = typer.BadParameter.__mro__[1]  # UsageError, which typer does not export
HELP_OPTION = template("Show this message and exit.")  # typer's own text, which is the key in the catalogues

HELP_VALUES: Mapping[str, Any] = {
    "compositions": clauses(form.format("<our-cat>", "<our-ink>") for form in COMPOSITION_TEMPLATES),
    "guidance_scales": series(f"{preset.name} {preset.guidance_scale:g}" for preset in PRESETS),
    "repository": SOURCE_SYNTAX,
    "samplers": series(SCHEDULER_LABELS),
    "schedulers": series(f"{preset.name} {preset.scheduler}" for preset in PRESETS),
}
"""What the placeholders in the texts of commands and options stand for."""

MOST_COLUMNS, FEWEST_COLUMNS = 78, 50
LONGEST_NAME = 30  # columns; the text of a longer name begins on the next line
WIDE = r"\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\uffef"
OPENING, CLOSING = r"「『（\[(", r"、。，．」』）：；ー〜々っゃゅょッャュョ\])"
TOGETHER = re.compile(rf"\s*[{OPENING}]*(?:[^\s{WIDE}]+|[{WIDE}])[{CLOSING}]*")
"""What no line break divides: a word, or a Japanese character with its punctuation."""


class Command(TyperCommand):
    """A command with help in the person's language, which accepts ``--lang`` anywhere."""

    def get_help(self, ctx: Any) -> str:
        return help_of(self, ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, split_language(args)[1])


class CommandGroup(TyperGroup):
    """A group of commands with help in the person's language."""

    def get_help(self, ctx: Any) -> str:
        return help_of(self, ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, split_language(args)[1])


def help_of(command: Any, context: Any) -> str:
    """Return the whole ``--help`` text of a typer command in the person's language."""
    width = max(min(shutil.get_terminal_size().columns - 2, MOST_COLUMNS), FEWEST_COLUMNS)
    usage = told(Message("Usage: {command}", command=context.command_path)) + " "
    blocks = [_hang(usage, " ".join(command.collect_usage_pieces(context)), width)]
    blocks += [_hang("  ", paragraph, width) for paragraph in _description(command)]
    rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
    for parameter in command.get_params(context):
        if record := parameter.get_help_record(context):
            name, _ = record  # the second item is typer's English explanation
            rows[parameter.param_type_name].append((name, _explanation(parameter)))
    rows["option"].insert(-1, _language_row())
    commands = getattr(command, "commands", {})
    for title, section in (
        (Message("Arguments:"), rows["argument"]),
        (Message("Options:"), rows["option"]),
        (Message("Commands:"), [(name, _description(commands[name])[0]) for name in commands]),
    ):
        if section:
            blocks.append([told(title), *_beside_each_other(section, width)])
    return "\n\n".join("\n".join(lines) for lines in blocks)


def what_is_wrong(error: Any) -> Said:
    """Return a usage error of typer as a message; rare ones keep typer's English text."""
    match type(error).__name__, getattr(error, "param", None):
        case "MissingParameter", parameter if parameter is not None:
            return Message(
                "Missing option {name}."
                if parameter.param_type_name == "option"
                else "Missing argument {name}.",
                name=_name_of(parameter),
            )
        case "BadParameter", parameter if parameter is not None:
            return Message(
                "Invalid value for {name}: {reason}", name=_name_of(parameter), reason=error.message
            )
        case "NoSuchOption", _:
            return Message(
                "No such option: {name} (Possible options: {options})"
                if error.possibilities
                else "No such option: {name}",
                name=error.option_name,
                options=series(sorted(error.possibilities or ())),
            )
    return str(error.format_message())


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a command's docstring, each on one line."""
    return [" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n")]


def _description(command: Any) -> list[str]:
    """Return the paragraphs of a command's description."""
    return [told(Message(text, **HELP_VALUES)) for text in paragraphs(command.help or "")]


def _language_row() -> tuple[str, str]:
    default = Message("default: {value}", value=Message("(as the environment says)"))
    return (
        f"--lang <{'|'.join(languages())}>",
        f"{told(Message('The language to speak in the terminal.'))}  [{told(default)}]",
    )


def _explanation(parameter: Any) -> str:
    """Explain what an option or argument is for, and whether it may be omitted."""
    notes: list[Said] = []
    if parameter.envvar:
        notes.append(Message("env var: {name}", name=parameter.envvar))
    if parameter.required:
        notes.append(Message("required"))
    elif default := _default(parameter):
        notes.append(Message("default: {value}", value=default))
    text = told(Message(parameter.help or "", **HELP_VALUES))
    remark = f"[{told(clauses(notes))}]" if notes else ""
    return "  ".join(filter(None, [text, remark]))


def _default(parameter: Any) -> str:
    """Return the default value as the help shows it, or a text in its place, or "" to show nothing."""
    shown, value = parameter.show_default, parameter.default
    if isinstance(shown, str):
        return f"({told(Message(shown, **HELP_VALUES))})"
    if isinstance(value, bool):  # for a pair such as --big/--small, the name that is the default
        opposite = parameter.secondary_opts
        return (parameter.opts if value else opposite)[0].lstrip("-") if opposite else ""
    return str(value) if shown and value is not None else ""


def _name_of(parameter: Any) -> str:
    """Return the name of an option or argument for a message."""
    if parameter.param_type_name == "argument":
        return repr(parameter.metavar or parameter.name)
    return " / ".join(map(repr, parameter.opts))


def _beside_each_other(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Format lines with the names on the left and their texts on the right."""
    left = min(max(columns(name) for name, _ in rows), LONGEST_NAME) + 2
    for name, text in rows:
        if columns(name) > left - 2:
            yield f"  {name}"
            name = ""
        yield from _hang(f"  {name:{left}}", text, width)


def _hang(start: str, text: str, width: int) -> list[str]:
    """Wrap a text to ``width`` columns; it follows ``start`` and further lines are indented as far."""
    indent = columns(start)
    lines = [start]
    for piece in TOGETHER.findall(text):
        if columns(lines[-1] + piece) > width and lines[-1].strip():
            lines.append(" " * indent)
        lines[-1] += piece if lines[-1].strip() else piece.lstrip()
    return [line.rstrip() for line in lines]
