"""What every training loop here needs: a budget of time, checkpoints, and a line of progress now and then."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch


class Clock:
    """Training time over all resumes, as a share of the budget, and when to checkpoint and to report."""

    def __init__(self, minutes: float, checkpoint_minutes: float, elapsed: float = 0.0):
        self.budget = minutes * 60
        self.elapsed = elapsed
        self._last = self._saved = self._reported = time.monotonic()
        self._interval = checkpoint_minutes * 60

    def tick(self) -> float:
        """Advance to now; the share of the budget that is spent, up to 1."""
        now = time.monotonic()
        self.elapsed += now - self._last
        self._last = now
        return min(1.0, self.elapsed / self.budget)

    def should_save(self) -> bool:
        due = self._last - self._saved >= self._interval
        if due:
            self._saved = self._last
        return due

    def should_report(self, every: float = 20.0) -> bool:
        due = self._last - self._reported >= every
        if due:
            self._reported = self._last
        return due


def learning_rate_at(share: float, peak: float, step: int, decay_share: float, warmup: int = 100) -> float:
    """A short linear warm-up, then ``peak``, then a straight line down to 0 over the last ``decay_share`` of
    the budget (arXiv 2405.18392): a training that was to end can so be given a larger budget and go on."""
    return peak * min(1.0, (step + 1) / warmup) * min(1.0, (1 - share) / decay_share)


def save_checkpoint(path: Path, **content: object) -> None:
    """Write atomically: a kill leaves the previous checkpoint."""
    temporary = path.with_suffix(".partial")
    torch.save(content, temporary)
    os.replace(temporary, path)


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the hardware multiplies it (CUDA, AVX-512 BF16, AMX), else full precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or _cpu_has_bfloat16())


def _cpu_has_bfloat16() -> bool:
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


@torch.no_grad()
def update_average(averaged: torch.nn.Module, trained: torch.nn.Module, decay: float) -> None:
    """Exponential moving average of every weight, in place."""
    torch._foreach_lerp_(list(averaged.parameters()), list(trained.parameters()), 1 - decay)


def report(stage: str, clock: Clock, count: int, unit: str, detail: str) -> None:
    left = max(0.0, clock.budget - clock.elapsed) / 60
    speed = count / max(clock.elapsed, 1e-9)
    print(f"{stage}: {count:,} {unit}, {speed:.1f}/s, {left:.1f} min left, {detail}", flush=True)


def mean_and_clear(losses: list[torch.Tensor]) -> float:
    mean = torch.stack(losses).mean().item() if losses else float("nan")
    losses.clear()
    return mean
