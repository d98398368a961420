"""Start, resume, find and delete a person's training runs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

import gradio as gr

from ti_core.config import TrainingConfig
from ti_core.errors import RunError
from ti_core.model.backbone import Backbone
from ti_core.prompts.checks import check_length
from ti_core.training.runs import Run, create_run, delete_run, list_runs, open_run
from ti_core.words.concept import Concept
from ui.server.errors import refusal
from ui.server.people import Home
from ui.server.studio import Limits, Studio
from ui.server.words import MAX_PROMPT_LENGTH
from ui.tabs.train.picture_set import PictureSet, prepared_pictures
from ui.tabs.train.result import add_to_library
from ui.texts import Language, language_of, say

ACTIVE = ("waiting", "preparing", "training", "stopping")
RUN_NAME = re.compile(r"[0-9a-f]{32}")


def start_run(studio: Studio, request: gr.Request, chosen: PictureSet, config: TrainingConfig) -> Run:
    """Start to learn a word from the chosen pictures. The trainer adds the result to the person's library.

    On a shared server the oldest runs are deleted. Raises the errors of :func:`_check_start`,
    :func:`ready_model`, :func:`~ui.tabs.train.picture_set.prepared_pictures`,
    :func:`~ti_core.training.runs.create_run` and :meth:`ui.server.jobs.Trainer.start`.
    """
    home, language = studio.home(request), language_of(request)
    _check_start(studio, home, language, chosen, config)
    backbone = ready_model(studio, language)
    pictures = prepared_pictures(chosen, backbone.resolution)
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
    """Resume a run. Raises the errors of :func:`ready_model` and :meth:`ui.server.jobs.Trainer.start`."""
    _train(studio, studio.home(request), ready_model(studio, language_of(request)), run)


def ready_model(studio: Studio, language: Language) -> Backbone:
    """Return the model, without waiting for it.

    Raises :class:`gr.Error` while it is being loaded, and :class:`ModelError` if there is none.
    """
    if studio.models.status.phase == "loading":
        raise refusal(language, "train_model_loading")
    return studio.models.wait()[0]


def find_run(home: Home, name: str) -> Run | None:
    """Open the run of this home whose folder has that name; return None if there is none."""
    if not RUN_NAME.fullmatch(name):
        return None
    try:
        return open_run(home.runs / name)
    except RunError:
        return None


def current_run(studio: Studio, request: gr.Request, name: str) -> Run:
    """Open the run that the page shows. Raises :class:`gr.Error` if it is not in the person's home."""
    run = find_run(studio.home(request), name)
    if run is None:
        raise refusal(language_of(request), "train_run_gone")
    return run


def newest_run(studio: Studio, home: Home) -> Run | None:
    """Open the newest run in training, else the newest of all."""
    runs, _ = list_runs(home.runs)
    return next(iter([*_in_training(studio, runs), *runs]), None)


def runs_in_training(studio: Studio, home: Home) -> list[Run]:
    return _in_training(studio, list_runs(home.runs)[0])


def names_in_training(studio: Studio, home: Home) -> frozenset[str]:
    """Return the names of the folders of :func:`runs_in_training`."""
    return frozenset(run.folder.name for run in runs_in_training(studio, home))


def _check_start(
    studio: Studio, home: Home, language: Language, chosen: PictureSet, config: TrainingConfig
) -> None:
    """Check that a training may start.

    Raises :class:`gr.Error` if there are no pictures, if the token is taken, or if the training exceeds the
    limits of a shared server; and :class:`PromptError` if a caption or the initial word is too long.
    """
    if not chosen.pictures:
        raise refusal(language, "train_no_pictures")
    for text in (config.initializer, *(picture.caption for picture in chosen.pictures)):
        check_length(text, MAX_PROMPT_LENGTH)
    if studio.homes.shared:
        _check_limits(language, studio.limits, config)
    free = home.library.free_token(config.token)
    if free != config.token:
        raise refusal(language, "train_name_taken_start", token=config.token, free=free)
    if config.token in {run.config.token for run in runs_in_training(studio, home)}:
        raise refusal(language, "train_name_in_training", token=config.token)


def _check_limits(language: Language, limits: Limits, config: TrainingConfig) -> None:
    """Raise :class:`gr.Error` if a training would occupy a shared server's device for too long."""
    step_rows = config.batch_size * config.gradient_accumulation
    for key, value, most in (
        ("train_steps", config.steps, limits.steps),
        ("train_step_rows", step_rows, limits.step_rows),
        ("train_eval_rows", config.eval_rows, limits.eval_rows),
        ("train_vectors", config.vectors, limits.vectors),
    ):
        if value > most:
            setting = say(language, key)
            raise refusal(language, "train_over_limit", setting=setting, value=value, most=most)


def _in_training(studio: Studio, runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if studio.trainer.status(run).phase in ACTIVE]


def _forget_old_runs(studio: Studio, home: Home) -> None:
    """Delete the oldest runs beyond the number that a home keeps. Their words stay in the library."""
    runs, _ = list_runs(home.runs)
    for run in runs[studio.limits.kept_runs :]:
        if studio.trainer.status(run).phase not in ACTIVE:
            delete_run(run)


def _train(studio: Studio, home: Home, backbone: Backbone, run: Run) -> None:
    def keep(run: Run, concept: Concept) -> None:
        add_to_library(home, run, concept)

    studio.trainer.start(backbone, run, on_result=keep)
