"""A ring buffer of rendered training samples on the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class Pool:
    """Samples whose parts are rows of several tensors; once it is full, new rows replace the oldest.

    ``capacity`` (rows) must be a multiple of the number of rows added at a time.
    """

    def __init__(self, capacity: int, device: torch.device):
        self.added = 0
        self._capacity, self._device = capacity, device
        self._kept: list[torch.Tensor] = []

    def add(self, rows: Sequence[torch.Tensor]) -> None:
        """Add n rows, one tensor (n, ...) for each part; shapes and dtypes must be the same every time."""
        if not self._kept:
            self._kept = [
                torch.empty((self._capacity, *tensor.shape[1:]), dtype=tensor.dtype, device=self._device)
                for tensor in rows
            ]
        place, count = self.added % self._capacity, len(rows[0])
        for kept, tensor in zip(self._kept, rows, strict=True):
            kept[place : place + count] = tensor.to(self._device)
        self.added += count

    def draw(self, count: int) -> list[torch.Tensor]:
        """Return ``count`` random rows of each tensor, the same rows of all."""
        chosen = torch.randint(min(self.added, self._capacity), (count,), device=self._device)
        return [kept[chosen] for kept in self._kept]
