"""The page's endpoints: the running app, called by the real client."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers.requests import request_of
from helpers.serving import ROOT
from PIL import Image

from ti_core.drawing.recipe import read_recipe
from ti_core.model.backbone import Backbone
from ti_core.training.runs import open_run
from ti_core.words.concept import Concept
from ti_core.words.library import Library
from ui import launch
from ui.server.people import COOKIE
from ui.server.studio import Studio
from ui.tabs.train.picture_set import add_pictures, new_set

pytestmark = pytest.mark.slow

HOST, FIRST_PORT = "127.0.0.1", 17860


@dataclass(frozen=True)
class Running:
    """The whole app, being served."""

    address: str
    studio: Studio
    data: Path

    def finish(self, job: str) -> None:
        """Wait until a job has ended."""
        [folder] = self.data.glob(f"*/runs/{job}")
        assert self.studio.trainer.wait(open_run(folder), timeout=120)


@contextmanager
def running(data: Path, model: Path, **options: Any) -> Iterator[Running]:
    studio = Studio(data, **options)
    studio.models.load(str(model))
    studio.models.wait()
    page = launch.serve(studio, data, HOST, launch.free_port(HOST, FIRST_PORT))
    try:
        yield Running(str(page.local_url).rstrip("/"), studio, data)
    finally:
        page.close()
        studio.trainer.close()


@pytest.fixture(scope="module")
def local(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The app on one's own machine, with two words in the library."""
    with running(tmp_path_factory.mktemp("local"), tiny_sd1) as server:
        library, (backbone, _) = Library(server.data / "home" / "concepts"), server.studio.models.wait()
        add_word(library, backbone, "<our-cat>", "cat", "object")
        add_word(library, backbone, "<our-ink>", "red", "style")
        yield server


@pytest.fixture(scope="module")
def client(local: Running) -> Client:
    return Client(local.address, verbose=False)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Any]:
    files = []
    for number, colour in enumerate(("red", "green", "blue")):
        files.append(tmp_path / f"{number}.png")
        Image.new("RGB", (24, 20), colour).save(files[-1])
    return [handle_file(file) for file in files]


def add_word(library: Library, backbone: Backbone, token: str, word: str, kind: Any) -> None:
    library.add(Concept(token, backbone.vocabulary.initial_vectors(word, 1), kind, backbone.base, word))


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def draw(client: Client, *values: Any, api_name: str = "/generate", **options: Any) -> list[str]:
    return client.predict(*values, api_name=api_name, **{"count": 1, "steps": 2} | options)


def refused(client: Client, *values: Any, api_name: str, **options: Any) -> str:
    with pytest.raises(AppError) as error:
        client.predict(*values, api_name=api_name, **options)
    return str(error.value)


def test_every_endpoint_is_named_and_documented(client: Client) -> None:
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/train", "/status", "/stop", "/words", "/generate", "/compose", "/style"}
    assert [name for name, facts in named.items() if not facts["description"]] == []
    parameters = {facts["parameter_name"] for facts in named["/train"]["parameters"]}
    assert parameters == {"pictures", "name", "kind", "initializer", "steps", "batch_size", "seed"}


def test_a_word_is_learned_and_drawn(client: Client, local: Running, pictures: list[Any]) -> None:
    job = client.predict(pictures, "our dog", initializer="dog", steps=3, api_name="/train")
    assert len(job) >= 32  # unguessable
    local.finish(job)
    assert client.predict(job, api_name="/status") == {
        "phase": "finished",
        "step": 3,
        "steps": 3,
        "seconds_left": None,
        "token": "<our-dog>",
        "error": None,
    }
    assert client.predict(api_name="/words")[0] == {
        "token": "<our-dog>",
        "kind": "object",
        "model": "tiny-sd1",
        "initializer": "dog",
        "vectors": 1,
    }
    files = draw(client, "a photo of <our-dog>", count=2, seed=7)
    recipes = [read_recipe(Path(file)) for file in files]
    assert [recipe.seed for recipe in recipes] == [7, 8]
    assert {recipe.prompt for recipe in recipes} == {"a photo of <our-dog>"}
    assert [use.token for use in recipes[0].concepts] == ["<our-dog>"]


