"""Concept repositories on the Hugging Face Hub: publish one, fetch one, find some.

A repository holds the native folder (see :mod:`ti_core.concept`) and, beside it, what other programs read:

    learned_embeds.bin    as the sd-concepts-library has it
    our-cat.pt            for stable-diffusion-webui (A1111); for Stable Diffusion XL our-cat.safetensors
    gallery/0.png         pictures drawn with the word, their recipes inside

Its ``concept.json`` also records what was published, as ``{path: SHA-256}``. A later push replaces and
removes only what is recorded there and was not changed since: everything else is someone's own.

A token is passed on to the Hub and kept nowhere, and no error tells it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_session,
    hf_hub_url,
    set_client_factory,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status
from huggingface_hub.utils._http import default_client_factory
from PIL import Image

from ti_core.card import (
    GALLERY_FILE,
    REPOSITORY,
    Licence,
    base_repository,
    concept_card,
    gallery_file,
    named_licence,
    preset_licence,
)
from ti_core.concept import MAX_FILE_BYTES, Concept, save_concept
from ti_core.errors import (
    ConceptError,
    ConfigError,
    HubBusyError,
    HubConflictError,
    HubError,
    HubLoginError,
    HubNotFoundError,
    HubPermissionError,
    HubUnreachableError,
    PictureError,
)
from ti_core.formats import read_embeddings, to_concept, write_embedding
from ti_core.formats.contents import SHOWN_LENGTH
from ti_core.images import open_picture
from ti_core.library import LIMITS
from ti_core.models import preset_of
from ti_core.prompts import TOKEN_PATTERN
from ti_core.recipe import read_recipe

TIME_OUT = 30.0  # seconds without a byte from the Hub; its client has none of its own
PICTURES_PULLED = 8
MAX_WORD_FILES = 4  # more are not one word
MAX_PICTURE_BYTES = 8 * 2**20
TAGS = ("textual_inversion", "textual-inversion")
CONCEPTS_LIBRARY = "sd-concepts-library"
"""A community's collection of concepts from 2022; few of its repositories have tags."""

NAME = r"(?!.*(--|\.\.))[A-Za-z0-9_][\w.-]{0,94}(?<![.-])"
REPO_ID = re.compile(rf"(?:{NAME}/)?{NAME}", re.ASCII)
TOKEN = re.compile(r"[!-~]+")  # of what a header can hold
CARD = "README.md"
DESCRIPTION = "concept.json"
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
PICTURE = re.compile(r"concept_images/[^/]+\.(png|jpe?g|webp)", re.IGNORECASE)

# What the client raises: the errors of its HTTP library, which has had two names, and the system's; and for
# answers that are none of the Hub's, such as a hotel's page to log in, whatever reading them raises.
FAILURES: tuple[type[Exception], ...] = (
    *HfHubHTTPError.__bases__,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,  # around any error of an upload
)

Phase = Literal["checking", "creating", "uploading"]
OnProgress = Callable[[Phase], object]


@dataclass(frozen=True)
class Account:
    """Who is logged in: a person, and the organisations that they may write to."""

    id: str
    name: str
    organizations: tuple[str, ...]


@dataclass(frozen=True)
class Pushed:
    """What was published: where to look at it (a pull request for one), and the commit.

    ``was_there`` tells that exactly this was there already, ``keeps_card`` that the card there was edited by
    hand and stays as it is.
    """

    url: str
    commit: str
    was_there: bool = False
    keeps_card: bool = False


@dataclass(frozen=True)
class Pulled:
    """A concept from the Hub, at one commit, with some of its pictures.

    ``guessed`` tells that the repository names no base model, and the concept's is one of its width.
    """

    concept: Concept
    pictures: tuple[Image.Image, ...]
    commit: str
    guessed: bool


@dataclass(frozen=True)
class FoundConcept:
    """A repository as the Hub lists it; ``base_model`` and ``thumbnail`` (an address) are "" if unknown."""

    repo_id: str
    base_model: str
    thumbnail: str
    downloads: int
    likes: int


# --- publish ----------------------------------------------------------------------------------------------


