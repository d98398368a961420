"""The choice of words to compose, and what depends on it: sentences, weights and the blend's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from ti_core.prompts.composition import COMPOSITION_TEMPLATES
from ti_core.prompts.names import MAX_NAME_LENGTH
from ui.parts.prompt_box import chip, chip_row, chips_for
from ui.parts.word_chooser import chooser_html
from ui.server.studio import Studio
from ui.server.words import take_ready_words, usable_words
from ui.texts import Language, language_of, say

MIN_COMPOSED, MAX_COMPOSED = 2, 4

Tokens = tuple[str, ...]


@dataclass(frozen=True)
class ComposeChoice:
    """The chosen words, things before styles, and the values that depend on them.

    ``cards`` shows all words, of which ``usable`` can be chosen.
    """

    cards: str
    usable: int
    tokens: Tokens
    weights: tuple[float, ...]
    prompt: str
    blend_name: str


def choose_words(
    studio: Studio,
    request: gr.Request,
    token: str | None,
    chosen: Tokens,
    prompt: str,
    name: str,
    *weights: float,
) -> ComposeChoice:
    """Change the choice after a click on the card of ``token``, or after the words or the model changed.

    The prompt and the blend's name follow the words as long as the visitor has not written their own.
    """
    entries, _ = studio.home(request).library.entries()
    usable = usable_words(studio, entries)
    wanted = [known for known in chosen if known in usable and known != token]
    if token in usable and token not in chosen:
        wanted.append(token)
    hint = hint_for(language_of(request), len(usable), len(wanted))
    tokens = sorted(wanted[:MAX_COMPOSED], key=lambda known: usable[known].kind == "style")

    before, after = ["", *sentences_with(chosen)], ["", *sentences_with(tokens)]
    if prompt.strip() in before:
        prompt = after[min(max(before.index(prompt.strip()), 1), len(after) - 1)]
    if name.strip() in ("", blend_name(chosen)):
        name = blend_name(tokens)
    weight_of = dict(zip(chosen, weights, strict=False))
    return ComposeChoice(
        chooser_html(language_of(request), hint, entries, usable, tokens),
        len(usable),
        tuple(tokens),
        tuple(weight_of.get(known, 1.0) for known in tokens),
        prompt,
        name,
    )


def choose_ready_words(studio: Studio, request: gr.Request) -> ComposeChoice:
    """Choose two of the words that ship with the program. Raises the errors of :func:`take_ready_words`."""
    words = take_ready_words(studio, request)[:MIN_COMPOSED]
    return choose_words(studio, request, None, tuple(word.token for word in words), "", "")


def hint_for(language: Language, usable: int, chosen: int) -> str:
    """Say what to do next, given the numbers of usable and chosen words."""
    if usable < MIN_COMPOSED:
        return say(language, "compose_few", count=usable)
    if chosen > MAX_COMPOSED:
        return say(language, "compose_most", count=MAX_COMPOSED)
    return say(language, "compose_chosen" if chosen else "compose_choose", count=chosen)


def sentences_with(tokens: Sequence[str]) -> list[str]:
    """Fill the templates with the words: the last word in the last place, all others in the first."""
    if len(tokens) < MIN_COMPOSED:
        return []
    *others, last = tokens
    return [template.format(" and ".join(others), last) for template in COMPOSITION_TEMPLATES]


def sentences_html(language: Language, tokens: Sequence[str]) -> str:
    """Render a button for each sentence, which writes it into the prompt."""
    buttons = "".join(chip(sentence, prompt=sentence) for sentence in sentences_with(tokens))
    return chips_for("compose-prompt", chip_row(buttons, say(language, "compose_sentences")))


def blend_name(tokens: Sequence[str]) -> str:
    """Name the blend of the first two words, such as cat-dog; "" if there are fewer than two."""
    if len(tokens) < 2:
        return ""
    longest = (MAX_NAME_LENGTH - 1) // 2
    return "-".join(token[1:-1][:longest].strip("-") for token in tokens[:2])
