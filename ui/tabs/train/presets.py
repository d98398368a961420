"""What the form's settings mean: the configuration that they make, and the presets among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ti_core.config import TrainingConfig

OPTIONAL = ("learning_rate", "max_grad_norm", "snr_gamma", "timestep_bias")
"""The fields for which the form has 0 where the configuration has None."""
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"steps": 100, "batch_size": 4, "stop": "never", "preview_every": 20},
    "balanced": {"steps": 300, "batch_size": 4, "stop": "auto", "preview_every": 40},
    "thorough": {"steps": 1000, "batch_size": 8, "stop": "auto", "preview_every": 160},
}
"""What each preset sets; the previews come with an evaluation, so that their vectors can be kept."""
PRESET_FIELDS = ("steps", "batch_size", "stop", "preview_every")
DEFAULT_PRESET = "balanced"
OWN = "own"  # in place of a preset, for settings that are none
UNNAMED = "word"  # stands for a name that is not written yet

Values = Mapping[str, Any]
"""What the form's controls hold, by the field of the configuration."""


def read_config(values: Values) -> TrainingConfig:
    """Make the configuration that the form's values stand for.

    Raises :class:`ConfigError` or :class:`TokenNameError` for a value that cannot work.
    """
    return TrainingConfig(**{**values, **{name: values[name] or None for name in OPTIONAL}})


def read_unnamed_config(values: Values) -> TrainingConfig:
    """Make the configuration, whatever the name so far. Raises :class:`ConfigError`."""
    return read_config({**values, "token": UNNAMED})


def preset_of(values: Values) -> str:
    """Name the preset that the values are, :data:`OWN` if they are none."""
    return next((name for name, preset in PRESETS.items() if preset.items() <= values.items()), OWN)
