"""The newest of what was rendered, kept on the device to train on."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class Pool:
    """Rows of some tensors that belong together; when it is full, the newest take the place of the oldest.

    ``capacity`` is a multiple of the rows that are added at a time.
    """

    def __init__(self, capacity: int, device: torch.device):
        self.added = 0
        self._capacity, self._device = capacity, device
        self._kept: list[torch.Tensor] = []

    def add(self, rows: Sequence[torch.Tensor]) -> None:
        """Keep tensors (n, ...), the same each time but for their values."""
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
        """``count`` rows of each tensor, at random, the same of all."""
        chosen = torch.randint(min(self.added, self._capacity), (count,), device=self._device)
        return [kept[chosen] for kept in self._kept]
