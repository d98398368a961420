"""What of a repository is ours: the record of what was published, and the change that the next push makes.

``concept.json`` records the published files as ``{path: SHA-256}``. A later push replaces and removes only
what is recorded there and was not changed since: everything else is someone's own.
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
    """What a push does to a repository: the files to write, and those to remove."""

    write: Mapping[str, bytes]
    remove: Sequence[str]
    keeps_card: bool

    def is_made_in(self, there: ModelInfo) -> bool:
        """Whether there is nothing left to do."""
        files = _files(there)
        written = all(path in files and _is_content(files[path], self.write[path]) for path in self.write)
        return written and not files.keys() & set(self.remove)


def change_to(
    api: HfApi, there: ModelInfo, published: Mapping[str, str], files: Mapping[str, bytes]
) -> Change:
    """What makes a repository hold the files of a word instead of those that were ``published`` before.

    Raises :class:`HubConflictError` if another file has the name of one of them.
    """
    present = _files(there)

    def is_free(path: str) -> bool:
        return path not in present or _is_as_published(api, there, path, published)

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
            name=there.id,
        )
    write = {path: content for path, content in write.items() if path not in taken}
    gone = present.keys() & published.keys() - files.keys()
    return Change(write, [path for path in sorted(gone) if is_free(path)], CARD in taken)


def published_files(api: HfApi, there: ModelInfo, concept: Concept, private: bool) -> dict[str, str]:
    """What the pushes of this word into a repository wrote, as ``{path: SHA-256}``; {} for an empty one.

    Raises :class:`HubConflictError` for one that holds no word of ours, or another.
    """
    if private and not there.private:
        raise HubConflictError(
            "{name} is public already: choose another name for a private repository.", name=there.id
        )
    names = _files(there).keys()
    if not names:
        return {}
    content = download(api, there, DESCRIPTION, FILE_LIMITS[DESCRIPTION]) if DESCRIPTION in names else b""
    record = _recorded(content)
    if record is None:
        example = DESCRIPTION if content else min(names)[:SHOWN_LENGTH]
        raise HubConflictError(
            "{name} holds something else already ({file}), which stays as it is: choose another name.",
            name=there.id,
            file=example,
        )
    token, published = record
    if token != concept.token:
        raise HubConflictError(
            "{name} holds another word already, {token}, which stays as it is: choose another name.",
            name=there.id,
            token=token,
        )
    return published


def with_record(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files with a record of them all in ``concept.json``, which itself is recorded as it is without."""
    description = json.loads(files[DESCRIPTION])
    record = {path: _digest(content) for path, content in sorted(files.items())}
    record[DESCRIPTION] = _digest(_as_json(description))
    return {**files, DESCRIPTION: _as_json({**description, "published": record})}


def _recorded(content: bytes) -> tuple[str, dict[str, str]] | None:
    """The token and the record in a ``concept.json``, the twin of :func:`with_record`.

    None if there is no record, or somebody changed the file.
    """
    try:
        description = json.loads(content)
        token, record = description["token"], dict(description.pop("published"))
        is_whole = record[DESCRIPTION] == _digest(_as_json(description))
        if not is_whole or not TOKEN_PATTERN.fullmatch(token):
            return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return token, {**record, DESCRIPTION: _digest(content)}


def gallery_there(api: HfApi, there: ModelInfo, published: Mapping[str, str]) -> dict[str, bytes]:
    """The pictures that earlier pushes put into the gallery, as far as they are still there."""
    paths = [path for path in sorted(_files(there)) if GALLERY_FILE.fullmatch(path)]
    return {
        path: download(api, there, path, MAX_PICTURE_BYTES)
        for path in paths
        if _is_as_published(api, there, path, published)
    }


def _is_as_published(api: HfApi, there: ModelInfo, path: str, published: Mapping[str, str]) -> bool:
    """Whether an earlier push wrote a file, and nobody changed it since."""
    if path not in published or size_of(there, path) > MAX_PICTURE_BYTES:
        return False
    lfs = _files(there)[path].lfs
    digest = lfs.sha256 if lfs else _digest(download(api, there, path, MAX_PICTURE_BYTES))
    return digest == published[path]


def _files(there: ModelInfo) -> dict[str, RepoSibling]:
    """The files of a repository, beside the one that the Hub adds itself."""
    return {file.rfilename: file for file in there.siblings or () if file.rfilename != ".gitattributes"}


def _is_content(sibling: RepoSibling, content: bytes) -> bool:
    """By the digest that the Hub tells: of a large file's content, or that of git."""
    if sibling.lfs is not None:
        return sibling.lfs.sha256 == _digest(content)
    return sibling.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _as_json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()
