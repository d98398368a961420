"""Helpers that all training loops here share: a time budget, checkpoints and progress lines."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch


class Clock:
    """Measures training time over all resumes as a share of the budget; says when to save and to report.

    ``elapsed`` is the time in seconds that earlier runs have used.
    """

    def __init__(self, minutes: float, checkpoint_minutes: float, elapsed: float = 0.0):
        self.budget = minutes * 60
        self.elapsed = elapsed
        self._last = self._saved = self._reported = time.monotonic()
        self._interval = checkpoint_minutes * 60

    def tick(self) -> float:
        """Advance to the present; return the share of the budget that is spent, at most 1."""
        now = time.monotonic()
        self.elapsed += now - self._last
        self._last = now
        return min(1.0, self.elapsed / self.budget)

    def should_save(self) -> bool:
        """Whether a checkpoint is due; true once per interval."""
        due = self._last - self._saved >= self._interval
        if due:
            self._saved = self._last
        return due

    def should_report(self, every: float = 20.0) -> bool:
        """Whether a progress line is due; true once every ``every`` seconds."""
        due = self._last - self._reported >= every
        if due:
            self._reported = self._last
        return due


def learning_rate_at(share: float, peak: float, step: int, decay_share: float, warmup: int = 100) -> float:
    """Return the learning rate when ``share`` of the budget is spent.

    It has a short linear warm-up, is then ``peak``, and falls linearly to 0 over the last ``decay_share`` of
    the budget (arXiv 2405.18392). A finished training can therefore be continued with a larger budget.
    """
    return peak * min(1.0, (step + 1) / warmup) * min(1.0, (1 - share) / decay_share)


def save_checkpoint(path: Path, **content: object) -> None:
    """Write a checkpoint atomically: if the program is killed, the previous one remains."""
    temporary = path.with_suffix(".partial")
    torch.save(content, temporary)
    os.replace(temporary, path)


def mixed_precision(device: torch.device) -> torch.autocast:
    """Return an autocast to bfloat16, enabled only where hardware supports it (CUDA, AVX-512 BF16, AMX)."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or _cpu_has_bfloat16())


def _cpu_has_bfloat16() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@torch.no_grad()
def update_average(averaged: torch.nn.Module, trained: torch.nn.Module, decay: float) -> None:
    """Update the exponential moving average of every weight in place."""
    torch._foreach_lerp_(list(averaged.parameters()), list(trained.parameters()), 1 - decay)


def report(stage: str, clock: Clock, count: int, unit: str, detail: str) -> None:
    """Print a line of progress."""
    left = max(0.0, clock.budget - clock.elapsed) / 60
    speed = count / max(clock.elapsed, 1e-9)
    print(f"{stage}: {count:,} {unit}, {speed:.1f}/s, {left:.1f} min left, {detail}", flush=True)


def mean_and_clear(losses: list[torch.Tensor]) -> float:
    """Return the mean of the losses, NaN if there are none, and empty the list."""
    mean = torch.stack(losses).mean().item() if losses else float("nan")
    losses.clear()
    return mean
