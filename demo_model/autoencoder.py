"""Train the autoencoder on crops of the world's pictures, then centre and scale its latents."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

from demo_model.loop import Clock, learning_rate_at, mean_and_clear, mixed_precision, report, save_checkpoint
from demo_model.rendering import Renderer, render_chunk

CROP = 64  # pixels per side
KL_WEIGHT = 1e-4
PERTURBATION = 0.3  # standard deviation of the noise that shows how much a latent channel changes the picture
VALIDATION_SEED = 1_000_003
BALANCING_CHUNKS = 16  # chunks of pictures on which the latents are measured at the end


def to_unit_range(pixels: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    """Convert uint8 (n, 3, h, w) to float in [-1, 1], channels last."""
    floats = torch.as_tensor(pixels).to(device).float().div_(127.5).sub_(1)
    return floats.contiguous(memory_format=torch.channels_last)


def psnr(picture: torch.Tensor, reconstruction: torch.Tensor) -> float:
    """Return the mean peak signal-to-noise ratio, in dB, of pictures (n, 3, h, w) in [-1, 1]."""
    error = ((picture - reconstruction) / 2).square().mean((1, 2, 3))
    return (-10 * error.log10()).mean().item()


def autoencoder_loss(vae: AutoencoderKL, crops: torch.Tensor) -> torch.Tensor:
    """Return the reconstruction loss plus a small KL term."""
    posterior = vae.encode(crops).latent_dist
    reconstruction = vae.decode(posterior.sample()).sample
    return reconstruction_loss(reconstruction, crops) + KL_WEIGHT * kl_divergence(posterior)


def kl_divergence(posterior: DiagonalGaussianDistribution) -> torch.Tensor:
    """Return the KL divergence from the standard normal distribution, averaged over the latents' elements."""
    excess: torch.Tensor = posterior.mean.square() + posterior.var - 1 - posterior.logvar
    return 0.5 * excess.mean()


def reconstruction_loss(reconstruction: torch.Tensor, crops: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error plus absolute errors of the pixels and of differences of neighbours."""
    error = reconstruction - crops
    edges = (error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()) / 2
    return error.square().mean() + 0.2 * error.abs().mean() + 0.2 * edges


def train_autoencoder(
    vae: AutoencoderKL, renderer: Renderer, options: argparse.Namespace, device: torch.device
) -> None:
    """Train on random crops, then centre and scale the latent channels; resumes from its checkpoint."""
    checkpoint = options.out / "autoencoder.pt"
    optimizer = torch.optim.AdamW(vae.parameters(), betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    elapsed, step = 0.0, 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        vae.load_state_dict(saved["vae"])
        if saved["finished"]:
            return
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, step = saved["elapsed"], saved["step"]
        renderer.seek(saved["chunk"])
    validation = to_unit_range(render_chunk(VALIDATION_SEED, 0).pixels, device)
    generator = torch.Generator().manual_seed(options.seed + step)
    rows = 32 if device.type == "cuda" else 8
    vae.train()
    losses = []
    clock = Clock(options.autoencoder_minutes, options.checkpoint_minutes, elapsed)
    while (share := clock.tick()) < 1:
        pictures = to_unit_range(renderer.take().pixels, device)
        for batch in pictures.split(rows):
            top, left = torch.randint(0, pictures.shape[-1] - CROP + 1, (2,), generator=generator).tolist()
            crops = batch[:, :, top : top + CROP, left : left + CROP]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(share, options.learning_rate, step, options.decay_share)
            with mixed_precision(device):
                loss = autoencoder_loss(vae, crops.contiguous(memory_format=torch.channels_last))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.detach())
            step += 1
        if clock.should_report():
            report("autoencoder", clock, step * rows, "crops", f"loss {mean_and_clear(losses):.4f}")
        if clock.should_save():
            quality = validate_autoencoder(vae, validation)
            report("autoencoder", clock, step * rows, "crops", f"validation {quality:.2f} dB")
            save_checkpoint(
                checkpoint,
                vae=vae.state_dict(),
                optimizer=optimizer.state_dict(),
                elapsed=clock.elapsed,
                step=step,
                chunk=renderer.next_chunk,
                finished=False,
            )
    vae.eval()
    balance_latents(vae, [to_unit_range(renderer.take().pixels, device) for _ in range(BALANCING_CHUNKS)])
    save_checkpoint(checkpoint, vae=vae.state_dict(), finished=True)


@torch.no_grad()
def validate_autoencoder(vae: AutoencoderKL, pictures: torch.Tensor) -> float:
    """Return the PSNR of the reconstructed pictures in dB."""
    vae.eval()
    reconstruction = vae.decode(vae.encode(pictures).latent_dist.mean).sample
    vae.train()
    return psnr(pictures, reconstruction)


@torch.no_grad()
def balance_latents(vae: AutoencoderKL, pictures: Sequence[torch.Tensor]) -> None:
    """Centre and scale each latent channel, within the 1x1 convolutions on both sides of the latent.

    Every channel gets mean 0. If all had variance 1, the channels of fine detail, which are nearly white
    noise and change the picture little, would dominate the denoising loss. If all were scaled for an equal
    effect on the picture, those channels would drown in noise. The scale used lies in between: the fourth
    root of the mean squared change of the picture. The denoiser then draws the layout first and the detail
    last, and the model needs no scaling factor. ``pictures`` are batches (n, 3, h, w) in [-1, 1] to measure
    on.
    """
    latents = torch.cat([vae.encode(batch).latent_dist.mean for batch in pictures])
    std = latents.std((0, 2, 3))
    rescale_latents(vae, shift=-latents.mean((0, 2, 3)), scale=1 / std)
    latents = vae.encode(pictures[0]).latent_dist.mean
    decoded = vae.decode(latents).sample
    effects = []
    for channel in range(len(std)):
        perturbed = latents.clone()
        perturbed[:, channel] += PERTURBATION * torch.randn_like(perturbed[:, channel])
        effects.append((vae.decode(perturbed).sample - decoded).square().mean())
    effect = torch.stack(effects)
    rescale_latents(vae, shift=torch.zeros_like(std), scale=(effect / effect.max()) ** 0.25)


def rescale_latents(vae: AutoencoderKL, shift: torch.Tensor, scale: torch.Tensor) -> None:
    """Make the encoder return (z + shift) * scale for its latents z, by channel, and the decoder undo it.

    ``shift`` and ``scale`` are (c,).
    """
    channels = len(scale)
    outgoing, incoming = vae.quant_conv, vae.post_quant_conv
    outgoing.bias[:channels] += shift
    outgoing.weight[:channels] *= scale[:, None, None, None]
    outgoing.bias[:channels] *= scale
    outgoing.bias[channels:] += 2 * scale.log()
    incoming.bias -= incoming.weight[:, :, 0, 0] @ shift
    incoming.weight /= scale[None, :, None, None]
