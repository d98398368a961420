"""The embedded model's judge recognises whether a picture shows what its prompt asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.asked import Draw, PromptAccuracy, pairs, scenes, styles, world_picture
from demo_model.world import EMPTY_SCENES, FAMILIES, NAMED_STYLES, SCENES, FamilyThing
from ti_core.judging.judge import EMBEDDED_JUDGE, Judge, load_judge

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge(str(EMBEDDED_JUDGE), torch.device("cpu"))


def draw_nothing(prompts: Sequence[str]) -> list[Image.Image]:
    return [Image.new("RGB", (128, 128), "white")] * len(prompts)


def draw_what_is_asked(prompts: Sequence[str]) -> list[Image.Image]:
    """Let the world draw the things, the scene and the style that each prompt names."""
    rng = np.random.default_rng(1)
    return [
        world_picture(
            tuple(
                FamilyThing(family, family.sample(rng))
                for name, family in FAMILIES.items()
                if name in prompt.split()
            ),
            next((scene for scene in SCENES if scene.phrase in prompt), EMPTY_SCENES[0]),
            next(
                (style for style in NAMED_STYLES if style.template.replace("{}", "").strip() in prompt), None
            ),
            rng,
        )
        for prompt in prompts
    ]


@pytest.mark.parametrize(("measure", "most"), [(scenes, 0.7), (styles, 0.7), (pairs, 0.3)])
def test_pictures_of_what_was_asked_are_told_from_others(
    judge: Judge, measure: Callable[[Judge, Draw], PromptAccuracy], most: float
) -> None:
    nothing, asked = measure(judge, draw_nothing), measure(judge, draw_what_is_asked)
    assert nothing.drawn == pytest.approx(1 / nothing.among)  # the same answer for every picture
    assert asked.drawn > most
    assert nothing.real == asked.real > most
