"""The families of base models, told by a model's configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from ti_core.errors import ModelError

Family = Literal["sd1", "sd2", "sdxl"]
"""Which pipeline a model is: Stable Diffusion 1, 2 (wider text encoder) or XL (two text encoders)."""
FAMILIES: tuple[Family, ...] = get_args(Family)
_PIPELINES: Mapping[str, Literal["sd", "sdxl"]] = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionImg2ImgPipeline": "sd",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLImg2ImgPipeline": "sdxl",
}
CHOOSE_BASE_MODEL = "choose a base model for text to picture, Stable Diffusion 1, 2 or XL."


def read_family(folder: Path, name: str) -> Family:
    """As :func:`check_family`, from the files of a diffusers folder."""

    def shown(path: Path) -> str:
        return path.relative_to(folder).as_posix()

    def read(file: str) -> dict[str, Any]:
        path = folder / file
        try:
            content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except (OSError, ValueError) as error:
            raise ModelError(f"{shown(path)} of {name} is damaged: fetch the model again.") from error
        if not isinstance(content, dict):
            raise ModelError(f"{shown(path)} of {name} is damaged: fetch the model again.")
        return content

    index = read("model_index.json")
    has_encoder = (index.get("text_encoder") or [None])[-1] is not None
    return check_family(
        name,
        str(index.get("_class_name", "")),
        read("unet/config.json"),
        read("scheduler/scheduler_config.json"),
        has_encoder,
    )


def check_family(
    name: str, class_name: str, unet: Mapping[str, Any], scheduler: Mapping[str, Any], has_encoder: bool
) -> Family:
    """The family that a model's configurations tell, whatever it is called.

    ``has_encoder`` is whether it has the first text encoder, which refiners lack. Raises :class:`ModelError`
    for what learns no words here: other architectures, refiners, denoisers that take more than noisy latents.
    """
    check_input(name, unet.get("in_channels", 4), unet.get("out_channels", 4))
    pipeline = _PIPELINES.get(class_name)
    if pipeline is None:
        raise ModelError(
            f"{name} is a model of another kind ({class_name or 'unnamed'}): {CHOOSE_BASE_MODEL}"
        )
    if not has_encoder:
        raise ModelError(f"{name} is a refiner, which only finishes pictures: {CHOOSE_BASE_MODEL}")
    noise = scheduler.get("prediction_type", "epsilon")
    if noise not in ("epsilon", "v_prediction") or "EDM" in scheduler.get("_class_name", ""):
        raise ModelError(
            f"{name} was trained with another kind of noise and cannot be used here: {CHOOSE_BASE_MODEL}"
        )
    if pipeline == "sdxl":
        return "sdxl"
    # Told by the denoiser's attention, not by what it predicts: SD 2's base model predicts noise, too.
    return "sd2" if unet.get("use_linear_projection") else "sd1"


def check_input(name: str, in_channels: int, out_channels: int) -> None:
    """Raises :class:`ModelError` for a denoiser that takes more than the noisy latents it predicts."""
    match in_channels - out_channels:
        case 0:
            return
        case 1:
            kind = "a model for depth maps"
        case 3:
            kind = "an upscaling model"
        case 4:
            kind = "a model that edits pictures by instructions"
        case 5:
            kind = "an inpainting model"
        case _:
            kind = "a model with another input"
    raise ModelError(f"{name} is {kind}: {CHOOSE_BASE_MODEL}")
