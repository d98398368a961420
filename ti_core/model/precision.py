"""The device and the precision in which a model runs fastest on this machine."""

from __future__ import annotations

import math
import time
from functools import lru_cache

import torch


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@lru_cache
def fastest_dtype(device: torch.device) -> torch.dtype:
    """Float32, or the half precision that convolutions show to be clearly faster and finite here.

    bfloat16 is preferred to float16 where both are: its range is float32's. On an accelerator the work is
    large enough that the time is not that of starting it. A precision is timed in turn with float32, so that
    whatever else the machine does strikes both: the same machine has to give the same answer every time.
    """
    rows, channels, side, repeats = (8, 64, 32, 1) if device.type == "cpu" else (16, 320, 64, 10)
    picture = torch.randn(rows, channels, side, side, device=device)
    kernel = torch.randn(channels, channels, 3, 3, device=device)

    def seconds(dtype: torch.dtype) -> float:
        inputs = picture.to(dtype).contiguous(memory_format=torch.channels_last), kernel.to(dtype)
        start = time.perf_counter()
        for _ in range(repeats):
            result = torch.nn.functional.conv2d(*inputs, padding=1)
        finite = bool(torch.isfinite(result).all())  # also waits for the device
        return time.perf_counter() - start if finite else math.inf

    for dtype in (torch.bfloat16, torch.float16):
        try:
            half, full = (
                min(times)
                for times in zip(*((seconds(dtype), seconds(torch.float32)) for _ in range(8)), strict=True)
            )
        except RuntimeError:  # the device cannot compute in it
            continue
        if half < 0.85 * full:
            return dtype
    return torch.float32
