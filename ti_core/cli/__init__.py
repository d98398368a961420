"""The command line: the core's functions, with a progress bar and exit codes.

Results go to stdout, with ``--json`` as one JSON object on its last line; everything else goes to stderr.
Exit codes: 0, 1 if the work failed or was stopped, 2 if what was given is wrong.

torch, diffusers and what imports them take seconds: the modules here import them only inside the
functions that need them.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any

import typer

from ti_core.cli.convert import convert_command
from ti_core.cli.draw import compose_command, generate_command, style_command
from ti_core.cli.evaluate import evaluate_command
from ti_core.cli.hub import pull_command, push_command
from ti_core.cli.show import inspect_command, models_command, runs_command
from ti_core.cli.terminal import say
from ti_core.cli.train import train_command

# Read by the model libraries when they are imported; their remarks and bars are not for the person.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

USAGE_ERROR: type[Any] = typer.BadParameter.__mro__[1]  # which typer does not export
TYPERS_INTERRUPT = 130  # what it returns for a Ctrl-C before the command has begun

app = typer.Typer(
    help="Teach a frozen text-to-image model one new word from a few pictures, and draw with it.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
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


def main() -> None:
    """Run the command line, whatever characters the terminal can show; ends by SystemExit or Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:  # by itself typer says a usage error in four lines; to no arguments at all it says the help
        code = app(prog_name="python -m ti_core", standalone_mode=not sys.argv[1:])
    except USAGE_ERROR as error:
        message = " ".join(error.format_message().split())
        say(message)
        if "--json" in sys.argv:
            typer.echo(json.dumps({"error": message, "kind": type(error).__name__}))
        code = 2
    if code == TYPERS_INTERRUPT:
        raise KeyboardInterrupt
    sys.exit(code)