def push_concept(
    concept: Concept,
    repo_id: str,
    *,
    token: str | None,
    private: bool = False,
    create_pr: bool = False,
    pictures: Sequence[Image.Image] = (),
    gallery: Sequence[Path] = (),
    on_progress: OnProgress | None = None,
) -> Pushed:
    """Publish a concept as one commit, in a new repository or in one that holds this word already.

    Without an owner in ``repo_id`` it becomes one of the person's own. ``pictures`` are those it was learned
    from, ``gallery`` PNG files drawn with it, with their recipes inside; without any, those of earlier pushes
    stay. A new repository that could not be filled stays, empty, and is filled the next time. Publishing the
    same again changes nothing; a file that others put there or changed is never touched.

    Raises :class:`ConfigError` for a name that no repository can have, else a :class:`HubError`: then
    nothing was published, unless it says that this is not known.
    """
    show = on_progress or (lambda phase: None)
    show("checking")
    _check_name(repo_id)
    me = _whoami(token)
    own_id = repo_id if "/" in repo_id else f"{me['name']}/{repo_id}"
    api = HfApi(token=token)
    there = _look(api, own_id)
    if there is None and create_pr:
        raise HubNotFoundError(f"There is no repository {own_id} to propose this to: check the name.")
    _check_right(me, own_id, new=there is None, create_pr=create_pr)
    published = _published(api, there, concept, private) if there else {}
    drawn = {gallery_file(number): path.read_bytes() for number, path in enumerate(gallery)}
    if there is not None and not drawn:
        drawn = _gallery_there(api, there, published)
    files = _repository_files(concept, own_id, pictures, drawn, _licence(api, concept))
    if there is None:
        show("creating")
        there = _create(api, own_id, private)
        published = _published(api, there, concept, private)
    change = _change(api, there, published, files)
    if change.is_made_in(there):
        return Pushed(_url(own_id), str(there.sha), was_there=True, keeps_card=change.keeps_card)
    show("uploading")
    return _commit(api, there, concept, change, create_pr)


def account(token: str | None) -> Account:
    """Who a token belongs to. Raises :class:`HubLoginError` if there is none or it is not accepted."""
    me = _whoami(token)
    organizations = [entry["name"] for entry in me.get("orgs", ()) if entry.get("roleInOrg") != "read"]
    return Account(str(me.get("id", "")), me["name"], tuple(organizations))


def _whoami(token: str | None) -> dict[str, Any]:
    if not token:
        raise HubLoginError("Nobody is logged in to Hugging Face: run `hf auth login` in a terminal first.")
    if not TOKEN.fullmatch(token):  # the HTTP library would quote it in its own error
        raise HubLoginError("The login cannot be read: run `hf auth login` in a terminal again.")
    with _asking("the Hub"):
        me: dict[str, Any] = HfApi(token=token).whoami()
        return {**me, "name": str(me["name"])}


def _check_right(me: Mapping[str, Any], repo_id: str, *, new: bool, create_pr: bool) -> None:
    """Refuse what the token cannot do, as far as the Hub tells; a login on a Space tells nothing."""
    owner = repo_id.partition("/")[0]
    access = (me.get("auth") or {}).get("accessToken") or {}
    if access.get("role") == "read":
        raise HubPermissionError(
            f"The login may only read: make a token that may write at {_url('settings/tokens')}, "
            "and log in with it."
        )
    roles = {entry["name"]: entry.get("roleInOrg") for entry in me.get("orgs", ())}
    if create_pr:
        return
    if owner != me["name"] and roles.get(owner, "read") == "read":
        raise HubPermissionError(
            f"{me['name']} may not publish under {owner}: choose {me['name']}/{repo_id.partition('/')[2]}."
        )
    if access.get("role") == "fineGrained" and not _is_scoped(access.get("fineGrained", {}), repo_id, new):
        raise HubPermissionError(
            f"The token may not write to {repo_id}: allow it to write to the repositories of {owner} at "
            f"{_url('settings/tokens')}."
        )


def _is_scoped(scopes: Mapping[str, Any], repo_id: str, new: bool) -> bool:
    """Whether a fine-grained token may write to a repository, or to all of its owner's, new ones too."""
    entities = {repo_id.partition("/")[0]} | (set() if new else {repo_id})
    return any(
        scope.get("entity", {}).get("name") in entities and "repo.write" in scope.get("permissions", ())
        for scope in scopes.get("scoped", ())
    )


