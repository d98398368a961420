"""Two words in one picture, and a picture redrawn in a style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ti_core.drawing.generate import GeneratedPicture, generate
from ti_core.drawing.settings import GenerationSettings
from ti_core.errors import ConfigError, IncompatibleConceptError, PromptError, UnknownTokenError
from ti_core.model.backbone import Backbone
from ti_core.prompts.composition import (
    COMPOSITION_TEMPLATES,
    RESTYLE_STRENGTH,
    restyle_prompt,
    style_prompts,
    weighted_prompt,
)
from ti_core.words.concept import Concept


@pytest.fixture(scope="module")
def backbone(tiny_sd1: Path) -> Backbone:
    return Backbone.load(str(tiny_sd1), "cpu", torch.float32)


def concept_for(backbone: Backbone, token: str, seed: int) -> Concept:
    generator = torch.Generator().manual_seed(seed)
    rows = {name: torch.randn(1, width, generator=generator) for name, width in backbone.base.widths.items()}
    return Concept(token, rows, "object", backbone.base)


@pytest.fixture(scope="module")
def pair(backbone: Backbone) -> list[Concept]:
    return [concept_for(backbone, "<our-cat>", 0), concept_for(backbone, "<our-mug>", 1)]


def settings_for(prompt: str) -> GenerationSettings:
    return GenerationSettings(prompt, count=1, steps=3)


def compose(
    backbone: Backbone,
    settings: GenerationSettings,
    concepts: Sequence[Concept],
    weights: Sequence[float] | None = None,
) -> Iterator[GeneratedPicture]:
    prompt = weighted_prompt(settings.prompt, [concept.token for concept in concepts], weights)
    return generate(backbone, replace(settings, prompt=prompt), concepts)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=int)


@pytest.mark.parametrize("template", COMPOSITION_TEMPLATES)
def test_both_concepts_are_in_the_recipe(backbone: Backbone, pair: list[Concept], template: str) -> None:
    [picture] = compose(backbone, settings_for(template.format("<our-cat>", "<our-mug>")), pair)
    assert [use.token for use in picture.recipe.concepts] == ["<our-cat>", "<our-mug>"]


def test_weights_change_the_picture_and_are_kept_in_the_recipe(
    backbone: Backbone, pair: list[Concept]
) -> None:
    settings = settings_for("<our-cat> next to <our-mug>")
    [plain] = compose(backbone, settings, pair)
    [ones] = compose(backbone, settings, pair, [1, 1])
    [weighted] = compose(backbone, settings, pair, [8, 0.2])
    assert (pixels(ones.image) == pixels(plain.image)).all()
    assert np.abs(pixels(weighted.image) - pixels(plain.image)).max() > 2
    assert weighted.recipe.prompt == "(<our-cat>:8) next to (<our-mug>:0.2)"
    [again] = generate(backbone, settings_for(weighted.recipe.prompt), pair)
    assert np.abs(pixels(again.image) - pixels(weighted.image)).max() <= 1


def test_compositions_that_cannot_work_are_refused(
    backbone: Backbone, pair: list[Concept], tiny_sd2: Path
) -> None:
    settings = settings_for("<our-cat> next to <our-mug>")
    with pytest.raises(ConfigError, match="two or more"):
        compose(backbone, settings, pair[:1])
    with pytest.raises(ConfigError, match="3 weights for 2 concepts"):
        compose(backbone, settings, pair, [1, 1, 1])
    with pytest.raises(PromptError, match="<our-mug>: add it"):
        compose(backbone, settings_for("a photo of <our-cat>"), pair)
    with pytest.raises(PromptError, match="weight"):
        compose(backbone, settings, pair, [1, 11])
    with pytest.raises(UnknownTokenError):
        compose(backbone, settings_for("<our-cat> <our-mug> <our-dog>"), pair)
    with pytest.raises(ConfigError, match="Two concepts"):
        compose(backbone, settings, [pair[0], pair[0], pair[1]])

    other = Backbone.load(str(tiny_sd2), "cpu", torch.float32)
    foreign = concept_for(other, "<our-mug>", 1)
    with pytest.raises(IncompatibleConceptError, match=f"{backbone.base.id}.*{other.base.id}"):
        compose(backbone, settings, [pair[0], foreign])
    both_foreign = [concept_for(other, "<our-cat>", 0), foreign]
    with pytest.raises(IncompatibleConceptError, match=f"{other.base.id}.*{backbone.base.id}"):
        compose(backbone, settings, both_foreign)


def test_style_prompts_skip_blank_subjects(pair: list[Concept]) -> None:
    assert style_prompts(pair[0].token, [" a house", "", "a tree"]) == [
        "a house in the style of <our-cat>",
        "a tree in the style of <our-cat>",
    ]


def test_a_restyled_picture_keeps_more_of_the_source_at_less_strength(
    backbone: Backbone, pair: list[Concept]
) -> None:
    sources = [Image.new("RGB", (16, 16), colour) for colour in ("black", "yellow")]

    def restyled(source: Image.Image, strength: float) -> GeneratedPicture:
        settings = replace(settings_for(restyle_prompt(pair[0].token)), steps=25, strength=strength)
        [picture] = generate(backbone, settings, pair, source=source)
        return picture

    def change_by_source(strength: float) -> float:
        dark, bright = (restyled(source, strength) for source in sources)
        return np.abs(pixels(dark.image) - pixels(bright.image)).mean()

    assert change_by_source(0.1) > 2 * change_by_source(1.0)
    recipe = restyled(sources[0], RESTYLE_STRENGTH).recipe
    assert recipe.prompt == "a picture in the style of <our-cat>"
    assert recipe.strength == RESTYLE_STRENGTH
