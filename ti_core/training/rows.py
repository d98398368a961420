"""Rows for the frozen model, and its predictions for them.

A row is one training example in a batch: a picture's latents, noise, and a timestep.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ti_core.model.backbone import Backbone, LatentPosterior
from ti_core.model.text_encoding import Conditioning

EVALUATION_KEY, INITIALIZATION_KEY = 2**32 - 1, 2**32 - 2  # for seeding in place of a step; above any step
ALL_TIMESTEPS, MIDDLE_TIMESTEPS = (0.0, 1.0), (0.25, 0.75)  # ranges, as shares of the noise schedule
MIN_PASS_ROWS = 8  # a pass without gradients has at least this many rows, even if the batch size is smaller


@dataclass(frozen=True)
class TrainingData:
    """The n pictures of a run, mirror images included, in the form that training needs.

    ``posterior`` is (n, c, h, w); ``mask`` is (n, 1, h, w) or None; ``prompts`` has the sentences for each
    picture.
    """

    posterior: LatentPosterior
    mask: torch.Tensor | None
    prompts: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True)
class Rows:
    """A batch of rows of one run, for one forward pass."""

    pictures: torch.Tensor  # (b,)
    latents: torch.Tensor  # (b, c, h, w)
    noise: torch.Tensor  # (b, c, h, w)
    timesteps: torch.Tensor  # (b,)
    choice: torch.Tensor  # (b,) in [0, 1), selects one of the picture's sentences

    def __len__(self) -> int:
        return len(self.timesteps)

    def __getitem__(self, part: slice) -> Rows:
        return Rows(
            self.pictures[part], self.latents[part], self.noise[part], self.timesteps[part], self.choice[part]
        )


def seeded_generator(seed: int, *key: int) -> torch.Generator:
    """A CPU generator that depends only on seed and key, so that it draws the same numbers for every device.

    Each number of the key must be below 2**32, because NumPy splits larger numbers in two.
    """
    [mixed] = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


def noisy_rows(
    backbone: Backbone,
    data: TrainingData,
    pictures: torch.Tensor,
    generator: torch.Generator,
    span: tuple[float, float] = ALL_TIMESTEPS,
    bias: float = 0.0,
) -> Rows:
    """Sample latents, noise and timesteps for the given pictures (b,).

    Timesteps are stratified: ``span`` is divided into b equal parts, and each row gets a random timestep from
    a different part. ``bias`` shifts them as :attr:`ti_core.config.TrainingConfig.timestep_bias` describes.
    """
    count, shape = len(pictures), data.posterior.mean.shape[1:]
    first, last = span
    parts = torch.randperm(count, generator=generator)
    within = torch.rand(count, generator=generator)
    shares = first + _biased((parts + within) / count, bias) * (last - first)
    spread = (shares * backbone.num_timesteps).long()
    timesteps = spread.clamp(max=backbone.num_timesteps - 1)  # parts + within may round up to count
    choice = torch.rand(count, generator=generator)
    noises = torch.randn(2, count, *shape, generator=generator).to(backbone.device)
    chosen = pictures.to(backbone.device)
    posterior = LatentPosterior(data.posterior.mean[chosen], data.posterior.std[chosen])
    return Rows(pictures, posterior.sample(noises[0]), noises[1], timesteps.to(backbone.device), choice)


def _biased(shares: torch.Tensor, bias: float) -> torch.Tensor:
    """Map uniform numbers in [0, 1] to numbers with the density 1 - bias * cos(pi * u)."""
    if bias == 0:
        return shares
    places = np.linspace(0, 1, 1001)
    cumulative = places - bias * np.sin(np.pi * places) / np.pi  # the integral of the density
    return torch.from_numpy(np.interp(shares.numpy(), cumulative, places)).to(shares.dtype)


def rows_in_turn(
    backbone: Backbone,
    data: TrainingData,
    count: int,
    generator: torch.Generator,
    span: tuple[float, float] = ALL_TIMESTEPS,
    bias: float = 0.0,
) -> Rows:
    """Sample ``count`` rows, as :func:`noisy_rows` does, going through the pictures in order."""
    return noisy_rows(backbone, data, torch.arange(count) % len(data), generator, span, bias)


def predictions_for(
    backbone: Backbone, rows: Rows, conditioning: Conditioning, batch_size: int
) -> torch.Tensor:
    """The denoiser's predictions (b, c, h, w) for the rows, all with the same conditioning (1, ...).

    A pass has ``batch_size`` rows but at least :data:`MIN_PASS_ROWS`, or one row if memory is scarce.
    """

    def predict() -> torch.Tensor:
        most = 1 if backbone.memory.level == "least" else max(batch_size, MIN_PASS_ROWS)
        predictions = []
        for first in range(0, len(rows), most):
            part = rows[first : first + most]
            same = conditioning[torch.zeros(len(part), dtype=torch.long, device=backbone.device)]
            noisy = backbone.add_noise(part.latents, part.noise, part.timesteps)
            predictions.append(backbone.predict(noisy, part.timesteps, same))
        return torch.cat(predictions)

    return backbone.memory.with_fallback(predict)


def mask_of(data: TrainingData, rows: Rows) -> torch.Tensor | None:
    """The loss masks (b, 1, h, w) of the rows' pictures, if they have any."""
    return None if data.mask is None else data.mask[rows.pictures.to(data.mask.device)]


def masked_mean(errors: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The mean error (b,) of each row (b, c, h, w), weighted by its mask (b, 1, h, w) if there is one."""
    if mask is None:
        return errors.mean((1, 2, 3))
    weight = mask.expand_as(errors)
    return (errors * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1e-6)
