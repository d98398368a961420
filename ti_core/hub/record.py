"""The record of the files that earlier pushes published, and the change that the next push makes.

``concept.json`` records the published files as ``{path: SHA-256}``. A later push replaces and removes only
recorded files that were not changed since; everything else belongs to someone else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.hf_api import ModelInfo, RepoSibling

from ti_core.errors import HubConflictError
from ti_core.hub.client import MAX_PICTURE_BYTES, download, size_of
from ti_core.prompts.names import TOKEN_PATTERN
from ti_core.words.archive import FILE_LIMITS
from ti_core.words.concept import Concept
from ti_core.words.formats.contents import SHOWN_LENGTH
from ti_core.words.gallery import GALLERY_FILE

CARD = "README.md"
DESCRIPTION = "concept.json"


@dataclass(frozen=True)
class Change:
    """The change that a push makes to a repository: files to write, by path, and paths to remove.

    ``keeps_card`` is true if the card was edited by hand and is therefore not written.
    """

    write: Mapping[str, bytes]
    remove: Sequence[str]
    keeps_card: bool

    def is_applied_to(self, repository: ModelInfo) -> bool:
        """Whether a repository already is as this change would leave it."""
        files = _files(repository)
        written = all(path in files and _is_content(files[path], self.write[path]) for path in self.write)
        return written and not files.keys() & set(self.remove)


def plan_change(
    api: HfApi, repository: ModelInfo, published: Mapping[str, str], files: Mapping[str, bytes]
) -> Change:
    """Plan the change that replaces the ``published`` files of earlier pushes by ``files``.

    Raises :class:`HubConflictError` if the path of a new file, other than the card, is taken by a file that
    was not published from here or was changed since.
    """
    present = _files(repository)

    def is_free(path: str) -> bool:
        return path not in present or _is_as_published(api, repository, path, published)

    write = {
        path: content
        for path, content in files.items()
        if path not in present or not _is_content(present[path], content)
    }
    taken = {path for path in write if not is_free(path)}
    for path in sorted(taken - {CARD}):
        raise HubConflictError(
            "{file} in {name} was not published from here, or was changed there since, and stays as it is: "
            "rename or delete it there, or choose another name.",
            file=path,
            name=repository.id,
        )
    write = {path: content for path, content in write.items() if path not in taken}
    gone = present.keys() & published.keys() - files.keys()
    return Change(write, [path for path in sorted(gone) if is_free(path)], CARD in taken)


def published_files(api: HfApi, repository: ModelInfo, concept: Concept, private: bool) -> dict[str, str]:
    """Return the files that earlier pushes of this word wrote, as ``{path: SHA-256}``; {} if it is empty.

    Raises :class:`HubConflictError` if the repository holds another word or something else, or if it is
    public and should be private.
    """
    if private and not repository.private:
        raise HubConflictError(
            "{name} is public already: choose another name for a private repository.", name=repository.id
        )
    names = _files(repository).keys()
    if not names:
        return {}
    content = (
        download(api, repository, DESCRIPTION, FILE_LIMITS[DESCRIPTION]) if DESCRIPTION in names else b""
    )
    record = _read_record(content)
    if record is None:
        example = DESCRIPTION if content else min(names)[:SHOWN_LENGTH]
        raise HubConflictError(
            "{name} holds something else already ({file}), which stays as it is: choose another name.",
            name=repository.id,
            file=example,
        )
    token, published = record
    if token != concept.token:
        raise HubConflictError(
            "{name} holds another word already, {token}, which stays as it is: choose another name.",
            name=repository.id,
            token=token,
        )
    return published


def with_record(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Add a record of all files to ``concept.json``; its own digest is that without the record."""
    description = json.loads(files[DESCRIPTION])
    record = {path: _digest(content) for path, content in sorted(files.items())}
    record[DESCRIPTION] = _digest(_as_json(description))
    return {**files, DESCRIPTION: _as_json({**description, "published": record})}


def _read_record(content: bytes) -> tuple[str, dict[str, str]] | None:
    """Read the token and the record from a ``concept.json`` that :func:`with_record` wrote.

    Returns None if there is no record, or if somebody changed the file.
    """
    try:
        description = json.loads(content)
        token, record = description["token"], dict(description.pop("published"))
        is_unchanged = record[DESCRIPTION] == _digest(_as_json(description))
        if not is_unchanged or not TOKEN_PATTERN.fullmatch(token):
            return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return token, {**record, DESCRIPTION: _digest(content)}


def published_gallery(api: HfApi, repository: ModelInfo, published: Mapping[str, str]) -> dict[str, bytes]:
    """Download the gallery pictures of earlier pushes that are still there and unchanged."""
    paths = [path for path in sorted(_files(repository)) if GALLERY_FILE.fullmatch(path)]
    return {
        path: download(api, repository, path, MAX_PICTURE_BYTES)
        for path in paths
        if _is_as_published(api, repository, path, published)
    }


def _is_as_published(api: HfApi, repository: ModelInfo, path: str, published: Mapping[str, str]) -> bool:
    """Whether an earlier push wrote a file and nobody has changed it since."""
    if path not in published or size_of(repository, path) > MAX_PICTURE_BYTES:
        return False
    lfs = _files(repository)[path].lfs
    digest = lfs.sha256 if lfs else _digest(download(api, repository, path, MAX_PICTURE_BYTES))
    return digest == published[path]


def _files(repository: ModelInfo) -> dict[str, RepoSibling]:
    """Return the files of a repository, except the one that the Hub adds itself."""
    return {file.rfilename: file for file in repository.siblings or () if file.rfilename != ".gitattributes"}


def _is_content(sibling: RepoSibling, content: bytes) -> bool:
    """Whether a file in a repository has this content.

    The digests are compared: SHA-256 of the content for a file in LFS, else git's blob id.
    """
    if sibling.lfs is not None:
        return sibling.lfs.sha256 == _digest(content)
    return sibling.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _as_json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()
