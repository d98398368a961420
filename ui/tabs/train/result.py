"""What a run has learned: kept in the library, compared with its initial word, given away."""

from __future__ import annotations

import html
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import gradio as gr

from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.files import write_whole
from ti_core.pictures.decode import open_picture
from ti_core.prompts.grammar import replace_token
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.training.runs import (
    Run,
    concept_at,
    keep_step,
    list_previews,
    load_run_pictures,
    read_metrics,
    saved_steps,
)
from ti_core.words.concept import Concept
from ti_core.words.gallery import save_gallery
from ui.parts.results import progress_html
from ui.parts.thumbnails import data_uri
from ui.parts.verdicts import comparison_html
from ui.server.drawing import draw_in_turn, draw_orders
from ui.server.learned import learned_token, note_learned
from ui.server.people import Home
from ui.server.studio import Studio
from ui.texts import Language, language_of, say

NEW_SCENE = {"object": "a photo of {} on the moon", "style": "a car in the city in the style of {}"}
EVIDENCE = ("initial", "learned", "scene")
"""The pictures that are drawn to compare, in this order."""


# --- the library ------------------------------------------------------------------------------------------


def shelve(home: Home, run: Run, concept: Concept) -> str:
    """Put what a run has learned into the library, in place of what it learned before; the token there.

    A word that somebody else's training or import has put there stays: this one gets the next free token.
    """
    own = learned_token(home, run)
    token = own or home.library.free_token(concept.name)
    shelved = replace(concept, token=token)
    pictures = [picture.image for picture in load_run_pictures(run)]
    home.library.add(shelved, pictures, replace=own is not None)
    note_learned(run, shelved)
    _keep_gallery(home, run, concept, token)
    return token


def keep_saved_step(home: Home, run: Run, step: float) -> str:
    """Make the vectors of the closest saved step the run's result, also in the library; the token there."""
    return shelve(home, run, keep_step(run, nearest_step(run, step)))


def use_token(home: Home, run: Run) -> str:
    """The token of what was learned, put into the library again if it was deleted there."""
    return learned_token(home, run) or shelve(home, run, run.concept())


def prompt_to_try(run: Run, token: str) -> str:
    return fill_template(PLAIN_TEMPLATES[run.config.kind], token)


# --- the evidence -----------------------------------------------------------------------------------------


def draw_evidence(studio: Studio, request: gr.Request, run: Run) -> Iterator[tuple[str, str, str]]:
    """Draw the comparison with one seed, and keep it with the run and with the word in the library,
    unless the model's safety checker hides a part of it.

    Yields a progress line and :func:`evidence_html`. Raises as :func:`ui.server.drawing.draw_in_turn`.
    """
    language, home, concept = language_of(request), studio.home(request), run.concept()

    orders = [
        Order(GenerationSettings(prompt, count=1, seed=run.config.seed), (concept,))
        for prompt in _prompts(concept)
    ]
    for sheet in draw_in_turn(studio, request, draw_orders(lambda _: orders)):
        hidden = any(drawn.hidden for drawn in sheet.pictures)
        is_kept = sheet.phase == "done" and not hidden
        if is_kept:
            for name, drawn in zip(EVIDENCE, sheet.pictures, strict=True):
                target = _evidence_file(run, concept, name)
                target.parent.mkdir(exist_ok=True)
                write_whole(target, partial(shutil.copyfile, drawn.path))
            token = learned_token(home, run)
            if token is not None:
                _keep_gallery(home, run, concept, token)
        yield (
            "" if is_kept else progress_html(language, sheet),
            *evidence_html(
                language, run, concept, [drawn.path for drawn in sheet.pictures], judged=not hidden
            ),
        )


def evidence_files(run: Run, concept: Concept) -> list[Path]:
    """The pictures of the comparison if it was drawn for exactly these vectors, else none."""
    files = [_evidence_file(run, concept, name) for name in EVIDENCE]
    return files if all(file.is_file() for file in files) else []


def evidence_html(
    language: Language, run: Run, concept: Concept, drawn: Sequence[Path], *, judged: bool = True
) -> tuple[str, str]:
    """What the judge finds, once all pictures are drawn and if they are to be ``judged``; and they, as far as
    they are: real pictures | initial word | learned word | learned word in a new scene."""
    prompts = _prompts(concept)
    real = "".join(
        f'<img src="{data_uri(picture.image)}" alt="{html.escape(picture.name)}">'
        for picture in load_run_pictures(run)[:4]
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
    return finding, pictures


def loss_in_words(language: Language, run: Run, concept: Concept) -> str:
    """How far the evaluation loss fell from the initial word to the kept vectors: what was measured."""
    facts = concept.training
    first, best, step = facts["first_evaluation_loss"], facts["evaluation_loss"], facts["best_step"]
    key = "train_loss_lower" if f"{best:.4f}" < f"{first:.4f}" else "train_loss_not_lower"  # as it is shown
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


# --- saved steps ------------------------------------------------------------------------------------------


def nearest_step(run: Run, step: float) -> int:
    """The saved step that is closest to one on the slider."""
    return min(saved_steps(run), key=lambda saved: abs(saved - step))


def slider_step(steps: Sequence[int]) -> int:
    """A step of the slider by which it reaches every saved one."""
    return math.gcd(*steps)


def step_html(language: Language, run: Run, step: float) -> str:
    """What is known of a saved step: its loss, the words nearest to it, its preview."""
    saved = nearest_step(run, step)
    loss = concept_at(run, saved).training["evaluation_loss"]
    text = say(language, "train_step_facts", step=saved, loss=loss)
    nearest = next((line.nearest for line in read_metrics(run) if line.step == saved), ())
    if nearest:
        text += " " + say(language, "train_nearest", words=words_in_line(nearest))
    picture = ""
    for number, file in list_previews(run):
        if number == saved:
            alt = html.escape(say(language, "train_preview_of", step=saved))
            picture = f'<img src="{data_uri(open_picture(file)[0])}" alt="{alt}">'
    if not picture:
        text += " " + say(language, "train_step_no_preview")
    return f'<div class="train-step" aria-live="polite">{picture}<p>{html.escape(text)}</p></div>'


def words_in_line(nearest: Sequence[tuple[str, float]]) -> str:
    """Words with their cosines, ``cat 0.61, kitten 0.55``."""
    return ", ".join(f"{word} {cosine:.2f}" for word, cosine in nearest)


def _prompts(concept: Concept) -> tuple[str, str, str]:
    """In the order of :data:`EVIDENCE`: one sentence with the initial and the learned word, and another."""
    plain = fill_template(PLAIN_TEMPLATES[concept.kind], concept.token)
    scene = fill_template(NEW_SCENE[concept.kind], concept.token)
    return replace_token(plain, concept.token, concept.initializer), plain, scene


def _keep_gallery(home: Home, run: Run, concept: Concept, token: str) -> None:
    """Keep the comparison's pictures of a learned word, if they are drawn, with it in the library."""
    drawn, entry = evidence_files(run, concept)[1:], home.library.find(token)
    if drawn and entry.concept.sha256 == concept.sha256:
        save_gallery(drawn, entry.folder)


def _evidence_file(run: Run, concept: Concept, name: str) -> Path:
    return run.folder / "evidence" / f"{concept.sha256[:16]}-{name}.png"


def _pane(title: str, prompt: str, content: str) -> str:
    sentence = f"<code>{html.escape(prompt)}</code>" if prompt else ""
    return f"<figure><h4>{html.escape(title)}</h4>{content}<figcaption>{sentence}</figcaption></figure>"
