"""Measure the time of a training step and its parts: ``python -m benchmarks.step``.

Times are in milliseconds per sample, medians of several steps, on the embedded model and on Stable Diffusion
1.5's architecture with random weights at 256 px. All parts are timed in one process, so their ratios can be
compared. Absolute times depend on the machine, which is printed first.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.machine import describe_machine
from benchmarks.random_models import random_model
from ti_core.model.backbone import Backbone, LatentPosterior
from ti_core.prompts.templates import OBJECT_TEMPLATES, fill_template

TOKEN = "<measured-thing>"
PARTS = ("encode", "text", "UNet forward", "backward", "optimiser")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=["toybox", "sd15-random", "both"], default="both")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(describe_machine())
    if options.model in ("toybox", "both"):
        toybox = Backbone.load("toybox")
        measure("toybox, 128 px", toybox, toybox.resolution, options.batch_sizes, options.repeats)
    if options.model in ("sd15-random", "both"):
        repeats = options.repeats if torch.cuda.is_available() else 1
        measure(
            "SD 1.5 architecture, 256 px", random_model("sd1", full=True), 256, options.batch_sizes, repeats
        )


def measure(title: str, backbone: Backbone, resolution: int, batch_sizes: list[int], repeats: int) -> None:
    """Print one table: a row for each batch size, with milliseconds per sample for each part."""
    print(f"\n{title}, {str(backbone.dtype).removeprefix('torch.')} on {backbone.device}, ms per sample")
    print(f"{'batch':>5} " + " ".join(f"{part:>12}" for part in PARTS) + f" {'step':>12}")
    for batch_size in batch_sizes:
        times = time_parts(backbone, resolution, batch_size, repeats)
        step = sum(times[part] for part in PARTS if part != "encode")
        cells = [*(times[part] for part in PARTS), step]
        print(
            f"{batch_size:>5} " + " ".join(f"{1000 * cell / batch_size:>12.1f}" for cell in cells), flush=True
        )
    print("(encode is paid once per picture, not in every step; “step” is the sum of the others)")


def time_parts(backbone: Backbone, resolution: int, batch_size: int, repeats: int) -> dict[str, float]:
    """Return the median seconds of each part of a step at one batch size, after one warm-up step."""
    pixels = torch.rand(batch_size, 3, resolution, resolution) * 2 - 1
    vectors = {
        name: rows.requires_grad_() for name, rows in backbone.vocabulary.initial_vectors("cat", 1).items()
    }
    optimizer = torch.optim.AdamW(vectors.values(), lr=1e-3)
    prompts = [
        fill_template(OBJECT_TEMPLATES[row % len(OBJECT_TEMPLATES)], TOKEN) for row in range(batch_size)
    ]
    times: dict[str, list[float]] = {part: [] for part in PARTS}

    def timed(part: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        torch.get_device_module(backbone.device).synchronize()
        times[part].append(time.perf_counter() - start)
        return result

    for _ in range(repeats + 1):
        posterior: LatentPosterior = timed("encode", lambda: backbone.encode_pictures(pixels))
        noise = torch.randn_like(posterior.mean)
        timesteps = torch.randint(0, backbone.num_timesteps, (batch_size,), device=backbone.device)
        noisy = backbone.add_noise(posterior.mean, noise, timesteps)
        conditioning = timed("text", lambda: backbone.encode_prompts(prompts, {TOKEN: vectors}))
        prediction = timed("UNet forward", partial(backbone.predict, noisy, timesteps, conditioning))
        loss = (prediction - noise).square().mean()
        timed("backward", loss.backward)
        timed("optimiser", optimizer.step)
        optimizer.zero_grad()
    return {part: statistics.median(values[1:]) for part, values in times.items()}


if __name__ == "__main__":
    main()