def test_what_is_sent_to_learn_from_leaves_the_pictures_of_the_open_form(
    client: Client, local: Running, pictures: list[Any], tmp_path: Path
) -> None:
    nothing, files = new_set(local.studio.home(request_of())), [str(picture["path"]) for picture in pictures]
    form, _ = add_pictures(local.studio, request_of(), nothing, files)
    uploads = local.data / "home" / "uploads"
    before = sorted(uploads.iterdir())
    job = client.predict(pictures, "tidy", initializer="dog", steps=1, api_name="/train")
    assert "<our-cat>" in refused(client, pictures, "our cat", api_name="/train")
    assert sorted(uploads.iterdir()) == before
    assert all(picture.file.is_file() for picture in form.pictures)
    local.finish(job)


def test_a_training_is_stopped(client: Client, local: Running, pictures: list[Any]) -> None:
    with local.studio.device.enter():  # holding the device prevents training steps
        job = client.predict(pictures, "slow", initializer="cat", steps=1000, api_name="/train")
        assert client.predict(job, api_name="/status")["phase"] in ("waiting", "preparing")
        assert "<slow>" in refused(client, pictures, "slow", api_name="/train")
        assert client.predict(job, api_name="/stop")["phase"] == "stopping"
    local.finish(job)
    assert client.predict(job, api_name="/status")["phase"] == "stopped"


def test_words_are_composed(client: Client) -> None:
    prompt = "<our-cat> in the style of <our-ink>"
    [file] = draw(client, prompt, ["<our-cat>", "<our-ink>"], [1.2, 0.8], api_name="/compose")
    assert read_recipe(Path(file)).prompt == "(<our-cat>:1.2) in the style of (<our-ink>:0.8)"


def test_a_style_is_put_on_subjects_and_on_a_picture(client: Client, pictures: list[Any]) -> None:
    files = draw(client, "<our-ink>", ["a dog", "a toy"], api_name="/style")
    prompts = [read_recipe(Path(file)).prompt for file in files]
    assert prompts == ["a dog in the style of <our-ink>", "a toy in the style of <our-ink>"]
    [file] = draw(client, "<our-ink>", picture=pictures[0], strength=0.5, api_name="/style")
    assert read_recipe(Path(file)).strength == 0.5


@pytest.mark.parametrize(
    ("endpoint", "values", "options", "sentence"),
    [
        (
            "/generate",
            ("a photo of <our-cst>",),
            {},
            "You have no word <our-cst>: use <our-cat> or <our-ink>, teach it, or remove it.",
        ),
        (
            "/generate",
            ("(a" * 16_000,),
            {},
            '"(a(a(a(a(a(a(a(a(a(a…" has 32000 characters: shorten it to 4000.',
        ),
        (
            "/compose",
            ("<our-cat> and <our-ink>", ["<our-cat>", "<our-ink>"]),
            {"negative": "b" * 4001},
            '"bbbbbbbbbbbbbbbbbbbb…" has 4001 characters: shorten it to 4000.',
        ),
        ("/generate", ("a cat",), {"count": 9}, "count is 9: give a whole number from 1 to 8."),
        ("/generate", ("a cat",), {"steps": 101}, "steps is 101: give a whole number from 1 to 100."),
        (
            "/compose",
            ("<our-cat>", ["<our-cat>"]),
            {},
            "A composition takes two or more concepts: choose another one.",
        ),
        (
            "/compose",
            ("a cat", ["<our-cst>"]),
            {},
            "There is no concept <our-cst> in the library. Did you mean <our-cat> or <our-ink>?",
        ),
        ("/style", ("<our-ink>",), {}, "Write at least one subject first, such as “a house”."),
        ("/status", ("../home",), {}, "There is no such training: give the job that /train returned."),
        ("/stop", ("0" * 32,), {}, "There is no such training: give the job that /train returned."),
    ],
)
def test_an_error_arrives_as_its_sentence(
    client: Client, endpoint: str, values: tuple[Any, ...], options: dict[str, Any], sentence: str
) -> None:
    assert refused(client, *values, api_name=endpoint, **options) == sentence


