"""Concepts on disk: the native folder, how we and diffusers read it, and every kind of damage."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import concepts
from huggingface_hub import ModelCard
from PIL import Image
from safetensors.torch import load_file, save_file

from ti_core.errors import ConceptError, IncompatibleConceptError, TokenNameError
from ti_core.model.base import BaseModel
from ti_core.model.families import Family
from ti_core.words.card import base_repository
from ti_core.words.concept import Concept
from ti_core.words.folder import load_concept, save_concept

SD1 = BaseModel("sd15", "sd1", {"clip_l": 32}, "0123456789ab")
SDXL = BaseModel("sdxl", "sdxl", {"clip_l": 32, "clip_g": 48}, "ba9876543210")


def make_concept(base: BaseModel = SD1, count: int = 1, **changes: Any) -> Concept:
    return concepts.make_concept(base, count, **changes)


@pytest.mark.parametrize("base", [SD1, SDXL], ids=["sd1", "sdxl"])
@pytest.mark.parametrize("count", [1, 3, 75])
def test_a_saved_concept_is_read_back_as_it_was(tmp_path: Path, base: BaseModel, count: int):
    concept = make_concept(base, count)
    save_concept(concept, tmp_path / "cat")
    read = load_concept(tmp_path / "cat")
    assert (read.token, read.kind, read.base, read.initializer, read.training) == (
        concept.token,
        concept.kind,
        concept.base,
        concept.initializer,
        concept.training,
    )
    assert read.num_vectors == count
    assert read.vectors.keys() == concept.vectors.keys()
    assert all(torch.equal(read.vectors[name], rows) for name, rows in concept.vectors.items())
    assert read.sha256 == concept.sha256


def test_the_folder_is_a_concept_repository(tmp_path: Path):
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    concept = make_concept(SDXL, 2, kind="style")
    save_concept(concept, tmp_path, pictures)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        "concept.json",
        "concept_images/0.png",
        "concept_images/1.png",
        "learned_embeds.safetensors",
        "learned_embeds_2.safetensors",
        "token_identifier.txt",
        "type_of_concept.txt",
    }
    assert (tmp_path / "token_identifier.txt").read_bytes() == b"<our-cat>"
    assert (tmp_path / "type_of_concept.txt").read_bytes() == b"style"
    assert Image.open(tmp_path / "concept_images/1.png").getpixel((0, 0)) == (0, 0, 255)
    for file, encoder in (("learned_embeds", "clip_l"), ("learned_embeds_2", "clip_g")):
        stored = load_file(tmp_path / f"{file}.safetensors")
        assert stored.keys() == {"<our-cat>"}
        assert torch.equal(stored["<our-cat>"], concept.vectors[encoder])


def test_a_model_of_one_encoder_has_one_embedding_file(tmp_path: Path):
    save_concept(make_concept(), tmp_path)
    assert not (tmp_path / "learned_embeds_2.safetensors").exists()


def test_saving_again_replaces_the_concept_and_leaves_other_files(tmp_path: Path):
    save_concept(make_concept(), tmp_path)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    save_concept(make_concept(count=2), tmp_path)
    assert load_concept(tmp_path).num_vectors == 2
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert not list(tmp_path.glob("*.partial"))


def test_a_concept_that_cannot_be_written_leaves_the_one_that_is_there(tmp_path: Path, monkeypatch):
    save_concept(make_concept(), tmp_path, [Image.new("RGB", (8, 8))])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def write_to_a_full_disk(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ti_core.words.folder.write_text_whole", write_to_a_full_disk)
    with pytest.raises(ConceptError, match="No space left"):
        save_concept(make_concept(count=2), tmp_path, [Image.new("RGB", (8, 8), "red")])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_made_is_a_concept_error(tmp_path: Path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(ConceptError, match="<our-cat> could not be written"):
        save_concept(make_concept(), tmp_path / "file")


def test_a_folder_that_was_not_written_to_its_end_is_no_concept(tmp_path: Path):
    (tmp_path / "README.md").mkdir()
    with pytest.raises(ConceptError, match="could not be written"):
        save_concept(make_concept(), tmp_path, [Image.new("RGB", (8, 8))])
    assert not (tmp_path / "concept.json").exists()


@pytest.mark.parametrize(
    ("base", "source", "licence"),
    [
        (SD1, "stable-diffusion-v1-5/stable-diffusion-v1-5", "creativeml-openrail-m"),
        (SDXL, "stabilityai/stable-diffusion-xl-base-1.0", "openrail++"),
        (BaseModel("toybox", "sd1", {"clip_l": 32}), None, "apache-2.0"),
        (BaseModel("my-model", "sd2", {"clip_h": 48}), None, None),
        (BaseModel("someone/a-model", "sd2", {"clip_h": 48}), "someone/a-model", None),
    ],
    ids=lambda value: value.id if isinstance(value, BaseModel) else None,
)
def test_the_card_has_front_matter_for_the_hub(
    tmp_path: Path, base: BaseModel, source: str | None, licence: str | None
):
    save_concept(make_concept(base, 3), tmp_path, [Image.new("RGB", (8, 8))])
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.license == licence
    assert card.data.base_model == source
    assert card.data.library_name == "diffusers"
    assert "textual-inversion" in card.data.tags
    assert card.data.instance_prompt == "<our-cat>"
    assert "a photo of <our-cat>" in card.text
    assert "3 embedding vectors" in card.text
    assert "![picture 0](concept_images/0.png)" in card.text


@pytest.mark.parametrize("count", [1, 3])
def test_diffusers_reads_the_folder(tmp_path: Path, tiny_sd1: Path, count: int):
    from diffusers import StableDiffusionPipeline

    concept = make_concept(count=count)
    save_concept(concept, tmp_path)
    pipeline = StableDiffusionPipeline.from_pretrained(
        tiny_sd1, safety_checker=None, requires_safety_checker=False
    )
    pipeline.load_textual_inversion(tmp_path, weight_name="learned_embeds.safetensors")
    names = ["<our-cat>", *(f"<our-cat>_{row}" for row in range(1, count))]
    ids = pipeline.tokenizer.convert_tokens_to_ids(names)
    table = pipeline.text_encoder.get_input_embeddings().weight
    assert torch.equal(table[ids], concept.vectors["clip_l"])


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_the_code_on_the_card_loads_every_vector(
    tmp_path: Path, request: pytest.FixtureRequest, family: Family
):
    concept = make_concept(SDXL if family == "sdxl" else SD1, 2)
    save_concept(concept, tmp_path)
    text = ModelCard.load(tmp_path / "README.md").text
    code = text.split("```python\n")[1].split("```")[0].replace("PATH_OR_REPOSITORY", tmp_path.as_posix())
    model = request.getfixturevalue(f"tiny_{family}")
    code = code.replace(str(base_repository(concept)), model.as_posix())
    names: dict[str, Any] = {}
    exec(code.replace(").images", ", num_inference_steps=1).images"), names)
    pipeline = names["pipeline"]
    for rows, suffix in zip(concept.vectors.values(), ("", "_2"), strict=False):
        ids = getattr(pipeline, f"tokenizer{suffix}").convert_tokens_to_ids(["<our-cat>", "<our-cat>_1"])
        table = getattr(pipeline, f"text_encoder{suffix}").get_input_embeddings().weight
        assert torch.equal(table[ids], rows)


def missing(name: str):
    return lambda folder: (folder / name).unlink()


def description(**changes):
    def change(folder: Path) -> None:
        path = folder / "concept.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}))

    return change


def without(name: str):
    def change(folder: Path) -> None:
        path = folder / "concept.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        del values[name]
        path.write_text(json.dumps(values))

    return change


def text(content: str | bytes):
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / "concept.json").write_bytes(raw)


def embedding(rows: torch.Tensor, key: str = "<our-cat>", **others: torch.Tensor):
    return lambda folder: save_file({key: rows, **others}, folder / "learned_embeds.safetensors")


def garbage(content: bytes):
    return lambda folder: (folder / "learned_embeds.safetensors").write_bytes(content)


WIDTHS = {"clip_l": 32, "clip_g": 48}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing("concept.json"), "no concept.json"),
        (missing("learned_embeds.safetensors"), "no learned_embeds.safetensors"),
        (missing("learned_embeds_2.safetensors"), "no learned_embeds_2.safetensors"),
        (text("no json"), "damaged"),
        (text(b"\xff\xfe\x00"), "damaged"),
        (text("[" * 100_000), "damaged"),
        (text("[1, 2]"), "damaged"),
        (text('"words"'), "damaged"),
        (text("null"), "damaged"),
        (text("{}"), "has no 'version'"),
        (without("token"), "has no 'token'"),
        (without("base"), "has no 'base'"),
        (without("sha256"), "has no 'sha256'"),
        (description(version=2), "newer version"),
        (description(token=5), "damaged"),
        (description(token="Our Cat"), "damaged"),
        (description(token="<other>"), "does not hold <other>"),
        (description(kind="animal"), "unknown kind"),
        (description(base="sdxl"), "damaged"),
        (description(base={"id": "sdxl"}), "damaged"),
        (description(base={"id": "sdxl", "family": "sdxl", "widths": 7}), "damaged"),
        (description(base={"id": "sdxl", "family": "sd9", "widths": WIDTHS}), "unknown family"),
        (description(base={"id": "sdxl", "family": "sdxl", "widths": {"clip_l": "wide"}}), "damaged|shape"),
        (description(training=[1]), "damaged"),
        (description(sha256="0" * 64), "not those that its concept.json describes"),
        (embedding(torch.ones(1, 32), key="<other>"), "does not hold <our-cat>"),
        (embedding(torch.ones(1, 32), extra=torch.ones(1)), "does not hold <our-cat>"),
        (embedding(torch.ones(1, 31)), "shape"),
        (embedding(torch.ones(32)), "shape"),
        (embedding(torch.ones(0, 32)), "shape"),
        (embedding(torch.ones(76, 32)), "shape"),
        (embedding(torch.ones(2, 32)), "another number of vectors"),
        (embedding(torch.full((1, 32), torch.nan)), "not finite"),
        (embedding(torch.full((1, 32), 1e300, dtype=torch.float64)), "not finite"),
        (embedding(torch.ones(1, 32, dtype=torch.int32)), "floating-point"),
        (embedding(torch.ones(1, 32).to(torch.float8_e4m3fn)), "not those that"),
        (embedding(torch.ones(20_000, 32)), "larger than 2 MiB"),
        (garbage(b""), "not a readable safetensors file"),
        (garbage(b"\x80\x04pickle" * 20), "not a readable safetensors file"),
    ],
)
def test_a_damaged_folder_is_a_concept_error(tmp_path: Path, damage, message: str):
    save_concept(make_concept(SDXL), tmp_path)
    damage(tmp_path)
    with pytest.raises(ConceptError, match=message):
        load_concept(tmp_path)


def test_a_folder_that_is_not_there_is_a_concept_error(tmp_path: Path):
    with pytest.raises(ConceptError, match="There is no concept folder"):
        load_concept(tmp_path / "nowhere")


def test_vectors_are_kept_as_float32_without_a_graph():
    rows = torch.ones(2, 32, dtype=torch.float16, requires_grad=True)
    [kept] = make_concept(vectors={"clip_l": rows}).vectors.values()
    assert kept.dtype == torch.float32
    assert not kept.requires_grad


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"token": "our cat"}, TokenNameError, "write it as <our-cat>"),
        ({"kind": "place"}, ConceptError, "object or style"),
        ({"vectors": {}}, ConceptError, "needs clip_l"),
        ({"vectors": {"clip_h": torch.ones(1, 32)}}, ConceptError, "needs clip_l"),
        ({"vectors": {"clip_l": torch.ones(1, 33)}}, ConceptError, "rows of 32"),
        ({"vectors": {"clip_l": torch.full((1, 32), torch.inf)}}, ConceptError, "not finite"),
    ],
)
def test_impossible_concepts_are_refused(changes: dict, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        make_concept(**changes)


def test_a_concept_fits_models_of_its_family_and_widths_but_no_other_version():
    concept = make_concept()
    concept.check_fits(SD1)
    concept.check_fits(BaseModel("sd15", "sd1", {"clip_l": 32}))
    concept.check_fits(BaseModel("a-fine-tune", "sd1", {"clip_l": 32}, "another"))
    with pytest.raises(IncompatibleConceptError, match="learned on sd15 .* not for sdxl"):
        concept.check_fits(SDXL)
    with pytest.raises(IncompatibleConceptError, match="another version of sd15"):
        concept.check_fits(BaseModel("sd15", "sd1", {"clip_l": 32}, "another"))
    with pytest.raises(IncompatibleConceptError, match="learned on sd15 .* not for narrow"):
        concept.check_fits(BaseModel("narrow", "sd1", {"clip_l": 16}))


def test_the_digest_is_of_the_vectors_alone():
    concept = make_concept()
    assert concept.sha256 == make_concept(kind="style", initializer="dog").sha256
    assert concept.sha256 != make_concept(vectors={"clip_l": concept.vectors["clip_l"] + 1e-3}).sha256
