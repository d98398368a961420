"""Train the embedded model from scratch or further: ``python -m demo_model.train --minutes M --out DIR``.

The autoencoder is trained first, on crops of the world's pictures. Then the text encoder and the denoiser
are trained together on captioned pictures. Some captions are captions of settings, in which a vector of a
subject's settings is added to its word (:mod:`demo_model.world.settings`).

The same command resumes a training at any time. At every checkpoint the model is exported as an ordinary
diffusers pipeline, and ``--start`` continues from such an export. Runs on CUDA (bfloat16) if available, else
on the CPU, where ``--processes`` trains on several batches in parallel.
"""

from __future__ import annotations

import argparse
import copy
import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

from demo_model.architecture import make_autoencoder, make_text_encoder, make_unet, noise_schedule
from demo_model.autoencoder import train_autoencoder
from demo_model.captioned import FULL_CAPTION, LatentPool, SettingsWords, added_to_words
from demo_model.loop import (
    Clock,
    learning_rate_at,
    mean_and_clear,
    mixed_precision,
    report,
    save_checkpoint,
    update_average,
)
from demo_model.processes import Processes, run_in_processes
from demo_model.rendering import CHUNK_SIZE, Renderer, render_chunk
from demo_model.tokenizer import train_tokenizer
from demo_model.world import FULL_MIX, MIDDLE_MIX, NOUN_MIX, SIMPLE_MIX, THING_MIX, training_captions
from ti_core.model.loading import attend_unfused

AVERAGED_SAMPLES = 30_000  # time constant of the exported moving average
SNR_GAMMA = 50.0
"""The gamma of min-SNR (arXiv 2303.09556), far above the usual 5: most latent channels have a third of the
noise's standard deviation, so the details in them are decided only at timesteps with little noise."""
PREDICTION = "v_prediction"
SHORT_CAPTION = 32  # tokens: cheaper than all 77, which only the last part of the training uses
FULL_LENGTH_SHARE = 0.03  # of the training, the last part
TOKENIZER_CAPTIONS = 60_000
FIRST_PICTURES = 16 * CHUNK_SIZE  # rendered before the first step of the denoiser
MIXES = {
    "simple": SIMPLE_MIX,
    "middle": MIDDLE_MIX,
    "nouns": NOUN_MIX,
    "things": THING_MIX,
    "full": FULL_MIX,
}
DENOISER_CHECKPOINT = "denoiser.pt"
SETTINGS_WORDS = "settings_words.safetensors"  # beside the pipeline, for further training


