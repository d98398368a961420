"""What a training run is asked to do; a bad value is refused before any model loads."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ti_core.errors import ConfigError
from ti_core.messages import choice, either, series, setting
from ti_core.prompts.names import token_for_name
from ti_core.prompts.templates import Kind

KINDS: tuple[Kind, ...] = ("object", "style")
MAX_VECTORS = 75
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one run of textual inversion (arXiv 2208.01618).

    Raises :class:`ConfigError` (or :class:`TokenNameError` for ``token``) when made with a value
    that cannot work.
    """

    token: str
    """The new word, ``<our-cat>``; a plain name is turned into one."""
    kind: Kind = "object"
    initializer: str = "auto"
    """A word or phrase whose embedding is the start, or ``auto`` for the best-fitting known word."""
    vectors: int = 1
    """Embedding vectors the word consists of, 1 to 75."""
    steps: int = 300
    """Optimisation steps at most."""
    batch_size: int = 4
    """Rows per forward pass."""
    gradient_accumulation: int = 1
    """Forward passes per step."""
    learning_rate: float | None = None
    """Adam's step size; None is the model's own, scaled to its vocabulary: 5e-3, the usual rate, on SD 1."""
    lr_schedule: Literal["constant", "linear", "cosine"] = "cosine"
    lr_warmup_steps: int = 10
    max_grad_norm: float | None = None
    """Clip the gradient of each text encoder's vectors to this norm."""
    norm_control: Literal["free", "fixed"] = "free"
    """``fixed`` keeps each vector at the vocabulary's mean norm (as arXiv 2512.13672)."""
    snr_gamma: float | None = None
    """Min-SNR loss weighting with this gamma (arXiv 2303.09556)."""
    timestep_bias: float | None = None
    """-1 to 1: timestep t of T is trained on 1 - bias * cos(pi * t / T) times as often as without, above 0
    most where there is most noise (arXiv 2303.13495, importance sampling); None is the model's own for
    things, and 0 for styles."""
    flip: bool = False
    """Train on each picture's mirror image too."""
    use_mask: bool = True
    """Weigh the loss by the pictures' transparency where they have any."""
    gradient_checkpointing: bool = False
    """Less memory for more time."""
    stop: Literal["auto", "never"] = "auto"
    """``auto`` ends when the loss on the fixed evaluation batch has levelled (arXiv 2302.04841)."""
    stop_window: int = 6
    """The last evaluations, whose variance is compared with that of all, and of which the best is kept."""
    stop_threshold: float = 0.02
    """Stop below this share of the variance."""
    eval_every: int = 20
    """Steps between evaluations."""
    eval_rows: int = 16
    """Rows of the fixed evaluation batch."""
    preview_every: int = 0
    """Steps between preview pictures; 0 for none."""
    checkpoint_every: int = 25
    """Steps between saved states of a run on disk."""
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", token_for_name(self.token))
        _one_of("kind", self.kind, KINDS)
        _one_of("lr_schedule", self.lr_schedule, ("constant", "linear", "cosine"))
        _one_of("norm_control", self.norm_control, ("free", "fixed"))
        _one_of("stop", self.stop, ("auto", "never"))
        check_whole("vectors", self.vectors, 1, MAX_VECTORS)
        check_whole("steps", self.steps, 1, 1_000_000)
        check_whole("batch_size", self.batch_size, 1, 1024)
        check_whole("gradient_accumulation", self.gradient_accumulation, 1, 1024)
        check_whole("lr_warmup_steps", self.lr_warmup_steps, 0, 1_000_000)
        check_whole("stop_window", self.stop_window, 2, 10_000)
        check_whole("eval_every", self.eval_every, 1, 1_000_000)
        check_whole("eval_rows", self.eval_rows, 1, 1024)
        check_whole("preview_every", self.preview_every, 0, 1_000_000)
        check_whole("checkpoint_every", self.checkpoint_every, 1, 1_000_000)
        check_whole("seed", self.seed, 0, MAX_SEED)
        _positive("stop_threshold", self.stop_threshold)
        for name in ("learning_rate", "max_grad_norm", "snr_gamma"):
            if getattr(self, name) is not None:
                _positive(name, getattr(self, name))
        bias = self.timestep_bias
        is_number = isinstance(bias, int | float) and not isinstance(bias, bool)
        if bias is not None and not (is_number and -1 <= bias <= 1):
            raise ConfigError(
                "{name} is {value!r}: give a number from -1 to 1.", name=setting("timestep_bias"), value=bias
            )
        if not self.initializer.strip():
            raise ConfigError("The initial word is empty: give a word such as “cat”, or “auto”.")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict; the twin of :meth:`from_dict`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Raises :class:`ConfigError` for a setting that does not exist."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                "There is no training setting called {names}: remove it.", names=series(unknown)
            )
        return cls(**values)


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(
            "{name} is {value!r}: choose {choices}.",
            name=setting(name),
            value=value,
            choices=either(map(choice, choices)),
        )


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Raises :class:`ConfigError` unless ``value`` is a whole number from ``low`` to ``high``."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(
            "{name} is {value!r}: give a whole number from {low} to {high}.",
            name=setting(name),
            value=value,
            low=low,
            high=high,
        )


def _positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigError("{name} is {value!r}: give a number above 0.", name=setting(name), value=value)
