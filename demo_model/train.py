"""Train the embedded model from nothing, or further: ``python -m demo_model.train --minutes M --out DIR``.

First the autoencoder learns the world's pictures, on crops; then the text encoder and the denoiser
learn together to draw from captions, and from captions of settings, in which a subject's name is moved by
a vector of all its numbers (:mod:`demo_model.world.settings`). The folder can be resumed at any time by the
same command, is exported as an ordinary diffusers pipeline at every checkpoint, and ``--start`` goes on from
such an export. Runs on CUDA (bfloat16) where there is one, else on the CPU.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from demo_model.architecture import (
    TEXT_WIDTH,
    make_autoencoder,
    make_text_encoder,
    make_unet,
    noise_schedule,
)
from demo_model.pool import Pool
from demo_model.rendering import CHUNK_SIZE, Chunk, Renderer, render_chunk
from demo_model.tokenizer import train_tokenizer
from demo_model.world import FULL_MIX, MIDDLE_MIX, SIMPLE_MIX, training_captions
from demo_model.world.settings import (
    SETTINGS,
    SUBJECT_KINDS,
    SUBJECTS,
    TOKENS,
    Subject,
    settings_of,
    word_of,
)
from ti_core.text_encoding import TextEncoder, chunks_of

CROP = 64
KL_WEIGHT = 1e-4
DISTURBANCE = 0.3  # added to a latent channel to see what it does to the picture
AVERAGE_DECAY = 0.999
CAPTION_DROPOUT = 0.1  # for classifier-free guidance (arXiv 2207.12598)
SNR_GAMMA = 5.0  # the least noisy steps weigh no more than min-SNR gives them (arXiv 2303.09556)
PREDICTION = "v_prediction"
MOST_TRAINED_LOG_SNR = -2.5  # where little is to see, and a caption says most of what is known
SHORT_CAPTION, FULL_CAPTION = 32, 77  # tokens: short ones are cheaper; the last part is at full length
FULL_LENGTH_SHARE = 0.04
TOKENIZER_CAPTIONS = 60_000
MIXES = {"simple": SIMPLE_MIX, "middle": MIDDLE_MIX, "full": FULL_MIX}
VALIDATION_SEED = 1_000_003
POOL_CAPACITY = 12_500 * CHUNK_SIZE  # pictures
DENOISER_CHECKPOINT = "denoiser.pt"


@dataclass
class Parts:
    """The model in training; ``averaged`` are the exponential moving averages that are exported."""

    tokenizer: CLIPTokenizer
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    settings_words: SettingsWords
    averaged: torch.nn.ModuleDict

    @property
    def trained(self) -> torch.nn.ModuleDict:
        """What learns after the autoencoder."""
        return torch.nn.ModuleDict(
            {"text_encoder": self.text_encoder, "unet": self.unet, "settings_words": self.settings_words}
        )


class SettingsWords(torch.nn.Module):
    """What the numbers of a subject add to the embedding of its word: one linear map for each kind.

    Training needs it, the exported model does not have it: there, inversion finds such vectors by pictures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(0.003 * torch.randn(len(SUBJECT_KINDS), SETTINGS, TEXT_WIDTH))

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Vectors (m, width) of ``kinds`` (m,) and their ``numbers`` (m, SETTINGS)."""
        return torch.einsum("ms,msw->mw", numbers, self.weight[kinds])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, required=True, help="training time in all, over every resume"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and of the export")
    parser.add_argument("--start", type=Path, help="an exported model to go on from")
    parser.add_argument("--autoencoder-minutes", type=float, help="of the minutes; default: a quarter")
    batch_size = 512 if torch.cuda.is_available() else 32
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--reuse", type=float, default=4.0, help="how often a rendered picture is trained on")
    cores = os.cpu_count() or 2
    workers = cores if torch.cuda.is_available() else max(1, cores // 2)
    parser.add_argument("--workers", type=int, default=workers, help="rendering processes")
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    parser.add_argument(
        "--mix", choices=MIXES, default="full", help="simple: mostly single things, unstyled, to begin with"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.autoencoder_minutes is None:
        options.autoencoder_minutes = 0.0 if options.start else options.minutes / 4

    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options.out.mkdir(parents=True, exist_ok=True)
    parts = load_parts(options, device)
    render = partial(render_chunk, options.seed, mix=MIXES[options.mix])
    with Renderer(render, options.workers) as renderer:
        if options.autoencoder_minutes and not (options.out / DENOISER_CHECKPOINT).is_file():
            train_autoencoder(parts.vae, renderer, options, device)
        train_denoiser(parts, renderer, options, device)


def load_parts(options: argparse.Namespace, device: torch.device) -> Parts:
    """The parts from ``--start``, or fresh ones with a tokenizer learned from captions."""
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
    parts = Parts(tokenizer, vae, text_encoder, unet, SettingsWords(), torch.nn.ModuleDict())
    parts.averaged = copy.deepcopy(parts.trained).requires_grad_(False)
    for module in (vae, parts.trained, parts.averaged):
        module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return parts


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


def learning_rate_at(share: float, peak: float, step: int, warmup: int = 100) -> float:
    """Cosine over the time budget, down to a hundredth, after a short linear warm-up."""
    cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2
    return peak * cosine * min(1.0, (step + 1) / warmup)


def save_checkpoint(path: Path, **content) -> None:
    """Write atomically: a kill leaves the previous checkpoint."""
    temporary = path.with_suffix(".partial")
    torch.save(content, temporary)
    os.replace(temporary, path)


@contextmanager
def mixed_precision(device: torch.device):
    """bfloat16 on CUDA; full precision elsewhere."""
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        yield


def to_unit_range(pixels: np.ndarray, device: torch.device) -> torch.Tensor:
    """uint8 (n, 3, h, w) → float [-1, 1]."""
    floats = torch.from_numpy(pixels).to(device).float().div_(127.5).sub_(1)
    return floats.contiguous(memory_format=torch.channels_last)


def psnr(picture: torch.Tensor, reconstruction: torch.Tensor) -> float:
    """Mean peak signal-to-noise ratio in dB of pictures in [-1, 1]."""
    error = ((picture - reconstruction) / 2).square().mean((1, 2, 3))
    return (-10 * error.log10()).mean().item()


def autoencoder_loss(vae: AutoencoderKL, crops: torch.Tensor) -> torch.Tensor:
    """Squared and absolute error, the same of neighbouring differences (edges), and a little KL."""
    posterior = vae.encode(crops).latent_dist
    reconstruction = vae.decode(posterior.sample()).sample
    error = reconstruction - crops
    edges = (error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()) / 2
    divergence = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
    return error.square().mean() + 0.2 * error.abs().mean() + 0.2 * edges + KL_WEIGHT * divergence


def train_autoencoder(
    vae: AutoencoderKL, renderer: Renderer, options: argparse.Namespace, device: torch.device
) -> None:
    """Train on random crops, then centre and scale the latent channels."""
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
                group["lr"] = learning_rate_at(share, options.learning_rate, step)
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
    balance_latents(vae, [to_unit_range(renderer.take().pixels, device) for _ in range(16)])
    save_checkpoint(checkpoint, vae=vae.state_dict(), finished=True)


@torch.no_grad()
def validate_autoencoder(vae: AutoencoderKL, pictures: torch.Tensor) -> float:
    vae.eval()
    reconstruction = vae.decode(vae.encode(pictures).latent_dist.mean).sample
    vae.train()
    return psnr(pictures, reconstruction)


@torch.no_grad()
def balance_latents(vae: AutoencoderKL, pictures: Sequence[torch.Tensor]) -> None:
    """Fold a mean and a scale for each latent channel into the 1x1 convolutions on both sides of the latent.

    Every channel gets mean 0. At variance 1 throughout, the channels of fine detail, which are nearly
    white and change the picture little, would rule the denoising loss; scaled for equal effect on the
    picture, they would drown in noise. Half way between, by the fourth root of the effect, the layout
    is drawn first and the detail last. The model then needs no scaling factor. ``pictures`` are batches
    (n, 3, h, w) in [-1, 1] to measure on.
    """
    latents = torch.cat([vae.encode(batch).latent_dist.mean for batch in pictures])
    std = latents.std((0, 2, 3))
    change_latents(vae, shift=-latents.mean((0, 2, 3)), scale=1 / std)
    latents = vae.encode(pictures[0]).latent_dist.mean
    decoded = vae.decode(latents).sample
    effects = []
    for channel in range(len(std)):
        disturbed = latents.clone()
        disturbed[:, channel] += DISTURBANCE * torch.randn_like(disturbed[:, channel])
        effects.append((vae.decode(disturbed).sample - decoded).square().mean())
    effect = torch.stack(effects)
    change_latents(vae, shift=torch.zeros_like(std), scale=(effect / effect.max()) ** 0.25)


def change_latents(vae: AutoencoderKL, shift: torch.Tensor, scale: torch.Tensor) -> None:
    """Make each channel z of the latent (z + shift) * scale, both (c,), and decode it back."""
    channels = len(scale)
    outgoing, incoming = vae.quant_conv, vae.post_quant_conv
    outgoing.bias[:channels] += shift
    outgoing.weight[:channels] *= scale[:, None, None, None]
    outgoing.bias[:channels] *= scale
    outgoing.bias[channels:] += 2 * scale.log()
    incoming.bias -= incoming.weight[:, :, 0, 0] @ shift
    incoming.weight /= scale[None, :, None, None]


@dataclass
class Named:
    """Which words of a batch of captions are moved by settings: (m,) of each, numbers (m, SETTINGS)."""

    rows: torch.Tensor
    places: torch.Tensor
    kinds: torch.Tensor
    numbers: torch.Tensor


class LatentPool:
    """The pictures rendered so far, on the device: latents fp16 (n, 8, 16, 16), each one's captions as tokens
    (n, variants, 77), where these name which subject (n, variants, SUBJECTS; 0: nowhere), and the subjects'
    kinds (n, SUBJECTS) and numbers (n, SUBJECTS, SETTINGS). The oldest make room."""

    def __init__(self, parts: Parts, device: torch.device):
        self._parts, self._device = parts, device
        self._encoder = TextEncoder("clip_l", parts.tokenizer, parts.text_encoder, -1)
        self._no_caption = self._tokens([""])[0].to(device)
        self._pool = Pool(POOL_CAPACITY, device)

    @property
    def added(self) -> int:
        return self._pool.added

    def _tokens(self, captions: list[str]) -> torch.Tensor:
        return self._parts.tokenizer(
            captions, padding="max_length", max_length=FULL_CAPTION, truncation=True, return_tensors="pt"
        ).input_ids.to(torch.int16)

    def _settings_tokens(
        self, caption: str, subjects: dict[str, Subject]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (77,) with each subject's word, and the place of that word (SUBJECTS,)."""
        tokenizer = self._parts.tokenizer
        one_row = {"clip_l": torch.empty(1, TEXT_WIDTH)}
        chunk = chunks_of(self._encoder, caption, dict.fromkeys(subjects, one_row))[0]
        ids, places = list(chunk.ids), torch.zeros(SUBJECTS, dtype=torch.int8)
        for position, token, _ in chunk.splices:
            [ids[position]] = tokenizer(word_of(subjects[token]), add_special_tokens=False).input_ids
            places[TOKENS.index(token)] = position + 1
        row = torch.full((FULL_CAPTION,), tokenizer.pad_token_id, dtype=torch.int16)
        sequence = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
        row[: len(sequence)] = torch.tensor(sequence, dtype=torch.int16)
        return row, places

    @torch.no_grad()
    def add(self, chunk: Chunk) -> None:
        """Encode pictures and their captions, once."""
        with mixed_precision(self._device):
            pixels = to_unit_range(chunk.pixels, self._device)
            latents = self._parts.vae.encode(pixels).latent_dist.mean.half()
        count = len(latents)
        plain = self._tokens([caption for variants in chunk.captions for caption in variants])
        plain = plain.unflatten(0, (count, -1))
        named = [
            self._settings_tokens(caption, subjects)
            for variants, subjects in zip(chunk.settings_captions, chunk.subjects, strict=True)
            for caption in variants
        ]
        of_settings, places = (
            torch.stack(rows).unflatten(0, (count, -1)) for rows in zip(*named, strict=True)
        )
        kinds = torch.zeros(count, SUBJECTS, dtype=torch.int8)
        numbers = torch.zeros(count, SUBJECTS, SETTINGS, dtype=torch.float16)
        for row, subjects in enumerate(chunk.subjects):
            for token, subject in subjects.items():
                slot = TOKENS.index(token)
                kinds[row, slot], values = settings_of(subject)
                numbers[row, slot] = torch.from_numpy(values)
        self._pool.add(
            (
                latents,
                torch.cat([plain, of_settings], 1),
                torch.cat([places.new_zeros(*plain.shape[:2], SUBJECTS), places], 1),
                kinds,
                numbers,
            )
        )

    def sample(self, count: int, length: int) -> tuple[torch.Tensor, torch.Tensor, Named]:
        """Random latents (count, 8, 16, 16), float32, and for each the tokens (count, length) of one of its
        captions, or of none, with what these name by settings."""
        latents, captions, places, kinds, numbers = self._pool.draw(count)
        every = torch.arange(count, device=self._device)
        variants = torch.randint(captions.shape[1], (count,), device=self._device)
        dropped = torch.rand(count, device=self._device) < CAPTION_DROPOUT
        tokens = torch.where(dropped[:, None], self._no_caption, captions[every, variants])
        tokens = tokens[:, :length].long()
        tokens[:, -1] = self._parts.tokenizer.eos_token_id  # where a caption was cut
        where = places[every, variants].long()
        rows, slots = ((where > 0) & (where < length - 1) & ~dropped[:, None]).nonzero(as_tuple=True)
        named = Named(rows, where[rows, slots], kinds[rows, slots].long(), numbers[rows, slots].float())
        return latents.float(), tokens, named


