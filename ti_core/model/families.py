"""The families of base models, and how a model's configuration reveals its family."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from ti_core.errors import ModelError
from ti_core.messages import template

Family = Literal["sd1", "sd2", "sdxl"]
"""The architecture of a model: Stable Diffusion 1, 2 (wider text encoder) or XL (two text encoders)."""
FAMILIES: tuple[Family, ...] = get_args(Family)
_PIPELINES: Mapping[str, Literal["sd", "sdxl"]] = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionImg2ImgPipeline": "sd",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLImg2ImgPipeline": "sdxl",
}


def read_family(folder: Path, name: str) -> Family:
    """The family of the model in a diffusers folder.

    Raises :class:`ModelError` if a configuration file is damaged, or as :func:`check_family`.
    """

    def shown(path: Path) -> str:
        return path.relative_to(folder).as_posix()

    def read(file: str) -> dict[str, Any]:
        path = folder / file
        try:
            content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except (OSError, ValueError) as error:
            raise ModelError(
                "{file} of {name} is damaged: fetch the model again.", file=shown(path), name=name
            ) from error
        if not isinstance(content, dict):
            raise ModelError(
                "{file} of {name} is damaged: fetch the model again.", file=shown(path), name=name
            )
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
    """The family of a model, determined from its configurations and not from its ``name``.

    ``has_encoder`` is whether the model has the first text encoder, which refiners lack. Raises
    :class:`ModelError` if the model cannot learn words here: another architecture, a refiner, another kind
    of noise, or a denoiser that takes more than noisy latents.
    """
    check_input(name, unet.get("in_channels", 4), unet.get("out_channels", 4))
    pipeline = _PIPELINES.get(class_name)
    if pipeline is None:
        raise ModelError(
            "{name} is a model of another kind ({kind}): choose a base model for text to picture, Stable "
            "Diffusion 1, 2 or XL.",
            name=name,
            kind=class_name or "unnamed",
        )
    if not has_encoder:
        raise ModelError(
            "{name} is a refiner, which only finishes pictures: choose a base model for text to picture, "
            "Stable Diffusion 1, 2 or XL.",
            name=name,
        )
    noise = scheduler.get("prediction_type", "epsilon")
    if noise not in ("epsilon", "v_prediction") or "EDM" in scheduler.get("_class_name", ""):
        raise ModelError(
            "{name} was trained with another kind of noise and cannot be used here: choose a base model for "
            "text to picture, Stable Diffusion 1, 2 or XL.",
            name=name,
        )
    if pipeline == "sdxl":
        return "sdxl"
    # The attention layers decide, not the prediction type: SD 2's base model predicts noise too, like SD 1.
    return "sd2" if unet.get("use_linear_projection") else "sd1"


_WRONG_INPUT = {  # keyed by the number of input channels besides the noisy latents
    1: template(
        "{name} is a model for depth maps: choose a base model for text to picture, Stable Diffusion 1, 2 "
        "or XL."
    ),
    3: template(
        "{name} is an upscaling model: choose a base model for text to picture, Stable Diffusion 1, 2 or XL."
    ),
    4: template(
        "{name} is a model that edits pictures by instructions: choose a base model for text to picture, "
        "Stable Diffusion 1, 2 or XL."
    ),
    5: template(
        "{name} is an inpainting model: choose a base model for text to picture, Stable Diffusion 1, 2 or XL."
    ),
}
_UNKNOWN_INPUT = template(
    "{name} is a model with another input: choose a base model for text to picture, Stable Diffusion 1, 2 "
    "or XL."
)


def check_input(name: str, in_channels: int, out_channels: int) -> None:
    """Raise :class:`ModelError` for a denoiser that takes more than the noisy latents it predicts."""
    extra = in_channels - out_channels
    if extra:
        raise ModelError(_WRONG_INPUT.get(extra, _UNKNOWN_INPUT), name=name)
