"""The command line: the core's functions with a progress bar and exit codes.

Results go to stdout, with ``--json`` as one JSON object on its last line; everything else goes to stderr.
People read everything in the language of ``--lang`` or of the environment; the JSON for programs is English.
The exit code is 0 on success, 1 if the work failed or was stopped, and 2 if the arguments are wrong.

torch, diffusers and the modules that import them take seconds to load, so the modules here import them only
inside the functions that need them.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Annotated, Any

import typer

from ti_core import __version__
from ti_core.cli.convert import convert_command
from ti_core.cli.draw import compose_command, generate_command, style_command
from ti_core.cli.evaluate import evaluate_command
from ti_core.cli.hub import pull_command, push_command
from ti_core.cli.show import inspect_command, models_command, runs_command
from ti_core.cli.terminal import speaking, tell_error
from ti_core.cli.train import train_command
from ti_core.cli.usage import USAGE_ERROR, Command, CommandGroup, what_is_wrong
from ti_core.errors import ConfigError
from ti_core.languages import choose_language, environment_wishes, find_language, languages, split_language
from ti_core.messages import either

TYPERS_INTERRUPT = 130  # typer's exit code for a Ctrl-C before the command has begun

STYLE: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""How every command line of the program behaves, as typer's options."""

app = typer.Typer(
    cls=CommandGroup,
    help="Teach a frozen text-to-image model one new word from a few pictures, and draw with it.",
    no_args_is_help=True,
    **STYLE,
)
app.command("train", cls=Command)(train_command)
app.command("generate", cls=Command)(generate_command)
app.command("compose", cls=Command)(compose_command)
app.command("style", cls=Command)(style_command)
app.command("evaluate", cls=Command)(evaluate_command)
app.command("inspect", cls=Command)(inspect_command)
app.command("convert", cls=Command)(convert_command)
app.command("push", cls=Command)(push_command)
app.command("pull", cls=Command)(pull_command)
app.command("models", cls=Command)(models_command)
app.command("runs", cls=Command)(runs_command)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"one-word {__version__}")
        raise typer.Exit


@app.callback()
def _before_the_command(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Accept the options that precede the command's name."""


def main(commands: typer.Typer = app, name: str = "python -m ti_core") -> None:
    """Run the command line of this process, then exit.

    Characters that the terminal cannot encode are replaced. ``name`` is the program's name as the person
    typed it. Raises SystemExit, or KeyboardInterrupt after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    asked, arguments = split_language(sys.argv[1:])
    with speaking(choose_language([asked or "", *environment_wishes()])):
        sys.exit(_run(commands, name, asked, wants_help=not arguments))


def _run(commands: typer.Typer, name: str, language: str | None, *, wants_help: bool) -> int | None:
    """Run a command line and return its exit code. ``language`` is the value of ``--lang``, known or not."""
    # In standalone mode typer prints usage errors in four lines of its own. Only its answer to a command
    # line without arguments is wanted: the help.
    wants_help = wants_help and bool(commands.info.no_args_is_help)
    try:
        if language is not None and find_language(language) is None:
            raise ConfigError(
                "There is no language {name!r}: choose {languages}.",
                name=language,
                languages=either(languages()),
            )
        code: int | None = commands(prog_name=name, standalone_mode=wants_help)
    except (USAGE_ERROR, ConfigError) as error:
        message = error.message if isinstance(error, ConfigError) else what_is_wrong(error)
        facts = tell_error(message, error)
        if "--json" in sys.argv:
            typer.echo(json.dumps(facts))
        return 2
    if code == TYPERS_INTERRUPT:
        raise KeyboardInterrupt
    return code
