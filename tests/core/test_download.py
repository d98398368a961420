"""Downloading base models with the real Hub client: which files, resuming, stopping, and error messages."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import hub_server
from helpers.hub_server import HubServer
from huggingface_hub import constants

from ti_core.errors import Cancelled, ModelError
from ti_core.model import download, repository_files
from ti_core.model.backbone import Backbone
from ti_core.model.download import WRITE_SIZE, fetch_configuration, fetch_model, is_present
from ti_core.model.repository_files import pipeline_files
from ti_core.model.sources import ModelSource, model_source

REPO = "ann/tiny"
SOURCE = ModelSource(repository=REPO)
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def files(tiny_sd1: Path) -> dict[str, bytes]:
    """The files of a model's repository, including some that nobody needs."""
    content = {
        path.relative_to(tiny_sd1).as_posix(): path.read_bytes()
        for path in tiny_sd1.rglob("*")
        if path.is_file()
    }
    return content | {
        "unet/diffusion_pytorch_model.bin": b"a pickle",
        "unet/diffusion_pytorch_model.fp16.safetensors": content[UNET],
        "v1-5-pruned.ckpt": b"the same once more",
        "README.md": b"# Tiny",
        "image_encoder/model.safetensors": b"not used",
        "unet/model.onnx": b"another program's",
        "unet/model.onnx_data": b"and its weights" * 300,
        "unet/openvino.data": b"and another's",
        "unet/evil.py": b"raise SystemExit",
        "scheduler/huge.json": b" " * 50_000,
    }


