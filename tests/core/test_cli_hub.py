"""``push`` and ``pull`` against a Hub on this machine, with the machine's login."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.hub_server import HubServer
from PIL import Image
from typer.testing import CliRunner, Result

from ti_core import cli
from ti_core.drawing.recipe import Recipe, save_png
from ti_core.model.base import BaseModel
from ti_core.words.concept import Concept
from ti_core.words.folder import load_concept, save_concept
from ti_core.words.formats import write_embedding
from ti_core.words.gallery import save_gallery

TOKEN = "hf_ann"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def facts_of(result: Result, code: int = 0) -> dict[str, Any]:
    assert result.exit_code == code, result.output
    facts: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return facts


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch, hub: HubServer) -> HubServer:
    """The Hub, with ann logged in on this machine."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


@pytest.fixture
def concept() -> Concept:
    base = BaseModel("sd15", "sd1", {"clip_l": 768}, "0123456789ab")
    return Concept("<our-cat>", {"clip_l": torch.ones(1, 768)}, "object", base, "cat", {"steps": 400})


@pytest.fixture
def folder(concept: Concept, tmp_path: Path) -> Path:
    save_concept(concept, tmp_path / "our-cat", [Image.new("RGB", (16, 16), "red")])
    return tmp_path / "our-cat"


def test_there_and_back(login: HubServer, folder: Path, concept: Concept, tmp_path: Path) -> None:
    pushed = facts_of(run("push", folder, "our-cat", "--json"))
    assert pushed["url"] == f"{login.address}/ann/our-cat"
    assert (pushed["token"], pushed["pictures"], pushed["was_there"]) == ("<our-cat>", 0, False)
    pulled = facts_of(run("pull", "ann/our-cat", "--out", tmp_path / "copy", "--json"))
    assert pulled["commit"] == pushed["commit"]
    assert (pulled["model"], pulled["guessed"]) == ("sd15", False)
    copy = load_concept(tmp_path / "copy")
    assert (copy.sha256, copy.base, copy.training) == (concept.sha256, concept.base, concept.training)


def test_pictures_go_along_only_when_asked_for(login: HubServer, folder: Path) -> None:
    assert facts_of(run("push", folder, "ann/our-cat", "--pictures", "--private", "--json"))["pictures"] == 1
    repository = login.repositories["ann/our-cat"]
    assert repository.private and "concept_images/0.png" in repository.files


def test_drawn_pictures_in_the_folder_go_along(login: HubServer, folder: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.png"
    save_png(Image.new("RGB", (16, 16)), drawn, Recipe("a photo of <our-cat>"))
    save_gallery([drawn], folder)
    run("push", folder, "our-cat")
    assert login.repositories["ann/our-cat"].files["gallery/0.png"] == drawn.read_bytes()


def test_an_edited_card_is_kept_and_that_is_said(login: HubServer, folder: Path) -> None:
    assert facts_of(run("push", folder, "our-cat", "--json"))["keeps_card"] is False
    login.repositories["ann/our-cat"].files["README.md"] = b"# mine"
    assert "README.md was edited there and stays" in run("push", folder, "our-cat").stdout
    assert facts_of(run("push", folder, "our-cat", "--json"))["keeps_card"] is True
    assert login.repositories["ann/our-cat"].files["README.md"] == b"# mine"


def test_a_pull_request(login: HubServer, folder: Path, concept: Concept, tmp_path: Path) -> None:
    run("push", folder, "our-cat")
    save_concept(
        Concept("<our-cat>", {"clip_l": torch.zeros(1, 768)}, "object", concept.base), tmp_path / "new"
    )
    result = run("push", tmp_path / "new", "ann/our-cat", "--create-pr")
    assert f"<our-cat> is proposed: {login.address}/ann/our-cat/discussions/1" in result.stdout


def test_what_is_told_without_json(login: HubServer, folder: Path, tmp_path: Path) -> None:
    result = run("push", folder, "our-cat")
    assert result.stdout == f"<our-cat> is published: {login.address}/ann/our-cat\n"
    assert "Uploading" in result.stderr
    assert "was there already" in run("push", folder, "our-cat").stdout
    result = run("pull", "ann/our-cat", "--out", tmp_path / "copy")
    assert result.stdout == f"<our-cat>, for sd15, is in {tmp_path / 'copy'}.\n"


def test_a_guessed_base_model_is_said_to_be_one(login: HubServer, concept: Concept, tmp_path: Path) -> None:
    file, *_ = write_embedding(concept, tmp_path, "diffusers-bin")
    login.add("ben/cat", {file.name: file.read_bytes()})
    result = run("pull", "ben/cat", "--out", tmp_path / "copy", "--json")
    assert facts_of(result)["guessed"] is True
    assert "sd15 is a guess by the width" in result.stderr


def test_without_a_login(
    hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    error = facts_of(run("push", folder, "our-cat", "--json"), 1)
    assert error["kind"] == "HubLoginError" and "hf auth login" in error["error"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("push", "missing", "our-cat"), 2, "no concept folder"),
        (("push", "our-cat", "a b"), 2, "cannot be a repository"),
        (("push", "our-cat", "ben/our-cat"), 1, "may not publish under ben"),
        (("pull", "ann/none", "--out", "copy"), 1, "no repository ann/none"),
        (("pull", "ann/none", "--out", "our-cat"), 2, "holds something already"),
    ],
)
def test_refusals(
    login: HubServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(folder.parent)
    assert says in facts_of(run(*arguments, "--json"), code)["error"]
