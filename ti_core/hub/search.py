"""Search the Hub for concept repositories."""

from __future__ import annotations

from dataclasses import dataclass

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.hf_api import ModelInfo

from ti_core.hub.client import REPO_ID, hub_errors
from ti_core.hub.pull import by_number, picture_names
from ti_core.model.presets import preset_of
from ti_core.words.card import REPOSITORY
from ti_core.words.gallery import GALLERY_FILE

TAGS = ("textual_inversion", "textual-inversion")
CONCEPTS_LIBRARY = "sd-concepts-library"
"""A community collection of concepts from 2022; few of its repositories have tags."""


@dataclass(frozen=True)
class FoundConcept:
    """A search result; ``base_model`` (owner/name) and ``thumbnail`` (an address) are "" if unknown."""

    repo_id: str
    base_model: str
    thumbnail: str
    downloads: int
    likes: int


def search_concepts(
    query: str = "", author: str = "", base_model: str = "", *, limit: int = 24, token: str | None = None
) -> list[FoundConcept]:
    """Search concept repositories by part of their name, author and base model (owner/name).

    The result has at most ``limit`` repositories, most downloaded first. If the base model is a preset, all
    of the preset's repositories match. Repositories of sd-concepts-library, most of which have no tags, are
    found by name, unless a base model is given. Raises :class:`HubError`.
    """
    api = HfApi(token=token or False)
    bases = [[f"base_model:{name}"] for name in _same_model(base_model)] if base_model else [[]]
    searches: list[tuple[str, list[str]]] = [(author, [tag, *base]) for tag in TAGS for base in bases]
    if author in ("", CONCEPTS_LIBRARY) and not base_model:
        searches.append((CONCEPTS_LIBRARY, []))
    found: dict[str, ModelInfo] = {}
    for owner, tags in searches:
        with hub_errors("the Hub"):
            models = api.list_models(
                search=query or None,
                author=owner or None,
                filter=tags or None,
                sort="downloads",
                limit=limit,
                full=True,
                cardData=True,
            )
            found |= {model.id: model for model in models}
    ranked = sorted(found.values(), key=lambda model: model.downloads or 0, reverse=True)
    return [_found(api, model) for model in ranked[:limit]]


def _same_model(base_model: str) -> list[str]:
    """Return all repositories of a base model that concepts may name."""
    preset = preset_of(base_model)
    names = (preset.source, *preset.aliases) if preset else ()
    return [name for name in names if REPOSITORY.fullmatch(name)] or [base_model]


def _found(api: HfApi, model: ModelInfo) -> FoundConcept:
    names = [entry.rfilename for entry in model.siblings or ()]
    drawn = [name for name in names if GALLERY_FILE.fullmatch(name)]
    pictures = sorted(drawn, key=by_number) + picture_names(model)
    thumbnail = hf_hub_url(model.id, pictures[0], endpoint=api.endpoint) if pictures else ""
    return FoundConcept(model.id, _base_model(model), thumbnail, model.downloads or 0, model.likes or 0)


def _base_model(repository: ModelInfo) -> str:
    """Return the base model (owner/name) that the card names, or ""."""
    base = repository.card_data.get("base_model") if repository.card_data else None
    base = base[0] if isinstance(base, list) and base else base
    return base if isinstance(base, str) and REPO_ID.fullmatch(base) else ""
