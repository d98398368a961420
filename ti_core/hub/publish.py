"""Publish a concept: one commit, which can be made again and harms nobody's files."""

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
from ti_core.hub.client import asking, check_name, look, page_address
from ti_core.hub.login import check_right, who_am_i
from ti_core.hub.record import CARD, Change, change_to, gallery_there, published_files, with_record
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
    """What was published: where to look at it (a pull request for one), and the commit.

    ``was_there`` tells that exactly this was there already, ``keeps_card`` that the card there was edited by
    hand and stays as it is.
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
    check_name(repo_id)
    me = who_am_i(token)
    own_id = repo_id if "/" in repo_id else f"{me['name']}/{repo_id}"
    api = HfApi(token=token)
    there = look(api, own_id)
    if there is None and create_pr:
        raise HubNotFoundError(
            "There is no repository {name} to propose this to: check the name.", name=own_id
        )
    check_right(me, own_id, new=there is None, create_pr=create_pr)
    published = published_files(api, there, concept, private) if there else {}
    drawn = {gallery_file(number): path.read_bytes() for number, path in enumerate(gallery)}
    if there is not None and not drawn:
        drawn = gallery_there(api, there, published)
    files = _repository_files(concept, own_id, pictures, drawn, _licence(api, concept))
    if there is None:
        show("creating")
        there = _create(api, own_id, private)
        published = published_files(api, there, concept, private)
    change = change_to(api, there, published, files)
    if change.is_made_in(there):
        return Pushed(page_address(own_id), str(there.sha), was_there=True, keeps_card=change.keeps_card)
    show("uploading")
    return _commit(api, there, concept, change, create_pr)


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
    recipes = {path: read_recipe(io.BytesIO(content), name=path) for path, content in drawn.items()}
    card = concept_card(concept, len(pictures), repo_id=repo_id, gallery=recipes, licence=licence)
    return with_record({**files, **drawn, CARD: card.encode()})


def _licence(api: HfApi, concept: Concept) -> Licence | None:
    """The licence of the base model, asked of the Hub unless it is a preset; None if it does not tell."""
    known, repository = preset_licence(concept), base_repository(concept)
    if known is not None or repository is None:
        return known
    try:
        base = look(api, repository)
    except HubError:  # a card without a licence is better than no card
        return None
    card = base.card_data if base else None
    values = [card.get(key) if card else None for key in ("license", "license_name", "license_link")]
    licence, name, link = (value if isinstance(value, str) else "" for value in values)
    return named_licence(repository, licence, name, link) if LICENCE.fullmatch(licence) else None


def _create(api: HfApi, repo_id: str, private: bool) -> ModelInfo:
    try:
        with asking(repo_id):
            api.create_repo(repo_id, private=private)
    except HubError:
        there = look(api, repo_id)  # the answer may have been lost, or another program was faster
        if there is None:
            raise
        return there
    there = look(api, repo_id)
    if there is None:
        raise HubUnreachableError(
            "The Hub made {name} but does not show it yet: try again in a moment.", name=repo_id
        )
    return there


def _commit(api: HfApi, there: ModelInfo, concept: Concept, change: Change, create_pr: bool) -> Pushed:
    """Change a repository, if it is still as it was seen."""
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(path, content) for path, content in change.write.items()),
        *(CommitOperationDelete(path) for path in change.remove),
    ]
    try:
        with asking(there.id):
            commit = api.create_commit(
                there.id,
                operations,
                commit_message=f"{concept.token}: {concept.num_vectors} vectors for {concept.base.id}",
                parent_commit=there.sha,
                create_pr=create_pr,
            )
            url = str(commit.pr_url if create_pr else page_address(there.id))
            return Pushed(url, commit.oid, keeps_card=change.keeps_card)
    except (HubUnreachableError, HubConflictError) as error:
        return _after_no_answer(api, there, change, create_pr, error)


def _after_no_answer(
    api: HfApi, there: ModelInfo, change: Change, create_pr: bool, error: HubError
) -> Pushed:
    """What became of a commit whose answer was lost, or that the client sent once more after it was done."""
    if create_pr and isinstance(error, HubUnreachableError):
        raise HubUnreachableError(
            "The Hub did not answer, so whether the pull request was opened is not known: look at {address} "
            "before you try again.",
            address=page_address(f"{there.id}/discussions"),
        ) from error
    try:
        now = look(api, there.id)
    except HubError as unknown:
        raise HubUnreachableError(
            "The Hub did not answer, so whether {name} was published is not known: look at {address}; "
            "publishing again does no harm.",
            name=there.id,
            address=page_address(there.id),
        ) from unknown
    if now is not None and now.sha != there.sha and change.is_made_in(now):
        return Pushed(page_address(there.id), str(now.sha), keeps_card=change.keeps_card)
    raise error
