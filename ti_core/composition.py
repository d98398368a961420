"""Several learned words in one picture, and anything in a learned style."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from PIL import Image

from ti_core.backbone import Backbone
from ti_core.concept import Concept
from ti_core.errors import ConfigError, PromptError
from ti_core.generation import GeneratedPicture, GenerationSettings, OnProgress, ShouldStop, generate
from ti_core.prompts import concept_tokens, fill_template, weight_token

RESTYLE_TEMPLATE = "a picture in the style of {}"
RESTYLE_STRENGTH = 0.6


def compose(
    backbone: Backbone,
    settings: GenerationSettings,
    concepts: Sequence[Concept],
    weights: Sequence[float] | None = None,
    *,
    batch_size: int | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[GeneratedPicture]:
    """Draw two or more concepts that all stand in the prompt, each with an attention weight (default: 1).

    Raises as :func:`weighted_prompt` and :func:`generate`.
    """
    return generate(
        backbone,
        dataclasses.replace(settings, prompt=weighted_prompt(settings.prompt, concepts, weights)),
        concepts,
        batch_size=batch_size,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def weighted_prompt(prompt: str, concepts: Sequence[Concept], weights: Sequence[float] | None = None) -> str:
    """The prompt with each concept's attention weight written into it, ``(<our-cat>:1.2)``.

    Raises :class:`ConfigError` for fewer than two concepts or another number of weights,
    :class:`PromptError` for a concept that the prompt lacks or a weight outside 0 to 10.
    """
    if len(concepts) < 2:
        raise ConfigError("A composition takes two or more concepts: choose another one.")
    weights = [1.0] * len(concepts) if weights is None else weights
    if len(weights) != len(concepts):
        raise ConfigError(
            f"There are {len(weights)} weights for {len(concepts)} concepts: give one for each concept."
        )
    in_prompt = concept_tokens(prompt)
    for concept, weight in zip(concepts, weights, strict=True):
        if concept.token not in in_prompt:
            raise PromptError(f"The prompt does not mention {concept.token}: add it where it should appear.")
        prompt = weight_token(prompt, concept.token, weight)
    return prompt


def style_prompts(style: Concept, subjects: Sequence[str]) -> list[str]:
    """One prompt for each subject that is not blank, ``a house in the style of <our-ink>``."""
    return [f"{subject.strip()} in the style of {style.token}" for subject in subjects if subject.strip()]


def restyle(
    backbone: Backbone,
    style: Concept,
    picture: Image.Image,
    *,
    strength: float = RESTYLE_STRENGTH,
    template: str = RESTYLE_TEMPLATE,
    negative_prompt: str = "",
    count: int = 4,
    seed: int = 0,
    steps: int = 25,
    guidance_scale: float | None = None,
    scheduler: str | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[GeneratedPicture]:
    """Redraw a picture in a learned style; the higher ``strength``, the less of the picture is kept.

    Raises :class:`PromptError` for a template without ``{}``, otherwise as :func:`generate`.
    """
    settings = GenerationSettings(
        prompt=fill_template(template, style.token),
        negative_prompt=negative_prompt,
        count=count,
        seed=seed,
        steps=steps,
        guidance_scale=guidance_scale,
        scheduler=scheduler,
        strength=strength,
    )
    return generate(
        backbone, settings, [style], source=picture, on_progress=on_progress, should_stop=should_stop
    )