def _repository_files(
    concept: Concept,
    repo_id: str,
    pictures: Sequence[Image.Image],
    drawn: Mapping[str, bytes],
    licence: Licence | None,
) -> dict[str, bytes]:
    """Every file of the repository by its path there; ``drawn`` are those of its gallery."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_concept(concept, folder, pictures)
        write_embedding(concept, folder, "diffusers-bin")
        write_embedding(concept, folder, "sdxl" if len(concept.files) > 1 else "a1111-pt")
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
    recipes = {path: read_recipe(io.BytesIO(content)) for path, content in drawn.items()}
    card = concept_card(concept, len(pictures), repo_id=repo_id, gallery=recipes, licence=licence)
    return _with_record({**files, **drawn, CARD: card.encode()})


def _licence(api: HfApi, concept: Concept) -> Licence | None:
    """The licence of the base model, asked of the Hub unless it is a preset; None if it does not tell."""
    known, repository = preset_licence(concept), base_repository(concept)
    if known is not None or repository is None:
        return known
    try:
        base = _look(api, repository)
    except HubError:  # a card without a licence is better than no card
        return None
    card = base.card_data if base else None
    values = [card.get(key) if card else None for key in ("license", "license_name", "license_link")]
    licence, name, link = (value if isinstance(value, str) else "" for value in values)
    return named_licence(repository, licence, name, link) if LICENCE.fullmatch(licence) else None


def _create(api: HfApi, repo_id: str, private: bool) -> ModelInfo:
    try:
        with _asking(repo_id):
            api.create_repo(repo_id, private=private)
    except HubError:
        there = _look(api, repo_id)  # the answer may have been lost, or another program was faster
        if there is None:
            raise
        return there
    there = _look(api, repo_id)
    if there is None:
        raise HubUnreachableError(f"The Hub made {repo_id} but does not show it yet: try again in a moment.")
    return there


def _commit(api: HfApi, there: ModelInfo, concept: Concept, change: _Change, create_pr: bool) -> Pushed:
    """Change a repository, if it is still as it was seen."""
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(path, content) for path, content in change.write.items()),
        *(CommitOperationDelete(path) for path in change.remove),
    ]
    try:
        with _asking(there.id):
            commit = api.create_commit(
                there.id,
                operations,
                commit_message=f"{concept.token}: {concept.num_vectors} vectors for {concept.base.id}",
                parent_commit=there.sha,
                create_pr=create_pr,
            )
            url = str(commit.pr_url if create_pr else _url(there.id))
            return Pushed(url, commit.oid, keeps_card=change.keeps_card)
    except (HubUnreachableError, HubConflictError) as error:
        return _after_no_answer(api, there, change, create_pr, error)


def _after_no_answer(
    api: HfApi, there: ModelInfo, change: _Change, create_pr: bool, error: HubError
) -> Pushed:
    """What became of a commit whose answer was lost, or that the client sent once more after it was done."""
    if create_pr and isinstance(error, HubUnreachableError):
        raise HubUnreachableError(
            f"The Hub did not answer, so whether the pull request was opened is not known: look at "
            f"{_url(f'{there.id}/discussions')} before you try again."
        ) from error
    try:
        now = _look(api, there.id)
    except HubError as unknown:
        raise HubUnreachableError(
            f"The Hub did not answer, so whether {there.id} was published is not known: look at "
            f"{_url(there.id)}; publishing again does no harm."
        ) from unknown
    if now is not None and now.sha != there.sha and change.is_made_in(now):
        return Pushed(_url(there.id), str(now.sha), keeps_card=change.keeps_card)
    raise error


# --- what is ours there -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Change:
    """What a push does to a repository: the files to write, and those to remove."""

    write: Mapping[str, bytes]
    remove: Sequence[str]
    keeps_card: bool

    def is_made_in(self, there: ModelInfo) -> bool:
        """Whether there is nothing left to do."""
        files = _files(there)
        written = all(path in files and _is_content(files[path], self.write[path]) for path in self.write)
        return written and not files.keys() & set(self.remove)


def _change(
    api: HfApi, there: ModelInfo, published: Mapping[str, str], files: Mapping[str, bytes]
) -> _Change:
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
            f"{path} in {there.id} was not published from here, or was changed there since, and stays as it "
            "is: rename or delete it there, or choose another name."
        )
    write = {path: content for path, content in write.items() if path not in taken}
    gone = present.keys() & published.keys() - files.keys()
    return _Change(write, [path for path in sorted(gone) if is_free(path)], CARD in taken)


def _published(api: HfApi, there: ModelInfo, concept: Concept, private: bool) -> dict[str, str]:
    """What the pushes of this word into a repository wrote, as ``{path: SHA-256}``; {} for an empty one.

    Raises :class:`HubConflictError` for one that holds no word of ours, or another.
    """
    if private and not there.private:
        raise HubConflictError(f"{there.id} is public already: choose another name for a private repository.")
    names = _files(there).keys()
    if not names:
        return {}
    content = _download(api, there, DESCRIPTION, LIMITS[DESCRIPTION]) if DESCRIPTION in names else b""
    record = _recorded(content)
    if record is None:
        example = DESCRIPTION if content else min(names)[:SHOWN_LENGTH]
        raise HubConflictError(
            f"{there.id} holds something else already ({example}), which stays as it is: choose another name."
        )
    token, published = record
    if token != concept.token:
        raise HubConflictError(
            f"{there.id} holds another word already, {token}, which stays as it is: choose another name."
        )
    return published


def _with_record(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files with a record of them all in ``concept.json``, which itself is recorded as it is without."""
    description = json.loads(files[DESCRIPTION])
    record = {path: _digest(content) for path, content in sorted(files.items())}
    record[DESCRIPTION] = _digest(_as_json(description))
    return {**files, DESCRIPTION: _as_json({**description, "published": record})}


