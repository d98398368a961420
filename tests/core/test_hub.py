"""Publishing, fetching and searching concepts on the Hub with the real client, and every kind of failure."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.hub_server import HubServer, Repository
from huggingface_hub import ModelCard
from PIL import Image

from ti_core.drawing.recipe import Recipe, save_png
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
    RecipeError,
)
from ti_core.hub import Pushed, account, client, publish, pull_concept, push_concept, search_concepts
from ti_core.model.base import BaseModel
from ti_core.words.concept import Concept
from ti_core.words.folder import load_concept, save_concept
from ti_core.words.formats import read_embeddings, write_embedding

SD15 = BaseModel("sd15", "sd1", {"clip_l": 768}, "0123456789ab")
SDXL = BaseModel("sdxl", "sdxl", {"clip_l": 768, "clip_g": 1280}, "ba9876543210")
TOKEN = "hf_ann"
REPO = "ann/our-cat"


def make_concept(base: BaseModel = SD15, seed: int = 0, token: str = "<our-cat>") -> Concept:
    generator = torch.Generator().manual_seed(seed)
    vectors = {name: torch.randn(2, width, generator=generator) for name, width in base.widths.items()}
    return Concept(token, vectors, "object", base, "cat", {"steps": 400})


def make_picture(colour: str = "red") -> Image.Image:
    return Image.new("RGB", (16, 16), colour)


def push(concept: Concept | None = None, repo_id: str = REPO, **options: Any) -> Pushed:
    return push_concept(concept or make_concept(), repo_id, **{"token": TOKEN, **options})


@pytest.fixture(params=[SD15, SDXL], ids=["sd15", "sdxl"])
def concept(request: pytest.FixtureRequest) -> Concept:
    return make_concept(request.param)


# --- publishing -------------------------------------------------------------------------------------------


def test_a_published_concept_is_fetched_back_as_it_was(hub: HubServer, concept: Concept) -> None:
    pushed = push(concept)
    assert pushed == Pushed(f"{hub.address}/{REPO}", hub.repositories[REPO].sha)
    pulled = pull_concept(REPO)
    assert pulled.commit == pushed.commit and not pulled.guessed
    assert pulled.concept.sha256 == concept.sha256
    assert (pulled.concept.token, pulled.concept.base) == (concept.token, concept.base)
    assert pulled.concept.training == concept.training


def test_all_layouts_lie_side_by_side(hub: HubServer, concept: Concept, tmp_path: Path) -> None:
    push(concept)
    files = hub.repositories[REPO].files
    encoders = 1 if concept.base is SD15 else 2
    a1111 = "our-cat.pt" if encoders == 1 else "our-cat.safetensors"
    stems = ("learned_embeds", "learned_embeds_2")[:encoders]
    embeddings = {f"{stem}.{ending}" for stem in stems for ending in ("safetensors", "bin")}
    texts = {"README.md", "concept.json", "token_identifier.txt", "type_of_concept.txt", ".gitattributes"}
    assert set(files) == embeddings | texts | {a1111}
    for name in (a1111, "learned_embeds.bin"):
        folder = tmp_path / name
        folder.mkdir()
        for file in files.keys() & {name, name.replace(".bin", "_2.bin")}:
            (folder / file).write_bytes(files[file])
        [embedding] = read_embeddings(folder)
        assert all(torch.equal(embedding.vectors[key], rows) for key, rows in concept.vectors.items())


def test_it_is_one_commit_in_a_new_public_repository(hub: HubServer) -> None:
    phases: list[str] = []
    push(on_progress=phases.append)
    assert hub.count_requests("POST", "/commit/") == 1
    assert not hub.repositories[REPO].private
    assert phases == ["checking", "creating", "uploading"]


def test_a_private_repository(hub: HubServer) -> None:
    push(private=True)
    assert hub.repositories[REPO].private
    with pytest.raises(HubNotFoundError, match="that you may see"):
        pull_concept(REPO)
    assert pull_concept(REPO, token=TOKEN).concept.token == "<our-cat>"


def test_a_name_without_owner_is_one_of_the_person_s_own(hub: HubServer) -> None:
    assert push(repo_id="our-cat").url.endswith("/ann/our-cat")


def test_training_pictures_are_published_only_when_they_are_given(hub: HubServer) -> None:
    push()
    assert not [name for name in hub.repositories[REPO].files if "images" in name]
    push(pictures=[make_picture("red"), make_picture("blue")])
    names = [name for name in hub.repositories[REPO].files if "images" in name]
    assert names == ["concept_images/0.png", "concept_images/1.png"]
    push()
    assert not [name for name in hub.repositories[REPO].files if "images" in name]


def test_pictures_come_with_the_word(hub: HubServer) -> None:
    push(pictures=[make_picture("red"), make_picture("blue")])
    assert [picture.getpixel((0, 0)) for picture in pull_concept(REPO).pictures] == [(255, 0, 0), (0, 0, 255)]


def draw(folder: Path, prompt: str = "a photo of <our-cat>") -> Path:
    drawn = folder / f"{len(list(folder.iterdir()))}.png"
    save_png(make_picture(), drawn, Recipe(prompt, seed=5))
    return drawn


def test_drawn_pictures_stand_on_the_card_with_their_prompts(hub: HubServer, tmp_path: Path) -> None:
    drawn = draw(tmp_path)
    push(gallery=[drawn])
    files = hub.repositories[REPO].files
    assert files["gallery/0.png"] == drawn.read_bytes()
    card = ModelCard(files["README.md"].decode())
    assert card.data.widget == [{"text": "a photo of <our-cat>", "output": {"url": "gallery/0.png"}}]
    assert card.data.base_model == "stable-diffusion-v1-5/stable-diffusion-v1-5"


def test_a_drawn_picture_without_its_recipe_is_named(hub: HubServer, tmp_path: Path) -> None:
    bare = tmp_path / "bare.png"
    make_picture().save(bare)
    with pytest.raises(RecipeError, match=r"^gallery/1\.png holds no recipe"):
        push(gallery=[draw(tmp_path), bare])


def test_drawn_pictures_stay_until_there_are_others(hub: HubServer, tmp_path: Path) -> None:
    first = [draw(tmp_path, "first"), draw(tmp_path, "second")]
    push(gallery=first)
    push(make_concept(seed=1))
    files = hub.repositories[REPO].files
    assert [files[f"gallery/{number}.png"] for number in (0, 1)] == [file.read_bytes() for file in first]
    assert [entry["text"] for entry in ModelCard(files["README.md"].decode()).data.widget] == [
        "first",
        "second",
    ]
    assert push(make_concept(seed=1)).was_there
    other = draw(tmp_path, "other")
    push(make_concept(seed=1), gallery=[other])
    files = hub.repositories[REPO].files
    assert {name for name in files if "gallery" in name} == {"gallery/0.png"}
    assert files["gallery/0.png"] == other.read_bytes()


def test_publishing_again_updates_the_word(hub: HubServer) -> None:
    push()
    pushed = push(make_concept(seed=1))
    assert not pushed.was_there
    assert pull_concept(REPO).concept.sha256 == make_concept(seed=1).sha256


def test_publishing_the_same_again_changes_nothing(hub: HubServer) -> None:
    first, again = push(), push()
    assert again == Pushed(first.url, first.commit, was_there=True)
    assert hub.count_requests("POST", "/commit/") == 1


def test_a_pull_request_leaves_the_repository_as_it_is(hub: HubServer) -> None:
    push()
    files = dict(hub.repositories[REPO].files)
    pushed = push(make_concept(seed=1), token="hf_ben", create_pr=True)
    assert pushed.url == f"{hub.address}/{REPO}/discussions/1"
    assert hub.repositories[REPO].files == files
    [proposed] = hub.repositories[REPO].pull_requests
    assert proposed["concept.json"] != files["concept.json"]


def test_there_is_nothing_to_propose_to(hub: HubServer) -> None:
    with pytest.raises(HubNotFoundError, match="no repository ann/our-cat to propose this to"):
        push(create_pr=True)
    assert hub.repositories == {}


# --- the licence of the base model ------------------------------------------------------------------------

BASE = "someone/a-model"


def card_data(hub: HubServer, base: str = BASE) -> dict[str, Any]:
    """Publish a concept for a base model; return the metadata of its card."""
    push(make_concept(BaseModel(base, "sd1", {"clip_l": 768})))
    data: dict[str, Any] = ModelCard(hub.repositories[REPO].files["README.md"].decode()).data.to_dict()
    return data


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ({"license": "cc-by-nc-4.0"}, ("cc-by-nc-4.0", None, None)),
        (
            {"license": "other", "license_name": "mine", "license_link": "LICENSE.md"},
            ("other", "mine", f"https://huggingface.co/{BASE}/blob/main/LICENSE.md"),
        ),
        (
            {"license": "other", "license_name": "mine", "license_link": "https://example.org/mine"},
            ("other", "mine", "https://example.org/mine"),
        ),
        ({"license": "other"}, ("other", "a-model", f"https://huggingface.co/{BASE}")),
        ({}, (None, None, None)),
        ({"license": ["mit", "other"]}, (None, None, None)),
        ({"license": "my own\nlicense: mit"}, (None, None, None)),
    ],
    ids=["named", "file", "address", "other", "none", "list", "hostile"],
)
def test_the_licence_is_the_one_that_the_base_model_s_own_card_names(
    hub: HubServer, card: dict[str, Any], licence: tuple[str | None, ...]
) -> None:
    hub.add(BASE, {}, card=card)
    data = card_data(hub)
    assert tuple(data.get(key) for key in ("license", "license_name", "license_link")) == licence


@pytest.mark.parametrize("status", [None, 401, 404, 429, 503])
def test_a_licence_that_cannot_be_asked_for_is_not_known(hub: HubServer, status: int | None) -> None:
    hub.add(BASE, {}, card={"license": "mit"})
    hub.fail("GET", f"/api/models/{BASE}", status, body="AUTHORIZATION")
    assert "license" not in card_data(hub)
    card = hub.repositories[REPO].files["README.md"].decode()
    assert f"not known here: look it up at [{BASE}](https://huggingface.co/{BASE})" in card
    assert TOKEN not in card


@pytest.mark.parametrize("base", ["sd15", "runwayml/stable-diffusion-v1-5", "a-model-of-my-own"])
def test_only_another_model_on_the_hub_is_asked_for_its_licence(hub: HubServer, base: str) -> None:
    known = "creativeml-openrail-m" if "1" in base else None
    assert card_data(hub, base).get("license") == known
    assert {path for _, path in hub.requests if path.startswith("/api/models/")} == {
        path for _, path in hub.requests if path.startswith(f"/api/models/{REPO}")
    }


# --- what is not overwritten ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": b"# mine"},
        {"model.safetensors": b"x", "concept.json": b"{}"},
        {"learned_embeds.bin": b"x", "token_identifier.txt": b"<our-cat>"},
        {"concept.json": b"not json"},
        {"concept.json": b'{"token": "<other>"}'},
        {"concept.json": b'{"token": ["<our-cat>"]}'},
        {"concept.json": b'{"token": "<our-cat>"}', "model.safetensors": b"x"},
        {"concept.json": b'{"token": "<our-cat>", "published": {"concept.json": "", "model.bin": "x"}}'},
    ],
    ids=["card", "model", "library", "damaged", "other-word", "hostile", "no-record", "forged-record"],
)
def test_other_content_is_never_overwritten(hub: HubServer, files: dict[str, bytes]) -> None:
    hub.add(REPO, files)
    with pytest.raises(HubConflictError, match="already.*, which stays as it is: choose another name"):
        push()
    assert hub.repositories[REPO].files.keys() - {".gitattributes"} == files.keys()
    assert hub.count_requests("POST", "/commit/") == 0


def test_another_word_is_not_overwritten(hub: HubServer) -> None:
    push()
    with pytest.raises(HubConflictError, match="holds another word already, <our-cat>"):
        push(make_concept(token="<other>"))


def test_what_others_put_beside_a_word_stays(hub: HubServer, tmp_path: Path) -> None:
    theirs = {
        "my-cat-lora.safetensors": b"precious",
        "gallery/9.png": b"their picture",
        "concept_images/7.png": b"their picture",
        "notes.md": b"# notes",
        "README.md": b"edited by hand",
    }
    push(pictures=[make_picture()])
    there = hub.repositories[REPO]
    there.files |= theirs
    pushed = push(make_concept(seed=1))
    assert theirs.items() <= there.files.items()
    assert "concept_images/0.png" not in there.files, "what is ours, and no part of the word any more"
    assert pull_concept(REPO).concept.sha256 == make_concept(seed=1).sha256
    assert pushed.keeps_card and not pushed.was_there
    again = push(make_concept(seed=1))
    assert again.was_there and again.keeps_card
    del there.files["README.md"]
    assert not push(make_concept(seed=1)).keeps_card
    assert b"# `<our-cat>`" in there.files["README.md"]


@pytest.mark.parametrize("name", ["learned_embeds.safetensors", "our-cat.pt", "type_of_concept.txt"])
def test_a_file_of_ours_that_somebody_changed_is_not_overwritten(hub: HubServer, name: str) -> None:
    push()
    there = hub.repositories[REPO]
    there.files[name] = b"changed"
    before = dict(there.files)
    with pytest.raises(HubConflictError, match=f"{name} in {REPO} was not published from here, or was chan"):
        push(make_concept(seed=1))
    assert there.files == before


def test_a_description_that_somebody_changed_is_not_overwritten(hub: HubServer) -> None:
    push()
    files = hub.repositories[REPO].files
    files["concept.json"] = files["concept.json"].replace(b'"cat"', b'"dog"')
    with pytest.raises(HubConflictError, match=r"holds something else already \(concept.json\)"):
        push(make_concept(seed=1))
    assert b'"dog"' in files["concept.json"]


def test_a_file_of_others_that_is_the_same_is_in_nobody_s_way(hub: HubServer, tmp_path: Path) -> None:
    push()
    drawn = draw(tmp_path)
    hub.repositories[REPO].files["gallery/0.png"] = drawn.read_bytes()
    push(gallery=[drawn])
    hub.repositories[REPO].files["gallery/0.png"] = b"their picture"
    with pytest.raises(HubConflictError, match="gallery/0.png in ann/our-cat was not published from here"):
        push(make_concept(seed=1), gallery=[drawn])


def test_what_somebody_changed_stays_when_it_is_no_part_of_the_word_any_more(hub: HubServer) -> None:
    push(pictures=[make_picture("red"), make_picture("blue")])
    files = hub.repositories[REPO].files
    files["concept_images/0.png"] = b"changed"
    push()
    assert [name for name in hub.repositories[REPO].files if "images" in name] == ["concept_images/0.png"]


def test_an_empty_repository_is_filled(hub: HubServer) -> None:
    hub.add(REPO, {})
    push()
    assert "concept.json" in hub.repositories[REPO].files


def test_what_is_public_does_not_pass_for_private(hub: HubServer) -> None:
    push()
    with pytest.raises(HubConflictError, match="is public already"):
        push(make_concept(seed=1), private=True)
    assert pull_concept(REPO).concept.sha256 == make_concept().sha256


def test_a_commit_made_meanwhile_is_not_overwritten(hub: HubServer) -> None:
    push()
    hub.fail("POST", "/commit/", 412)
    with pytest.raises(HubConflictError, match="changed by someone meanwhile"):
        push(make_concept(seed=1))
    hub.faults.clear()
    assert pull_concept(REPO).concept.sha256 == make_concept().sha256


def test_the_hub_refuses_a_commit_on_another_state_than_was_seen(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    push()
    find_repository = publish.find_repository

    def find_and_change(*args: Any) -> Any:
        found = find_repository(*args)
        hub.repositories[REPO].commits += 1
        return found

    monkeypatch.setattr(publish, "find_repository", find_and_change)
    with pytest.raises(HubConflictError, match="changed by someone meanwhile"):
        push(make_concept(seed=1))


# --- names and rights -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["", "a/b/c", "a b", "../x", "ann/..", "ann/a--b", "-a", "ann/x.git", "ann/ä", "a/", "x" * 97],
)
def test_a_name_that_no_repository_can_have_is_refused_first(hub: HubServer, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a repository"):
        push(repo_id=name)
    with pytest.raises(ConfigError, match="cannot be a repository"):
        pull_concept(name)
    assert hub.requests == []


@pytest.mark.parametrize("token", [None, "", "hf_ä", "hf_ann\n", "hf ann"])
def test_without_a_login_nothing_is_asked(hub: HubServer, token: str | None) -> None:
    with pytest.raises(HubLoginError, match="hf auth login") as caught:
        push(token=token)
    assert not token or token.strip() not in str(caught.value)
    assert hub.requests == []


def test_the_right_to_write_is_checked_first(hub: HubServer) -> None:
    hub.accounts[TOKEN]["auth"]["accessToken"]["role"] = "read"
    with pytest.raises(HubPermissionError, match="may only read"):
        push()
    assert {method for method, _ in hub.requests} == {"GET"}


def scoped(name: str, *permissions: str) -> dict[str, Any]:
    return {"entity": {"type": "user", "name": name}, "permissions": list(permissions)}


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ([], False),
        ([scoped("ann", "repo.content.read")], False),
        ([scoped("ann", "repo.content.read", "repo.write")], True),
        ([scoped("ben", "repo.write")], False),
        (
            [scoped(REPO, "repo.write")],
            False,
        ),  # the repository does not exist, and the token cannot create it
    ],
)
def test_the_scopes_of_a_fine_grained_token_count(
    hub: HubServer, scopes: list[dict[str, Any]], allowed: bool
) -> None:
    access = hub.accounts[TOKEN]["auth"]["accessToken"]
    access |= {"role": "fineGrained", "fineGrained": {"global": [], "scoped": scopes}}
    if allowed:
        push()
    else:
        with pytest.raises(HubPermissionError, match="may not write to ann/our-cat"):
            push()
    assert (REPO in hub.repositories) == allowed


def test_a_token_for_one_repository_may_update_it(hub: HubServer) -> None:
    push()
    access = hub.accounts[TOKEN]["auth"]["accessToken"]
    access |= {"role": "fineGrained", "fineGrained": {"scoped": [scoped(REPO, "repo.write")]}}
    push(make_concept(seed=1))
    assert pull_concept(REPO).concept.sha256 == make_concept(seed=1).sha256


def test_a_login_that_does_not_tell_its_rights_is_tried(hub: HubServer) -> None:
    hub.accounts[TOKEN]["auth"] = {"type": "oauth"}
    push()
    assert REPO in hub.repositories


def test_nobody_publishes_under_another_s_name(hub: HubServer) -> None:
    with pytest.raises(HubPermissionError, match="ann may not publish under ben: choose ann/our-cat"):
        push(repo_id="ben/our-cat")


@pytest.mark.parametrize(("role", "allowed"), [("write", True), ("admin", True), ("read", False)])
def test_an_organisation_by_one_s_role_in_it(hub: HubServer, role: str, allowed: bool) -> None:
    hub.accounts[TOKEN]["orgs"] = [{"name": "cats", "roleInOrg": role}]
    assert account(TOKEN).organizations == (("cats",) if allowed else ())
    if allowed:
        push(repo_id="cats/our-cat")
    else:
        with pytest.raises(HubPermissionError, match="may not publish under cats"):
            push(repo_id="cats/our-cat")
    assert ("cats/our-cat" in hub.repositories) == allowed


# --- faults -----------------------------------------------------------------------------------------------

STEPS = [
    ("GET", "/api/whoami-v2"),
    ("GET", "/api/models/ann/our-cat"),
    ("POST", "/api/repos/create"),
    ("POST", "/preupload/"),
    ("POST", "/objects/batch"),
    ("PUT", "/upload/"),
    ("POST", "/commit/"),
]
FAULTS: list[tuple[int | None, type[HubError], str]] = [
    (401, HubLoginError, "does not accept the login"),
    (403, HubPermissionError, "does not let this login do that"),
    (429, HubBusyError, "wait 17 seconds"),
    (500, HubUnreachableError, "problem of its own .500."),
    (503, HubUnreachableError, "problem of its own .503."),
    (None, HubUnreachableError, "did not answer"),
]


@pytest.mark.parametrize(("method", "path"), STEPS, ids=[path for _, path in STEPS])
@pytest.mark.parametrize(("status", "error", "says"), FAULTS, ids=[str(status) for status, *_ in FAULTS])
def test_every_step_can_fail_and_then_nothing_is_published(
    hub: HubServer, method: str, path: str, status: int | None, error: type[HubError], says: str
) -> None:
    hub.fail(method, path, status, headers={"Retry-After": "17"}, body="AUTHORIZATION <html>")
    with pytest.raises(error, match=says) as caught:
        push()
    assert TOKEN not in str(caught.value)
    assert all("concept.json" not in there.files for there in hub.repositories.values())
    hub.faults.clear()
    push()  # the next attempt succeeds
    assert pull_concept(REPO).concept.sha256 == make_concept().sha256


@pytest.mark.parametrize("status", [None, 500, 502, 504])
def test_a_commit_whose_answer_is_lost_was_made(hub: HubServer, status: int | None) -> None:
    hub.fail("POST", "/commit/", status, after=True)
    pushed = push()
    assert pushed.commit == hub.repositories[REPO].sha
    assert hub.count_requests("POST", "/commit/") == 1


def test_a_repository_whose_making_was_not_answered_is_filled(hub: HubServer) -> None:
    hub.fail("POST", "/api/repos/create", 504, after=True)
    push()
    assert "concept.json" in hub.repositories[REPO].files


def test_a_name_that_another_program_was_faster_to_take_is_looked_at(hub: HubServer) -> None:
    """The repository appears between looking it up and creating it."""
    hub.add(REPO, {"README.md": b"# other"})
    hub.fail("GET", "/api/models/ann/our-cat", 404, headers={"X-Error-Code": "RepoNotFound"}, times=1)
    with pytest.raises(HubConflictError, match="holds something else"):
        push()
    assert hub.repositories[REPO].files["README.md"] == b"# other"


def test_the_client_does_not_wait_for_ever_for_a_conflict_to_end(hub: HubServer) -> None:
    body = json.dumps({"error": "Cannot create repo: another conflicting operation is in progress"})
    hub.fail("POST", "/api/repos/create", 409, body=body)
    with pytest.raises(HubConflictError):
        push()
    assert hub.count_requests("POST", "/api/repos/create") == 1


def test_when_it_is_not_known_what_became_of_it_that_is_said(hub: HubServer) -> None:
    push()
    hub.fail("POST", "/commit/", None, after=True)
    hub.fail("GET", "/api/models/ann/our-cat", 503, times=0)
    late = hub.faults[-1]
    original = publish._commit

    def commit_then_fail(*args: Any) -> Any:
        late.times = 100
        return original(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "_commit", commit_then_fail)
        with pytest.raises(HubUnreachableError, match=f"whether {REPO} was published is not known") as caught:
            push(make_concept(seed=1))
    assert f"{hub.address}/{REPO}" in str(caught.value)
    hub.faults.clear()
    assert push(make_concept(seed=1)).was_there


def test_a_pull_request_whose_answer_is_lost_is_not_opened_twice(hub: HubServer) -> None:
    push()
    hub.fail("POST", "/commit/", None, after=True)
    with pytest.raises(HubUnreachableError, match="whether the pull request was opened is not known"):
        push(make_concept(seed=1), create_pr=True)
    assert len(hub.repositories[REPO].pull_requests) == 1


def test_a_hub_that_says_nothing_is_given_up(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIME_OUT", 0.2)
    answered = threading.Event()
    hub.fail("GET", "/api/", 200, wait=answered)
    try:
        for ask in (push, lambda: pull_concept(REPO), search_concepts):
            with pytest.raises(HubUnreachableError, match="did not answer"):
                ask()
    finally:
        answered.set()


def test_a_page_in_place_of_an_answer(hub: HubServer) -> None:
    hub.fail("GET", "/api/", 200, body="<html>Log in to the hotel</html>")
    for ask in (push, lambda: pull_concept(REPO), search_concepts):
        with pytest.raises(HubUnreachableError, match="did not answer"):
            ask()


def test_offline_the_hub_is_not_asked(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachableError, match="HF_HUB_OFFLINE"):
        push()
    assert hub.requests == []


def test_a_busy_hub_that_does_not_say_how_long(hub: HubServer) -> None:
    hub.fail("GET", "/api/whoami-v2", 429)
    with pytest.raises(HubBusyError, match="wait a few minutes"):
        push()


def test_no_token_is_written_down(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    caplog.set_level(logging.DEBUG)
    push(pictures=[make_picture()])
    hub.fail("POST", "/commit/", 500, body="AUTHORIZATION")
    with pytest.raises(HubError):
        push(make_concept(seed=1))
    assert TOKEN not in caplog.text
    assert not [
        file for file in tmp_path.rglob("*") if file.is_file() and TOKEN.encode() in file.read_bytes()
    ]
    assert all(TOKEN.encode() not in content for content in hub.repositories[REPO].files.values())


def test_the_machine_s_own_login_is_not_used_for_others(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    push(private=True)
    with pytest.raises(HubNotFoundError):
        pull_concept(REPO)
    search_concepts("cat")
    assert hub.tokens_seen[-1] is None


# --- fetching ---------------------------------------------------------------------------------------------


def library_files(
    tmp_path: Path, concept: Concept, card: str = "---\nlicense: mit\n---\n"
) -> dict[str, bytes]:
    """Return the files of a repository like those of sd-concepts-library."""
    write_embedding(concept, tmp_path, "diffusers-bin")
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    return {**files, "README.md": card.encode(), "type_of_concept.txt": b"style"}


def jpeg(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    make_picture(colour).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_repository_of_the_concepts_library(hub: HubServer, tmp_path: Path) -> None:
    files = library_files(tmp_path, make_concept())
    hub.add(
        "sd-concepts-library/cat", {**files, "concept_images/1.jpeg": jpeg(), "concept_images/x.txt": b"no"}
    )
    pulled = pull_concept("sd-concepts-library/cat")
    assert pulled.guessed
    assert (pulled.concept.base.id, pulled.concept.kind) == ("sd15", "style")
    assert torch.equal(pulled.concept.vectors["clip_l"], make_concept().vectors["clip_l"])
    assert len(pulled.pictures) == 1


def test_a_base_model_that_the_card_names_is_no_guess(hub: HubServer, tmp_path: Path) -> None:
    card = "---\nbase_model: someone/a-model\n---\n"
    hub.add("ben/cat", library_files(tmp_path, make_concept(), card), card={"base_model": "someone/a-model"})
    pulled = pull_concept("ben/cat")
    assert (pulled.concept.base.id, pulled.guessed) == ("someone/a-model", False)


def test_a_file_of_any_name_if_it_is_the_only_one(hub: HubServer, tmp_path: Path) -> None:
    [file] = write_embedding(make_concept(), tmp_path, "a1111-pt")
    hub.add("ben/cats", {"my word.pt": file.read_bytes(), "notes.md": b"x", "sub/other.pt": b"x"})
    assert pull_concept("ben/cats").concept.num_vectors == 2
    assert not [where for _, where in hub.requests if "other.pt" in where or "notes" in where]


def test_several_words_are_not_one(hub: HubServer, tmp_path: Path) -> None:
    for seed, token in enumerate(("<one>", "<two>")):
        write_embedding(make_concept(seed=seed, token=token), tmp_path, "a1111-pt")
    hub.add("ben/cats", {path.name: path.read_bytes() for path in tmp_path.iterdir()})
    with pytest.raises(ConceptError, match="ben/cats holds several words"):
        pull_concept("ben/cats")


@pytest.mark.parametrize("files", [{}, {"model.safetensors": b"x" * (2 * 2**20 + 1)}, {"README.md": b"# a"}])
def test_a_repository_without_a_word(hub: HubServer, files: dict[str, bytes]) -> None:
    hub.add("ben/model", files)
    with pytest.raises(HubNotFoundError, match="holds no word"):
        pull_concept("ben/model")
    assert hub.count_requests("GET", "/resolve/") == 0


def test_a_large_file_is_not_downloaded(hub: HubServer) -> None:
    push()
    hub.repositories[REPO].files["learned_embeds.safetensors"] = b"x" * (2 * 2**20 + 1)
    with pytest.raises(ConceptError, match="too large for a word"):
        pull_concept(REPO)
    assert hub.count_requests("GET", "/resolve/") < 6


def test_a_file_that_is_larger_than_the_hub_said_is_not_read_to_its_end(hub: HubServer) -> None:
    repository = push_and_take(hub)
    repository.files["concept.json"] = b" " * (4 * 2**20)
    repository.sizes["concept.json"] = 10
    with pytest.raises(ConceptError, match="larger than it says"):
        pull_concept(REPO)


def push_and_take(hub: HubServer) -> Repository:
    push()
    return hub.repositories[REPO]


@pytest.mark.parametrize(
    "change",
    [
        lambda files: files.update({"concept.json": b"{}"}),
        lambda files: files.update({"concept.json": b"\xff"}),
        lambda files: files.update(
            {"learned_embeds.safetensors": b"version https://git-lfs.github.com/spec/v1"}
        ),
        lambda files: files.pop("learned_embeds.safetensors"),
    ],
    ids=["empty", "no-text", "pointer", "missing"],
)
def test_a_damaged_repository_is_a_concept_error(
    hub: HubServer, change: Callable[[dict[str, bytes]], object]
) -> None:
    change(push_and_take(hub).files)
    with pytest.raises(ConceptError):
        pull_concept(REPO)


def test_pictures_that_cannot_be_read_or_are_too_large_are_left_out(hub: HubServer) -> None:
    repository = push_and_take(hub)
    repository.files |= {
        "concept_images/0.png": b"no picture",
        "concept_images/1.jpg": jpeg(),
        "concept_images/2.jpg": b"x" * (8 * 2**20 + 1),
    }
    assert len(pull_concept(REPO).pictures) == 1
    assert hub.count_requests("GET", "2.jpg") == 0


def test_a_revision(hub: HubServer) -> None:
    first = push().commit
    assert pull_concept(REPO, revision=first).commit == first
    with pytest.raises(HubNotFoundError, match="no such revision"):
        pull_concept(REPO, revision="v9")


def test_a_gated_repository_says_where_to_accept_its_conditions(hub: HubServer) -> None:
    push_and_take(hub).gated = True
    with pytest.raises(HubPermissionError, match=f"{hub.address}/{REPO}"):
        pull_concept(REPO)


def test_a_missing_repository(hub: HubServer) -> None:
    with pytest.raises(HubNotFoundError, match="no repository ben/none"):
        pull_concept("ben/none")


@pytest.mark.parametrize(("status", "error", "says"), FAULTS, ids=[str(status) for status, *_ in FAULTS])
def test_a_download_can_fail(hub: HubServer, status: int | None, error: type[HubError], says: str) -> None:
    push()
    hub.fail("GET", "/resolve/", status, headers={"Retry-After": "17"})
    with pytest.raises(error, match=says):
        pull_concept(REPO)


def test_a_fetched_concept_is_saved_as_a_native_folder(hub: HubServer, tmp_path: Path) -> None:
    push()
    save_concept(pull_concept(REPO).concept, tmp_path / "cat")
    assert load_concept(tmp_path / "cat").sha256 == make_concept().sha256


# --- finding ----------------------------------------------------------------------------------------------


@pytest.fixture
def shelves(hub: HubServer) -> HubServer:
    """A Hub with concepts of several people, and a repository that is no concept."""
    base = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    hub.add(
        "ben/ink",
        {},
        tags=("textual_inversion", f"base_model:{base}"),
        card={"base_model": base},
        downloads=5,
    )
    hub.add("ann/cat", {"gallery/0.png": b""}, tags=("textual-inversion",), downloads=9)
    hub.add("sd-concepts-library/cat-toy", {"concept_images/2 b.jpeg": b""}, downloads=7)
    hub.add("ann/model", {}, tags=("text-to-image",))
    return hub


def found(*args: Any, **options: Any) -> list[str]:
    return [concept.repo_id for concept in search_concepts(*args, **options)]


def test_concepts_are_found_by_name_author_and_base_model(shelves: HubServer) -> None:
    assert found() == ["ann/cat", "sd-concepts-library/cat-toy", "ben/ink"]
    assert found("cat") == ["ann/cat", "sd-concepts-library/cat-toy"]
    assert found(author="ben") == ["ben/ink"]
    assert found(author="sd-concepts-library") == ["sd-concepts-library/cat-toy"]
    assert found(base_model="stable-diffusion-v1-5/stable-diffusion-v1-5") == ["ben/ink"]
    assert found("nothing") == []
    assert found(limit=1) == ["ann/cat"]


@pytest.mark.parametrize(
    "asked", ["stable-diffusion-v1-5/stable-diffusion-v1-5", "runwayml/stable-diffusion-v1-5"]
)
def test_a_base_model_is_found_by_any_of_its_names(hub: HubServer, asked: str) -> None:
    names = {
        "new": ("stable-diffusion-v1-5/stable-diffusion-v1-5",),
        "old": ("runwayml/stable-diffusion-v1-5",),
        "both": ("stable-diffusion-v1-5/stable-diffusion-v1-5", "runwayml/stable-diffusion-v1-5"),
        "other": ("CompVis/stable-diffusion-v1-4",),
    }
    for downloads, (name, bases) in enumerate(names.items()):
        tags = ("textual_inversion", "textual-inversion", *(f"base_model:{base}" for base in bases))
        hub.add(f"ben/{name}", {}, tags=tags, downloads=downloads)
    assert found(base_model=asked) == ["ben/both", "ben/old", "ben/new"]
    assert found(base_model="CompVis/stable-diffusion-v1-4") == ["ben/other"]


def test_no_folder_of_this_machine_is_told_to_the_hub(hub: HubServer) -> None:
    assert found(base_model="toybox") == []
    assert "base_model%3Atoybox" in hub.requests[0][1] and "assets" not in str(hub.requests)


def test_what_is_known_of_a_concept(shelves: HubServer) -> None:
    ann, library, ben = search_concepts()
    assert ann.thumbnail == f"{shelves.address}/ann/cat/resolve/main/gallery/0.png"
    assert library.thumbnail.endswith("/sd-concepts-library/cat-toy/resolve/main/concept_images/2%20b.jpeg")
    assert (ben.base_model, ben.downloads, ben.thumbnail) == (
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        5,
        "",
    )


@pytest.mark.parametrize("base", [3, ["x y"], {"a": 1}, "<script>"])
def test_a_card_may_say_anything(hub: HubServer, base: Any) -> None:
    hub.add("ben/ink", {}, tags=("textual_inversion",), card={"base_model": base})
    assert search_concepts()[0].base_model == ""


@pytest.mark.parametrize(("status", "error", "says"), FAULTS, ids=[str(status) for status, *_ in FAULTS])
def test_a_search_can_fail(hub: HubServer, status: int | None, error: type[HubError], says: str) -> None:
    hub.fail("GET", "/api/models", status, headers={"Retry-After": "17"})
    with pytest.raises(error, match=says):
        search_concepts()
