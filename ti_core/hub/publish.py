"""Publish a concept in one commit, which can safely be repeated and never touches other people's files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.hf_api import ModelInfo
from PIL import Image

from ti_core.drawing.recipe import read_recipe
from ti_core.errors import HubConflictError, HubError, HubNotFoundError, HubUnreachableError
from ti_core.hub.client import check_name, find_repository, hub_errors, page_address
from ti_core.hub.login import check_permission, who_am_i
from ti_core.hub.record import CARD, Change, plan_change, published_files, published_gallery, with_record
from ti_core.words.card import Licence, base_repository, concept_card, named_licence, preset_licence
from ti_core.words.concept import Concept
from ti_core.words.folder import save_concept
from ti_core.words.formats import write_embedding
from ti_core.words.gallery import gallery_file

LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")

Phase = Literal["checking", "creating", "uploading"]
OnProgress = Callable[[Phase], object]


@dataclass(frozen=True)
class Pushed:
    """The result of publishing: the address of the repository or pull request, and the commit.

    ``was_there`` is true if the repository already had exactly these files. ``keeps_card`` is true if its
    card was edited by hand and was therefore kept.
    """

    url: str
    commit: str
    was_there: bool = False
    keeps_card: bool = False


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
    """Publish a concept as one commit, in a new repository or in one that already holds this word.

    A ``repo_id`` without an owner belongs to the user who is logged in. ``pictures`` are the training
    pictures. ``gallery`` are PNG files drawn with the word, with their recipes in their metadata; if there
    are none, the gallery of earlier pushes is kept. If a new repository was created but the commit failed, it
    stays empty and the next push fills it. Publishing the same again changes nothing. Files that others added
    or changed are never touched.

    Raises :class:`ConfigError` for an invalid repository name, and :class:`HubError`; then nothing was
    published, unless the error says that this is unknown.
    """
    show = on_progress or (lambda phase: None)
    show("checking")
    check_name(repo_id)
    me = who_am_i(token)
    own_id = repo_id if "/" in repo_id else f"{me['name']}/{repo_id}"
    api = HfApi(token=token)
    repository = find_repository(api, own_id)
    if repository is None and create_pr:
        raise HubNotFoundError(
            "There is no repository {name} to propose this to: check the name.", name=own_id
        )
    check_permission(me, own_id, new=repository is None, create_pr=create_pr)
    published = published_files(api, repository, concept, private) if repository else {}
    drawn = {gallery_file(number): path.read_bytes() for number, path in enumerate(gallery)}
    if repository is not None and not drawn:
        drawn = published_gallery(api, repository, published)
    files = _repository_files(concept, own_id, pictures, drawn, _licence(api, concept))
    if repository is None:
        show("creating")
        repository = _create(api, own_id, private)
        published = published_files(api, repository, concept, private)
    change = plan_change(api, repository, published, files)
    if change.is_applied_to(repository):
        return Pushed(page_address(own_id), str(repository.sha), was_there=True, keeps_card=change.keeps_card)
    show("uploading")
    return _commit(api, repository, concept, change, create_pr)


def _repository_files(
    concept: Concept,
    repo_id: str,
    pictures: Sequence[Image.Image],
    drawn: Mapping[str, bytes],
    licence: Licence | None,
) -> dict[str, bytes]:
    """Build every file of the repository, by path; ``drawn`` are those of its gallery."""
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
    recipes = {path: read_recipe(io.BytesIO(content), name=path) for path, content in drawn.items()}
    card = concept_card(concept, len(pictures), repo_id=repo_id, gallery=recipes, licence=licence)
    return with_record({**files, **drawn, CARD: card.encode()})


def _licence(api: HfApi, concept: Concept) -> Licence | None:
    """Return the base model's licence, from its card on the Hub unless it is a preset; None if unknown."""
    known, repository = preset_licence(concept), base_repository(concept)
    if known is not None or repository is None:
        return known
    try:
        base = find_repository(api, repository)
    except HubError:  # publishing without a licence on the card is better than not publishing
        return None
    card = base.card_data if base else None
    values = [card.get(key) if card else None for key in ("license", "license_name", "license_link")]
    licence, name, link = (value if isinstance(value, str) else "" for value in values)
    return named_licence(repository, licence, name, link) if LICENCE.fullmatch(licence) else None


def _create(api: HfApi, repo_id: str, private: bool) -> ModelInfo:
    """Create a repository, or return one that exists by now."""
    try:
        with hub_errors(repo_id):
            api.create_repo(repo_id, private=private)
    except HubError:
        # It exists if only the answer was lost, or if another program created it first.
        repository = find_repository(api, repo_id)
        if repository is None:
            raise
        return repository
    repository = find_repository(api, repo_id)
    if repository is None:
        raise HubUnreachableError(
            "The Hub made {name} but does not show it yet: try again in a moment.", name=repo_id
        )
    return repository


def _commit(api: HfApi, repository: ModelInfo, concept: Concept, change: Change, create_pr: bool) -> Pushed:
    """Commit a change to a repository, provided that its latest commit is still the one seen."""
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(path, content) for path, content in change.write.items()),
        *(CommitOperationDelete(path) for path in change.remove),
    ]
    try:
        with hub_errors(repository.id):
            commit = api.create_commit(
                repository.id,
                operations,
                commit_message=f"{concept.token}: {concept.num_vectors} vectors for {concept.base.id}",
                parent_commit=repository.sha,
                create_pr=create_pr,
            )
            url = str(commit.pr_url if create_pr else page_address(repository.id))
            return Pushed(url, commit.oid, keeps_card=change.keeps_card)
    except (HubUnreachableError, HubConflictError) as error:
        return _after_no_answer(api, repository, change, create_pr, error)


def _after_no_answer(
    api: HfApi, repository: ModelInfo, change: Change, create_pr: bool, error: HubError
) -> Pushed:
    """Find out whether a commit was made after all, and raise ``error`` if not.

    The Hub's answer may have been lost, or the client may have repeated a request that had succeeded.
    """
    if create_pr and isinstance(error, HubUnreachableError):
        raise HubUnreachableError(
            "The Hub did not answer, so whether the pull request was opened is not known: look at {address} "
            "before you try again.",
            address=page_address(f"{repository.id}/discussions"),
        ) from error
    try:
        now = find_repository(api, repository.id)
    except HubError as unknown:
        raise HubUnreachableError(
            "The Hub did not answer, so whether {name} was published is not known: look at {address}; "
            "publishing again does no harm.",
            name=repository.id,
            address=page_address(repository.id),
        ) from unknown
    if now is not None and now.sha != repository.sha and change.is_applied_to(now):
        return Pushed(page_address(repository.id), str(now.sha), keeps_card=change.keeps_card)
    raise error
