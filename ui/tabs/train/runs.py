"""A person's training runs: started, resumed, found again, forgotten."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timezone

import gradio as gr

from ti_core.config import TrainingConfig
from ti_core.errors import RunError
from ti_core.model.backbone import Backbone
from ti_core.pictures.prepare import Picture
from ti_core.training.runs import Run, create_run, delete_run, list_runs, open_run
from ti_core.words.concept import Concept
from ui.server.errors import refusal
from ui.server.people import Home
from ui.server.studio import Studio
from ui.tabs.train.result import shelve
from ui.texts import Language, language_of, say

ACTIVE = ("waiting", "preparing", "training", "stopping")
RUN_NAME = re.compile(r"[0-9a-f]{32}")


def start_run(
    studio: Studio, request: gr.Request, config: TrainingConfig, pictures: Sequence[Picture]
) -> Run:
    """Create a run in the visitor's home and hand it to the trainer, which puts the result into the library.

    On a shared server the oldest runs make room. Raises as :func:`ready_model`,
    :func:`~ti_core.training.runs.create_run` and :meth:`ui.server.jobs.Trainer.start`.
    """
    home, backbone = studio.home(request), ready_model(studio, language_of(request))
    run = create_run(home.runs / secrets.token_hex(16), backbone, config, pictures)
    try:
        _train(studio, home, backbone, run)
    except Exception:
        delete_run(run)
        raise
    if studio.homes.shared:
        _forget_old_runs(studio, home)
    return run


def resume_run(studio: Studio, request: gr.Request, run: Run) -> None:
    """Raises as :func:`ready_model` and :meth:`ui.server.jobs.Trainer.start`."""
    _train(studio, studio.home(request), ready_model(studio, language_of(request)), run)


def ready_model(studio: Studio, language: Language) -> Backbone:
    """The model, without waiting for it: raises :class:`gr.Error` while it is being loaded.

    Raises :class:`ModelError` if there is none.
    """
    if studio.models.status.phase == "loading":
        raise refusal(language, "train_model_loading")
    return studio.models.wait()[0]


def find_run(home: Home, name: str) -> Run | None:
    """The run of this home whose folder is called so; None for any other name."""
    if not RUN_NAME.fullmatch(name):
        return None
    try:
        return open_run(home.runs / name)
    except RunError:
        return None


def newest_run(studio: Studio, home: Home) -> Run | None:
    """The newest run in training, else the newest of all."""
    runs, _ = list_runs(home.runs)
    return next(iter([*_in_training(studio, runs), *runs]), None)


def tokens_in_training(studio: Studio, home: Home) -> set[str]:
    """Of the words that this home is about to have."""
    return {run.config.token for run in runs_in_training(studio, home)}


def runs_in_training(studio: Studio, home: Home) -> list[Run]:
    return _in_training(studio, list_runs(home.runs)[0])


def names_in_training(studio: Studio, home: Home) -> frozenset[str]:
    """The names of their folders."""
    return frozenset(run.folder.name for run in runs_in_training(studio, home))


def run_choices(studio: Studio, home: Home, language: Language) -> list[tuple[str, str]]:
    """The runs for a list to choose from, after the form for a new one."""
    runs, _ = list_runs(home.runs)
    return [
        (say(language, "train_new"), ""),
        *(
            (f"{run.config.token} · {_when(run, shared=studio.homes.shared)}", name)
            for run in runs
            if RUN_NAME.fullmatch(name := run.folder.name)
        ),
    ]


def _when(run: Run, *, shared: bool) -> str:
    """When a run was made: by this machine's clock, or by one that means the same to people anywhere."""
    created = datetime.fromisoformat(run.created)
    if shared:
        return f"{created.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
    return f"{created.astimezone():%Y-%m-%d %H:%M}"


def _in_training(studio: Studio, runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if studio.trainer.status(run).phase in ACTIVE]


def _forget_old_runs(studio: Studio, home: Home) -> None:
    """Their words stay in the library."""
    runs, _ = list_runs(home.runs)
    for run in runs[studio.limits.kept_runs :]:
        if studio.trainer.status(run).phase not in ACTIVE:
            delete_run(run)


def _train(studio: Studio, home: Home, backbone: Backbone, run: Run) -> None:
    def keep(run: Run, concept: Concept) -> None:
        shelve(home, run, concept)

    studio.trainer.start(backbone, run, on_result=keep)
