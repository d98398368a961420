"""What the page shows of a training run: its progress in words, a chart and pictures."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import gradio as gr

from ti_core.pictures.decode import open_picture
from ti_core.training.runs import (
    Run,
    StepMetrics,
    concept_at,
    list_previews,
    load_run_pictures,
    open_run,
    read_metrics,
    saved_steps,
)
from ui.parts.chart import Point, loss_chart
from ui.parts.thumbnails import data_uri
from ui.server.errors import in_plain_words
from ui.server.jobs import JobStatus
from ui.server.learned import learned_token
from ui.server.people import Home
from ui.server.studio import Studio
from ui.tabs.train.result import evidence_files, evidence_html, loss_in_words, words_in_line
from ui.tabs.train.runs import ACTIVE, names_in_training
from ui.texts import Language, duration, language_of, say

PREVIEW_SIDE = 128  # pixels


@dataclass(frozen=True)
class ResultView:
    """What the page shows of a result; ``sha256`` tells two results of one run apart."""

    sha256: str
    headline: str
    finding: str
    """The judge's, "" until the evidence is complete."""
    evidence: str
    course: str
    """What the view showed while the word was learned, and how far its loss fell."""
    drawn: bool
    """Whether the evidence is complete."""
    drawable: bool
    """Whether the model in use is the word's."""
    steps: tuple[int, ...]
    step: int


@dataclass(frozen=True)
class JobView:
    """What the page shows of a run; ``run`` is the name of its folder, "" for none. The rest is HTML.

    ``strip``, ``facts`` and ``chart`` are the result's ``course`` once there is one. ``learning`` are the
    names of all runs of the home that are in training. A view that was not ``told`` is one that Gradio, which
    forgets a page's states some time after its connection broke, has begun anew.
    """

    run: str = ""
    told: bool = False
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
class _Job:
    """A run with all that is read of it to show it."""

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


def job_view(studio: Studio, request: gr.Request, run: Run | None) -> JobView:
    """What there is to show of a run now."""
    learning = names_in_training(studio, studio.home(request))
    if run is None:
        return JobView(told=True, learning=learning)
    language, job = language_of(request), _look(studio, run)
    strip, facts = _strip_html(language, job), _facts_html(language, job)
    chart = loss_chart(language, [(line.step, line.loss) for line in job.metrics], job.evaluations)
    result = _result_view(studio, studio.home(request), language, job, (strip, facts, chart))
    if result is not None:
        strip = facts = chart = ""
    return JobView(
        run=run.folder.name,
        told=True,
        learning=learning,
        can_stop=job.active and job.status.phase != "stopping",
        can_resume=not job.active and job.ending == "by hand",
        title=f"<h3>{html.escape(say(language, 'train_title', token=run.config.token))}</h3>",
        progress=_progress_html(language, job),
        strip=strip,
        chart=chart,
        facts=facts,
        result=result,
    )


def _look(studio: Studio, run: Run) -> _Job:
    status, steps, metrics = studio.trainer.status(run), saved_steps(run), read_metrics(run)
    evaluations = [(line.step, line.evaluation) for line in metrics if line.evaluation is not None]
    if not steps:
        return _Job(run, status, steps, metrics, "", "by hand", evaluations)
    first = concept_at(run, steps[0])
    start = (steps[0], first.training["evaluation_loss"])
    ending = run.finish or "by hand"
    return _Job(run, status, steps, metrics, first.initializer, ending, [start, *evaluations])