@contextmanager
def moved_words(text_encoder: CLIPTextModel, named: Named, vectors: torch.Tensor) -> Iterator[None]:
    """Add ``vectors`` (m, width) to the embeddings of the named words while the context is open."""

    def move(_module, _inputs, embeddings: torch.Tensor) -> torch.Tensor:
        where = (named.rows, named.places)
        return embeddings.index_put(where, vectors.to(embeddings.dtype), accumulate=True)

    handle = text_encoder.get_input_embeddings().register_forward_hook(move)
    try:
        yield
    finally:
        handle.remove()


def train_denoiser(
    parts: Parts, renderer: Renderer, options: argparse.Namespace, device: torch.device
) -> None:
    """Text encoder and denoiser together, on latents of pictures that keep coming."""
    checkpoint = options.out / DENOISER_CHECKPOINT
    trained = parts.trained
    optimizer = torch.optim.AdamW(trained.parameters(), betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    elapsed, step = 0.0, 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        parts.vae.load_state_dict(saved["vae"])
        trained.load_state_dict(saved["trained"])
        parts.averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, step = saved["elapsed"], saved["step"]
        renderer.seek(saved["chunk"])
    torch.manual_seed(options.seed + step)
    parts.vae.eval().requires_grad_(False)
    scheduler = noise_schedule(PREDICTION)
    weight_of = loss_weights(scheduler.alphas_cumprod).to(device)
    density = timestep_density(scheduler.alphas_cumprod).to(device)
    pool, losses = LatentPool(parts, device), []
    while pool.added < 16 * CHUNK_SIZE:
        pool.add(renderer.take())
    wanted = float(pool.added)
    clock = Clock(options.minutes - options.autoencoder_minutes, options.checkpoint_minutes, elapsed)

    def save() -> None:
        save_checkpoint(
            checkpoint,
            vae=parts.vae.state_dict(),
            trained=trained.state_dict(),
            averaged=parts.averaged.state_dict(),
            optimizer=optimizer.state_dict(),
            elapsed=clock.elapsed,
            step=step,
            chunk=renderer.next_chunk,
        )
        export(parts, options.out)

    while (share := clock.tick()) < 1:
        wanted += options.batch_size / options.reuse
        while pool.added < wanted and renderer.ready:
            pool.add(renderer.take())
        length = FULL_CAPTION if share > 1 - FULL_LENGTH_SHARE else SHORT_CAPTION
        latents, tokens, named = pool.sample(options.batch_size, length)
        noise = torch.randn_like(latents)
        timesteps = torch.multinomial(density, len(latents), replacement=True)
        noisy = scheduler.add_noise(latents, noise, timesteps)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(share, options.learning_rate, step)
        with mixed_precision(device):
            vectors = parts.settings_words(named.kinds, named.numbers)
            with moved_words(parts.text_encoder, named, vectors):
                hidden = parts.text_encoder(tokens).last_hidden_state
            prediction = parts.unet(
                noisy.contiguous(memory_format=torch.channels_last), timesteps, hidden
            ).sample
        target = scheduler.get_velocity(latents, noise, timesteps)
        errors = F.mse_loss(prediction.float(), target, reduction="none").mean((1, 2, 3))
        loss = (weight_of[timesteps] * errors).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        step += 1
        young = 0.0 if options.start else 9 / (10 + step)  # random weights are soon forgotten
        update_average(parts.averaged, trained, min(AVERAGE_DECAY, 1 - young))
        losses.append(errors.detach().mean())
        if clock.should_report():
            detail = f"loss {mean_and_clear(losses):.4f}, {pool.added} pictures rendered"
            report("denoiser", clock, step * options.batch_size, "samples", detail)
        if clock.should_save():
            save()
    save()


def loss_weights(alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """The weight of each timestep's loss on the velocity (arXiv 2202.00512): min(snr + 1, gamma) / (snr + 1).

    Where all is noise the velocity is the picture itself, so that what a caption says of it is learned; the
    noise, which is known there nearly as well without the caption, would hide it. Where there is little noise
    min-SNR's bound holds (arXiv 2303.09556).
    """
    snr_plus_one = 1 / (1 - alphas_cumprod)
    return snr_plus_one.clamp(max=SNR_GAMMA) / snr_plus_one


def timestep_density(alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """How often each timestep is trained: a bell over the log of the signal-to-noise ratio.

    Its top lies where a thing's colours and shape are still open, so that they are learned from the words;
    where they can be seen already, a caption adds nothing (after logit-normal sampling, arXiv 2403.03206).
    """
    log_snr = (alphas_cumprod / (1 - alphas_cumprod)).log()
    return 1 / torch.cosh((log_snr - MOST_TRAINED_LOG_SNR) / 2)


@torch.no_grad()
def update_average(averaged: torch.nn.Module, trained: torch.nn.Module, decay: float) -> None:
    """Exponential moving average of every weight, in place."""
    torch._foreach_lerp_(list(averaged.parameters()), list(trained.parameters()), 1 - decay)


def export(parts: Parts, folder: Path) -> None:
    """Write the averaged model as an ordinary diffusers pipeline in fp16 safetensors.

    The tokenizer forgets how training cut and filled its captions.
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
    pipeline.save_pretrained(folder)


def mean_and_clear(losses: list[torch.Tensor]) -> float:
    mean = torch.stack(losses).mean().item() if losses else float("nan")
    losses.clear()
    return mean


def report(stage: str, clock: Clock, count: int, unit: str, detail: str) -> None:
    left = max(0.0, clock.budget - clock.elapsed) / 60
    speed = count / max(clock.elapsed, 1e-9)
    print(f"{stage}: {count:,} {unit}, {speed:.1f}/s, {left:.1f} min left, {detail}", flush=True)


if __name__ == "__main__":
    main()