def test_a_full_queue_is_said(client: Client, local: Running) -> None:
    with ExitStack() as held:
        for _ in range(1 + local.studio.limits.waiting):
            held.enter_context(local.studio.device.enter())
        assert refused(client, "a cat", api_name="/generate").startswith("The queue is full: 16 waiting")


def test_only_uploaded_pictures_are_read(client: Client, tmp_path: Path) -> None:
    mine = tmp_path / "mine.png"
    Image.new("RGB", (24, 24)).save(mine)
    sentence = "A picture must be uploaded: give it with handle_file(path)."
    for forged in ({"path": str(mine)}, {"path": tempfile.gettempdir()}, {"path": ""}, str(mine), None):
        assert refused(client, [forged], "forged", api_name="/train") == sentence
        if forged is not None:
            assert refused(client, "<our-ink>", None, forged, api_name="/style") == sentence


def test_a_picture_that_cannot_be_used_is_named(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "holiday.png"
    file.write_text("no picture")
    sentence = refused(client, [handle_file(file)], "holiday", steps=2, api_name="/train")
    assert sentence.startswith("holiday.png is a text file")
    assert refused(client, [], "nothing", api_name="/train")


def test_a_name_that_is_taken_is_refused(client: Client, pictures: list[Any]) -> None:
    assert "<our-cat>" in refused(client, pictures, "our cat", steps=2, api_name="/train")


# --- ownership --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("shared"), tiny_sd1, shared=True) as server:
        yield server


def test_on_a_shared_server_a_program_says_whose_it_is(shared: Running) -> None:
    sentence = refused(Client(shared.address, verbose=False), api_name="/words")
    assert sentence.startswith("This page keeps your words apart from other people's by a cookie")


def test_on_a_shared_server_a_program_does_not_hold_the_device_for_hours(
    shared: Running, pictures: list[Any]
) -> None:
    program = Client(
        shared.address, headers={"Cookie": f"{COOKIE}={secrets.token_urlsafe(32)}"}, verbose=False
    )
    sentence = refused(program, pictures, "long", steps=1_000_000, api_name="/train")
    assert sentence == "Others use this server too. Steps is 1000000: lower it to 2000, or less."


def test_on_a_shared_server_no_one_sees_the_words_and_jobs_of_others(
    shared: Running, pictures: list[Any]
) -> None:
    cookies = [f"{COOKIE}={secrets.token_urlsafe(32)}" for _ in range(2)]
    one, other = (Client(shared.address, headers={"Cookie": cookie}, verbose=False) for cookie in cookies)
    job = one.predict(pictures, "mine", initializer="cat", steps=2, api_name="/train")
    assert one.predict(job, api_name="/status")["token"] == "<mine>"
    assert refused(other, job, api_name="/status").startswith("There is no such training")
    assert refused(other, job, api_name="/stop").startswith("There is no such training")
    shared.finish(job)
    assert [word["token"] for word in one.predict(api_name="/words")] == ["<mine>"]
    assert other.predict(api_name="/words") == []
    assert refused(other, "a photo of <mine>", api_name="/generate").startswith("You have no word")


# --- files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_drawings_are_shown_but_the_data_folder_is_not_served(
    tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """This holds for data in the working directory, and outside it and the temporary directory."""
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    for folder in (work, temporary):
        folder.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    data = work / "data" if place == "inside" else tmp_path / "elsewhere"
    with running(data, tiny_sd1) as server:
        [file] = draw(Client(server.address, verbose=False), "a cat")
        assert read_recipe(Path(file)).prompt == "a cat"
        [kept] = (data / "home" / "pictures").glob("*.png")
        for path in (
            str(kept),
            quote(str(kept), safe=""),
            str(kept).upper(),
            f"{work}/../{kept.relative_to(tmp_path)}",
            f"{temporary}/gradio/../../{kept.relative_to(tmp_path)}",
            *([str(kept.relative_to(work))] if place == "inside" else []),
        ):
            for prefix in ("/gradio_api/file=", "/file=", "/gradio_api/file/"):
                assert httpx.get(f"{server.address}{prefix}{path}").status_code in (403, 404), path


# --- starting ---------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_leads_to_the_next(
    tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[Any] = []
    models: list[str] = []

    def serve(studio: Studio, *place: Any, share: bool) -> SimpleNamespace:
        served.append((studio, *place))
        return SimpleNamespace(block_thread=lambda: models.append(studio.models.status.name))

    monkeypatch.setattr(launch, "serve", serve)
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        options = ["--port", str(taken), "--data", str(tmp_path), "--model", str(tiny_sd1), "--max-jobs", "3"]
        monkeypatch.setattr(sys, "argv", ["app.py", *options])
        with pytest.raises(SystemExit) as ended:
            launch.main()
    assert not ended.value.code
    [(studio, data, host, port)] = served
    assert (data, host) == (tmp_path, HOST) and taken < port < taken + launch.PORTS_TRIED
    assert f"Port {taken} is taken; using {port} instead." in capsys.readouterr().out
    assert studio.limits.jobs == 3 and not studio.homes.shared
    assert models == [str(tiny_sd1)]
    assert not any(thread.name == "model" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "nonsense"], "There is no model called nonsense: choose toybox"),
        (["--host", "nobody.invalid"], "nobody.invalid is no address of this machine: choose another"),
        (["--host", "192.0.2.1"], "192.0.2.1 is no address of this machine: choose another"),
        (["--host", "a..b"], "a..b is no address of this machine: choose another"),
        (["--port", "70000"], "70000 is no port: choose one from 1 to 65535."),
        (["--port", "-1"], "-1 is no port"),
        (["--shared", "--no-safety-checker"], "leave out --no-safety-checker"),
    ],
)
def test_what_cannot_be_is_said_before_the_page_is_built(
    options: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", "--data", str(tmp_path), *options])
    with pytest.raises(SystemExit) as ended:
        launch.main()
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_ports_that_are_all_taken_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind((HOST, 65535))
        other.listen()
        with pytest.raises(SystemExit):
            launch.free_port(HOST, 65535)
    assert "Ports 65535 to 65535 are all taken" in capsys.readouterr().err


@pytest.mark.skipif(not has_ipv6(), reason="This machine has no IPv6.")
def test_the_page_is_served_at_an_address_of_ipv6(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    page = launch.serve(studio, tmp_path, "::1", launch.free_port("::1", FIRST_PORT))
    try:
        assert "One Word" in httpx.get(str(page.local_url)).text
    finally:
        page.close()
        studio.trainer.close()


@pytest.mark.parametrize("start", [("app.py",), ("-c", "from ui.command import run; run()", "page")])
def test_the_help_names_every_option(start: tuple[str, ...]) -> None:
    command = [sys.executable, *start, "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for option in ("--host", "--port", "--model", "--data", "--shared", "--share", "--max-waiting"):
        assert option in text


@pytest.mark.parametrize(
    ("variables", "host"), [({}, "127.0.0.1"), ({"SPACE_ID": "ann/one-word"}, "0.0.0.0")]
)
def test_the_page_is_for_this_machine_alone_unless_it_is_a_space(
    variables: dict[str, str], host: str
) -> None:
    done = subprocess.run(
        [sys.executable, "app.py", "--help"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"[default: {host}]" in done.stdout
