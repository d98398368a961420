"""``convert``: reading every kind of file, writing every layout, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.concepts import (
    SD1,
    SDXL,
    concept_of,
    make_concept,
    rows,
    same_vectors,
    write_concepts_library,
    write_diffusers_sdxl,
)
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from ti_core import cli
from ti_core.cli.convert import LAYOUTS_HELP
from ti_core.words.folder import load_concept, save_concept
from ti_core.words.formats import FILE_SUFFIXES, LAYOUTS, layouts_for, read_embeddings, to_concept
from ti_core.words.library import Library


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["convert", *map(str, arguments)])


def facts_of(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    facts: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return facts


def refusal_of(result: Result) -> str:
    assert result.exit_code == 2, result.output
    message = result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output
    return message


def a1111_file(folder: Path, **changes: Any) -> Path:
    values = {"string_to_param": {"*": rows()}, "name": "neko", "step": 99, "sd_checkpoint_name": "wd-v1-2"}
    torch.save({**values, **changes}, folder / "neko.pt")
    return folder / "neko.pt"


def test_the_help_names_every_layout() -> None:
    assert LAYOUTS_HELP.removesuffix(".").replace(" or ", ", ").split(", ") == list(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_concept_becomes_every_layout_that_can_hold_it(tmp_path: Path, layout: str) -> None:
    for base in (SD1, SDXL):
        concept = concept_of(base)
        folder, out = tmp_path / base.id, tmp_path / "out" / base.id
        save_concept(concept, folder, [Image.new("RGB", (64, 64), "red")])
        result = run(folder, out, "--to", layout, "--json")
        if layout not in layouts_for(concept):
            assert f"which {layout} cannot hold" in refusal_of(result)
            assert not out.exists()
            continue
        [word] = facts_of(result)["words"]
        assert (word["token"], word["model"], word["guessed"]) == ("<our-cat>", base.id, False)
        assert all(Path(file).is_file() for file in word["files"])
        [embedding] = read_embeddings(out)
        assert same_vectors(to_concept(embedding), concept)


def test_a_native_folder_keeps_its_pictures(tmp_path: Path) -> None:
    save_concept(make_concept(SD1, vectors={"clip_l": rows()}), tmp_path / "in", [Image.new("RGB", (9, 8))])
    facts_of(run(tmp_path / "in", tmp_path / "out", "--to", "native", "--token", "Our Tiger", "--json"))
    assert load_concept(tmp_path / "out").token == "<our-tiger>"
    with Image.open(tmp_path / "out" / "concept_images" / "0.png") as picture:
        assert picture.size == (9, 8)


def test_a_file_of_another_program_becomes_a_concept(tmp_path: Path) -> None:
    result = run(a1111_file(tmp_path), tmp_path / "out", "--to", "native", "--json")
    [word] = facts_of(result)["words"]
    assert (word["source"], word["model"], word["family"]) == ("A1111 .pt", "wd-v1-2", "sd1")
    concept = load_concept(tmp_path / "out")
    assert torch.equal(concept.vectors["clip_l"], rows())
    assert (concept.token, concept.training, concept.base.id) == ("<neko>", {"steps": 99}, "wd-v1-2")


def test_a_guess_is_said_and_another_base_model_can_be_given(tmp_path: Path) -> None:
    folder = write_concepts_library(tmp_path)
    (folder / "README.md").unlink()
    result = run(folder, tmp_path / "guessed", "--to", "kohya", "--json")
    [word] = facts_of(result)["words"]
    assert word["guessed"] and word["model"] == "sd15"
    assert "cat-toy names no base model: sd15 is a guess by the vectors' width." in result.stderr
    result = run(folder, tmp_path / "given", "--to", "kohya", "--base", "waifu", "--json")
    [word] = facts_of(result)["words"]
    assert not word["guessed"] and word["model"] == "waifu" and result.stderr == ""


def test_several_words_get_a_folder_each(tmp_path: Path) -> None:
    file = tmp_path / "two.safetensors"
    save_file({"bundle_emb.cat.clip_l": rows(), "bundle_emb.dog.clip_l": rows(seed=1)}, file)
    result = run(file, tmp_path / "out", "--to", "a1111-pt")
    assert result.exit_code == 0, result.output
    assert "The file holds 2 words: cat, dog." in result.stderr
    files = [str(tmp_path / "out" / name / f"{name}.pt") for name in ("cat", "dog")]
    assert result.stdout.splitlines() == files
    message = refusal_of(run(file, tmp_path / "other", "--to", "a1111-pt", "--token", "both"))
    assert message == "two.safetensors holds 2 words: leave out --token."
    message = refusal_of(run(file, tmp_path / "both.pt", "--to", "a1111-pt"))
    assert message == "two.safetensors holds 2 words: give a folder as OUT."


def test_a_word_that_comes_twice_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for steps in (500, 1000):
        save_file({"<our-cat>": rows(seed=steps)}, tmp_path / f"learned_embeds-steps-{steps}.safetensors")
    message = refusal_of(run(tmp_path, tmp_path / "out", "--to", "a1111-pt"))
    assert message.startswith(f"{tmp_path.name} holds <our-cat> more than once: ")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    message = refusal_of(run(a1111_file(tmp_path), tmp_path, "--to", "diffusers-bin"))
    assert message == f"{tmp_path / 'README.md'} is there already: choose another OUT."
    assert not (tmp_path / "learned_embeds.bin").exists()
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert "cannot be written" in refusal_of(run(tmp_path / "neko.pt", tmp_path / "file", "--to", "kohya"))


@pytest.mark.parametrize("layout", FILE_SUFFIXES)
def test_out_may_be_the_file_of_a_format_of_one_file(tmp_path: Path, layout: str) -> None:
    concept, suffix = concept_of(SDXL if layout == "sdxl" else SD1), FILE_SUFFIXES[layout]
    save_concept(concept, tmp_path / "in")
    file = tmp_path / "new" / f"Neko{suffix.upper()}"
    result = run(tmp_path / "in", file, "--to", layout)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [str(file)] and file.is_file()
    [embedding] = read_embeddings(file)
    assert same_vectors(to_concept(embedding), concept)
    before = file.read_bytes()
    message = refusal_of(run(tmp_path / "in", file, "--to", layout, "--token", "other"))
    assert message == f"{file} is there already: choose another OUT."
    assert file.read_bytes() == before and list(file.parent.iterdir()) == [file]


def test_a_folder_that_is_called_as_a_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "cat.pt").mkdir()
    result = run(a1111_file(tmp_path), tmp_path / "cat.pt", "--to", "a1111-pt")
    assert result.stdout.splitlines() == [str(tmp_path / "cat.pt" / "neko.pt")]
    # ".5" is no suffix of an embedding file.
    result = run(tmp_path / "neko.pt", tmp_path / "v1.5", "--to", "a1111-pt")
    assert result.stdout.splitlines() == [str(tmp_path / "v1.5" / "neko.pt")]


@pytest.mark.parametrize(
    ("name", "layout", "message"),
    [
        ("cat.bin", "a1111-pt", "a1111-pt is a .pt file: call it cat.pt, or give a folder."),
        ("cat.pt", "kohya", "kohya is a .safetensors file: call it cat.safetensors, or give a folder."),
        ("cat.bin", "diffusers-bin", "diffusers-bin is no single file: give a folder in place of cat.bin."),
    ],
)
def test_a_file_name_of_another_format_is_refused(
    tmp_path: Path, name: str, layout: str, message: str
) -> None:
    assert refusal_of(run(a1111_file(tmp_path), tmp_path / name, "--to", layout)) == message
    assert not (tmp_path / name).exists()


def test_an_exported_archive_becomes_a_folder_with_its_pictures(tmp_path: Path) -> None:
    library, concept = Library(tmp_path / "library"), concept_of(SD1)
    library.add(concept, [Image.new("RGB", (9, 8))])
    archive = library.export_archive("<our-cat>", tmp_path / "cat.zip")
    [word] = facts_of(run(archive, tmp_path / "out", "--to", "native", "--json"))["words"]
    assert (word["source"], word["guessed"]) == ("One Word", False)
    read = load_concept(tmp_path / "out")
    assert same_vectors(read, concept) and read.training == concept.training
    assert (tmp_path / "out" / "concept_images" / "0.png").is_file()


def test_both_halves_of_a_word_for_sdxl_in_an_archive_are_one_word(tmp_path: Path) -> None:
    half = write_diffusers_sdxl(tmp_path) / "learned_embeds_2.safetensors"
    with zipfile.ZipFile(tmp_path / "cat.zip", "w") as archive:
        for name in ("learned_embeds.safetensors", "learned_embeds_2.safetensors"):
            archive.write(tmp_path / name, name)
    (tmp_path / "learned_embeds.safetensors").unlink()
    assert "put both halves into one folder or .zip" in refusal_of(
        run(half, tmp_path / "half", "--to", "sdxl")
    )
    [word] = facts_of(run(tmp_path / "cat.zip", tmp_path / "out", "--to", "sdxl", "--json"))["words"]
    assert (word["token"], word["family"]) == ("<our-cat>", "sdxl")


def test_an_archive_is_checked_before_it_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"no archive")
    assert "b.zip is not a .zip archive" in refusal_of(
        run(tmp_path / "b.zip", tmp_path / "out", "--to", "kohya")
    )
    for name, message in (("../evil.pt", "unpacked somewhere else"), ("x/concept.json", "a.zip holds no")):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(name, b"{}")
        assert message in refusal_of(run(tmp_path / "a.zip", tmp_path / "out", "--to", "kohya"))
    assert not (tmp_path / "evil.pt").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "lora"), "There is no format called lora: choose native, diffusers,"),
        (("--to", "kohya", "--base", "sd9"), "There is no base model called sd9: choose sd1, sd2, sdxl,"),
        (("--to", "kohya", "--base", "sdxl"), "<neko> has vectors of 768 numbers, but sdxl (sdxl) takes"),
        (("--to", "kohya", "--token", "猫"), 'The name "猫" cannot become a token'),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = run(a1111_file(tmp_path), tmp_path / "out", *options, "--json")
    assert message in refusal_of(result)
    assert json.loads(result.stdout.splitlines()[-1])["error"] == refusal_of(result)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_embedding_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "Git LFS pointer" in refusal_of(run(tmp_path / "a.bin", tmp_path / "out", "--to", "native"))
    assert "There is no file" in refusal_of(run(tmp_path / "b.bin", tmp_path / "out", "--to", "native"))