def _recorded(content: bytes) -> tuple[str, dict[str, str]] | None:
    """The token and the record in a ``concept.json``, the twin of :func:`_with_record`.

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


def _gallery_there(api: HfApi, there: ModelInfo, published: Mapping[str, str]) -> dict[str, bytes]:
    """The pictures that earlier pushes put into the gallery, as far as they are still there."""
    paths = [path for path in sorted(_files(there)) if GALLERY_FILE.fullmatch(path)]
    return {
        path: _download(api, there, path, MAX_PICTURE_BYTES)
        for path in paths
        if _is_as_published(api, there, path, published)
    }


def _is_as_published(api: HfApi, there: ModelInfo, path: str, published: Mapping[str, str]) -> bool:
    """Whether an earlier push wrote a file, and nobody changed it since."""
    if path not in published or _size(there, path) > MAX_PICTURE_BYTES:
        return False
    lfs = _files(there)[path].lfs
    digest = lfs.sha256 if lfs else _digest(_download(api, there, path, MAX_PICTURE_BYTES))
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


# --- fetch ------------------------------------------------------------------------------------------------


def pull_concept(repo_id: str, *, token: str | None = None, revision: str | None = None) -> Pulled:
    """Fetch the concept of a repository, of which only small known files are downloaded, and read safely.

    Raises :class:`ConfigError` for a name that no repository has, :class:`ConceptError` for files that are
    no sound concept, and :class:`HubError`.
    """
    _check_name(repo_id)
    api = HfApi(token=token or False)
    there = _look(api, repo_id, revision)
    if there is None:
        raise HubNotFoundError(
            f"There is no repository {repo_id} on the Hub that you may see: check the name, or log in."
        )
    with TemporaryDirectory() as temporary:
        for name, limit in _word_files(there).items():
            (Path(temporary) / name).write_bytes(_download(api, there, name, limit))
        embeddings = read_embeddings(Path(temporary))
    if len(embeddings) > 1:
        raise ConceptError(f"{there.id} holds several words: download the file of one there, and import it.")
    embedding = replace(embeddings[0], file_name=repo_id.rpartition("/")[2])
    return Pulled(to_concept(embedding), _pictures(api, there), str(there.sha), embedding.base_is_guessed)


def _word_files(there: ModelInfo) -> dict[str, int]:
    """What to download of a repository to know its word, and how many bytes each file may have."""
    names = {entry.rfilename for entry in there.siblings or ()}
    files = {name: LIMITS[name] for name in sorted(names & LIMITS.keys())}
    if "concept.json" in files:
        return files
    known = re.compile(r"learned_embeds(_2)?\.(safetensors|bin)")
    other = re.compile(r"[\w. -]+\.(safetensors|bin|pt)")
    found = [name for name in names if known.fullmatch(name)] or [
        name for name in names if other.fullmatch(name) and _size(there, name) <= MAX_FILE_BYTES
    ]
    if not 1 <= len(found) <= MAX_WORD_FILES:
        raise HubNotFoundError(f"{there.id} holds no word of textual inversion: try another.")
    return files | dict.fromkeys(sorted(found), MAX_FILE_BYTES)


def _base_model(there: ModelInfo) -> str:
    """What the card names, "" for nothing."""
    base = there.card_data.get("base_model") if there.card_data else None
    base = base[0] if isinstance(base, list) and base else base
    return base if isinstance(base, str) and REPO_ID.fullmatch(base) else ""


def _pictures(api: HfApi, there: ModelInfo) -> tuple[Image.Image, ...]:
    """The first training pictures; one that cannot be read is left out: the word is as good without it."""
    names = [name for name in _picture_names(there) if _size(there, name) <= MAX_PICTURE_BYTES]
    pictures = []
    for name in names[:PICTURES_PULLED]:
        content = _download(api, there, name, MAX_PICTURE_BYTES)
        with suppress(PictureError):
            pictures.append(open_picture(io.BytesIO(content), alpha="flatten")[0])
    return tuple(pictures)


def _picture_names(there: ModelInfo) -> list[str]:
    """The training pictures in the order of their numbers."""
    names = [entry.rfilename for entry in there.siblings or () if PICTURE.fullmatch(entry.rfilename)]
    return sorted(names, key=_by_number)


def _by_number(name: str) -> tuple[int, str]:
    return len(name), name  # 2.png before 10.png


def _size(there: ModelInfo, path: str) -> int:
    return next(entry.size or 0 for entry in there.siblings or () if entry.rfilename == path)


# --- find -------------------------------------------------------------------------------------------------


def search_concepts(
    query: str = "", author: str = "", base_model: str = "", *, limit: int = 24, token: str | None = None
) -> list[FoundConcept]:
    """Concept repositories by a part of their name, their author and their base model (owner/name).

    Of a preset, its other repositories count, too. Those that were downloaded most come first. The
    repositories of the sd-concepts-library, most of which have no tags, are found by name, unless a base
    model is asked for. Raises :class:`HubError`.
    """
    api = HfApi(token=token or False)
    bases = [[f"base_model:{name}"] for name in _same_model(base_model)] if base_model else [[]]
    searches: list[tuple[str, list[str]]] = [(author, [tag, *base]) for tag in TAGS for base in bases]
    if author in ("", CONCEPTS_LIBRARY) and not base_model:
        searches.append((CONCEPTS_LIBRARY, []))
    found: dict[str, ModelInfo] = {}
    for owner, tags in searches:
        with _asking("the Hub"):
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
    most = sorted(found.values(), key=lambda model: model.downloads or 0, reverse=True)
    return [_found(api, model) for model in most[:limit]]


def _same_model(base_model: str) -> list[str]:
    """The repositories that concepts for a base model may name."""
    preset = preset_of(base_model)
    names = (preset.source, *preset.aliases) if preset else ()
    return [name for name in names if REPOSITORY.fullmatch(name)] or [base_model]


def _found(api: HfApi, model: ModelInfo) -> FoundConcept:
    names = [entry.rfilename for entry in model.siblings or ()]
    drawn = [name for name in names if re.fullmatch(r"gallery/[0-9]+\.png", name)]
    pictures = sorted(drawn, key=_by_number) + _picture_names(model)
    thumbnail = hf_hub_url(model.id, pictures[0], endpoint=api.endpoint) if pictures else ""
    return FoundConcept(model.id, _base_model(model), thumbnail, model.downloads or 0, model.likes or 0)


# --- the client -------------------------------------------------------------------------------------------


def _patient_client() -> Any:
    """The client's own, with a time-out for every request and an end to its patience."""
    client = default_client_factory()
    client.event_hooks["request"].append(_set_time_out)
    client.event_hooks["response"].append(_give_up_on_refusal)
    return client


