"""The view of a training run: its progress as text, chart and pictures, and its result."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path

import gradio as gr

from ti_core.pictures.decode import open_picture
from ti_core.training.runs import (
    Run,
    StepMetrics,
    concept_at,
    list_previews,
    list_runs,
    load_run_pictures,
    open_run,
    read_metrics,
    saved_steps,
)
from ui.parts.chart import Point, loss_chart
from ui.parts.thumbnails import data_uri
from ui.server.errors import error_text
from ui.server.jobs import JobStatus
from ui.server.people import Home
from ui.server.studio import Studio
from ui.tabs.train.result_view import ResultView, nearest_text, result_view
from ui.tabs.train.runs import ACTIVE, RUN_NAME, names_in_training
from ui.texts import Language, duration, language_of, say

PREVIEW_SIDE = 128  # pixels


@dataclass(frozen=True)
class RunView:
    """The page's view of a run; ``run`` is the name of its folder, "" for none. The other texts are HTML.

    ``strip``, ``facts`` and ``chart`` become the result's ``course`` once there is a result. ``learning``
    holds the names of all runs of the home that are in training. ``is_read`` is False for an empty view: that
    of a new page, and that of a page whose state Gradio has discarded some time after its connection broke.
    """

    run: str = ""
    is_read: bool = False
    learning: frozenset[str] = frozenset()
    can_stop: bool = False
    can_resume: bool = False
    title: str = ""
    progress: str = ""
    strip: str = ""
    chart: str = ""
    facts: str = ""
    result: ResultView | None = None


@dataclass(frozen=True)
class _RunNow:
    """A run with everything read from it for its view."""

    run: Run
    status: JobStatus
    steps: Sequence[int]
    metrics: Sequence[StepMetrics]
    initializer: str
    """"" as long as none is chosen."""
    ending: str
    """Why it ended: ``levelled``, ``steps``, or ``by hand`` if it could go on."""
    evaluations: Sequence[Point]

    @property
    def active(self) -> bool:
        return self.status.phase in ACTIVE


def read_view(studio: Studio, request: gr.Request, run: Run | None) -> RunView:
    """Read the current view of a run, or of no run."""
    home, language = studio.home(request), language_of(request)
    learning = names_in_training(studio, home)
    if run is None:
        return RunView(is_read=True, learning=learning)
    now = _read(studio, run)
    strip, facts = _strip_html(language, now), _facts_html(language, now)
    chart = loss_chart(language, [(line.step, line.loss) for line in now.metrics], now.evaluations)
    result = None
    if run.has_result and not now.active:
        result = result_view(studio, home, language, run, now.steps, course=strip + facts + chart)
        strip = facts = chart = ""
    return RunView(
        run=run.folder.name,
        is_read=True,
        learning=learning,
        can_stop=now.active and now.status.phase != "stopping",
        can_resume=not now.active and now.ending == "by hand",
        title=f"<h3>{html.escape(say(language, 'train_title', token=run.config.token))}</h3>",
        progress=_progress_html(language, now),
        strip=strip,
        chart=chart,
        facts=facts,
        result=result,
    )


def run_choices(studio: Studio, home: Home, language: Language) -> list[tuple[str, str]]:
    """List the choices: the form for a new run, then the runs."""
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
    """Say when a run was created: in UTC on a ``shared`` server, otherwise in this machine's local time."""
    created = datetime.fromisoformat(run.created)
    if shared:
        return f"{created.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
    return f"{created.astimezone():%Y-%m-%d %H:%M}"


def _read(studio: Studio, run: Run) -> _RunNow:
    status, steps, metrics = studio.trainer.status(run), saved_steps(run), read_metrics(run)
    evaluations = [(line.step, line.evaluation) for line in metrics if line.evaluation is not None]
    if not steps:
        return _RunNow(run, status, steps, metrics, "", "by hand", evaluations)
    first = concept_at(run, steps[0])
    start = (steps[0], first.training["evaluation_loss"])
    ending = run.finish or "by hand"
    return _RunNow(run, status, steps, metrics, first.initializer, ending, [start, *evaluations])


def _progress_html(language: Language, now: _RunNow) -> str:
    status = now.status
    phase = status.phase if now.active or status.phase == "failed" else now.ending.replace(" ", "_")
    if phase == "failed" and status.error is not None:
        text = say(language, "train_phase_failed", reason=error_text(language, status.error))
    else:
        text = say(language, f"train_phase_{phase}", step=status.step, steps=status.steps)
    if now.active and status.seconds_left is not None:
        key = "train_left_at_most" if now.run.config.stop == "auto" else "drawing_left"
        text += say(language, key, duration=duration(language, status.seconds_left))
    label = html.escape(say(language, "train_progress"))
    bar = f'<progress max="{status.steps}" value="{status.step}" aria-label="{label}"></progress>'
    return f'<div class="progress">{bar if now.active else ""}<span>{html.escape(text)}</span></div>'


def _facts_html(language: Language, now: _RunNow) -> str:
    """List the facts of a run: how it will end, its companions, its initial word and its nearest words."""
    config, facts = now.run.config, []
    if now.active:
        key = "train_ends_auto" if config.stop == "auto" else "train_ends_never"
        facts.append(
            say(
                language,
                key,
                window=config.stop_window,
                share=100 * config.stop_threshold,
                every=config.eval_every,
                rows=config.eval_rows,
                steps=config.steps,
            )
        )
    if now.status.companions:
        facts.append(say(language, "train_companions", count=now.status.companions))
    if now.initializer:
        found = "train_initial_found" if config.initializer == "auto" else "train_initial_given"
        facts.append(say(language, found, word=now.initializer))
    nearest = next((line.nearest for line in reversed(now.metrics) if line.nearest), ())
    if nearest:
        facts.append(nearest_text(language, nearest))
    failed = next((line for line in reversed(now.metrics) if line.preview_error), None)
    if failed:
        facts.append(say(language, "train_no_preview", step=failed.step, reason=failed.preview_error))
    items = "".join(f"<li>{html.escape(fact)}</li>" for fact in facts)
    return f'<ul class="train-facts">{items}</ul>'


def _strip_html(language: Language, now: _RunNow) -> str:
    """Show the real pictures and, below them, the word's previews over the steps, all with one seed."""
    config = now.run.config
    real = html.escape(say(language, "train_real_pictures"))
    parts = [f"<h4>{real}</h4><div>{_real_pictures(now.run.folder)}</div>"]
    previews = "".join(
        f'<figure><img src="{_preview(file, file.stat().st_mtime_ns)}" '
        f'alt="{html.escape(say(language, "train_preview_of", step=step))}">'
        f"<figcaption>{step}</figcaption></figure>"
        for step, file in list_previews(now.run)
    )
    if config.preview_every:
        heading = say(language, "train_previews", token=config.token, seed=config.seed)
        none_yet = f"<p>{html.escape(say(language, 'train_previews_none', step=config.preview_every))}</p>"
        parts.append(f"<h4>{html.escape(heading)}</h4><div>{previews or none_yet}</div>")
    return f'<div class="train-strip">{"".join(parts)}</div>'


@lru_cache(maxsize=64)
def _real_pictures(folder: Path) -> str:
    """Show the pictures of a run. They can be cached, because they never change."""
    return "".join(
        f'<img src="{data_uri(picture.image, PREVIEW_SIDE)}" alt="{html.escape(picture.name)}">'
        for picture in load_run_pictures(open_run(folder))
    )


@lru_cache(maxsize=256)
def _preview(file: Path, _modified: int) -> str:
    return data_uri(open_picture(file)[0], PREVIEW_SIDE)
