"""The terminal side of a command: results, errors, progress and Ctrl-C.

People read everything in the language set by :func:`speaking`. The JSON object is for programs: its keys,
kinds and sentences are always English.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import traceback
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from ti_core.errors import InputError, OneWordError
from ti_core.languages import ENGLISH, tell
from ti_core.messages import Message, Said, series

SCRIPT = "one-word"  # the name under which pyproject.toml installs it
DEBUG_VARIABLE = "ONE_WORD_DEBUG"
LONGEST_REASON = 300  # characters of an unexpected error's own message
# The model libraries read these when they are imported; their logs and progress bars are hidden from the
# person.
QUIET_LIBRARIES = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
}

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]

Show = Callable[[int, Said], None]
"""Shows how many steps are done, and a note."""

STOPPED = Message("Stopped.")
_language = ENGLISH


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Set the language of everything that the person reads inside the context."""
    global _language
    before, _language = _language, language
    try:
        yield
    finally:
        _language = before


def told(said: Said | OneWordError) -> str:
    """Return a message in the person's language."""
    return tell(_language, said)


def say(said: Said | OneWordError, /, **values: Any) -> None:
    """Print a line on stderr, for anything that is not a result.

    Takes either a template and its values, like :class:`Message`, or a finished message.
    """
    typer.echo(told(Message(said, **values) if isinstance(said, str) else said), err=True)


@dataclass
class Report:
    """The output of a command on stdout when it ends: ``facts`` with ``--json``, otherwise ``lines``."""

    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[Said] = field(default_factory=list)

    def say(self, template: str, /, **values: Any) -> None:
        """Add a line to the results."""
        self.lines.append(Message(template, **values))


@contextmanager
def reporting(as_json: bool) -> Iterator[Report]:
    """Print the command's report, and turn an error into a sentence on stderr and an exit code."""
    for name, value in QUIET_LIBRARIES.items():
        os.environ.setdefault(name, value)
    report, code = Report(), 0
    try:
        yield report
    except (Exception, KeyboardInterrupt) as error:
        code = 2 if isinstance(error, InputError) else 1
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        report.facts |= tell_error(_message_of(error), error)
    for line in [json.dumps(report.facts)] if as_json else map(told, report.lines):
        typer.echo(line)
    if code:
        raise typer.Exit(code)


def tell_error(message: Said, error: BaseException) -> dict[str, str]:
    """Print on one line what went wrong; return the error's entries for the JSON object."""
    typer.echo(_on_one_line(told(message)), err=True)
    return {"error": _on_one_line(str(message)), "kind": type(error).__name__}


def _message_of(error: BaseException) -> Said:
    if isinstance(error, OneWordError):
        return error.message
    if isinstance(error, KeyboardInterrupt):
        return STOPPED
    reason = f"{type(error).__name__}: {_on_one_line(str(error))}"
    if len(reason) > LONGEST_REASON:
        reason = reason[:LONGEST_REASON] + "…"
    return Message(
        "Something unexpected went wrong ({reason}); set {variable}=1 to see where.",
        reason=reason,
        variable=DEBUG_VARIABLE,
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def columns(text: str) -> int:
    """Return how many terminal columns a text takes: a Japanese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "FW" else 1 for character in text)


def table(rows: Sequence[Sequence[Said]]) -> list[str]:
    """Format rows as lines with aligned columns."""
    cells = [[told(cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


class Interrupt:
    """A context in which the first Ctrl-C only sets ``requested``; a second one ends the process at once."""

    requested = False

    def __enter__(self) -> Interrupt:
        # Translate the message now, so that the signal handler only has to write it.
        self._stopping = told(Message("Stopping after this step; press Ctrl-C again to stop at once."))
        self._previous = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _request(self, *_: object) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Not through sys.stderr, whose buffer the signal may have interrupted. The bar hides the cursor,
        # and the second Ctrl-C would leave it hidden.
        show_cursor = b"\x1b[?25h" if sys.stderr.isatty() else b""
        os.write(2, show_cursor + f"\n{self._stopping}\n".encode(sys.stderr.encoding, "replace"))


def resume_command() -> str:
    """Return this process's command line with ``--resume``, quoted for the shell."""
    words = _own_command()
    if "--resume" not in words:
        words.insert(words.index("--") if "--" in words else len(words), "--resume")
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _own_command() -> list[str]:
    """Return this process's command line, starting with the script's name if the script is on the PATH."""
    script = Path(sys.argv[0])
    if script.stem != SCRIPT:
        return list(sys.orig_argv)
    found = shutil.which(SCRIPT)
    known = found and Path(found).with_suffix("") == script.with_suffix("")  # Windows leaves out the .exe
    return [SCRIPT if known else str(script), *sys.argv[1:]]


@contextmanager
def progress(label: Message, total: int) -> Iterator[Show]:
    """Show a bar with the time left on stderr, or a line for every tenth if stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield ProgressLines(label, total)
        return
    parts = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*parts, console=console) as bar:
        task = bar.add_task(told(label), total=total, note="")
        yield lambda done, note: bar.update(task, completed=done, note=told(note))


@contextmanager
def downloading(label: Message) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of bytes on stderr, or a line for every tenth; show nothing if everything is already here.

    Yields a function to call with the number of bytes that are here and the total number of bytes.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    parts = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with ExitStack() as open_bars:
        show: Callable[[int, int], None] | None = None

        def begin(total: int) -> Callable[[int, int], None]:
            if not console.is_terminal:
                return DownloadLines(label)
            bar = open_bars.enter_context(Progress(*parts, console=console))
            task = bar.add_task(told(label), total=total)
            return lambda done, total: bar.update(task, completed=done)

        def update(done: int, total: int) -> None:
            nonlocal show
            if show is None and done < total:
                show = begin(total)
            if show is not None:
                show(done, total)

        yield update


class DownloadLines:
    """The progress of a download for a log: one line for every tenth."""

    def __init__(self, label: Message):
        self._label, self._tenth = label, -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth != self._tenth:
            self._tenth = tenth
            say(
                "{label}: {done:.0f} of {total:.0f} MB", label=self._label, done=done / 1e6, total=total / 1e6
            )


class ProgressLines:
    """Progress for a log: one line at the first step, then one for every tenth."""

    def __init__(self, label: Message, total: int):
        self._label, self._total = label, total
        self._first: tuple[int, float] | None = None
        self._tenth = -1

    def __call__(self, done: int, note: Said) -> None:
        now = time.monotonic()
        if done:  # the time before the first step does not predict how long the others take
            self._first = self._first or (done, now)
        tenth = 10 * done // self._total
        if tenth == self._tenth:
            return
        self._tenth = tenth
        parts: list[Said] = [
            Message("{label}: step {done} of {total}", label=self._label, done=done, total=self._total)
        ]
        first_done, started = self._first or (done, now)
        if first_done < done < self._total:
            left = (now - started) / (done - first_done) * (self._total - done)
            parts.append(Message("{seconds:.0f} s left", seconds=left))
        if note:
            parts.append(note)
        say(series(parts))
