"""Concept repositories on the Hugging Face Hub: publish, fetch and search them.

A repository holds the native folder (:mod:`ti_core.words.folder`) and files for other programs and people:

    learned_embeds.bin    as in sd-concepts-library
    our-cat.pt            for stable-diffusion-webui (A1111); for Stable Diffusion XL our-cat.safetensors
    gallery/0.png         pictures drawn with the word, with their recipes in their metadata

An access token is only passed on to the Hub. It is stored nowhere and appears in no error.
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
