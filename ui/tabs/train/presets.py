"""Convert the form's settings to a configuration, and recognize presets."""

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
OWN = "own"  # stands for settings that match no preset
UNNAMED = "word"  # stands for a name that has not been entered yet

Values = Mapping[str, Any]
"""What the form's controls hold, by the field of the configuration."""


def read_config(values: Values) -> TrainingConfig:
    """Make the configuration from the form's values.

    Raises :class:`ConfigError` or :class:`TokenNameError` if a value is invalid.
    """
    return TrainingConfig(**{**values, **{name: values[name] or None for name in OPTIONAL}})


def read_unnamed_config(values: Values) -> TrainingConfig:
    """Make the configuration regardless of the name so far. Raises :class:`ConfigError` if it is invalid."""
    return read_config({**values, "token": UNNAMED})


def preset_of(values: Values) -> str:
    """Return the name of the preset that the values match, :data:`OWN` if they match none."""
    return next((name for name, preset in PRESETS.items() if preset.items() <= values.items()), OWN)
