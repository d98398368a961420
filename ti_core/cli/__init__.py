"""The command line: the core's functions, with a progress bar and exit codes.

Results go to stdout, with ``--json`` as one JSON object on its last line; everything else goes to stderr.
Exit codes: 0, 1 if the work failed or was stopped, 2 if what was given is wrong.

torch, diffusers and what imports them take seconds: the modules here import them only inside the
functions that need them.
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
from ti_core.cli.terminal import say
from ti_core.cli.train import train_command

USAGE_ERROR: type[Any] = typer.BadParameter.__mro__[1]  # which typer does not export
TYPERS_INTERRUPT = 130  # what it returns for a Ctrl-C before the command has begun

STYLE: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""How every command line of the program behaves, as typer's options."""

app = typer.Typer(
    help="Teach a frozen text-to-image model one new word from a few pictures, and draw with it.",
    no_args_is_help=True,
    **STYLE,
)
app.command("train")(train_command)
app.command("generate")(generate_command)
app.command("compose")(compose_command)
app.command("style")(style_command)
app.command("evaluate")(evaluate_command)
app.command("inspect")(inspect_command)
app.command("convert")(convert_command)
app.command("push")(push_command)
app.command("pull")(pull_command)
app.command("models")(models_command)
app.command("runs")(runs_command)


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
    """Take the options that stand before the command's name."""


def main(commands: typer.Typer = app, name: str = "python -m ti_core") -> None:
    """Run a command line, whatever characters the terminal can show; ends by SystemExit or Ctrl-C.

    ``name`` is what the person typed to start it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # By itself typer says a usage error in four lines; only what it says to no arguments is wanted: the help.
    wants_help = bool(commands.info.no_args_is_help) and not sys.argv[1:]
    try:
        code = commands(prog_name=name, standalone_mode=wants_help)
    except USAGE_ERROR as error:
        message = " ".join(error.format_message().split())
        say(message)
        if "--json" in sys.argv:
            typer.echo(json.dumps({"error": message, "kind": type(error).__name__}))
        code = 2
    if code == TYPERS_INTERRUPT:
        raise KeyboardInterrupt
    sys.exit(code)
