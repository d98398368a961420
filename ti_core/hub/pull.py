"""Fetch a concept from its repository on the Hub."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import HfApi
from huggingface_hub.hf_api import ModelInfo
from PIL import Image

from ti_core.errors import ConceptError, HubNotFoundError, PictureError
from ti_core.hub.client import MAX_PICTURE_BYTES, check_name, download, find_repository, size_of
from ti_core.pictures.decode import open_picture
from ti_core.words.archive import FILE_LIMITS
from ti_core.words.concept import Concept
from ti_core.words.folder import MAX_FILE_BYTES
from ti_core.words.formats import read_embeddings, to_concept

PICTURES_PULLED = 8
MAX_WORD_FILES = 4  # a repository with more embedding files does not hold a single word
PICTURE = re.compile(r"concept_images/[^/]+\.(png|jpe?g|webp)", re.IGNORECASE)


@dataclass(frozen=True)
class Pulled:
    """A concept from the Hub, with some of its training pictures and the commit it was fetched at.

    ``guessed`` is true if the repository names no base model, so that it was inferred from the width of the
    vectors.
    """

    concept: Concept
    pictures: tuple[Image.Image, ...]
    commit: str
    guessed: bool


def pull_concept(repo_id: str, *, token: str | None = None, revision: str | None = None) -> Pulled:
    """Fetch the concept in a repository, downloading only known small files and reading them as untrusted.

    Raises :class:`ConfigError` for an invalid repository name, :class:`ConceptError` if the files are not
    one intact concept, and :class:`HubError`.
    """
    check_name(repo_id)
    api = HfApi(token=token or False)
    repository = find_repository(api, repo_id, revision)
    if repository is None:
        raise HubNotFoundError(
            "There is no repository {name} on the Hub that you may see: check the name, or log in.",
            name=repo_id,
        )
    with TemporaryDirectory() as temporary:
        for name, limit in _word_files(repository).items():
            (Path(temporary) / name).write_bytes(download(api, repository, name, limit))
        embeddings = read_embeddings(Path(temporary))
    if len(embeddings) > 1:
        raise ConceptError(
            "{name} holds several words: download the file of one there, and import it.", name=repository.id
        )
    embedding = replace(embeddings[0], file_name=repo_id.rpartition("/")[2])
    return Pulled(
        to_concept(embedding), _pictures(api, repository), str(repository.sha), embedding.base_is_guessed
    )


def _word_files(repository: ModelInfo) -> dict[str, int]:
    """Return the files to download for the word in a repository, each with its largest allowed size in bytes.

    Raises :class:`HubNotFoundError` if there is no embedding file, or more than ``MAX_WORD_FILES``.
    """
    names = {entry.rfilename for entry in repository.siblings or ()}
    files = {name: FILE_LIMITS[name] for name in sorted(names & FILE_LIMITS.keys())}
    if "concept.json" in files:
        return files
    known = re.compile(r"learned_embeds(_2)?\.(safetensors|bin)")
    other = re.compile(r"[\w. -]+\.(safetensors|bin|pt)")
    found = [name for name in names if known.fullmatch(name)] or [
        name for name in names if other.fullmatch(name) and size_of(repository, name) <= MAX_FILE_BYTES
    ]
    if not 1 <= len(found) <= MAX_WORD_FILES:
        raise HubNotFoundError("{name} holds no word of textual inversion: try another.", name=repository.id)
    return files | dict.fromkeys(sorted(found), MAX_FILE_BYTES)


def _pictures(api: HfApi, repository: ModelInfo) -> tuple[Image.Image, ...]:
    """Download the first training pictures; unreadable ones are left out, because the word works without."""
    names = [name for name in picture_names(repository) if size_of(repository, name) <= MAX_PICTURE_BYTES]
    pictures = []
    for name in names[:PICTURES_PULLED]:
        content = download(api, repository, name, MAX_PICTURE_BYTES)
        with suppress(PictureError):
            pictures.append(open_picture(io.BytesIO(content), alpha="flatten")[0])
    return tuple(pictures)


def picture_names(repository: ModelInfo) -> list[str]:
    """Return the paths of the training pictures, ordered by number."""
    names = [entry.rfilename for entry in repository.siblings or () if PICTURE.fullmatch(entry.rfilename)]
    return sorted(names, key=by_number)


def by_number(name: str) -> tuple[int, str]:
    """Return a sort key that puts 2.png before 10.png."""
    return len(name), name