def _set_time_out(request: Any) -> None:
    given = request.extensions.get("timeout", {})
    parts = ("connect", "read", "write", "pool")
    request.extensions["timeout"] = {part: given.get(part) or TIME_OUT for part in parts}


def _give_up_on_refusal(response: Any) -> None:
    """Some requests are sent again for ever on a 409, and for as long as a 429 asks to wait: be told now."""
    if response.request.method == "POST" and response.status_code in (409, 429):
        response.read()
        hf_raise_for_status(response)


set_client_factory(_patient_client)


def _url(repo_id: str) -> str:
    return f"{constants.ENDPOINT}/{repo_id}"


def _check_name(repo_id: str) -> None:
    if not REPO_ID.fullmatch(repo_id) or repo_id.endswith(".git"):
        raise ConfigError(
            f"“{repo_id[:SHOWN_LENGTH]}” cannot be a repository: write it as owner/name, with letters, "
            "digits, hyphens and dots."
        )


def _look(api: HfApi, repo_id: str, revision: str | None = None) -> ModelInfo | None:
    """A repository as it is now, with sizes and digests of its files; None if there is none to be seen."""
    try:
        with _asking(repo_id):
            return api.model_info(repo_id, revision=revision, files_metadata=True)
    except HubNotFoundError as error:
        if isinstance(error.__cause__, RepositoryNotFoundError):
            return None
        raise


