"""Concept repositories on the Hugging Face Hub: publish one, fetch one, find some.

A repository holds the native folder (:mod:`ti_core.words.folder`) and, beside it, what other programs read:

    learned_embeds.bin    as the sd-concepts-library has it
    our-cat.pt            for stable-diffusion-webui (A1111); for Stable Diffusion XL our-cat.safetensors
    gallery/0.png         pictures drawn with the word, their recipes inside

A token is passed on to the Hub and kept nowhere, and no error tells it.
"""

from ti_core.hub.login import Account, account
from ti_core.hub.publish import Pushed, push_concept
from ti_core.hub.pull import Pulled, pull_concept
from ti_core.hub.search import FoundConcept, search_concepts

__all__ = [
    "Account",
    "FoundConcept",
    "Pulled",
    "Pushed",
    "account",
    "pull_concept",
    "push_concept",
    "search_concepts",
]
