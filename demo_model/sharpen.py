"""Train the autoencoder on: ``python -m demo_model.sharpen --start MODEL --minutes M --out DIR``.

The encoder is held near to the latents that it gave before: what denoiser and words know stays all but valid,
and a denoiser that is trained on follows. The decoder learns to draw the world's pictures from the latents,
and from these as the denoiser makes them anew out of some noise: where it leaves stains or blurs an edge, the
decoder learns what was meant. The same command resumes; the folder is an ordinary diffusers autoencoder at
every checkpoint.
"""

from __future__ import annotations

import argparse
import copy
from functools import partial
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from demo_model.autoencoder import (
    KL_WEIGHT,
    VALIDATION_SEED,
    divergence_of,
    reconstruction_loss,
    to_unit_range,
    validate_autoencoder,
)
from demo_model.loop import (
    Clock,
    learning_rate_at,
    mean_and_clear,
    mixed_precision,
    report,
    save_checkpoint,
    update_average,
)
from demo_model.pool import Pool
from demo_model.rendering import CHUNK_SIZE, Chunk, Renderer, render_chunk

AVERAGE_DECAY = 0.999
DRIFT_WEIGHT = 0.01
"""Of the squared drift of the latents, in standard deviations of their channel."""
REMADE_SHARE = 0.4
REMADE_FROM = (50, 350)  # timesteps: what is drawn is kept, and made anew in its details
REMAKING_STEPS = 3
POOL_CAPACITY = 200 * CHUNK_SIZE  # pictures
FIRST_PICTURES = 4 * CHUNK_SIZE  # before the first step
CHECKPOINT = "autoencoder.pt"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--start", type=Path, required=True, help="the exported model whose autoencoder it is"
    )
    parser.add_argument(
        "--minutes", type=float, required=True, help="training time in all, over every resume"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and of the export")
    parser.add_argument("--batch-size", type=int, default=32 if torch.cuda.is_available() else 8)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--decay-share", type=float, default=1.0, help="of the minutes, the last: rate to 0")
    parser.add_argument("--reuse", type=float, default=8.0, help="how often a rendered picture is trained on")
    parser.add_argument("--workers", type=int, default=1, help="rendering processes")
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pipeline = StableDiffusionPipeline.from_pretrained(options.start, dtype=torch.float32).to(device)
    with Renderer(partial(render_chunk, options.seed), options.workers) as renderer:
        sharpen(pipeline, renderer, options, device)


def sharpen(
    pipeline: StableDiffusionPipeline, renderer: Renderer, options: argparse.Namespace, device: torch.device
) -> None:
    """Train on whole pictures, some encoded anew and some from latents that the denoiser made anew."""
    start = pipeline.vae.requires_grad_(False).to(memory_format=torch.channels_last)
    vae, averaged = copy.deepcopy(start).requires_grad_(True), copy.deepcopy(start)
    optimizer = torch.optim.AdamW(vae.parameters(), betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    elapsed, step = 0.0, 0
    checkpoint = options.out / CHECKPOINT
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        vae.load_state_dict(saved["vae"])
        averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, step = saved["elapsed"], saved["step"]
        renderer.seek(saved["chunk"])
    torch.manual_seed(options.seed + step)
    validation = to_unit_range(render_chunk(VALIDATION_SEED, 0).pixels, device)
    with torch.no_grad():
        spread = start.encode(validation).latent_dist.mean.std((0, 2, 3))[:, None, None]  # (8, 1, 1)
    pool, wanted = Pool(POOL_CAPACITY, device), float(FIRST_PICTURES)
    losses: list[torch.Tensor] = []
    while pool.added < wanted:
        pool.add(with_latents(pipeline, renderer.take(), device))
    clock = Clock(options.minutes, options.checkpoint_minutes, elapsed)
    remade_rows = round(REMADE_SHARE * options.batch_size)

    def save() -> None:
        quality = f"validation {validate_autoencoder(averaged, validation):.2f} dB"
        report("autoencoder", clock, step * options.batch_size, "pictures", quality)
        save_checkpoint(
            checkpoint,
            vae=vae.state_dict(),
            averaged=averaged.state_dict(),
            optimizer=optimizer.state_dict(),
            elapsed=clock.elapsed,
            step=step,
            chunk=renderer.next_chunk,
        )
        exported = copy.deepcopy(averaged).half()
        exported.register_to_config(_name_or_path="")
        exported.save_pretrained(options.out)

    while (share := clock.tick()) < 1:
        wanted += options.batch_size / options.reuse
        while pool.added < wanted and renderer.ready:
            pool.add(with_latents(pipeline, renderer.take(), device))
        latents, remade, pixels = pool.draw(options.batch_size)
        pictures = to_unit_range(pixels, device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(share, options.learning_rate, step, options.decay_share)
        with mixed_precision(device):
            posterior = vae.encode(pictures[remade_rows:]).latent_dist
            drift = ((posterior.mean - latents[remade_rows:]) / spread).square().mean()
            drawn = vae.decode(torch.cat([remade[:remade_rows].float(), posterior.sample().float()])).sample
            loss = reconstruction_loss(drawn, pictures)
            loss = loss + KL_WEIGHT * divergence_of(posterior) + DRIFT_WEIGHT * drift
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step += 1
        update_average(averaged, vae, AVERAGE_DECAY)
        losses.append(loss.detach())
        if clock.should_report():
            detail = f"loss {mean_and_clear(losses):.4f}"
            report("autoencoder", clock, step * options.batch_size, "pictures", detail)
        if clock.should_save():
            save()
    save()


@torch.no_grad()
def with_latents(
    pipeline: StableDiffusionPipeline, chunk: Chunk, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Latents (n, 8, 16, 16) of the chunk's pictures, these made anew, and the pixels uint8 (n, 3, h, w)."""
    with mixed_precision(device):
        latents = pipeline.vae.encode(to_unit_range(chunk.pixels, device)).latent_dist.mean.float()
        remade = remake(pipeline, latents, [variants[0] for variants in chunk.captions])
    return latents.half(), remade.half(), torch.from_numpy(chunk.pixels)


def remake(pipeline: StableDiffusionPipeline, latents: torch.Tensor, captions: list[str]) -> torch.Tensor:
    """Latents (n, 8, 16, 16), after noise is added to them and the denoiser takes it away in a few steps."""
    scheduler: DDIMScheduler = pipeline.scheduler
    tokens = pipeline.tokenizer(
        captions, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    hidden = pipeline.text_encoder(tokens.to(latents.device)).last_hidden_state
    start = int(torch.randint(*REMADE_FROM, ()))
    timesteps = torch.linspace(start, 0, REMAKING_STEPS + 1).round().long().tolist()
    alphas = scheduler.alphas_cumprod.to(latents.device)
    noise = torch.randn_like(latents)
    starts = torch.full((len(latents),), start, device=latents.device)
    noisy: torch.Tensor = scheduler.add_noise(latents, noise, starts)
    for now, then in zip(timesteps, timesteps[1:], strict=False):
        velocity = pipeline.unet(noisy, now, hidden).sample.float()
        signal, spread = alphas[now].sqrt(), (1 - alphas[now]).sqrt()
        clean, noise = signal * noisy - spread * velocity, spread * noisy + signal * velocity
        noisy = clean if then == 0 else alphas[then].sqrt() * clean + (1 - alphas[then]).sqrt() * noise
    return noisy


if __name__ == "__main__":
    main()
