"""The device and the precision that are fastest on this machine."""

from __future__ import annotations

import math
import time
from functools import lru_cache

import torch


def best_device() -> torch.device:
    """CUDA if available, otherwise Apple's MPS, otherwise the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@lru_cache
def fastest_dtype(device: torch.device) -> torch.dtype:
    """A half precision in which a convolution is clearly faster than in float32 and finite, else float32.

    bfloat16 is tried before float16, because it has the range of float32. On an accelerator the convolution
    is large enough to outweigh the launch of its kernel. Each precision is timed in alternation with float32,
    so that other load on the machine slows both: the same machine must give the same answer every time.
    """
    rows, channels, side, repeats = (8, 64, 32, 1) if device.type == "cpu" else (16, 320, 64, 10)
    picture = torch.randn(rows, channels, side, side, device=device)
    kernel = torch.randn(channels, channels, 3, 3, device=device)

    def seconds(dtype: torch.dtype) -> float:
        inputs = picture.to(dtype).contiguous(memory_format=torch.channels_last), kernel.to(dtype)
        start = time.perf_counter()
        for _ in range(repeats):
            result = torch.nn.functional.conv2d(*inputs, padding=1)
        finite = bool(torch.isfinite(result).all())  # reading the result waits for the device
        return time.perf_counter() - start if finite else math.inf

    for dtype in (torch.bfloat16, torch.float16):
        try:
            half, full = (
                min(times)
                for times in zip(*((seconds(dtype), seconds(torch.float32)) for _ in range(8)), strict=True)
            )
        except RuntimeError:  # the device does not support this precision
            continue
        if half < 0.85 * full:
            return dtype
    return torch.float32
