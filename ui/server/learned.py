"""Link training runs to the words of the library: each run's folder holds a note on its word."""

from __future__ import annotations

import json

from ti_core.files import write_text_whole
from ti_core.training.runs import Run, list_runs
from ti_core.words.concept import Concept
from ui.server.people import Home

NOTE = "learned.json"
OLD_NOTE = "shelved.json"  # the note's former name


def note_learned(run: Run, concept: Concept) -> None:
    """Note in the run's folder that the library holds this concept as the run's result."""
    note = json.dumps({"token": concept.token, "sha256": concept.sha256})
    write_text_whole(run.folder / NOTE, note)


def learned_token(home: Home, run: Run) -> str | None:
    """Return the token under which the library holds the run's result, None if it does not.

    The word may have been renamed since, and its old token may belong to another word.
    """
    token, sha256 = _read_note(run)
    tokens = [entry.concept.token for entry in home.library.entries()[0] if entry.concept.sha256 == sha256]
    return token if token in tokens else next(iter(tokens), None)


def find_training(home: Home, concept: Concept) -> Run | None:
    """Return the newest run that learned a word, None if no kept run did."""
    return next((run for run in list_runs(home.runs)[0] if _read_note(run)[1] == concept.sha256), None)


def _read_note(run: Run) -> tuple[str, str]:
    """Read the token and the sha256 of the noted concept; both are "" if there is no note."""
    for name in (NOTE, OLD_NOTE):
        try:
            note = json.loads((run.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        return note["token"], note["sha256"]
    return "", ""
