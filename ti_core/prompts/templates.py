"""The kinds of concepts, and the prompt templates with which a word is trained and shown."""

from __future__ import annotations

from typing import Literal

from ti_core.errors import PromptError

Kind = Literal["object", "style"]
OBJECT_TEMPLATES: tuple[str, ...] = (
    "a photo of {}",
    "a picture of {}",
    "a close view of {}",
    "a distant view of {}",
    "a sharp photo of {}",
    "a slightly blurred photo of {}",
    "a bright photo of {}",
    "a photo of {} in dim light",
    "a photo of {} in daylight",
    "a photo of {} taken indoors",
    "a photo of {} taken outdoors",
    "a photo of {} from the side",
    "a photo of {} from the front",
    "a photo of {} from above",
    "a photo of {} on a plain background",
    "a photo of {} on a busy background",
    "a photo of {} in the middle of the frame",
    "a photo of {} near the edge of the frame",
    "a snapshot of {}",
    "a quick phone picture of {}",
    "a careful studio photo of {}",
    "a square photo of {}",
    "a detailed picture of {}",
    "a simple picture of {}",
    "a photo showing {}",
    "a photo showing all of {}",
    "an unedited photo of {}",
)
STYLE_TEMPLATES: tuple[str, ...] = (
    "a painting in the style of {}",
    "a picture in the style of {}",
    "a drawing in the style of {}",
    "an artwork in the style of {}",
    "a scene in the style of {}",
    "a landscape in the style of {}",
    "a portrait in the style of {}",
    "a still life in the style of {}",
    "a street in the style of {}",
    "an interior in the style of {}",
    "a small study in the style of {}",
    "a large canvas in the style of {}",
    "a detail of a work in the style of {}",
    "a bright picture in the style of {}",
    "a dark picture in the style of {}",
    "a busy composition in the style of {}",
    "a plain composition in the style of {}",
    "a finished work in the style of {}",
    "a page of pictures in the style of {}",
)
PLAIN_TEMPLATES: dict[Kind, str] = {"object": "a photo of {}", "style": "a house in the style of {}"}
"""For each kind, the template that adds the least to the word itself."""


def templates_for(kind: Kind) -> tuple[str, ...]:
    """Return the training templates for a kind of concept."""
    return STYLE_TEMPLATES if kind == "style" else OBJECT_TEMPLATES


def fill_template(template: str, token: str) -> str:
    """Replace ``{}`` in a template by the token. Raises :class:`PromptError` if there is no ``{}``."""
    if "{}" not in template:
        raise PromptError(
            'The template "{template}" has no place for the concept: write {{}} there.', template=template
        )
    return template.replace("{}", token)


def caption_prompt(caption: str, token: str, kind: Kind) -> str:
    """Return the training prompt for a picture that has its own caption.

    A caption that contains the token, or ``{}`` in its place, is used as written; otherwise the token is
    added.
    """
    caption = caption.strip()
    if token in caption or "{}" in caption:
        return caption.replace("{}", token)
    if kind == "style":
        return f"{caption or 'a picture'} in the style of {token}"
    return f"a photo of {token}, {caption}" if caption else f"a photo of {token}"