def _download(api: HfApi, there: ModelInfo, path: str, limit: int) -> bytes:
    """A file's content at the commit that was seen, if it has no more bytes than ``limit``."""
    if _size(there, path) > limit:
        raise ConceptError(f"{path[:SHOWN_LENGTH]} in {there.id} is too large for a word: do not use it.")
    address = hf_hub_url(there.id, path, revision=there.sha, endpoint=api.endpoint)
    content = bytearray()
    with (
        _asking(there.id),
        get_session().stream("GET", address, headers=build_hf_headers(token=api.token)) as response,
    ):
        hf_raise_for_status(response)
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > limit:
                break
    if len(content) > limit:
        raise ConceptError(f"{path[:SHOWN_LENGTH]} in {there.id} is larger than it says: do not use it.")
    return bytes(content)


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Turn whatever goes wrong with the Hub into one sentence about ``what``, in which no token stands."""
    try:
        yield
    except FAILURES as error:
        raise _told(error, what) from error


def _told(error: BaseException, what: str) -> HubError:
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return _told(error.__cause__, what)
    if isinstance(error, OfflineModeIsEnabled):
        return HubUnreachableError("The Hub is not asked, for HF_HUB_OFFLINE is set: unset it to go online.")
    if isinstance(error, GatedRepoError):
        return HubPermissionError(
            f"{what} asks for its conditions to be accepted: do so at {_url(what)}, then log in."
        )
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return HubNotFoundError(f"There is no such revision of {what}: check it, or leave it out.")
    if not isinstance(error, HfHubHTTPError):
        return HubUnreachableError("The Hub did not answer: check the connection, then try again.")
    status, headers = error.response.status_code, error.response.headers
    if status == 401:
        return HubLoginError("The Hub does not accept the login, it may have expired: log in again.")
    if status == 403:
        return HubPermissionError(f"The Hub does not let this login do that with {what}: use another token.")
    if status in (409, 412):
        return HubConflictError(f"{what} was changed by someone meanwhile: look at it, then try again.")
    if status == 429:
        seconds = headers.get("retry-after", "")
        if seconds.isdecimal():
            return HubBusyError(f"The Hub was asked too often: wait {seconds} seconds, then try again.")
        return HubBusyError("The Hub was asked too often: wait a few minutes, then try again.")
    if status >= 500:
        return HubUnreachableError(f"The Hub has a problem of its own ({status}): try again later.")
    return HubError(f"The Hub refused what it was asked about {what} ({status}): check the name.")
