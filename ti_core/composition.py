"""The prompts for several learned words in one picture, and for anything in a learned style."""

from __future__ import annotations

from collections.abc import Sequence

from ti_core.concept import Concept
from ti_core.errors import ConfigError, PromptError
from ti_core.prompts import concept_tokens, weight_token

RESTYLE_STRENGTH = 0.6


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


def restyle_prompt(style: Concept) -> str:
    """What a picture is redrawn by in a learned style."""
    return f"a picture in the style of {style.token}"
