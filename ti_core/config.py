"""The settings of a training run, checked before any model is loaded."""

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
MAX_VECTORS = 75  # a word must fit into one chunk of a prompt
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of one run of textual inversion (arXiv 2208.01618).

    The constructor raises :class:`ConfigError` (or :class:`TokenNameError` for ``token``) for a value that
    cannot work.
    """

    token: str
    """The placeholder token of the new word, such as ``<our-cat>``; a plain name is converted to a token."""
    kind: Kind = "object"
    initializer: str = "auto"
    """The word or phrase whose embedding the vectors start from; ``auto`` chooses the best-fitting word."""
    vectors: int = 1
    """The number of embedding vectors of the word, 1 to 75."""
    steps: int = 300
    """The maximum number of optimisation steps."""
    batch_size: int = 4
    """Rows per forward pass."""
    gradient_accumulation: int = 1
    """Forward passes per step."""
    learning_rate: float | None = None
    """Adam's learning rate; None scales it to the model's embedding table (5e-3, the usual rate, on SD 1)."""
    lr_schedule: Literal["constant", "linear", "cosine"] = "cosine"
    lr_warmup_steps: int = 10
    max_grad_norm: float | None = None
    """The norm to which the gradient of each text encoder's vectors is clipped; None for no clipping."""
    norm_control: Literal["free", "fixed"] = "free"
    """``fixed`` keeps each vector at the mean norm of the embedding table (as in arXiv 2512.13672)."""
    snr_gamma: float | None = None
    """The gamma of min-SNR loss weighting (arXiv 2303.09556); None for no weighting."""
    timestep_bias: float | None = None
    """A bias from -1 to 1 on the timesteps that are sampled (importance sampling, arXiv 2303.13495).

    Timestep t of T is sampled 1 - bias * cos(pi * t / T) times as often as without bias; a bias above 0
    favours high noise. None is the model's own bias for objects, and 0 for styles.
    """
    flip: bool = False
    """Train on each picture's mirror image too."""
    use_mask: bool = True
    """Weight the loss by the opacity of pictures that have transparency."""
    gradient_checkpointing: bool = False
    """Use less memory but more time."""
    stop: Literal["auto", "never"] = "auto"
    """``auto`` ends when the loss on the fixed evaluation batch has levelled off (arXiv 2302.04841)."""
    stop_window: int = 6
    """The number of last evaluations whose variance is tested, and from which the best vectors are taken."""
    stop_threshold: float = 0.02
    """Stop if the variance of the last evaluations is below this share of the variance of all."""
    eval_every: int = 20
    """The number of steps between evaluations."""
    eval_rows: int = 16
    """The number of rows in the fixed evaluation batch."""
    preview_every: int = 0
    """The number of steps between preview pictures; 0 for none."""
    checkpoint_every: int = 25
    """The number of steps between saved states of a run on disk."""
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
        """Convert to a JSON-ready dict; :meth:`from_dict` is the inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Make a configuration from the dict of :meth:`to_dict`.

        Raises :class:`ConfigError` for a setting that does not exist, and as the constructor.
        """
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
    """Raise :class:`ConfigError` unless ``value`` is an integer from ``low`` to ``high``."""
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