@pytest.fixture
def downloads(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The files that were sent, each with its first byte's offset; large files go by their SHA-256."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "MIN_RESUMABLE_SIZE", 2_000)
    monkeypatch.setattr(repository_files, "MAX_CONFIGURATION_SIZE", 40_000)
    sent: list[tuple[str, int]] = []

    def send_file(handler: Any, repo_id: str, path: str) -> tuple[int, dict[str, str], bytes]:
        repository = handler._seen(repo_id)
        if repository.gated and handler.token is None:
            raise hub_server.HttpError(403, "GatedRepo", "Access to this model is restricted.")
        if path not in repository.files:
            raise hub_server.HttpError(404, "EntryNotFound", "Entry not found")
        content = repository.files[path]
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": repository.sha}
        if handler.command == "HEAD":
            return 200, headers, content
        first = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        sent.append((path, first))
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return 206 if first else 200, headers, content[first:]

    monkeypatch.setattr(hub_server.Handler, "_file", send_file)
    return sent


def test_only_what_a_pipeline_needs_is_downloaded_and_it_loads(
    hub: HubServer, files: dict[str, bytes], downloads: list[tuple[str, int]]
) -> None:
    hub.add(REPO, files)
    seen: list[tuple[int, int]] = []
    folder, variant = fetch_model(SOURCE, lambda done, total: seen.append((done, total)))
    names = {name for name, _ in downloads}
    assert variant is None
    assert {UNET, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"} <= names
    assert not any(name.endswith((".bin", ".ckpt", ".md", ".fp16.safetensors")) for name in names)
    assert not any(name.startswith("image_encoder") for name in names)
    assert not any(name.endswith((".onnx", ".onnx_data", ".data", ".py", "huge.json")) for name in names)
    assert (folder / UNET).read_bytes() == files[UNET]
    assert (
        seen == sorted(seen)
        and seen[0][0] == 0
        and seen[-1][0] == seen[-1][1] == sum(len(files[name]) for name in names)
    )
    assert Backbone.load(REPO, "cpu", torch.float32).base.id == REPO


def test_the_weights_come_last_and_not_at_all_for_the_wrong_kind_of_model(
    hub: HubServer, files: dict[str, bytes], downloads: list[tuple[str, int]]
) -> None:
    files["unet/config.json"] = files["unet/config.json"].replace(b'"in_channels": 4', b'"in_channels": 9')
    hub.add(REPO, files)
    with pytest.raises(ModelError, match="ann/tiny is an inpainting model"):
        fetch_model(SOURCE)
    assert not any(name.endswith(".safetensors") for name, _ in downloads)


def test_a_variant_is_downloaded_in_place_of_the_full_weights(
    hub: HubServer, files: dict[str, bytes], downloads: list[tuple[str, int]]
) -> None:
    hub.add(REPO, files)
    assert fetch_model(model_source(f"{REPO}:fp16"))[1] == "fp16"
    names = {name for name, _ in downloads}
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in names and UNET not in names
    assert "vae/diffusion_pytorch_model.safetensors" in names  # of which there is no variant
    with pytest.raises(ModelError, match=r"has no variant fp8: leave it out, or choose another \(fp16\)"):
        fetch_model(model_source(f"{REPO}:fp8"))


def test_half_precision_is_downloaded_where_the_model_is_computed_in_it(
    hub: HubServer,
    files: dict[str, bytes],
    downloads: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.add(REPO, files)
    loaded = Backbone.load(REPO, "cpu", torch.bfloat16)
    names = {name for name, _ in downloads}
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in names and UNET not in names
    assert loaded.base.id == REPO and loaded.unet.dtype == torch.bfloat16
    already = len(downloads)
    for half in (True, False):
        assert fetch_model(SOURCE, half=half)[1] == "fp16"  # what is here is used
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch_model(SOURCE)[1] == "fp16" and is_present(SOURCE)
    assert len(downloads) == already


def test_the_full_weights_that_are_here_are_not_downloaded_in_half_precision_once_more(
    hub: HubServer, files: dict[str, bytes], downloads: list[tuple[str, int]]
) -> None:
    repository = hub.add(REPO, files)
    fetch_model(SOURCE)
    repository.commits += 1  # of the same weights
    already = len(downloads)
    folder, variant = fetch_model(SOURCE, half=True)
    assert variant is None and (folder / UNET).is_file()
    assert not any(name.endswith(".safetensors") for name, _ in downloads[already:])


def test_without_files_in_half_precision_the_full_ones_are_downloaded(
    hub: HubServer, files: dict[str, bytes], downloads: list[tuple[str, int]]
) -> None:
    del files["unet/diffusion_pytorch_model.fp16.safetensors"]
    hub.add(REPO, files)
    assert fetch_model(SOURCE, half=True)[1] is None


def test_pickles_are_read_where_there_is_nothing_else() -> None:
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    names = ("diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.bin", "config.json", "model.onnx")
    sizes = {f"unet/{name}": 1 for name in names}
    assert pipeline_files(sizes, index, SOURCE) == (
        ["model_index.json", "unet/config.json"],
        ["unet/diffusion_pytorch_model.bin"],
    )


def test_weights_in_several_files_come_with_their_list() -> None:
    index = {"unet": ["diffusers", "UNet2DConditionModel"], "safety_checker": [None, None]}
    stem = "unet/diffusion_pytorch_model"
    parts = [f"{stem}-0000{number}-of-00002.safetensors" for number in (1, 2)]
    listing = f"{stem}.safetensors.index.json"
    sizes = dict.fromkeys(
        [*parts, listing, f"{stem}.fp16.safetensors.index.fp16.json", "safety_checker/x.json"], 1
    )
    assert pipeline_files(sizes, index, SOURCE) == (["model_index.json", listing], parts)


def test_weights_of_which_a_file_is_missing_are_not_chosen() -> None:
    index = {"unet": ["diffusers", "UNet2DConditionModel"]}
    stem = "unet/diffusion_pytorch_model"
    half = [f"{stem}.fp16-0000{number}-of-00002.safetensors" for number in (1, 2)]
    listing = f"{stem}.safetensors.index.fp16.json"
    sizes = dict.fromkeys([*half, listing, f"{stem}.safetensors"], 1)
    source = ModelSource(repository=REPO, variant="fp16")
    assert pipeline_files(sizes, index, source) == (["model_index.json", listing], half)
    del sizes[half[1]]
    assert pipeline_files(sizes, index, SOURCE) == (["model_index.json"], [f"{stem}.safetensors"])
    with pytest.raises(ModelError, match="has no variant fp16"):
        pipeline_files(sizes, index, source)


def test_a_stopped_download_goes_on_where_it_was(
    hub: HubServer,
    files: dict[str, bytes],
    downloads: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "WRITE_SIZE", 10_000)
    files[UNET] = files[UNET] + bytes(200_000)  # which does not matter to what is only downloaded
    hub.add(REPO, files)
    progress: list[int] = []
    before = sum(
        len(content) for name, content in files.items() if name.startswith(("text_encoder/m", "vae/d"))
    )

    def stop() -> bool:
        return len(progress) > 0 and progress[-1] > before + 100_000

    with pytest.raises(Cancelled, match="it goes on from there"):
        fetch_model(SOURCE, lambda done, total: progress.append(done), stop)
    assert progress[-1] < sum(map(len, files.values())) / 2 + 200_000
    already = len(downloads)
    folder, _ = fetch_model(SOURCE, lambda done, total: progress.append(done))
    again = dict(downloads[already:])
    assert again[UNET] >= 10_000  # not from the beginning
    assert (folder / UNET).read_bytes() == files[UNET]
    fetch_model(SOURCE)
    assert len(downloads) == already + len(again)  # nothing twice


def test_a_broken_connection_is_opened_anew_where_it_broke(
    hub: HubServer,
    files: dict[str, bytes],
    downloads: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send, broken = hub_server.Handler._send, []

    def break_off(handler: Any, status: int, headers: Any, content: bytes) -> None:
        if handler.command == "GET" and handler.path.endswith(UNET) and len(broken) < 2:
            broken.append(len(content))
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[: len(content) // 2])
            handler.close_connection = True
            return
        send(handler, status, headers, content)

    monkeypatch.setattr(hub_server.Handler, "_send", break_off)
    hub.add(REPO, files)
    folder, _ = fetch_model(SOURCE)
    assert (folder / UNET).read_bytes() == files[UNET]
    begins = [first for name, first in downloads if name == UNET]
    assert begins == sorted(set(begins)) and len(begins) == 3
    assert broken[0] // 2 - begins[1] < WRITE_SIZE


def test_a_server_that_cannot_begin_in_the_middle_sends_the_whole_file(
    hub: HubServer,
    files: dict[str, bytes],
    downloads: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    send_file = hub_server.Handler._file

    def send_whole(handler: Any, repo_id: str, path: str) -> tuple[int, dict[str, str], bytes]:
        del handler.headers["Range"]
        return send_file(handler, repo_id, path)

    monkeypatch.setattr(hub_server.Handler, "_file", send_whole)
    hub.add(REPO, files)
    part = tmp_path / "cache/models--ann--tiny/blobs" / f"{hashlib.sha256(files[UNET]).hexdigest()}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(files[UNET][:5_000])
    assert (fetch_model(SOURCE)[0] / UNET).read_bytes() == files[UNET]


def test_what_was_damaged_on_its_way_is_not_kept(
    hub: HubServer, files: dict[str, bytes], downloads: list[tuple[str, int]], tmp_path: Path
) -> None:
    hub.add(REPO, files)
    etag = hashlib.sha256(files[UNET]).hexdigest()
    part = tmp_path / "cache" / "models--ann--tiny" / "blobs" / f"{etag}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(5_000))  # not the file's beginning
    with pytest.raises(ModelError, match="was damaged on its way: load the model again"):
        fetch_model(SOURCE)
    assert (fetch_model(SOURCE)[0] / UNET).read_bytes() == files[UNET]


def test_without_a_connection_what_was_downloaded_is_used(
    hub: HubServer,
    files: dict[str, bytes],
    downloads: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.add(REPO, files)
    assert not is_present(SOURCE)
    fetched = fetch_model(SOURCE)
    assert is_present(SOURCE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch_model(SOURCE) == fetched
    with pytest.raises(ModelError, match="ann/other is not on this computer.*choose a model folder"):
        fetch_model(ModelSource(repository="ann/other"))


@pytest.mark.parametrize("part", ["vae", "safety_checker"])
def test_a_model_that_lacks_the_weights_of_a_part_is_not_here(
    hub: HubServer,
    files: dict[str, bytes],
    downloads: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    if part == "safety_checker":
        index = json.loads(files["model_index.json"])
        del index[part]  # put behind the others
        index[part] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
        files |= {"model_index.json": json.dumps(index).encode(), f"{part}/config.json": b"{}"}
        files[f"{part}/model.safetensors"] = b"its weights" * 300
    hub.add(REPO, files)
    missing = next(name for name in files if name.startswith(f"{part}/") and name.endswith(".safetensors"))
    hub.fail("GET", f"/resolve/main/{missing}", 503)
    with pytest.raises(ModelError, match="status 503"):
        fetch_model(SOURCE)
    assert any(name == UNET for name, _ in downloads)
    assert not is_present(SOURCE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        ModelError,
        match="ann/tiny is not completely downloaded, .*: connect to the internet and load it again",
    ):
        fetch_model(SOURCE)


def test_a_hub_that_fails_is_told_from_one_that_refuses(
    hub: HubServer, files: dict[str, bytes], downloads: list[tuple[str, int]]
) -> None:
    hub.add(REPO, files)
    hub.add("ann/gated", files, gated=True)
    hub.add("ann/file", {"model.safetensors": b""})
    with pytest.raises(
        ModelError, match=r"ann/gated is given only to those.*`hf auth login`.*co/ann/gated and"
    ):
        fetch_model(ModelSource(repository="ann/gated"))
    with pytest.raises(ModelError, match="There is no model ann/none on the Hugging Face Hub"):
        fetch_model(ModelSource(repository="ann/none"))
    with pytest.raises(ModelError, match="ann/tiny has no revision old: leave it out"):
        fetch_model(model_source("ann/tiny@old"))
    with pytest.raises(ModelError, match="but checkpoint files: download model.safetensors from https"):
        fetch_model(ModelSource(repository="ann/file"))
    hub.fail("GET", "/api/models/ann/tiny", 503)
    with pytest.raises(ModelError, match=r"cannot give ann/tiny now \(status 503\): try again later"):
        fetch_model(SOURCE)


def test_the_configuration_alone_is_small_and_is_used_again_without_a_connection(
    hub: HubServer,
    files: dict[str, bytes],
    downloads: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.add(REPO, files)
    folder = fetch_configuration(REPO)
    assert (folder / "unet" / "config.json").is_file() and (folder / "tokenizer" / "vocab.json").is_file()
    assert not any(name.endswith(".safetensors") for name, _ in downloads)
    assert not is_present(SOURCE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch_configuration(REPO) == folder


def test_a_folder_is_where_it_is(tiny_sd1: Path) -> None:
    assert fetch_model(model_source(str(tiny_sd1))) == (tiny_sd1, None)
    assert is_present(model_source(str(tiny_sd1)))


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
