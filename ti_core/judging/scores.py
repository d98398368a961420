"""Score a learned word: do its pictures look like the real ones, and do they follow the prompt?

The measures are those of section 4.4 of the paper (arXiv 2208.01618): likeness to the training pictures, and
agreement with prompts whose placeholder is left out, both as cosine similarities in a CLIP space. Each score
is reported with two references: the pictures of the initial word, drawn from the same seeds, and the real
pictures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from PIL import Image

from ti_core.config import check_whole
from ti_core.drawing.generate import OnProgress, ShouldStop, generate_all
from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.errors import ConfigError, GenerationError
from ti_core.judging.judge import ImageFeatures, Judge, likeness, likeness_among
from ti_core.model.backbone import Backbone
from ti_core.prompts.grammar import replace_token
from ti_core.prompts.templates import PLAIN_TEMPLATES, Kind, fill_template
from ti_core.words.card import SCORES
from ti_core.words.concept import Concept

PLAIN_PROMPTS: dict[Kind, tuple[str, ...]] = {
    "object": (PLAIN_TEMPLATES["object"],),
    "style": (PLAIN_TEMPLATES["style"], "a cat in the style of {}"),
}
SCENE_PROMPTS: dict[Kind, tuple[str, ...]] = {
    "object": (
        "a photo of {} on the beach",
        "a photo of {} in the snow",
        "a photo of {} in the forest",
        "a photo of {} at night",
        "a photo of {} on a table",
        "a photo of {} on the moon",
        "a photo of {} in the city",
        "a photo of {} on a red background",
    ),
    "style": (
        "a cat in the style of {}",
        "a house in the style of {}",
        "a teapot in the style of {}",
        "a fish in the style of {}",
        "a robot in the style of {}",
        "a clock in the style of {}",
        "a mug in the style of {}",
        "a lamp in the style of {}",
    ),
}
PART_SIDE = 0.6  # side of a crop in which a concept is searched, as a share of the picture's shorter side


@dataclass(frozen=True)
class Score:
    """One measure for the learned word, the initial word (from the same seeds), and the real pictures."""

    learned: float
    initial: float
    real: float


@dataclass(frozen=True)
class ConceptScores:
    """The scores of a concept, measured by the judge called ``judge``. All are means of cosine similarities.

    - ``likeness``: similarity of drawn pictures to the real ones; for the real ones, to each other
    - ``agreement``: similarity of pictures to the scenes in their prompts; for the real ones, to all scenes
    - ``diversity``: 1 - the similarity among pictures of the same prompt
    """

    token: str
    kind: Kind
    judge: str
    likeness: Score
    agreement: Score
    diversity: Score

    @property
    def recovered(self) -> float | None:
        """The likeness gained, as a share of the way from the initial word (0) to the real pictures (1).

        None if the initial word's likeness is not below that of the real pictures.
        """
        return _recovered_share(self.likeness)

    @property
    def kept(self) -> float | None:
        """The word's agreement divided by the initial word's; None if the latter is not above 0."""
        return self.agreement.learned / self.agreement.initial if self.agreement.initial > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Convert the scores to a JSON-ready dict."""
        return asdict(self) | {"recovered": self.recovered, "kept": self.kept}

    def added_to(self, concept: Concept, model: str) -> Concept:
        """A copy of the concept with these scores in its ``training``, where its card finds them.

        ``model`` is the model that drew the pictures. The hash of the scored vectors is stored too, because
        ``training`` is kept when the vectors change.
        """
        scores: dict[str, Any] = {key: asdict(getattr(self, key)) for key in SCORES}
        scores |= {"judge": self.judge, "model": model, "sha256": concept.sha256}
        return replace(concept, training={**concept.training, "scores": scores})


@dataclass(frozen=True)
class SampleFeatures:
    """Features of the pictures drawn with a word.

    ``plain`` has ``count`` pictures of each plain prompt, ``scenes`` one of each scene prompt.
    """

    plain: ImageFeatures
    scenes: ImageFeatures
    count: int

    @classmethod
    def of(cls, judge: Judge, pictures: Sequence[Image.Image], kind: Kind, count: int) -> SampleFeatures:
        """Compute the features of pictures that were drawn from :func:`sample_orders`."""
        features, portraits = judge.image_features(pictures), len(PLAIN_PROMPTS[kind]) * count
        return cls(features[:portraits], features[portraits:], count)