@dataclass
class Parts:
    """The parts of the model in training; ``averaged`` are their moving averages, which are exported."""

    tokenizer: CLIPTokenizer
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    settings_words: SettingsWords
    averaged: torch.nn.ModuleDict

    @property
    def trained(self) -> torch.nn.ModuleDict:
        """The parts that are trained after the autoencoder."""
        return torch.nn.ModuleDict(
            {"text_encoder": self.text_encoder, "unet": self.unet, "settings_words": self.settings_words}
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, required=True, help="training time in all, over every resume"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and of the export")
    parser.add_argument("--start", type=Path, help="an exported model from which to continue")
    parser.add_argument("--autoencoder-minutes", type=float, help="part of the minutes; default: a quarter")
    batch_size = 512 if torch.cuda.is_available() else 32
    parser.add_argument("--batch-size", type=int, default=batch_size, help="of each process")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument(
        "--decay-share",
        type=float,
        default=0.2,
        help="last share of the minutes, in which the learning rate falls to 0",
    )
    parser.add_argument("--reuse", type=float, default=4.0, help="how often a rendered picture is trained on")
    cores = os.cpu_count() or 2
    workers = cores if torch.cuda.is_available() else max(1, cores // 2)
    parser.add_argument("--workers", type=int, default=workers, help="rendering processes of each process")
    parser.add_argument("--processes", type=int, default=1, help="training processes, on a CPU only")
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    parser.add_argument(
        "--mix", choices=MIXES, default="full", help="simple: mostly single things, unstyled, to begin with"
    )
    parser.add_argument(
        "--log-snr",
        type=float,
        default=-2.5,
        help="log signal-to-noise ratio trained most: -2.5 to learn captions, later up to 1 for details",
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.autoencoder_minutes is None:
        options.autoencoder_minutes = 0.0 if options.start else options.minutes / 4
    if options.autoencoder_minutes >= options.minutes:
        parser.error("--minutes leaves the denoiser no time: give more than --autoencoder-minutes")

    if options.processes > 1 and (options.autoencoder_minutes or torch.cuda.is_available()):
        parser.error("several processes only train the denoiser, from --start, on a machine without a GPU")
    run_in_processes(options.processes, run, options)


def run(processes: Processes, options: argparse.Namespace) -> None:
    """Run the training in one of the processes."""
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options.out.mkdir(parents=True, exist_ok=True)
    parts = load_parts(options, device)
    options.seed += processes.rank  # each process renders different pictures
    render = partial(render_chunk, options.seed, mix=MIXES[options.mix])
    with Renderer(render, options.workers) as renderer:
        if options.autoencoder_minutes and not (options.out / DENOISER_CHECKPOINT).is_file():
            train_autoencoder(parts.vae, renderer, options, device)
        train_denoiser(parts, renderer, options, device, processes)


def load_parts(options: argparse.Namespace, device: torch.device) -> Parts:
    """Load the parts from ``--start``, or build new ones with a tokenizer learned from captions."""
    if options.start:
        pipeline = StableDiffusionPipeline.from_pretrained(options.start, dtype=torch.float32)
        tokenizer, vae = pipeline.tokenizer, pipeline.vae
        text_encoder, unet = pipeline.text_encoder, pipeline.unet
        shutil.copytree(options.start / "tokenizer", options.out / "tokenizer", dirs_exist_ok=True)
    else:
        folder = options.out / "tokenizer"
        if not (folder / "tokenizer_config.json").is_file():
            train_tokenizer(
                training_captions(np.random.default_rng(options.seed), TOKENIZER_CAPTIONS), folder
            )
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        vae, text_encoder, unet = make_autoencoder(), make_text_encoder(tokenizer), make_unet()
    settings_words = SettingsWords()
    if options.start and (saved := options.start / SETTINGS_WORDS).is_file():
        settings_words.load_state_dict(load_file(saved))
    parts = Parts(tokenizer, vae, text_encoder, unet, settings_words, torch.nn.ModuleDict())
    if device.type == "cpu":
        attend_unfused(unet, [text_encoder])
    parts.averaged = copy.deepcopy(parts.trained).requires_grad_(False)
    for module in (vae, parts.trained, parts.averaged):
        module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return parts


def train_denoiser(
    parts: Parts,
    renderer: Renderer,
    options: argparse.Namespace,
    device: torch.device,
    processes: Processes,
) -> None:
    """Train the text encoder and the denoiser together, rendering new pictures all the time.

    Resumes from the checkpoint in ``options.out``, and exports at every checkpoint.
    """
    checkpoint = options.out / DENOISER_CHECKPOINT
    trained = parts.trained
    optimizer = torch.optim.AdamW(trained.parameters(), betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    elapsed, step, samples = 0.0, 0, 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        parts.vae.load_state_dict(saved["vae"])
        trained.load_state_dict(saved["trained"])
        parts.averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, step, samples = saved["elapsed"], saved["step"], saved["samples"]
        renderer.seek(saved["chunk"])
    torch.manual_seed(options.seed + step)
    parts.vae.eval().requires_grad_(False)
    scheduler = noise_schedule(PREDICTION)
    weight_of = loss_weights(scheduler.alphas_cumprod).to(device)
    density = timestep_density(scheduler.alphas_cumprod, options.log_snr).to(device)
    pool, losses = LatentPool(parts.vae, parts.tokenizer, parts.text_encoder, device), []
    while pool.added < FIRST_PICTURES:
        pool.add(renderer.take())
    wanted, global_batch = float(pool.added), options.batch_size * processes.count
    clock = Clock(options.minutes - options.autoencoder_minutes, options.checkpoint_minutes, elapsed)

    def save() -> None:
        if not processes.is_first:
            return
        save_checkpoint(
            checkpoint,
            vae=parts.vae.state_dict(),
            trained=trained.state_dict(),
            averaged=parts.averaged.state_dict(),
            optimizer=optimizer.state_dict(),
            elapsed=clock.elapsed,
            step=step,
            samples=samples,
            chunk=renderer.next_chunk,
        )
        export(parts, options.out)

    while (share := processes.broadcast(clock.tick())) < 1:
        wanted += options.batch_size / options.reuse
        while pool.added < wanted and renderer.ready:
            pool.add(renderer.take())
        length = FULL_CAPTION if share > 1 - FULL_LENGTH_SHARE else SHORT_CAPTION
        latents, tokens, words = pool.sample(options.batch_size, length)
        noise = torch.randn_like(latents)
        timesteps = torch.multinomial(density, len(latents), replacement=True)
        noisy = scheduler.add_noise(latents, noise, timesteps)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(share, options.learning_rate, step, options.decay_share)
        with mixed_precision(device):
            vectors = parts.settings_words(words.kinds, words.numbers)
            with added_to_words(parts.text_encoder, words, vectors):
                hidden = parts.text_encoder(tokens).last_hidden_state
            prediction = parts.unet(
                noisy.contiguous(memory_format=torch.channels_last), timesteps, hidden
            ).sample
        target = scheduler.get_velocity(latents, noise, timesteps)
        errors = F.mse_loss(prediction.float(), target, reduction="none").mean((1, 2, 3))
        loss = (weight_of[timesteps] * errors).mean()
        optimizer.zero_grad()
        loss.backward()
        processes.average_gradients(trained.parameters())
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        step += 1
        samples += global_batch
        # Average over a shorter time at first, so that the random initial weights are soon forgotten.
        warmup_decay = 1.0 if options.start else 1 - 9 / (10 + step)
        update_average(parts.averaged, trained, min(1 - global_batch / AVERAGED_SAMPLES, warmup_decay))
        losses.append(errors.detach().mean())
        if clock.should_report():
            detail = f"loss {mean_and_clear(losses):.4f}, {pool.added} pictures rendered"
            if processes.is_first:
                report("denoiser", clock, samples, "samples", detail)
        if clock.should_save():
            save()
    save()


def loss_weights(alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """Return each timestep's weight of the velocity loss (arXiv 2202.00512): min(snr + 1, gamma) / (snr + 1).

    Where the latents are all noise, the velocity is the clean latent, so its loss teaches what the caption
    says. A loss on the noise would hide that, because the noise is known there almost without the caption.
    Where there is little noise, the bound of min-SNR limits the weight (arXiv 2303.09556).
    """
    snr_plus_one = 1 / (1 - alphas_cumprod)
    return snr_plus_one.clamp(max=SNR_GAMMA) / snr_plus_one


def timestep_density(alphas_cumprod: torch.Tensor, top: float) -> torch.Tensor:
    """Return how often each timestep is trained: a bell curve over the log of the signal-to-noise ratio.

    ``top`` is the log SNR of its peak. If the peak is at timesteps where a thing's colours and shape are
    still undecided, the model learns them from the caption. At higher SNR they are visible already, and the
    model learns to remove the remaining noise. Modelled on logit-normal sampling (arXiv 2403.03206).
    """
    log_snr = (alphas_cumprod / (1 - alphas_cumprod)).log()
    return 1 / torch.cosh((log_snr - top) / 2)


def export(parts: Parts, folder: Path) -> None:
    """Save the averaged model as an ordinary diffusers pipeline in fp16 safetensors.

    The map from settings to word vectors is saved beside it. The tokenizer's truncation and padding, which
    training has set, are removed.
    """
    parts.tokenizer.backend_tokenizer.no_truncation()
    parts.tokenizer.backend_tokenizer.no_padding()
    for name in ("max_length", "padding", "truncation"):
        parts.tokenizer.init_kwargs.pop(name, None)
    pipeline = StableDiffusionPipeline(
        vae=copy.deepcopy(parts.vae).half(),
        text_encoder=copy.deepcopy(parts.averaged["text_encoder"]).half(),
        tokenizer=parts.tokenizer,
        unet=copy.deepcopy(parts.averaged["unet"]).half(),
        scheduler=noise_schedule(PREDICTION),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    for module in (pipeline.vae, pipeline.unet):
        module.register_to_config(_name_or_path="")  # drop the path from which it was loaded
    pipeline.save_pretrained(folder)
    save_file(copy.deepcopy(parts.averaged["settings_words"]).half().state_dict(), folder / SETTINGS_WORDS)


if __name__ == "__main__":
    main()
