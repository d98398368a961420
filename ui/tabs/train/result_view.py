"""The view of a run's result."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from ti_core.pictures.decode import open_picture
from ti_core.training.runs import Run, concept_at, list_previews, read_metrics
from ti_core.words.concept import Concept
from ui.parts.thumbnails import data_uri
from ui.server.learned import learned_token
from ui.server.people import Home
from ui.server.studio import Studio
from ui.tabs.train.evidence import evidence_files, evidence_view
from ui.tabs.train.result import nearest_step
from ui.texts import Language, say


@dataclass(frozen=True)
class ResultView:
    """The page's view of a result; ``sha256`` distinguishes two results of one run. The texts are HTML."""

    sha256: str
    headline: str
    finding: str
    """What the judge finds; "" until the evidence is complete."""
    evidence: str
    course: str
    """What was shown of the run while it trained, and how far its loss fell."""
    is_drawn: bool
    """Whether the evidence is complete."""
    is_drawable: bool
    """Whether the model in use is the word's."""
    steps: tuple[int, ...]
    """The saved ones."""
    step: int
    """The one that was kept."""


def result_view(
    studio: Studio, home: Home, language: Language, run: Run, steps: Sequence[int], course: str
) -> ResultView:
    """Read the view of a run that has a result; ``course`` is the view of its training."""
    concept, token, backbone = run.concept(), learned_token(home, run), studio.models.backbone
    drawn = evidence_files(run, concept)
    evidence = evidence_view(language, run, concept, drawn)
    headline = say(language, "train_in_library" if token else "train_not_in_library", token=token)
    return ResultView(
        sha256=concept.sha256,
        headline=f'<div role="status"><h3>{html.escape(headline)}</h3></div>',
        finding=evidence.finding,
        evidence=evidence.pictures,
        course=f"{course}<p>{html.escape(loss_text(language, run, concept))}</p>",
        is_drawn=bool(drawn),
        is_drawable=backbone is not None and concept.base.fits(backbone.base),
        steps=tuple(steps),
        step=concept.training["best_step"],
    )


def loss_text(language: Language, run: Run, concept: Concept) -> str:
    """Say how far the measured evaluation loss fell from the initial word to the kept vectors."""
    facts = concept.training
    first, best, step = facts["first_evaluation_loss"], facts["evaluation_loss"], facts["best_step"]
    key = "train_loss_lower" if f"{best:.4f}" < f"{first:.4f}" else "train_loss_not_lower"  # as shown
    return say(
        language,
        key,
        rows=run.config.eval_rows,
        word=concept.initializer,
        first=first,
        best=best,
        step=step,
        percent=100 * (first - best) / first,
    )


def step_html(language: Language, run: Run, step: float) -> str:
    """Show the nearest saved step: its loss, its nearest words and its preview."""
    saved = nearest_step(run, step)
    loss = concept_at(run, saved).training["evaluation_loss"]
    text = say(language, "train_step_facts", step=saved, loss=loss)
    nearest = next((line.nearest for line in read_metrics(run) if line.step == saved), ())
    if nearest:
        text += " " + nearest_text(language, nearest)
    picture = ""
    for number, file in list_previews(run):
        if number == saved:
            alt = html.escape(say(language, "train_preview_of", step=saved))
            picture = f'<img src="{data_uri(open_picture(file)[0])}" alt="{alt}">'
    if not picture:
        text += " " + say(language, "train_step_no_preview")
    return f'<div class="train-step" aria-live="polite">{picture}<p>{html.escape(text)}</p></div>'


def nearest_text(language: Language, nearest: Sequence[tuple[str, float]]) -> str:
    """List the nearest vocabulary words with their cosine similarities: ``cat 0.61, kitten 0.55``."""
    words = ", ".join(f"{word} {cosine:.2f}" for word, cosine in nearest)
    return say(language, "train_nearest", words=words)
