"""Rows for the frozen model: which pictures, with what noise, at which timestep; and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ti_core.model.backbone import Backbone, LatentPosterior
from ti_core.model.text_encoding import Conditioning

EVALUATION, INITIALIZATION = 2**32 - 1, 2**32 - 2  # stand where a step would in a seed; no run gets that far
WHOLE_SCHEDULE, MIDDLE = (0.0, 1.0), (0.25, 0.75)  # shares of the noise schedule's timesteps
MIN_PASS_ROWS = 8  # rows of a pass without gradients, where the batch size is not larger


@dataclass(frozen=True)
class TrainingData:
    """The pictures as training uses them, computed once: n of them, or 2n with their mirror images.

    ``posterior`` (n, c, h, w); ``mask`` (n, 1, h, w) or None; ``prompts`` the sentences of each picture.
    """

    posterior: LatentPosterior
    mask: torch.Tensor | None
    prompts: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True)
class Rows:
    """Rows of one run for one forward pass."""

    pictures: torch.Tensor  # (b,)
    latents: torch.Tensor  # (b, c, h, w)
    noise: torch.Tensor  # (b, c, h, w)
    timesteps: torch.Tensor  # (b,)
    choice: torch.Tensor  # (b,) in [0, 1): which of a picture's sentences

    def __len__(self) -> int:
        return len(self.timesteps)

    def __getitem__(self, part: slice) -> Rows:
        return Rows(
            self.pictures[part], self.latents[part], self.noise[part], self.timesteps[part], self.choice[part]
        )


def seeded_generator(seed: int, *key: int) -> torch.Generator:
    """A CPU generator that depends on seed and key alone, so that draws are the same on every device.

    A number of the key must be below 2**32: a larger one is read as two.
    """
    [mixed] = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


def noisy_rows(
    backbone: Backbone,
    data: TrainingData,
    pictures: torch.Tensor,
    generator: torch.Generator,
    span: tuple[float, float] = WHOLE_SCHEDULE,
    bias: float = 0.0,
) -> Rows:
    """Noise the given pictures; timesteps are spread evenly over the span, one at random in each part, or as
    ``bias`` has it (:attr:`ti_core.config.TrainingConfig.timestep_bias`).
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
    """Evenly distributed numbers of 0..1, moved so that u comes 1 - bias * cos(pi * u) times as often."""
    if bias == 0:
        return shares
    places = np.linspace(0, 1, 1001)
    passed = places - bias * np.sin(np.pi * places) / np.pi  # the share of them that lies below
    return torch.from_numpy(np.interp(shares.numpy(), passed, places)).to(shares.dtype)


def rows_in_turn(
    backbone: Backbone,
    data: TrainingData,
    count: int,
    generator: torch.Generator,
    span: tuple[float, float] = WHOLE_SCHEDULE,
    bias: float = 0.0,
) -> Rows:
    """``count`` rows of the pictures in turn."""
    return noisy_rows(backbone, data, torch.arange(count) % len(data), generator, span, bias)


def predictions_for(
    backbone: Backbone, rows: Rows, conditioning: Conditioning, batch_size: int
) -> torch.Tensor:
    """The predictions for the rows (b, c, h, w), all under one conditioning (1, ...).

    In passes of ``batch_size`` rows or :data:`MIN_PASS_ROWS`, of one where memory is short.
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
    """The mean error of each row (b,), over the masked part if there is a mask."""
    if mask is None:
        return errors.mean((1, 2, 3))
    weight = mask.expand_as(errors)
    return (errors * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1e-6)
