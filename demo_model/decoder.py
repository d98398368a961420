"""Train the decoder on: ``python -m demo_model.decoder --start MODEL --minutes M --out DIR``.

The latents stay what they are, so the denoiser and all learned words stay valid. The decoder learns to draw
the world's pictures from their latents, and from these as the denoiser makes them anew out of some noise:
where it leaves stains or blurs an edge, the decoder learns what was meant. The same command resumes; the
folder is an ordinary diffusers autoencoder at every checkpoint.
"""

from __future__ import annotations

import argparse
import copy
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline

from demo_model.autoencoder import (
    CROP,
    VALIDATION_SEED,
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
REMADE_SHARE = 0.5
REMADE_FROM = (50, 350)  # timesteps: what is drawn is kept, and made anew in its details
REMAKING_STEPS = 3
POOL_CAPACITY = 200 * CHUNK_SIZE  # pictures
FIRST_PICTURES = 4 * CHUNK_SIZE  # before the first step
CHECKPOINT = "decoder.pt"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start", type=Path, required=True, help="the exported model whose decoder it is")
    parser.add_argument(
        "--minutes", type=float, required=True, help="training time in all, over every resume"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and of the export")
    parser.add_argument("--batch-size", type=int, default=64 if torch.cuda.is_available() else 8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--decay-share", type=float, default=0.3, help="of the minutes, the last: rate to 0")
    parser.add_argument("--reuse", type=float, default=8.0, help="how often a rendered picture is trained on")
    parser.add_argument("--workers", type=int, default=1, help="rendering processes")
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pipeline = StableDiffusionPipeline.from_pretrained(options.start, dtype=torch.float32).to(device)
    with Renderer(partial(render_chunk, options.seed), options.workers) as renderer:
        train_decoder(pipeline, renderer, options, device)


def train_decoder(
    pipeline: StableDiffusionPipeline, renderer: Renderer, options: argparse.Namespace, device: torch.device
) -> None:
    """Train on random crops of latents and of the pictures that they stand for."""
    vae = pipeline.vae.requires_grad_(False).to(memory_format=torch.channels_last)
    decoder = torch.nn.ModuleList([vae.post_quant_conv, vae.decoder]).requires_grad_(True)
    averaged = copy.deepcopy(vae).requires_grad_(False)
    averaged_decoder = torch.nn.ModuleList([averaged.post_quant_conv, averaged.decoder])
    optimizer = torch.optim.AdamW(decoder.parameters(), betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    elapsed, step = 0.0, 0
    checkpoint = options.out / CHECKPOINT
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        decoder.load_state_dict(saved["decoder"])
        averaged_decoder.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, step = saved["elapsed"], saved["step"]
        renderer.seek(saved["chunk"])
    torch.manual_seed(options.seed + step)
    validation = to_unit_range(render_chunk(VALIDATION_SEED, 0).pixels, device)
    pool, wanted = Pool(POOL_CAPACITY, device), float(FIRST_PICTURES)
    losses: list[torch.Tensor] = []
    while pool.added < wanted:
        pool.add(with_latents(pipeline, renderer.take(), device))
    clock = Clock(options.minutes, options.checkpoint_minutes, elapsed)

    def save() -> None:
        report("decoder", clock, step * options.batch_size, "crops", validated(averaged, validation))
        save_checkpoint(
            checkpoint,
            decoder=decoder.state_dict(),
            averaged=averaged_decoder.state_dict(),
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
        latents, pictures = crops_of(*pool.draw(options.batch_size))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(share, options.learning_rate, step, options.decay_share)
        with mixed_precision(device):
            loss = reconstruction_loss(vae.decode(latents).sample, pictures)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        step += 1
        update_average(averaged_decoder, decoder, AVERAGE_DECAY)
        losses.append(loss.detach())
        if clock.should_report():
            report("decoder", clock, step * options.batch_size, "crops", f"loss {mean_and_clear(losses):.4f}")
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
    noisy = scheduler.add_noise(latents, noise, torch.full((len(latents),), start, device=latents.device))
    for now, then in zip(timesteps, timesteps[1:], strict=False):
        velocity = pipeline.unet(noisy, now, hidden).sample.float()
        signal, spread = alphas[now].sqrt(), (1 - alphas[now]).sqrt()
        clean, noise = signal * noisy - spread * velocity, spread * noisy + signal * velocity
        noisy = clean if then == 0 else alphas[then].sqrt() * clean + (1 - alphas[then]).sqrt() * noise
    return noisy


def crops_of(
    latents: torch.Tensor, remade: torch.Tensor, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One random crop for all: latents (n, 8, h / 8, w / 8), some made anew, and pictures (n, 3, h, w)."""
    is_remade = torch.rand(len(latents), device=latents.device) < REMADE_SHARE
    chosen = torch.where(is_remade[:, None, None, None], remade, latents).float()
    side = CROP // 8
    top, left = torch.randint(0, latents.shape[-1] - side + 1, (2,)).tolist()
    cut = pixels[:, :, 8 * top : 8 * top + CROP, 8 * left : 8 * left + CROP].float() / 127.5 - 1
    return chosen[:, :, top : top + side, left : left + side], cut.contiguous(
        memory_format=torch.channels_last
    )


def validated(vae: AutoencoderKL, pictures: torch.Tensor) -> str:
    return f"validation {validate_autoencoder(vae, pictures):.2f} dB"


if __name__ == "__main__":
    main()