def sample_orders(
    concept: Concept, *, initial: bool, count: int, steps: int = GenerationSettings.steps, seed: int = 0
) -> list[Order]:
    """The orders that sample a word, or its ``initial`` word from the same seeds.

    Raises :class:`ConceptError` if the concept does not record its initial word.
    """
    initial_word = concept.initial_word()
    settings = [
        GenerationSettings(fill_template(template, concept.token), count=number, seed=seed, steps=steps)
        for prompts, number in ((PLAIN_PROMPTS, count), (SCENE_PROMPTS, 1))
        for template in prompts[concept.kind]
    ]
    if initial:
        settings = [
            replace(each, prompt=replace_token(each.prompt, concept.token, initial_word)) for each in settings
        ]
    return [Order(each, (concept,)) for each in settings]


def evaluation_orders(
    concept: Concept,
    pictures: int,
    *,
    count: int = 4,
    steps: int = GenerationSettings.steps,
    seed: int = 0,
) -> list[Order]:
    """The orders of an evaluation: samples of the word, followed by those of its initial word.

    ``pictures`` is the number of real pictures. Raises :class:`ConfigError` if it is below two or a setting
    is bad, and :class:`ConceptError` if the concept does not record its initial word.
    """
    check_whole("count", count, 2, 1000)
    if pictures < 2:
        raise ConfigError("Likeness is told from two pictures of the concept or more: give the others too.")
    return [
        order
        for initial in (False, True)
        for order in sample_orders(concept, initial=initial, count=count, steps=steps, seed=seed)
    ]


def evaluate_concept(
    backbone: Backbone,
    judge: Judge,
    concept: Concept,
    pictures: Sequence[Image.Image],
    *,
    count: int = 4,
    steps: int = GenerationSettings.steps,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> ConceptScores:
    """Draw with the word and with its initial word, from the same seeds, and score the pictures.

    ``pictures`` are the real ones. ``count`` pictures are drawn of each plain prompt, and one of each scene
    prompt. Raises as :func:`evaluation_orders`, as :func:`~ti_core.drawing.generate.generate`, and
    :class:`GenerationError` if the model's safety checker hides a picture.
    """
    orders = evaluation_orders(concept, len(pictures), count=count, steps=steps, seed=seed)
    drawing = generate_all(backbone, orders, on_progress=on_progress, should_stop=should_stop)
    drawn = []
    for picture in drawing:
        if picture.hidden:
            raise GenerationError(
                "The model's safety checker hid a picture, which cannot be judged: load the model without it."
            )
        drawn.append(picture.image)
    learned, initially = (
        SampleFeatures.of(judge, half, concept.kind, count)
        for half in (drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :])
    )
    return score(judge, concept, judge.image_features(pictures), learned, initially)


def score(
    judge: Judge, concept: Concept, real: ImageFeatures, learned: SampleFeatures, initial: SampleFeatures
) -> ConceptScores:
    """Score the pictures of a word from their features, those of its initial word, and the ``real`` ones'."""
    prompts = [fill_template(template, concept.token) for template in SCENE_PROMPTS[concept.kind]]
    sentences = judge.text_features([without_token(prompt, concept.token) for prompt in prompts])
    return ConceptScores(
        token=concept.token,
        kind=concept.kind,
        judge=judge.name,
        likeness=Score(
            likeness(learned.plain, real, concept.kind).mean().item(),
            likeness(initial.plain, real, concept.kind).mean().item(),
            likeness_among(real, concept.kind).mean().item(),
        ),
        agreement=Score(
            _agreement(learned.scenes, sentences),
            _agreement(initial.scenes, sentences),
            (real.shared @ sentences.T).mean().item(),
        ),
        diversity=Score(
            _diversity(learned.plain, learned.count),
            _diversity(initial.plain, initial.count),
            _diversity(real, len(real)),
        ),
    )


