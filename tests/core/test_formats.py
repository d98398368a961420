"""Embedding files: a round trip through every format, files of other programs, and loading by diffusers."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.concepts import (
    SD1,
    SD2,
    SDXL,
    TOKEN,
    concept_of,
    rows,
    same_vectors,
    write_concepts_library,
    write_diffusers_sdxl,
)
from helpers.hostile_files import XTI, Storage, archive, program, tensor
from helpers.japanese import in_japanese
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ti_core.drawing.generate import generate
from ti_core.drawing.settings import GenerationSettings
from ti_core.errors import ConceptError, IncompatibleConceptError, ModelError, TokenNameError
from ti_core.model.backbone import Backbone
from ti_core.model.base import BaseModel
from ti_core.model.families import Family
from ti_core.model.presets import PRESETS
from ti_core.words.concept import Concept
from ti_core.words.folder import save_concept
from ti_core.words.formats import (
    LAYOUTS,
    Embedding,
    Layout,
    find_base_model,
    layouts_for,
    read_embeddings,
    to_concept,
    write_embedding,
)

A1111_NAMES = re.compile(r"^([^/]+)/((data/\d+)|version|(data\.pkl))$")
"""The member names that A1111's own check of an archive allows."""


def read_embedding(path: Path) -> Embedding:
    """Read the only embedding in a file or folder."""
    [embedding] = read_embeddings(path)
    return embedding


# --- round trips ------------------------------------------------------------------------------------------

BASES = {"sd1": SD1, "sd2": SD2, "sdxl": SDXL, "toybox": find_base_model("toybox")}
PAIRS = [
    (name, first, second)
    for name, base in BASES.items()
    for first, second in permutations(layouts_for(concept_of(base, 1)), 2)
]


@pytest.mark.parametrize(("name", "first", "second"), PAIRS)
def test_every_pair_of_layouts_keeps_every_bit(
    tmp_path: Path, name: str, first: Layout, second: Layout
) -> None:
    concept = concept_of(BASES[name], 3)
    concept.vectors["clip_h" if name == "sd2" else "clip_l"][0, :3] = torch.tensor([-0.0, 1e-42, 3.4e38])
    once = to_concept(read_embedding(wrote(concept, tmp_path / "first", first)))
    twice = to_concept(read_embedding(wrote(once, tmp_path / "second", second)))
    assert same_vectors(concept, once) and same_vectors(concept, twice)
    assert twice.token == concept.token and twice.kind == concept.kind
    assert twice.base.family == concept.base.family


def wrote(concept: Concept, folder: Path, layout: Layout) -> Path:
    """Write a concept; return the path that another program, or a person, would open."""
    files = write_embedding(concept, folder, layout)
    assert all(file.is_file() for file in files)
    return folder if layout in ("native", "diffusers-bin") else files[0]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 75])
def test_a_layout_carries_what_it_has_a_place_for(tmp_path: Path, layout: Layout, count: int) -> None:
    base = dataclasses.replace(SDXL if layout == "sdxl" else SD1, fingerprint="0123456789ab")
    concept = concept_of(base, count, initializer="a <cat> --> & \\")
    read = to_concept(read_embedding(wrote(concept, tmp_path, layout)))
    assert same_vectors(concept, read) and (read.token, read.kind) == (TOKEN, "style")
    assert (read.initializer, read.training) == (concept.initializer, {"steps": 400})
    assert read.base == base


