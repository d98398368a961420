"""Fine-tune the autoencoder: ``python -m demo_model.sharpen --start MODEL --minutes M --out DIR``.

The encoder is kept close to its previous latents. The denoiser and learned words therefore remain almost
valid, and further training of the denoiser catches up. The decoder learns to reconstruct pictures from their
latents, and also from latents that were noised and denoised again. It thereby learns to correct the stains
and blurred edges that the denoiser leaves. The same command resumes a training. At every checkpoint the
folder is an ordinary diffusers autoencoder.
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
    kl_divergence,
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
"""Weight of the latents' squared drift, in standard deviations of their channel."""
REDENOISED_SHARE = 0.4  # of the decoder's latents were noised and denoised again
REDENOISED_FROM = (50, 350)  # range of the first timestep: what is drawn stays, but its details change
REDENOISING_STEPS = 3
POOL_CAPACITY = 200 * CHUNK_SIZE  # pictures
FIRST_PICTURES = 4 * CHUNK_SIZE  # rendered before the first training step
CHECKPOINT = "autoencoder.pt"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--start", type=Path, required=True, help="the exported model whose autoencoder is trained"
    )
    parser.add_argument(
        "--minutes", type=float, required=True, help="training time in all, over every resume"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and of the export")
    parser.add_argument("--batch-size", type=int, default=32 if torch.cuda.is_available() else 8)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument(
        "--decay-share", type=float, default=1.0, help="last share of the minutes: the rate falls to 0"
    )
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
    """Train on whole pictures, decoded partly from their latents and partly from redenoised latents."""
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
    redenoised_rows = round(REDENOISED_SHARE * options.batch_size)

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
        latents, redenoised, pixels = pool.draw(options.batch_size)
        pictures = to_unit_range(pixels, device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(share, options.learning_rate, step, options.decay_share)
        with mixed_precision(device):
            posterior = vae.encode(pictures[redenoised_rows:]).latent_dist
            drift = ((posterior.mean - latents[redenoised_rows:]) / spread).square().mean()
            sources = torch.cat([redenoised[:redenoised_rows].float(), posterior.sample().float()])
            loss = reconstruction_loss(vae.decode(sources).sample, pictures)
            loss = loss + KL_WEIGHT * kl_divergence(posterior) + DRIFT_WEIGHT * drift
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
    """Return a chunk's latents and redenoised latents, both (n, 8, 16, 16), and pixels uint8 (n, 3, h, w)."""
    with mixed_precision(device):
        latents = pipeline.vae.encode(to_unit_range(chunk.pixels, device)).latent_dist.mean.float()
        redenoised = redenoise(pipeline, latents, [variants[0] for variants in chunk.captions])
    return latents.half(), redenoised.half(), torch.from_numpy(chunk.pixels)


def redenoise(pipeline: StableDiffusionPipeline, latents: torch.Tensor, captions: list[str]) -> torch.Tensor:
    """Add noise to latents (n, 8, 16, 16) and remove it with the denoiser in a few DDIM steps."""
    scheduler: DDIMScheduler = pipeline.scheduler
    tokens = pipeline.tokenizer(
        captions, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    hidden = pipeline.text_encoder(tokens.to(latents.device)).last_hidden_state
    start = int(torch.randint(*REDENOISED_FROM, ()))
    timesteps = torch.linspace(start, 0, REDENOISING_STEPS + 1).round().long().tolist()
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
