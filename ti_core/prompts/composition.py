"""Prompts that put several learned words into one picture or apply a learned style."""

from __future__ import annotations

from collections.abc import Sequence

from ti_core.errors import ConfigError, PromptError
from ti_core.prompts.grammar import concept_tokens, weight_token

COMPOSITION_TEMPLATES: tuple[str, ...] = (
    "a photo of {} and {}",
    "{} next to {}",
    "{} in the style of {}",
    "{} painted on {}",
)
RESTYLE_STRENGTH = 0.6  # default image-to-image strength


def weighted_prompt(prompt: str, tokens: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """Write each token's attention weight into the prompt: ``(<our-cat>:1.2)``. Weights default to 1.

    Raises :class:`ConfigError` for fewer than two tokens or a different number of weights, and
    :class:`PromptError` for a token missing from the prompt or a weight outside 0 to 10.
    """
    if len(tokens) < 2:
        raise ConfigError("A composition takes two or more concepts: choose another one.")
    weights = [1.0] * len(tokens) if weights is None else weights
    if len(weights) != len(tokens):
        raise ConfigError(
            "There are {weights} weights for {concepts} concepts: give one for each concept.",
            weights=len(weights),
            concepts=len(tokens),
        )
    in_prompt = concept_tokens(prompt)
    for token, weight in zip(tokens, weights, strict=True):
        if token not in in_prompt:
            raise PromptError(
                "The prompt does not mention {token}: add it where it should appear.", token=token
            )
        prompt = weight_token(prompt, token, weight)
    return prompt


def style_prompts(style: str, subjects: Sequence[str]) -> list[str]:
    """Return one prompt for each subject that is not blank: ``a house in the style of <our-ink>``."""
    return [f"{subject.strip()} in the style of {style}" for subject in subjects if subject.strip()]


def restyle_prompt(style: str) -> str:
    """Return the prompt for redrawing a picture in a learned style."""
    return f"a picture in the style of {style}"
