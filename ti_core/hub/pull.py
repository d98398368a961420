"""Fetch the concept of a repository."""

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
from ti_core.hub.client import MAX_PICTURE_BYTES, check_name, download, look, size_of
from ti_core.pictures.decode import open_picture
from ti_core.words.archive import FILE_LIMITS
from ti_core.words.concept import Concept
from ti_core.words.folder import MAX_FILE_BYTES
from ti_core.words.formats import read_embeddings, to_concept

PICTURES_PULLED = 8
MAX_WORD_FILES = 4  # more are not one word
PICTURE = re.compile(r"concept_images/[^/]+\.(png|jpe?g|webp)", re.IGNORECASE)


@dataclass(frozen=True)
class Pulled:
    """A concept from the Hub, at one commit, with some of its pictures.

    ``guessed`` tells that the repository names no base model, and the concept's is one of its width.
    """

    concept: Concept
    pictures: tuple[Image.Image, ...]
    commit: str
    guessed: bool


def pull_concept(repo_id: str, *, token: str | None = None, revision: str | None = None) -> Pulled:
    """Fetch the concept of a repository, of which only small known files are downloaded, and read safely.

    Raises :class:`ConfigError` for a name that no repository has, :class:`ConceptError` for files that are
    no sound concept, and :class:`HubError`.
    """
    check_name(repo_id)
    api = HfApi(token=token or False)
    there = look(api, repo_id, revision)
    if there is None:
        raise HubNotFoundError(
            "There is no repository {name} on the Hub that you may see: check the name, or log in.",
            name=repo_id,
        )
    with TemporaryDirectory() as temporary:
        for name, limit in _word_files(there).items():
            (Path(temporary) / name).write_bytes(download(api, there, name, limit))
        embeddings = read_embeddings(Path(temporary))
    if len(embeddings) > 1:
        raise ConceptError(
            "{name} holds several words: download the file of one there, and import it.", name=there.id
        )
    embedding = replace(embeddings[0], file_name=repo_id.rpartition("/")[2])
    return Pulled(to_concept(embedding), _pictures(api, there), str(there.sha), embedding.base_is_guessed)


def _word_files(there: ModelInfo) -> dict[str, int]:
    """What to download of a repository to know its word, and how many bytes each file may have."""
    names = {entry.rfilename for entry in there.siblings or ()}
    files = {name: FILE_LIMITS[name] for name in sorted(names & FILE_LIMITS.keys())}
    if "concept.json" in files:
        return files
    known = re.compile(r"learned_embeds(_2)?\.(safetensors|bin)")
    other = re.compile(r"[\w. -]+\.(safetensors|bin|pt)")
    found = [name for name in names if known.fullmatch(name)] or [
        name for name in names if other.fullmatch(name) and size_of(there, name) <= MAX_FILE_BYTES
    ]
    if not 1 <= len(found) <= MAX_WORD_FILES:
        raise HubNotFoundError("{name} holds no word of textual inversion: try another.", name=there.id)
    return files | dict.fromkeys(sorted(found), MAX_FILE_BYTES)


def _pictures(api: HfApi, there: ModelInfo) -> tuple[Image.Image, ...]:
    """The first training pictures; one that cannot be read is left out: the word is as good without it."""
    names = [name for name in picture_names(there) if size_of(there, name) <= MAX_PICTURE_BYTES]
    pictures = []
    for name in names[:PICTURES_PULLED]:
        content = download(api, there, name, MAX_PICTURE_BYTES)
        with suppress(PictureError):
            pictures.append(open_picture(io.BytesIO(content), alpha="flatten")[0])
    return tuple(pictures)


def picture_names(there: ModelInfo) -> list[str]:
    """The training pictures in the order of their numbers."""
    names = [entry.rfilename for entry in there.siblings or () if PICTURE.fullmatch(entry.rfilename)]
    return sorted(names, key=by_number)


def by_number(name: str) -> tuple[int, str]:
    """A key for sorting: 2.png before 10.png."""
    return len(name), name
