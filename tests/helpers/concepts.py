"""Make concepts of every family, and files as other programs write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file

from ti_core.model.base import BaseModel
from ti_core.words.concept import Concept

SD1 = BaseModel("sd15", "sd1", {"clip_l": 768})
SD2 = BaseModel("sd21", "sd2", {"clip_h": 1024})
SDXL = BaseModel("sdxl", "sdxl", {"clip_l": 768, "clip_g": 1280})
TOKEN = "<our-cat>"


def make_concept(base: BaseModel = SD1, count: int = 1, **changes) -> Concept:
    """Make a concept with ``count`` random vectors; the result depends only on the arguments."""
    generator = torch.Generator().manual_seed(count)
    vectors = {name: torch.randn(count, width, generator=generator) for name, width in base.widths.items()}
    values = {
        "token": "<our-cat>",
        "vectors": vectors,
        "kind": "object",
        "base": base,
        "initializer": "cat",
        "training": {"steps": 400, "learning_rate": 5e-3},
    }
    return Concept(**{**values, **changes})


def rows(count: int = 2, width: int = 768, seed: int = 0) -> torch.Tensor:
    """Return random vectors (count, width) of plausible length."""
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) / 50


def concept_of(base: BaseModel, count: int = 2, **changes: Any) -> Concept:
    """Make a style whose only recorded fact is its steps, which every format can hold."""
    values: dict[str, Any] = {"base": base, "count": count, "kind": "style", "training": {"steps": 400}}
    return make_concept(**{**values, **changes})


def same_vectors(one: Concept, other: Concept) -> bool:
    """Whether the vectors are equal bit for bit, including the signs of zeros."""
    return one.vectors.keys() == other.vectors.keys() and all(
        one.vectors[name].numpy().tobytes() == other.vectors[name].numpy().tobytes() for name in one.vectors
    )


def write_diffusers_sdxl(folder: Path) -> Path:
    """Write the two files of a word for SDXL, as diffusers does; return the folder."""
    save_file({TOKEN: rows(2)}, folder / "learned_embeds.safetensors", {"format": "pt"})
    save_file({TOKEN: rows(2, 1280)}, folder / "learned_embeds_2.safetensors", {"format": "pt"})
    return folder


def write_concepts_library(folder: Path) -> Path:
    """Write a repository like those of sd-concepts-library; return its folder."""
    folder = folder / "cat-toy"
    (folder / "concept_images").mkdir(parents=True)
    torch.save({"<cat-toy>": rows(1)[0]}, folder / "learned_embeds.bin")
    (folder / "token_identifier.txt").write_text("<cat-toy>", encoding="utf-8")
    (folder / "type_of_concept.txt").write_text("object\n", encoding="utf-8")
    Image.new("RGB", (8, 8)).save(folder / "concept_images" / "0.jpeg")
    front = "---\nlicense: mit\nbase_model: stable-diffusion-v1-5/stable-diffusion-v1-5\n---\n### Cat toy\n"
    (folder / "README.md").write_text(front, encoding="utf-8")
    return folder