def _result_view(
    studio: Studio, home: Home, language: Language, job: _Job, course: Sequence[str]
) -> ResultView | None:
    if job.active or not job.run.has_result:
        return None
    concept, token = job.run.concept(), learned_token(home, job.run)
    drawn = evidence_files(job.run, concept)
    backbone = studio.models.backbone
    headline = say(language, "train_in_library" if token else "train_not_in_library", token=token)
    finding, evidence = evidence_html(language, job.run, concept, drawn)
    loss = f"<p>{html.escape(loss_in_words(language, job.run, concept))}</p>"
    return ResultView(
        sha256=concept.sha256,
        headline=f'<div role="status"><h3>{html.escape(headline)}</h3></div>',
        finding=finding,
        evidence=evidence,
        course="".join([*course, loss]),
        drawn=bool(drawn),
        drawable=backbone is not None and concept.base.fits(backbone.base),
        steps=tuple(job.steps),
        step=concept.training["best_step"],
    )


def _progress_html(language: Language, job: _Job) -> str:
    status = job.status
    phase = status.phase if job.active or status.phase == "failed" else job.ending.replace(" ", "_")
    if phase == "failed" and status.error is not None:
        text = say(language, "train_phase_failed", reason=in_plain_words(language, status.error))
    else:
        text = say(language, f"train_phase_{phase}", step=status.step, steps=status.steps)
    if job.active and status.seconds_left is not None:
        key = "train_left_at_most" if job.run.config.stop == "auto" else "drawing_left"
        text += say(language, key, duration=duration(language, status.seconds_left))
    label = html.escape(say(language, "train_progress"))
    bar = f'<progress max="{status.steps}" value="{status.step}" aria-label="{label}"></progress>'
    return f'<div class="progress">{bar if job.active else ""}<span>{html.escape(text)}</span></div>'


def _facts_html(language: Language, job: _Job) -> str:
    """In a list: how it will end, who trains beside it, where it started, what it is near to."""
    config, facts = job.run.config, []
    if job.active:
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
    if job.status.companions:
        facts.append(say(language, "train_companions", count=job.status.companions))
    if job.initializer:
        found = "train_initial_found" if config.initializer == "auto" else "train_initial_given"
        facts.append(say(language, found, word=job.initializer))
    nearest = next((line.nearest for line in reversed(job.metrics) if line.nearest), ())
    if nearest:
        facts.append(say(language, "train_nearest", words=words_in_line(nearest)))
    failed = next((line for line in reversed(job.metrics) if line.preview_error), None)
    if failed:
        reason = failed.preview_error
        facts.append(say(language, "train_no_preview", step=failed.step, reason=reason))
    items = "".join(f"<li>{html.escape(fact)}</li>" for fact in facts)
    return f'<ul class="train-facts">{items}</ul>'


def _strip_html(language: Language, job: _Job) -> str:
    """The real pictures, and below them what the word drew over the steps, always from one seed."""
    config = job.run.config
    real = html.escape(say(language, "train_real_pictures"))
    parts = [f"<h4>{real}</h4><div>{_real_pictures(job.run.folder)}</div>"]
    previews = "".join(
        f'<figure><img src="{_preview(file, file.stat().st_mtime_ns)}" '
        f'alt="{html.escape(say(language, "train_preview_of", step=step))}">'
        f"<figcaption>{step}</figcaption></figure>"
        for step, file in list_previews(job.run)
    )
    if config.preview_every:
        heading = say(language, "train_previews", token=config.token, seed=config.seed)
        none_yet = f"<p>{html.escape(say(language, 'train_previews_none', step=config.preview_every))}</p>"
        parts.append(f"<h4>{html.escape(heading)}</h4><div>{previews or none_yet}</div>")
    return f'<div class="train-strip">{"".join(parts)}</div>'


@lru_cache(maxsize=64)
def _real_pictures(folder: Path) -> str:
    """The pictures of a run, which never change."""
    return "".join(
        f'<img src="{data_uri(picture.image, PREVIEW_SIDE)}" alt="{html.escape(picture.name)}">'
        for picture in load_run_pictures(open_run(folder))
    )


@lru_cache(maxsize=256)
def _preview(file: Path, _modified: int) -> str:
    return data_uri(open_picture(file)[0], PREVIEW_SIDE)
