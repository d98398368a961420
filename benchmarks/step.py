"""What one training step costs and where it goes: ``python -m benchmarks.step``.

Milliseconds per sample, medians of several steps, on the embedded model and on Stable Diffusion 1.5's
architecture with random weights at 256 px. The parts are timed one after another in one process, so
their ratios can be compared; absolute times belong to the machine that is printed above them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from benchmarks.machine import describe_machine
from ti_core.backbone import Backbone, LatentPosterior, best_device, fastest_dtype
from ti_core.prompts import OBJECT_TEMPLATES, fill_template

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
        measure("SD 1.5 architecture, 256 px", random_sd15(), 256, options.batch_sizes, repeats)


def measure(title: str, backbone: Backbone, resolution: int, batch_sizes: list[int], repeats: int) -> None:
    """Print one table: a row for each batch size, milliseconds per sample for each part."""
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
    """Median seconds of each part of a step at one batch size, after one untimed step."""
    pixels = torch.rand(batch_size, 3, resolution, resolution) * 2 - 1
    vectors = {name: rows.requires_grad_() for name, rows in backbone.initial_vectors("cat", 1).items()}
    optimizer = torch.optim.AdamW(vectors.values(), lr=1e-3)
    prompts = [
        fill_template(OBJECT_TEMPLATES[row % len(OBJECT_TEMPLATES)], TOKEN) for row in range(batch_size)
    ]
    times: dict[str, list[float]] = {part: [] for part in PARTS}

    def timed(part: str, work: Callable):
        start = time.perf_counter()
        result = work()
        if backbone.device.type == "cuda":
            torch.cuda.synchronize()
        times[part].append(time.perf_counter() - start)
        return result

    for _ in range(repeats + 1):
        posterior: LatentPosterior = timed("encode", lambda: backbone.encode_pictures(pixels))
        noise = torch.randn_like(posterior.mean)
        timesteps = torch.randint(0, backbone.num_timesteps, (batch_size,), device=backbone.device)
        noisy = backbone.add_noise(posterior.mean, noise, timesteps)
        conditioning = timed("text", lambda: backbone.encode_prompts(prompts, {TOKEN: vectors}))
        prediction = timed(
            "UNet forward", lambda noisy=noisy, t=timesteps, c=conditioning: backbone.predict(noisy, t, c)
        )
        loss = (prediction - noise).square().mean()
        timed("backward", loss.backward)
        timed("optimiser", optimizer.step)
        optimizer.zero_grad()
    return {part: statistics.median(values[1:]) for part, values in times.items()}


def random_sd15() -> Backbone:
    """Stable Diffusion 1.5 at full size with random weights, and the embedded model's tokenizer."""
    torch.manual_seed(0)
    device = best_device()
    tokenizer = Backbone.load("toybox", device="cpu").sampler("text", "ddim").tokenizer
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        scaling_factor=0.18215,
    )
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return Backbone(pipeline, "sd15-random", device, fastest_dtype(device))


if __name__ == "__main__":
    main()