def test_facts_on_a_card_are_those_of_its_own_word_and_no_text_of_the_page(tmp_path: Path) -> None:
    write_embedding(concept_of(SD1, initializer="--> <b>"), tmp_path, "diffusers-bin")
    [line] = [
        line
        for line in (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("<!--")
    ]
    assert line.endswith(" -->") and not set("<>&") & set(line[4:-3])
    # Another word with the card of the first one.
    (tmp_path / "token_identifier.txt").write_text("<our-dog>", encoding="utf-8")
    embedding = read_embedding(tmp_path)
    assert (embedding.name, embedding.base, embedding.initializer) == ("<our-dog>", None, "")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_that_cannot_hold_a_concept_says_which_can(tmp_path: Path, layout: Layout) -> None:
    for base in (SD1, SDXL):
        concept = concept_of(base)
        if layout in layouts_for(concept):
            continue
        with pytest.raises(
            ConceptError, match=f"which {layout} cannot hold: choose native, diffusers"
        ) as error:
            write_embedding(concept, tmp_path / "out", layout)
        assert in_japanese(error.value)
        assert not (tmp_path / "out").exists()


def test_files_are_called_as_their_programs_expect(tmp_path: Path) -> None:
    def names(base: BaseModel, layout: Layout) -> list[str]:
        files = write_embedding(concept_of(base), tmp_path / f"{base.id}-{layout}", layout)
        return [file.name for file in files]

    library = ["token_identifier.txt", "type_of_concept.txt", "README.md"]
    assert names(SD1, "diffusers") == ["learned_embeds.safetensors"]
    assert names(SDXL, "diffusers") == ["learned_embeds.safetensors", "learned_embeds_2.safetensors"]
    assert names(SD1, "diffusers-bin") == ["learned_embeds.bin", *library]
    assert names(SD1, "a1111-pt") == ["our-cat.pt"]
    assert names(SD1, "a1111-png") == ["our-cat.png"]
    assert (
        names(SDXL, "sdxl")
        == names(SD1, "kohya")
        == names(SD1, "a1111-safetensors")
        == ["our-cat.safetensors"]
    )
    assert "concept.json" in names(SD1, "native")


def test_the_card_of_a_repository_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    write_embedding(concept_of(SD1), tmp_path, "diffusers-bin")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"


def test_a_folder_that_cannot_be_written_is_a_concept_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for layout in layouts_for(concept_of(SD1)):
        with pytest.raises(ConceptError, match="could not be written"):
            write_embedding(concept_of(SD1), tmp_path / "file", layout)


# --- what is written, as other programs read it -----------------------------------------------------------


def test_a1111_finds_in_a_pt_file_what_it_looks_for(tmp_path: Path) -> None:
    concept = concept_of(SD1)
    [file] = write_embedding(concept, tmp_path, "a1111-pt")
    assert all(A1111_NAMES.match(name) for name in zipfile.ZipFile(file).namelist())
    data = torch.load(file, weights_only=True)
    assert data["string_to_token"] == {"*": 265}
    assert torch.equal(data["string_to_param"]["*"], concept.vectors["clip_l"])
    assert (data["name"], data["step"], data["sd_checkpoint_name"]) == ("our-cat", 400, "sd15")


def test_kohya_files_tell_their_architecture(tmp_path: Path) -> None:
    for base, architecture, resolution in (
        (SD1, "stable-diffusion-v1/textual-inversion", "512x512"),
        (SD2, "stable-diffusion-v2-768-v/textual-inversion", "768x768"),
        (dataclasses.replace(SD2, id="sd21-base"), "stable-diffusion-v2-512/textual-inversion", "512x512"),
        (dataclasses.replace(SD1, id="toybox"), "stable-diffusion-v1/textual-inversion", "128x128"),
        (SDXL, "stable-diffusion-xl-v1-base/textual-inversion", "1024x1024"),
    ):
        [file] = write_embedding(concept_of(base), tmp_path / base.id, "kohya")
        with safe_open(file, framework="pt") as tensors:
            metadata = tensors.metadata()
        assert metadata["modelspec.architecture"] == architecture
        assert metadata["modelspec.resolution"] == resolution
        assert set(load_file(file)) == ({"clip_l", "clip_g"} if base is SDXL else {"emb_params"})


def a1111_sequence() -> Iterator[int]:
    state = 0
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state % 255


def a1111_unmask(block: np.ndarray) -> np.ndarray:
    sequence = a1111_sequence()
    numbers = np.array([next(sequence) for _ in range(block.size)], np.uint8).reshape(block.shape)
    return block ^ (numbers & 0x0F)


def a1111_decode(image: Image.Image) -> dict[str, Any]:
    """Decode the pixels as A1111 does, written independently of the code under test."""
    pixels = np.array(image.convert("RGB"))
    bright = (pixels > 0).all(2)
    columns, lines = np.where(bright.any(0))[0], np.where(bright.any(1))[0]
    pixels = pixels[lines.min() : lines.max() + 1, columns.min() : columns.max() + 1] & 0x0F
    [black] = np.where(pixels.sum(axis=(0, 2)) == 0)
    low, high = pixels[:, : black.min()], pixels[:, black.max() + 1 :]
    return json.loads(zlib.decompress(((a1111_unmask(high) << 4) | a1111_unmask(low)).tobytes()))


@pytest.mark.parametrize("count", [1, 8])
def test_a1111_decodes_both_copies_on_a_card(tmp_path: Path, count: int) -> None:
    concept = concept_of(SD1, count)
    [file] = write_embedding(concept, tmp_path, "a1111-png")
    with Image.open(file) as image:
        in_text = json.loads(base64.b64decode(image.info["sd-ti-embedding"]))
        in_pixels = a1111_decode(image)
    assert in_text == in_pixels
    tensor = np.array(in_pixels["string_to_param"]["*"]["TORCHTENSOR"])
    assert torch.equal(torch.from_numpy(tensor).to(torch.float32), concept.vectors["clip_l"])
    assert (in_pixels["name"], in_pixels["step"]) == ("our-cat", 400)


def a1111_encode(data: dict[str, Any], image: Image.Image) -> Image.Image:
    """Encode the pixels as A1111 does, including its padding, independently of the code under test."""
    packed = np.frombuffer(zlib.compress(json.dumps(data).encode(), level=9), np.uint8)
    height = image.size[1]
    size = packed.size + height - packed.size % height
    size += height * 3 - size % (height * 3)
    low, high = (
        a1111_unmask(np.resize(half, size).reshape(height, -1, 3)) | 0x30
        for half in (packed & 0x0F, packed >> 4)
    )
    black = np.zeros((height, 1, 3), np.uint8)
    return Image.fromarray(np.concatenate([low, black, np.array(image), black, high], axis=1))


@pytest.mark.parametrize("copies", ["both", "text", "pixels", "pixels and damaged text"])
def test_a_card_of_a1111_is_read_from_either_copy(tmp_path: Path, copies: str) -> None:
    vectors = rows(3)
    data = {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": {"TORCHTENSOR": vectors.tolist()}},
        "name": "neko-1500",
        "step": 1499,
        "sd_checkpoint": "45dee52b",
        "sd_checkpoint_name": "wd-v1-2-full-ema",
    }
    picture = Image.effect_noise((96, 96), 80).convert("RGB")
    picture.paste("white", (0, 0, 96, 20))
    picture.paste("black", (40, 0, 44, 96))  # must not be taken for the separating columns
    info = PngInfo()
    text = base64.b64encode(json.dumps(data).encode()).decode()
    if copies != "pixels":
        info.add_text("sd-ti-embedding", text[:500] if "damaged" in copies else text)
    image = picture if copies == "text" else a1111_encode(data, picture)
    image.save(tmp_path / "card.png", pnginfo=info)
    embedding = read_embedding(tmp_path / "card.png")
    assert torch.equal(embedding.vectors["clip_l"], vectors)
    assert (embedding.name, embedding.training, embedding.source) == (
        "neko-1500",
        {"steps": 1499},
        "A1111 PNG",
    )
    assert to_concept(embedding).base == BaseModel("wd-v1-2-full-ema", "sd1", {"clip_l": 768})


def test_a_training_picture_is_on_the_card(tmp_path: Path) -> None:
    def middle(pictures: list[Image.Image]) -> Any:
        [file] = write_embedding(concept_of(SD1), tmp_path, "a1111-png", pictures)
        with Image.open(file) as card:
            return card.convert("RGB").getpixel((card.width // 2, card.height // 2))

    assert middle([Image.new("RGB", (300, 200), (1, 200, 3))]) == (1, 200, 3)
    assert middle([]) != (0, 0, 0)


# --- files as other programs write them -------------------------------------------------------------------


def saved(values: Any) -> Callable[[Path], Path]:
    """Return a function that writes a file of torch.save."""

    def write(folder: Path) -> Path:
        torch.save(values, folder / "neko.pt")
        return folder / "neko.pt"

    return write


def in_safetensors(metadata: dict[str, str] | None = None, **tensors: torch.Tensor) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        named = {key.replace("__", "."): value for key, value in tensors.items()}
        save_file(named, folder / "neko.safetensors", metadata)
        return folder / "neko.safetensors"

    return write


def parameter_dict(**placeholders: torch.Tensor) -> torch.nn.ParameterDict:
    return torch.nn.ParameterDict({key: torch.nn.Parameter(value) for key, value in placeholders.items()})


def of_the_paper(folder: Path) -> Path:
    """Write a file like the paper's own embedding manager."""
    string_to_param = torch.nn.ParameterDict({"*": torch.nn.Parameter(rows(1))})
    return saved({"string_to_token": {"*": torch.tensor(265)}, "string_to_param": string_to_param})(folder)


def of_old_torch(folder: Path) -> Path:
    torch.save({TOKEN: rows(1)[0]}, folder / "learned_embeds.bin", _use_new_zipfile_serialization=False)
    return folder / "learned_embeds.bin"


def of_a_gpu(folder: Path) -> Path:
    """Write a file whose tensor was saved on a GPU, which this machine need not have."""
    values = {TOKEN: tensor(Storage(2 * 768, device="cuda:0"), (2, 768), (768, 1))}
    archive(folder / "neko.pt", program(values), rows().numpy().tobytes())
    return folder / "neko.pt"


def of_another_protocol(folder: Path) -> Path:
    torch.save({TOKEN: rows()}, folder / "neko.pt", pickle_protocol=4)
    return folder / "neko.pt"


def parameter_with_attributes() -> torch.nn.Parameter:
    parameter = torch.nn.Parameter(rows())
    parameter.note = "ours"
    return parameter


A1111_DICT = {
    "string_to_token": {"*": 265},
    "name": "neko",
    "step": 1499,
    "sd_checkpoint": "45dee52b",
    "sd_checkpoint_name": "wd-v1-2-full-ema",
}
MODELSPEC = {
    "modelspec.sai_model_spec": "1.0.0",
    "modelspec.architecture": "stable-diffusion-v2-768-v/textual-inversion",
    "modelspec.title": "TextualInversion@1700000000.0",
}


@dataclasses.dataclass(frozen=True)
class Peer:
    """A file of another program, and what must be read from it."""

    write: Callable[[Path], Path]
    source: str
    token: str
    base: str
    steps: int | None = None
    kind: str = "object"
    count: int = 2


PEERS = {
    "the paper": Peer(of_the_paper, "the paper's program", "<neko>", "sd15", count=1),
    "A1111": Peer(
        saved(A1111_DICT | {"string_to_param": {"*": rows()}}),
        "A1111 .pt",
        "<neko>",
        "wd-v1-2-full-ema",
        1499,
    ),
    "A1111, of an old torch": Peer(
        saved(A1111_DICT | {"string_to_param": parameter_dict(x=rows()), "sd_checkpoint_name": None}),
        "A1111 .pt",
        "<neko>",
        "sd15",
        1499,
    ),
    "A1111 for SD 2": Peer(
        saved(
            {**A1111_DICT, "string_to_param": {"*": rows(2, 1024)}, "step": None, "sd_checkpoint_name": ""}
        ),
        "A1111 .pt",
        "<neko>",
        "sd21-base",
    ),
    "diffusers": Peer(saved({TOKEN: rows()}), "diffusers", TOKEN, "sd15"),
    "diffusers, one vector": Peer(saved({TOKEN: rows(1)[0]}), "diffusers", TOKEN, "sd15", count=1),
    "diffusers, half precision": Peer(saved({TOKEN: rows().half()}), "diffusers", TOKEN, "sd15"),
    "diffusers, a bare tensor": Peer(saved(rows()), "tensor", "<neko>", "sd15"),
    "diffusers, of torch 1.5": Peer(of_old_torch, "diffusers", TOKEN, "sd15", count=1),
    "diffusers, on a GPU": Peer(of_a_gpu, "diffusers", TOKEN, "sd15"),
    "diffusers, by another pickle protocol": Peer(of_another_protocol, "diffusers", TOKEN, "sd15"),
    "diffusers, with attributes": Peer(
        saved({TOKEN: parameter_with_attributes()}), "diffusers", TOKEN, "sd15"
    ),
    "diffusers, .safetensors": Peer(
        lambda folder: in_safetensors(**{"<s2>": rows(2, 1024)})(folder), "diffusers", "<s2>", "sd21-base"
    ),
    "diffusers for SDXL": Peer(write_diffusers_sdxl, "diffusers", TOKEN, "sdxl"),
    "diffusers' advanced script": Peer(
        in_safetensors(clip_l=rows(), clip_g=rows(2, 1280)), "SDXL", "<neko>", "sdxl"
    ),
    "diffusers' advanced script for SD": Peer(in_safetensors(clip_l=rows()), "SDXL", "<neko>", "sd15"),
    "sd-concepts-library": Peer(write_concepts_library, "sd-concepts-library", "<cat-toy>", "sd15", count=1),
    "kohya": Peer(in_safetensors(MODELSPEC, emb_params=rows(2, 1024)), "emb_params", "<neko>", "sd21-base"),
    "kohya .pt": Peer(saved({"emb_params": rows()}), "emb_params", "<neko>", "sd15"),
    "kohya, bfloat16": Peer(in_safetensors(emb_params=rows().bfloat16()), "emb_params", "<neko>", "sd15"),
    "OneTrainer": Peer(in_safetensors(emp_params=rows()), "OneTrainer", "<neko>", "sd15"),
    "OneTrainer, with outputs": Peer(
        in_safetensors(emp_params=rows(), emp_params_out=rows(1)), "OneTrainer", "<neko>", "sd15"
    ),
    "OneTrainer for SDXL": Peer(
        in_safetensors(clip_l=rows(), clip_g=rows(2, 1280), clip_g_out=rows(2, 1280)),
        "SDXL",
        "<neko>",
        "sdxl",
    ),
    "in a LoRA": Peer(
        in_safetensors(
            **{
                "lora_unet_a__lora_down__weight": torch.ones(4, 4),
                "bundle_emb__neko__string_to_param__*": rows(),
            }
        ),
        "LoRA",
        "<neko>",
        "sd15",
    ),
    "in a LoRA for SDXL": Peer(
        in_safetensors(
            lora_te1_a__alpha=torch.ones(1),
            bundle_emb__Neko__clip_l=rows(),
            bundle_emb__Neko__clip_g=rows(2, 1280),
            bundle_emb__Neko__clip_l_out=rows(),
        ),
        "LoRA",
        "<neko>",
        "sdxl",
    ),
}


@pytest.mark.parametrize("name", PEERS)
def test_a_file_of_another_program_is_read(tmp_path: Path, name: str) -> None:
    peer = PEERS[name]
    embedding = read_embedding(peer.write(tmp_path))
    assert embedding.source == peer.source
    concept = to_concept(embedding)
    assert (concept.token, concept.kind, concept.base.id) == (peer.token, peer.kind, peer.base)
    assert concept.num_vectors == peer.count
    for rows_read, width in zip(concept.vectors.values(), concept.base.widths.values(), strict=True):
        expected = rows(peer.count, width)
        if "half" in name or "bfloat16" in name:
            expected = expected.to(torch.bfloat16 if "bfloat16" in name else torch.float16).float()
        assert torch.equal(rows_read, expected)
    assert concept.training == ({} if peer.steps is None else {"steps": peer.steps})
    assert any("_out" in str(remark) for remark in embedding.remarks) == (
        name == "OneTrainer, with outputs" or name == "OneTrainer for SDXL"
    )


def test_either_file_of_a_pair_brings_the_other(tmp_path: Path) -> None:
    write_diffusers_sdxl(tmp_path)
    for name in ("learned_embeds.safetensors", "learned_embeds_2.safetensors"):
        assert to_concept(read_embedding(tmp_path / name)).base == SDXL


def test_files_that_are_no_pair_are_told_apart(tmp_path: Path) -> None:
    save_file({TOKEN: rows()}, tmp_path / "learned_embeds.safetensors")
    save_file({"<other>": rows(2, 1280)}, tmp_path / "learned_embeds_2.safetensors")
    with pytest.raises(ConceptError, match="hold different words"):
        read_embeddings(tmp_path)


def test_a_half_of_a_pair_alone_says_what_it_may_be(tmp_path: Path) -> None:
    save_file({TOKEN: rows(1, 1280)}, tmp_path / "learned_embeds_2.safetensors")
    with pytest.raises(ConceptError, match="second half .* or a word for the paper's own model"):
        to_concept(read_embedding(tmp_path))


def test_several_words_in_a_file_are_all_read(tmp_path: Path) -> None:
    paper = saved({"string_to_token": {}, "string_to_param": parameter_dict(cat=rows(1), dog=rows(2))})
    found = read_embeddings(paper(tmp_path))
    assert [to_concept(each).token for each in found] == ["<cat>", "<dog>"]
    assert list(map(str, found[0].remarks)) == ["The file holds 2 words: cat, dog."]
    bundle = in_safetensors(bundle_emb__cat__clip_l=rows(), bundle_emb__dog__emb_params=rows(1))
    found = read_embeddings(bundle(tmp_path))
    assert [(each.name, len(each.vectors["clip_l"])) for each in found] == [("cat", 2), ("dog", 1)]


def test_words_that_share_numbers_are_read_each_by_itself(tmp_path: Path) -> None:
    numbers = rows(3)
    words = {"cat": numbers[:2], "dog": numbers[1:]}
    cat, dog = read_embeddings(saved({"string_to_param": words})(tmp_path))
    assert torch.equal(cat.vectors["clip_l"], words["cat"])
    assert torch.equal(dog.vectors["clip_l"], words["dog"])


def test_a_folder_gives_every_word_in_it_once(tmp_path: Path) -> None:
    write_embedding(concept_of(SD1), tmp_path, "a1111-pt")
    write_embedding(concept_of(SD1), tmp_path, "kohya")
    write_embedding(concept_of(SD1, 1, token="<our-dog>"), tmp_path, "a1111-pt")
    write_embedding(concept_of(SD1, 4), tmp_path, "a1111-png")  # skipped, because there are other files
    save_file({"lora_a.lora_up.weight": torch.ones(2)}, tmp_path / "lora.safetensors")
    found = read_embeddings(tmp_path)
    assert sorted(to_concept(each).token for each in found) == [TOKEN, "<our-dog>"]
    [remark] = [remark for each in found for remark in each.remarks]
    assert str(remark).startswith("lora.safetensors ")


def test_a_folder_of_many_words_gives_all_or_none(tmp_path: Path) -> None:
    for number in range(60):
        save_file({f"<word-{number}>": rows(seed=number)[0]}, tmp_path / f"{number}.safetensors")
    assert len(read_embeddings(tmp_path)) == 60
    for number in range(60, 257):
        (tmp_path / f"{number}.safetensors").touch()
    with pytest.raises(ConceptError, match="holds 257 embedding files: choose a folder of at most 256"):
        read_embeddings(tmp_path)


def test_a_folder_without_words_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConceptError, match="holds no embedding file"):
        read_embeddings(tmp_path)
    save_file({"lora_a.lora_up.weight": torch.ones(2)}, tmp_path / "lora.safetensors")
    with pytest.raises(ConceptError, match=r"lora\.safetensors .* LoRA without any words"):
        read_embeddings(tmp_path)
    with pytest.raises(ConceptError, match="There is no file"):
        read_embeddings(tmp_path / "nowhere.pt")


def test_a_native_folder_is_read_whole(tmp_path: Path) -> None:
    concept = concept_of(SDXL, training={"steps": 400, "seed": 3})
    save_concept(concept, tmp_path)
    read = to_concept(read_embedding(tmp_path))
    assert same_vectors(read, concept) and (read.training, read.base) == (concept.training, SDXL)
    description = json.loads((tmp_path / "concept.json").read_text(encoding="utf-8"))
    for base in (
        {"id": 7},
        {"id": "a\nb"},
        {"widths": {"clip_l": 768, "clip_g": "wide"}},
        {"fingerprint": []},
    ):
        damaged = {**description, "base": {**description["base"], **base}}
        (tmp_path / "concept.json").write_text(json.dumps(damaged), encoding="utf-8")
        with pytest.raises(ConceptError):
            read_embeddings(tmp_path)
    damaged = {**description, "training": {"note": "\ud800"}}
    (tmp_path / "concept.json").write_text(json.dumps(damaged), encoding="utf-8")
    with pytest.raises(ConceptError, match="What it says of its training is damaged"):
        read_embeddings(tmp_path)


@pytest.mark.parametrize(
    "facts", ["", "[", "[]", "{}", '{"steps": null}', "[" * 100_000, '{"steps": 1, "token": 5, "kind": "x"}']
)
def test_damaged_facts_of_ours_are_left_out(tmp_path: Path, facts: str) -> None:
    write = in_safetensors({"one-word": facts}, emb_params=rows())
    embedding = read_embedding(write(tmp_path))
    assert embedding.base is None and embedding.kind is None and to_concept(embedding).token == "<neko>"


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_vectors_of_a_strange_length_are_remarked_on(tmp_path: Path, factor: float) -> None:
    [remark] = read_embedding(in_safetensors(emb_params=rows() * factor)(tmp_path)).remarks
    assert "long, unlike those of other words" in str(remark) and in_japanese(remark)


def test_content_counts_and_not_the_name(tmp_path: Path) -> None:
    for layout in ("a1111-pt", "a1111-png", "kohya"):
        [file] = write_embedding(concept_of(SD1), tmp_path / layout, layout)
        copy = shutil.copy(file, tmp_path / "word.dat")
        assert same_vectors(to_concept(read_embedding(Path(copy))), concept_of(SD1))


@pytest.mark.parametrize("layout", ["diffusers", "diffusers-bin", "a1111-pt", "kohya"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_file_cut_anywhere_is_a_concept_error(tmp_path: Path, layout: Layout, share: float) -> None:
    [file, *_] = write_embedding(concept_of(SD1), tmp_path / "out", layout)
    target = tmp_path / file.name
    target.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(ConceptError):
        read_embeddings(target)


def test_a_card_cut_in_its_pixels_still_has_its_text(tmp_path: Path) -> None:
    [file] = write_embedding(concept_of(SD1), tmp_path, "a1111-png")
    data = file.read_bytes()
    file.write_bytes(data[: data.index(b"IDAT") + 400])
    assert same_vectors(to_concept(read_embedding(file)), concept_of(SD1))
    file.write_bytes(data[: data.index(b"IDAT") - 400])
    with pytest.raises(ConceptError, match="damaged picture"):
        read_embedding(file)


@pytest.mark.parametrize("text", ["***", base64.b64encode(b'{"string_to_param": {').decode()])
def test_a_card_of_which_both_copies_are_damaged_is_refused(tmp_path: Path, text: str) -> None:
    info = PngInfo()
    info.add_text("sd-ti-embedding", text)
    Image.effect_noise((96, 96), 80).save(tmp_path / "card.png", pnginfo=info)
    with pytest.raises(ConceptError, match="The data in the picture is damaged"):
        read_embedding(tmp_path / "card.png")


@pytest.mark.parametrize("key", ["<v1.5-cat>", "mr. cat", "v1.5"])
def test_a_word_may_have_a_dot(tmp_path: Path, key: str) -> None:
    torch.save({key: rows()}, tmp_path / "neko.bin")
    embedding = read_embedding(tmp_path / "neko.bin")
    assert (embedding.name, embedding.source) == (key, "diffusers")
    assert same_vectors(to_concept(embedding, base=SD1), concept_of(SD1, vectors={"clip_l": rows()}))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("te.text_model.position", "whole text encoder"),
        ("unet.to_q.lora_A", "LoRA without any words"),
        ("model.diffusion_model.out", "whole model"),
        ("linear.weight", "'linear.weight', as no embedding format does"),
        ("norm.bias", "'norm.bias', as no embedding format does"),
    ],
)
def test_one_part_of_a_model_is_no_word(tmp_path: Path, key: str, message: str) -> None:
    torch.save({key: rows()}, tmp_path / "neko.bin")
    with pytest.raises(ConceptError, match=message):
        read_embedding(tmp_path / "neko.bin")


def test_numbers_that_are_not_those_saved_are_refused(tmp_path: Path) -> None:
    file = saved({TOKEN: rows()})(tmp_path)
    data = file.read_bytes()
    at = data.index(rows().numpy().tobytes())
    file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(ConceptError, match="damaged"):
        read_embedding(file)


def test_a_text_with_many_brackets_is_no_tensor(tmp_path: Path) -> None:
    text = "[" * 100_000 + '"\\' + "[" * 100_000
    assert same_vectors(
        to_concept(read_embedding(in_safetensors({"tags": text}, emb_params=rows())(tmp_path))),
        concept_of(SD1, vectors={"clip_l": rows()}),
    )


def test_xti_has_sixteen_layers() -> None:
    assert len(XTI) == 16


# --- from a file to a concept -----------------------------------------------------------------------------


def embedding_of(vectors: dict[str, torch.Tensor], **fields: Any) -> Embedding:
    return Embedding(vectors, "test", **{"name": "cat", **fields})


def test_what_is_given_goes_before_what_the_file_says() -> None:
    embedding = embedding_of({"clip_l": rows()}, kind="style", model="some-model")
    assert not embedding.base_is_guessed
    concept = to_concept(embedding, token="Our Tiger", base=SD1, kind="object")
    assert (concept.token, concept.kind, concept.base) == ("<our-tiger>", "object", SD1)
    kept = to_concept(embedding)
    assert (kept.token, kept.kind, kept.base.id) == ("<cat>", "style", "some-model")
    assert to_concept(embedding_of({"clip_l": rows()})).kind == "object"


def test_a_model_that_is_a_preset_is_called_so_if_the_widths_are_its_own() -> None:
    def base_of(model: str, width: int = 768) -> str:
        return to_concept(embedding_of({"clip_l": rows(1, width)}, model=model)).base.id

    assert base_of("stable-diffusion-v1-5/stable-diffusion-v1-5") == base_of("sd15") == "sd15"
    assert base_of("runwayml/stable-diffusion-v1-5") == "sd15", "its former repository"
    assert base_of("hakurei/waifu-diffusion") == "waifu"
    assert base_of("sdxl") == "sd15"
    assert base_of("", 256) == "toybox"


@pytest.mark.parametrize(
    ("name", "file_name", "token"),
    [
        ("<our-cat>", "x", "<our-cat>"),
        ("猫", "Our Cat", "<our-cat>"),
        ("*", "neko", "<neko>"),
        ("", "a", "<a>"),
    ],
)
def test_a_word_without_a_name_is_called_as_its_file(name: str, file_name: str, token: str) -> None:
    assert to_concept(embedding_of({"clip_l": rows()}, name=name, file_name=file_name)).token == token


def test_a_word_that_nothing_names_asks_for_one() -> None:
    with pytest.raises(TokenNameError, match="cannot become a token"):
        to_concept(embedding_of({"clip_l": rows()}, name="猫", file_name="犬"))


@pytest.mark.parametrize(
    ("vectors", "base", "message"),
    [
        (
            {"clip_l": 768},
            SD2,
            r"vectors of 768 numbers, but sd21 \(sd2\) takes 1024: .* of Stable Diffusion 1\.",
        ),
        ({"clip_h": 1024}, SD1, r"takes 768: choose a model of Stable Diffusion 2\."),
        ({"clip_l": 768}, SDXL, r"takes 768 \+ 1280: choose a model of Stable Diffusion 1\."),
        ({"clip_l": 768, "clip_g": 1280}, SD1, r"768 \+ 1280 .* choose a model of Stable Diffusion XL\."),
        ({"clip_l": 256}, SD1, "choose the model that it was learned on"),
    ],
)
def test_a_concept_that_does_not_fit_names_the_family_that_would(
    vectors: dict[str, int], base: BaseModel, message: str
) -> None:
    embedding = embedding_of({name: rows(1, width) for name, width in vectors.items()})
    with pytest.raises(IncompatibleConceptError, match=message) as error:
        to_concept(embedding, base=base)
    assert in_japanese(error.value)


def test_an_unknown_width_asks_for_the_base_model_and_fits_one_that_has_it() -> None:
    embedding = embedding_of({"clip_l": rows(1, 48)})
    with pytest.raises(ConceptError, match="No known model takes vectors of 48 numbers"):
        to_concept(embedding)
    tiny = BaseModel("tiny", "sd2", {"clip_h": 48})
    assert to_concept(embedding, base=tiny).vectors.keys() == {"clip_h"}


def test_base_models_are_known_by_preset_family_and_repository() -> None:
    assert find_base_model("sd1") == find_base_model("sd15") == SD1
    assert find_base_model("sd2").widths == {"clip_h": 1024} and find_base_model("sdxl") == SDXL
    assert find_base_model("toybox").widths == {"clip_l": 256}
    assert [find_base_model(preset.source).id for preset in PRESETS] == [preset.name for preset in PRESETS]
    with pytest.raises(ModelError, match="There is no base model called sd9: choose sd1, sd2, sdxl, toybox"):
        find_base_model("sd9")


# --- diffusers reads what is written, and draws the same --------------------------------------------------

PROMPT, SEED, STEPS = f"a photo of {TOKEN}", 7, 3
LEVELS = 1  # tolerated difference of a colour, of 255: both compute in float32, in a different order
Load = Callable[[Any, Path], None]


def loaded_whole(pipeline: Any, path: Path) -> None:
    pipeline.load_textual_inversion(path)


def loaded_under_a_token(pipeline: Any, path: Path) -> None:
    pipeline.load_textual_inversion(path, token=TOKEN)


def loaded_by_halves(pipeline: Any, path: Path) -> None:
    """Load a file of clip_l and clip_g, which diffusers needs one by one."""
    tensors = load_file(path)
    pipeline.load_textual_inversion(tensors["clip_l"], token=TOKEN)
    parts = {"text_encoder": pipeline.text_encoder_2, "tokenizer": pipeline.tokenizer_2}
    pipeline.load_textual_inversion(tensors["clip_g"], token=TOKEN, **parts)


def loaded_as_a_pair(suffix: str) -> Load:
    def load(pipeline: Any, folder: Path) -> None:
        pipeline.load_textual_inversion(folder, weight_name=f"learned_embeds{suffix}")
        parts = {"text_encoder": pipeline.text_encoder_2, "tokenizer": pipeline.tokenizer_2}
        pipeline.load_textual_inversion(folder, weight_name=f"learned_embeds_2{suffix}", **parts)

    return load


READERS: list[tuple[Family, Layout, Load]] = [
    *(("sd1", layout, loaded_whole) for layout in ("native", "diffusers", "diffusers-bin")),
    *(("sd1", layout, loaded_under_a_token) for layout in ("a1111-pt", "a1111-safetensors", "kohya")),
    *(("sd2", layout, loaded_whole) for layout in ("diffusers", "diffusers-bin")),
    ("sd2", "a1111-pt", loaded_under_a_token),
    ("sdxl", "native", loaded_as_a_pair(".safetensors")),
    ("sdxl", "diffusers", loaded_as_a_pair(".safetensors")),
    ("sdxl", "diffusers-bin", loaded_as_a_pair(".bin")),
    ("sdxl", "sdxl", loaded_by_halves),
    ("sdxl", "kohya", loaded_by_halves),
]


@pytest.mark.slow
@pytest.mark.parametrize(("family", "layout", "load"), READERS)
def test_diffusers_reads_a_layout_and_draws_the_same_picture(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    backbones: dict[Family, Backbone],
    family: Family,
    layout: Layout,
    load: Load,
) -> None:
    from diffusers import DiffusionPipeline

    backbone = backbones[family]
    concept = concept_of(backbone.base, 2)
    files = write_embedding(concept, tmp_path, layout)
    is_folder = layout in ("native", "diffusers", "diffusers-bin")
    pipeline = DiffusionPipeline.from_pretrained(request.getfixturevalue(f"tiny_{family}"))
    pipeline.set_progress_bar_config(disable=True)
    load(pipeline, tmp_path if is_folder else files[0])

    def drawn_by_diffusers(prompt: str) -> np.ndarray:
        generator = torch.Generator().manual_seed(SEED)
        arguments = {"num_inference_steps": STEPS, "guidance_scale": 5.0, "generator": generator}
        return np.asarray(pipeline(prompt, **arguments).images[0], dtype=int)

    settings = GenerationSettings(
        PROMPT, count=1, steps=STEPS, guidance_scale=5.0, scheduler="ddim", seed=SEED
    )
    [ours] = generate(backbone, settings, [concept])
    theirs = drawn_by_diffusers(PROMPT)
    assert np.abs(np.asarray(ours.image, dtype=int) - theirs).max() <= LEVELS
    other = drawn_by_diffusers(PROMPT.replace(TOKEN, "cat"))
    assert np.abs(other - theirs).max() > 10 * LEVELS, "The word changes nothing: mend this test."