@dataclass(frozen=True)
class Verdict:
    """The result of :func:`judge_comparison`.

    - ``likeness``: the likeness of the compared pictures to the real ones
    - ``agreement``: agreement of the picture in a new scene with the scene ``asked``
    - ``rival_agreement``: its agreement with ``rival``, the other scene that it agrees with most
    """

    judge: str
    likeness: Score
    asked: str
    agreement: float
    rival: str
    rival_agreement: float

    @property
    def seen(self) -> str:
        """The scene that the picture is recognised as."""
        return self.asked if self.agreement >= self.rival_agreement else self.rival

    @property
    def recovered(self) -> float | None:
        """The same share of likeness gained as :attr:`ConceptScores.recovered`."""
        return _recovered_share(self.likeness)


def judge_comparison(
    judge: Judge,
    concept: Concept,
    real: Sequence[Image.Image],
    initial: Image.Image,
    learned: Image.Image,
    scene: Image.Image,
    prompt: str,
) -> Verdict:
    """Judge three pictures: one with the ``initial`` word, one with the ``learned`` word, and one in a scene.

    ``prompt`` is the prompt of the scene, ``real`` are the real pictures. If there is only one, the likeness
    of the real pictures to each other is taken to be 1.
    """
    features = judge.image_features(real)
    alike, alike_before = (
        likeness(judge.image_features([learned, initial]), features, concept.kind).mean(1).tolist()
    )
    among = likeness_among(features, concept.kind).mean().item() if len(features) > 1 else 1.0
    asked = without_token(prompt, concept.token)
    scenes = [without_token(other, "{}") for other in SCENE_PROMPTS[concept.kind]]
    others = [other for other in scenes if other != asked]
    agreement, *agreements = (judge.image_features([scene]).shared @ judge.text_features([asked, *others]).T)[
        0
    ].tolist()
    rival_agreement, rival = max(zip(agreements, others, strict=True))
    return Verdict(judge.name, Score(alike, alike_before, among), asked, agreement, rival, rival_agreement)


def find_concepts(
    judge: Judge, picture: Image.Image, references: Sequence[tuple[Kind, ImageFeatures]]
) -> list[bool]:
    """Decide for each of two or more concepts whether it is in a picture.

    ``references`` are each concept's kind and the features of its real pictures. A concept is found if its
    likeness to some crop of the picture exceeds a threshold. The threshold is halfway between the likeness
    among its own pictures and its highest likeness to the pictures of another concept. A style is searched in
    the whole picture only.
    """
    parts = judge.image_features(crops_of(picture))
    found = []
    for number, (kind, own) in enumerate(references):
        others = [
            likeness(own, other, kind).mean() for at, (_, other) in enumerate(references) if at != number
        ]
        among = likeness_among(own, kind).mean() if len(own) > 1 else torch.tensor(1.0)
        best = likeness(parts[:1] if kind == "style" else parts, own, kind).mean(1).max()
        found.append(bool(best > (among + max(others)) / 2))
    return found


def crops_of(picture: Image.Image) -> list[Image.Image]:
    """The picture itself and nine overlapping square crops; :data:`PART_SIDE` gives their size."""
    side = round(PART_SIDE * min(picture.size))
    places = [
        (round(across * (picture.width - side)), round(down * (picture.height - side)))
        for down in (0, 0.5, 1)
        for across in (0, 0.5, 1)
    ]
    return [picture, *(picture.crop((left, top, left + side, top + side)) for left, top in places)]


def without_token(prompt: str, token: str) -> str:
    """Remove the token from a prompt: "a photo of <our-cat> on the beach" gives "a photo on the beach"."""
    return re.sub(f"( in the style)? of {re.escape(token)}", "", prompt)


def _recovered_share(score: Score) -> float | None:
    way = score.real - score.initial
    return (score.learned - score.initial) / way if way > 0 else None


def _agreement(features: ImageFeatures, sentences: torch.Tensor) -> float:
    """The mean cosine similarity of each picture and its own sentence."""
    return (features.shared * sentences).sum(-1).mean().item()


def _diversity(features: ImageFeatures, count: int) -> float:
    """1 - the mean cosine similarity of all pairs among the ``count`` pictures of each prompt."""
    first, second = torch.triu_indices(count, count, offset=1)
    alike = [(group @ group.T)[first, second] for group in features.shared.split(count)]
    return 1 - torch.cat(alike).mean().item()
