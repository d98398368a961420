"""The result of a run: add it to the library, find it there, or replace it with an earlier step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.training.runs import Run, keep_step, load_run_pictures, saved_steps
from ti_core.words.concept import Concept
from ti_core.words.gallery import save_gallery
from ui.server.learned import learned_token, note_learned
from ui.server.people import Home
from ui.tabs.train.evidence import evidence_files


def add_to_library(home: Home, run: Run, concept: Concept) -> str:
    """Add a run's result to the library, replacing its earlier result. Returns the token.

    A word from another training or an import is never replaced: the result gets the next free token.
    """
    own = learned_token(home, run)
    token = own or home.library.free_token(concept.name)
    added = replace(concept, token=token)
    pictures = [picture.image for picture in load_run_pictures(run)]
    home.library.add(added, pictures, replace=own is not None)
    note_learned(run, added)
    _add_evidence(home, run, concept, token)
    return token


def add_evidence(home: Home, run: Run) -> None:
    """Store the pictures of the comparison with the run's word, if the word is in the library."""
    token = learned_token(home, run)
    if token is not None:
        _add_evidence(home, run, run.concept(), token)


def use_token(home: Home, run: Run) -> str:
    """Return the token of the result; if it was deleted from the library, add it again first."""
    return learned_token(home, run) or add_to_library(home, run, run.concept())


def prompt_to_try(run: Run, token: str) -> str:
    return fill_template(PLAIN_TEMPLATES[run.config.kind], token)


def keep_saved_step(home: Home, run: Run, step: float) -> str:
    """Make the nearest saved step's vectors the run's result, also in the library. Returns the token."""
    return add_to_library(home, run, keep_step(run, nearest_step(run, step)))


def nearest_step(run: Run, step: float) -> int:
    """Return the saved step nearest to the slider's step."""
    return min(saved_steps(run), key=lambda saved: abs(saved - step))


def slider_step(steps: Sequence[int]) -> int:
    """Return the largest slider increment that reaches every saved step."""
    return math.gcd(*steps)


def _add_evidence(home: Home, run: Run, concept: Concept, token: str) -> None:
    drawn, entry = evidence_files(run, concept)[1:], home.library.find(token)
    if drawn and entry.concept.sha256 == concept.sha256:
        save_gallery(drawn, entry.folder)
