"""The judge's verdicts on pictures, in the reader's language."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import torch

from ti_core.errors import ModelError
from ti_core.judging.judge import EMBEDDED_JUDGE_NAME, Judge, judge_for
from ti_core.judging.scores import Verdict, find_concepts, judge_comparison
from ti_core.model.base import BaseModel
from ti_core.pictures.decode import open_picture
from ti_core.training.runs import Run, load_run_pictures
from ti_core.words.concept import Concept
from ti_core.words.folder import picture_files
from ui.parts.results import seed_caption
from ui.server.drawing import Drawn
from ui.server.people import Home
from ui.texts import Language, explain, say

LEVELS = (0.1, 0.4, 0.8)  # start of each level, as a fraction from initial word to real pictures


class WordFinder:
    """Asks the judge which of two or more words are in a picture, and marks them in the caption.

    ``remark`` names the judge, or says why there are no marks.
    """

    def __init__(self, language: Language, home: Home, words: Sequence[Concept]):
        self._language, self._tokens = language, [word.token for word in words]
        self._marks: dict[Path, list[str]] = {}
        self._judge: Judge | None = None
        pictures = []
        for word in words:
            files = picture_files(home.library.find(word.token).folder)
            if not files:
                reason = say(language, "verdict_no_pictures", token=word.token)
                self.remark = say(language, "verdict_none", reason=reason)
                return
            pictures.append([open_picture(file)[0] for file in files])
        try:
            judge = _judge_here(words[0].base)
        except ModelError as error:
            self.remark = say(language, "verdict_none", reason=explain(language, error))
            return
        self._judge, self.remark = judge, say(language, "verdict_marks", judge=_name(language, judge.name))
        self._references = [
            (word.kind, judge.image_features(own)) for word, own in zip(words, pictures, strict=True)
        ]

    @property
    def remark_html(self) -> str:
        return f"<p>{html.escape(self.remark)}</p>"

    def caption(self, _number: int, drawn: Drawn) -> str:
        """Return a picture's caption: its seed, and which words are in it."""
        return " · ".join([seed_caption(self._language, drawn), *self.marks(drawn)])

    def marks(self, drawn: Drawn) -> list[str]:
        """Mark each word as found or not found; no marks without a judge or for a hidden picture."""
        if self._judge is None or drawn.hidden:
            return []
        if drawn.path not in self._marks:
            is_there = find_concepts(self._judge, open_picture(drawn.path)[0], self._references)
            self._marks[drawn.path] = [
                f"{'✓' if here else '✗'} {token}" for token, here in zip(self._tokens, is_there, strict=True)
            ]
        return self._marks[drawn.path]


def comparison_html(
    language: Language, run: Run, concept: Concept, prompt: str, drawn: Sequence[Path]
) -> tuple[str, str]:
    """Say what the judge finds in the pictures of a comparison.

    ``drawn`` holds, in this order, the pictures with the initial word, with the learned word, and with the
    learned word in the scene of ``prompt``. Returns their similarity to the real pictures, and remarks.
    """
    try:
        judge = _judge_here(concept.base)
    except ModelError as error:
        return "", _paragraph(say(language, "verdict_no_judge", reason=explain(language, error)))
    real = [picture.image for picture in load_run_pictures(run)]
    initial, learned, scene = (open_picture(path)[0] for path in drawn)
    verdict = judge_comparison(judge, concept, real, initial, learned, scene, prompt)
    word, scores = concept.initializer, verdict.likeness
    finding = say(
        language,
        "verdict_likeness",
        judge=_name(language, verdict.judge),
        token=concept.token,
        level=say(language, f"verdict_level_{level_of(verdict)}", word=word),
        word=word,
        learned=scores.learned,
        initial=scores.initial,
        real=scores.real,
    )
    in_scene = say(
        language,
        "verdict_scene_right" if verdict.seen == verdict.asked else "verdict_scene_wrong",
        asked=verdict.asked,
        agreement=verdict.agreement,
        rival=verdict.rival,
        rival_agreement=verdict.rival_agreement,
    )
    below = _paragraph(f"{in_scene} {say(language, 'verdict_one_seed')}")
    return f'<p class="train-hint" role="status">{html.escape(finding)}</p>', below


def level_of(verdict: Verdict) -> int:
    """Grade a word from 0 to 3.

    0: it resembles the real pictures no more than its initial word does. 3: it resembles them as much as they
    resemble each other.
    """
    reached = verdict.recovered
    if reached is None:  # the initial word already resembles them as much
        reached = float(verdict.likeness.learned >= verdict.likeness.real)
    return sum(reached >= begin for begin in LEVELS)


def _judge_here(base: BaseModel) -> Judge:
    """Load the judge, on the CPU and without a download. Raises :class:`ModelError` if there is none."""
    return judge_for(base, torch.device("cpu"), fetch=False)


def _name(language: Language, judge: str) -> str:
    """Name a judge for the reader: a general one has the name of its model."""
    return say(language, "verdict_own_judge") if judge == EMBEDDED_JUDGE_NAME else judge


def _paragraph(text: str) -> str:
    return f'<p class="train-line">{html.escape(text)}</p>'
