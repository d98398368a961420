"""Caption grammar: articles, conjunctions and scene phrases."""

from __future__ import annotations

VOWELS = "aeiou"
CONSONANT_SOUNDS = ("uni", "one")  # spelled with a vowel but pronounced with a consonant
MASS_NOUNS = ("food",)


def with_article(noun_phrase: str) -> str:
    """Put the indefinite article before a noun phrase: "an octopus", "a unicorn", "some food"."""
    if noun_phrase in MASS_NOUNS:
        return f"some {noun_phrase}"
    starts_with_vowel = noun_phrase[0] in VOWELS and not noun_phrase.startswith(CONSONANT_SOUNDS)
    return f"{'an' if starts_with_vowel else 'a'} {noun_phrase}"


def join_things(noun_phrases: list[str], conjunction: str = "and") -> str:
    """Join noun phrases, each with its article: "a cat and a red mug"."""
    return f" {conjunction} ".join(with_article(phrase) for phrase in noun_phrases)


def in_scene(things: str, scene_phrase: str) -> str:
    """Append the scene to the things: "a cat" + "on the beach"; an empty phrase adds nothing."""
    return f"{things} {scene_phrase}" if scene_phrase else things
