"""The comparison that shows what a word learned: drawn once with one seed, and kept with the run.

Beside the person's pictures it shows the initial word, the learned word, and the learned word in a new scene.
"""

from __future__ import annotations

import html
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr

from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.files import write_whole
from ti_core.pictures.decode import open_picture
from ti_core.prompts.grammar import replace_token
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.training.runs import Run, load_run_pictures
from ti_core.words.concept import Concept
from ui.parts.results import progress_html
from ui.parts.thumbnails import data_uri
from ui.parts.verdicts import comparison_html
from ui.server.drawing import draw_in_turn, draw_orders
from ui.server.studio import Studio
from ui.texts import Language, language_of, say

NEW_SCENE = {"object": "a photo of {} on the moon", "style": "a car in the city in the style of {}"}
EVIDENCE = ("initial", "learned", "scene")
"""The pictures that are drawn to compare, in this order."""
REAL_PICTURES = 4  # of the person's own, shown beside the comparison


@dataclass(frozen=True)
class EvidenceView:
    """The comparison as HTML."""

    finding: str
    """What the judge finds; "" until all pictures are drawn, and if they are not to be judged."""
    pictures: str


@dataclass(frozen=True)
class EvidenceProgress:
    """The progress of drawing the comparison."""

    line: str
    """HTML, "" once the pictures are kept."""
    view: EvidenceView
    is_kept: bool


def draw_evidence(studio: Studio, request: gr.Request, run: Run) -> Iterator[EvidenceProgress]:
    """Draw the comparison; keep it with the run unless the safety checker hides a part of it.

    Raises the errors of :func:`ui.server.drawing.draw_in_turn`.
    """
    language, concept = language_of(request), run.concept()
    orders = [
        Order(GenerationSettings(prompt, count=1, seed=run.config.seed), (concept,))
        for prompt in _prompts(concept)
    ]
    for drawing in draw_in_turn(studio, request, draw_orders(lambda _: orders)):
        files = [drawn.path for drawn in drawing.pictures]
        is_hidden = any(drawn.hidden for drawn in drawing.pictures)
        is_kept = drawing.phase == "done" and not is_hidden
        if is_kept:
            _keep(run, concept, files)
        line = "" if is_kept else progress_html(language, drawing)
        view = evidence_view(language, run, concept, files, judged=not is_hidden)
        yield EvidenceProgress(line, view, is_kept)


def evidence_files(run: Run, concept: Concept) -> list[Path]:
    """Return the pictures of the comparison if they were drawn with exactly these vectors, else none."""
    files = [_evidence_file(run, concept, name) for name in EVIDENCE]
    return files if all(file.is_file() for file in files) else []


def evidence_view(
    language: Language, run: Run, concept: Concept, drawn: Sequence[Path], *, judged: bool = True
) -> EvidenceView:
    """Show the person's pictures beside the comparison's pictures so far, and the judge's findings.

    The judge runs once all pictures are drawn, and only if ``judged``.
    """
    prompts = _prompts(concept)
    real = "".join(
        f'<img src="{data_uri(picture.image)}" alt="{html.escape(picture.name)}">'
        for picture in load_run_pictures(run)[:REAL_PICTURES]
    )
    panes = [_pane(say(language, "train_evidence_real"), "", f'<div class="train-real">{real}</div>')]
    for name, prompt, path in zip(EVIDENCE, prompts, drawn, strict=False):
        picture = f'<img src="{data_uri(open_picture(path)[0])}" alt="{html.escape(prompt)}">'
        panes.append(_pane(say(language, f"train_evidence_{name}"), prompt, picture))
    seed = html.escape(say(language, "train_evidence_seed", seed=run.config.seed)) if drawn else ""
    finding = below = ""
    if judged and len(drawn) == len(EVIDENCE):
        finding, below = comparison_html(language, run, concept, prompts[-1], drawn)
    pictures = f'<div class="train-evidence">{"".join(panes)}</div><p class="train-line">{seed}</p>{below}'
    return EvidenceView(finding, pictures)


def _prompts(concept: Concept) -> tuple[str, str, str]:
    """Return the prompts in the order of :data:`EVIDENCE`: one sentence with either word, and a new scene."""
    plain = fill_template(PLAIN_TEMPLATES[concept.kind], concept.token)
    scene = fill_template(NEW_SCENE[concept.kind], concept.token)
    return replace_token(plain, concept.token, concept.initializer), plain, scene


def _keep(run: Run, concept: Concept, drawn: Sequence[Path]) -> None:
    for name, path in zip(EVIDENCE, drawn, strict=True):
        target = _evidence_file(run, concept, name)
        target.parent.mkdir(exist_ok=True)
        write_whole(target, partial(shutil.copyfile, path))


def _evidence_file(run: Run, concept: Concept, name: str) -> Path:
    return run.folder / "evidence" / f"{concept.sha256[:16]}-{name}.png"


def _pane(title: str, prompt: str, content: str) -> str:
    sentence = f"<code>{html.escape(prompt)}</code>" if prompt else ""
    return f"<figure><h4>{html.escape(title)}</h4>{content}<figcaption>{sentence}</figcaption></figure>"
