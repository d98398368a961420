"""Identify the model in a checkpoint file from the names and shapes of its tensors."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ti_core.errors import ModelError
from ti_core.model.families import Family, check_input

INPUT_KEY, OUTPUT_KEY = "model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.out.2.weight"
FAMILY_OF_ENCODER_KEY: Mapping[str, Family] = {  # a tensor that only this family's first text encoder has
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": "sd1",
    "cond_stage_model.model.token_embedding.weight": "sd2",
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": "sdxl",
}
REFINER_KEY = "conditioner.embedders.0.model.token_embedding.weight"
Shapes = Mapping[str, tuple[int, ...]]


def read_shapes(file: Path) -> Shapes:
    """Return the shape of every tensor in a checkpoint.

    Raises :class:`ModelError` if the file cannot be read, or not without running code that it contains.
    """
    try:
        if file.suffix.lower() == ".safetensors":
            with safe_open(file, framework="pt") as tensors:
                return {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        raise ModelError(
            "{file} holds more than weights, and loading it could run foreign code: choose the model as "
            ".safetensors, or as a diffusers folder.",
            file=file.name,
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, SafetensorError) as error:
        raise ModelError("{file} cannot be read as a checkpoint: fetch it again.", file=file.name) from error
    while isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise ModelError("{file} holds no checkpoint of a model: choose another file.", file=file.name)
    return {key: tuple(value.shape) for key, value in content.items() if isinstance(value, torch.Tensor)}


def family_of_shapes(name: str, shapes: Shapes) -> Family:
    """The family of the base model whose tensors have these names and shapes.

    Raises :class:`ModelError` if they are not those of a base model.
    """
    if INPUT_KEY not in shapes:
        raise ModelError(
            "{name} holds no whole Stable Diffusion model (perhaps a LoRA, an embedding, or another kind of "
            "model): choose a checkpoint of Stable Diffusion 1, 2 or XL.",
            name=name,
        )
    check_input(name, shapes[INPUT_KEY][1], shapes[OUTPUT_KEY][0] if OUTPUT_KEY in shapes else 4)
    family = next((family for key, family in FAMILY_OF_ENCODER_KEY.items() if key in shapes), None)
    if family is None:
        if REFINER_KEY in shapes:
            raise ModelError(
                "{name} is a refiner: choose a checkpoint of Stable Diffusion 1, 2 or XL.", name=name
            )
        raise ModelError(
            "{name} has no text encoder that is known: choose a checkpoint of Stable Diffusion 1, 2 or XL.",
            name=name,
        )
    return family
