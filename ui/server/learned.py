"""Which word of the library a training run has learned: each run's folder holds a note of it."""

from __future__ import annotations

import json

from ti_core.files import write_text_whole
from ti_core.training.runs import Run, list_runs
from ti_core.words.concept import Concept
from ui.server.people import Home

NOTE = "learned.json"
OLD_NOTE = "shelved.json"  # what the note was called before


def note_learned(run: Run, concept: Concept) -> None:
    """Note with the run that the library now holds this concept as what it learned."""
    note = json.dumps({"token": concept.token, "sha256": concept.sha256})
    write_text_whole(run.folder / NOTE, note)


def learned_token(home: Home, run: Run) -> str | None:
    """The token under which the library holds what this run learned, None if it does not.

    The word may have been renamed since, and its old token given to another.
    """
    token, sha256 = _read_note(run)
    tokens = [entry.concept.token for entry in home.library.entries()[0] if entry.concept.sha256 == sha256]
    return token if token in tokens else next(iter(tokens), None)


def find_training(home: Home, concept: Concept) -> Run | None:
    """The newest run that learned a word, None if none of those kept did."""
    return next((run for run in list_runs(home.runs)[0] if _read_note(run)[1] == concept.sha256), None)


def _read_note(run: Run) -> tuple[str, str]:
    """The token and the sha256 of the concept that was noted last, both "" if there is no note."""
    for name in (NOTE, OLD_NOTE):
        try:
            note = json.loads((run.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        return note["token"], note["sha256"]
    return "", ""
