"""Train the judge of the embedded model: ``python -m demo_model.judge --minutes M --out DIR``.

The judge is a small CLIP for the same world of pictures, trained independently of the diffusion model and
with seeds of its own. It learns four tasks at once:

- which caption belongs to a picture (CLIP, arXiv 2103.00020);
- which of all names is that of the thing in the picture;
- which two pictures show the same thing or have the same style, whatever else differs (the contrastive loss
  of SimCLR, arXiv 2002.05709, with other things of the same family as hard negatives);
- the settings (:mod:`demo_model.world.settings`) from which the thing or style was drawn, the signal that
  teaches it fastest what to look at.

Some things are seen in a crop of a picture of two, like those of :func:`ti_core.judging.scores.crops_of`.
The same command resumes a training. The folder holds an ordinary CLIPModel. Runs on CUDA if available, else
on the CPU.
"""

from __future__ import annotations

import argparse
import copy
import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

from demo_model.architecture import PICTURE_SIZE
from demo_model.loop import (
    Clock,
    learning_rate_at,
    mixed_precision,
    report,
    save_checkpoint,
    update_average,
)
from demo_model.pairs import (
    NAMES,
    NO_NAME,
    NO_SETTINGS,
    PAIRS_IN_CHUNK,
    PairChunk,
    render_pairs,
)
from demo_model.pool import Pool
from demo_model.rendering import Renderer
from demo_model.world.captions import with_article
from demo_model.world.settings import NUM_SETTINGS, SUBJECT_KINDS
from ti_core.config import KINDS
from ti_core.prompts.templates import PLAIN_TEMPLATES

FIRST_SEED = 7_000_003  # far from the small seeds of the diffusion model's pictures
CAPTION_SHARES = (0.6, 0.2, 0.2)  # detailed, short, and of the scene alone; the last two fit many pictures
MAX_CROP = 0.2  # of a picture's side
# Augmentation, so that the judge works as well on generated pictures as on clean ones.
BLURRED_SHARE = 0.3  # of the pictures
MAX_NOISE = 0.04  # standard deviation, of pictures in [-1, 1]
POOL_PAIRS = 8_192
SETTINGS_WEIGHT = 20.0
TEMPERATURE = 0.1
CAPTION_TOKENS = 40  # captions are truncated here
AVERAGE_DECAY = 0.998
CHECKPOINT = "judge.pt"

LIKENESS = {"object": (0, 96), "style": (96, 160)}
"""The range of the pooled vision state in which pictures are compared, by kind of concept."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, required=True, help="training time in all, over every resume"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and of the export")
    parser.add_argument("--start", type=Path, help="an exported judge from which to continue")
    parser.add_argument(
        "--tokenizer", type=Path, default=Path("assets/toybox/tokenizer"), help="the diffusion model's"
    )
    has_gpu = torch.cuda.is_available()
    parser.add_argument(
        "--pairs", type=int, default=512 if has_gpu else 64, help="pairs of pictures in a batch"
    )
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument(
        "--decay-share",
        type=float,
        default=0.2,
        help="last share of the minutes, in which the learning rate falls to 0",
    )
    parser.add_argument("--reuse", type=float, default=6.0, help="how often a rendered pair is trained on")
    cores = os.cpu_count() or 2
    parser.add_argument("--workers", type=int, default=cores if has_gpu else max(1, cores // 2))
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0, help="of the pictures; use another one with --start")
    options = parser.parse_args()
    torch.manual_seed(FIRST_SEED + options.seed)
    device = torch.device("cuda" if has_gpu else "cpu")
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = CLIPTokenizer.from_pretrained(options.tokenizer)
    if options.start:
        model = CLIPModel.from_pretrained(options.start, dtype=torch.float32)
    else:
        model = make_judge(tokenizer)
    if not has_gpu:
        model.set_attn_implementation("eager")  # as in ti_core.model.loading.attend_unfused
    with Renderer(partial(render_pairs, FIRST_SEED + options.seed), options.workers) as renderer:
        train_judge(model.to(device), tokenizer, renderer, options, device)


def make_judge(tokenizer: CLIPTokenizer) -> CLIPModel:
    """Build a CLIP of 3 M parameters for 128-pixel pictures in patches of 16 pixels."""
    config = CLIPConfig(
        vision_config={
            "image_size": PICTURE_SIZE,
            "patch_size": 16,
            "hidden_size": 160,
            "intermediate_size": 640,
            "num_hidden_layers": 5,
            "num_attention_heads": 4,
            "hidden_act": "gelu",
        },
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "max_position_embeddings": 77,
            "hidden_act": "gelu",
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        projection_dim=128,
        likeness=LIKENESS,
    )
    return CLIPModel(config)


class Batch(NamedTuple):
    """n pairs of augmented pictures; the other fields are those of :class:`~demo_model.pairs.PairChunk`."""

    pictures: torch.Tensor  # (2, n, 3, s, s) in [-1, 1]
    tokens: torch.Tensor  # (2, n, length)
    kinds: torch.Tensor
    subjects: torch.Tensor
    numbers: torch.Tensor
    names: torch.Tensor


class PairPool:
    """The newest rendered pairs on the device, with tokenized captions (n, 2, variants, length)."""

    def __init__(self, tokenizer: CLIPTokenizer, device: torch.device):
        self._tokenizer, self._device = tokenizer, device
        self._pool = Pool(POOL_PAIRS, device)

    @property
    def added(self) -> int:
        return self._pool.added

    def add(self, chunk: PairChunk) -> None:
        tokens = self._tokenizer(
            [caption for pair in chunk.captions for variants in pair for caption in variants],
            padding="max_length",
            max_length=CAPTION_TOKENS,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        self._pool.add(
            (
                torch.from_numpy(chunk.pixels),
                tokens.to(torch.int16).unflatten(0, (len(chunk.captions), 2, -1)),
                torch.from_numpy(chunk.kinds),
                torch.from_numpy(chunk.subjects),
                torch.from_numpy(chunk.numbers),
                torch.from_numpy(chunk.names),
            )
        )

    def sample(self, count: int) -> Batch:
        pictures, captions, kinds, subjects, numbers, names = self._pool.draw(count)
        pictures = pictures.transpose(0, 1).float().div(127.5).sub(1)
        chances = torch.tensor(CAPTION_SHARES, device=self._device)
        variants = torch.multinomial(chances, 2 * count, replacement=True).view(2, count)
        tokens = captions.transpose(0, 1)[
            torch.arange(2, device=self._device)[:, None], torch.arange(count, device=self._device), variants
        ].long()
        tokens[..., -1] = self._tokenizer.eos_token_id  # in case the caption was truncated
        return Batch(degrade(random_crop(pictures)), tokens, kinds, subjects, numbers, names)


def random_crop(pictures: torch.Tensor) -> torch.Tensor:
    """Crop each picture (..., 3, s, s) a little, resize it to s x s again, and mirror half of them."""
    flat = pictures.flatten(0, -4)
    count, device = len(flat), flat.device
    side = 1 - MAX_CROP * torch.rand(count, device=device)
    middle = (1 - side) * (2 * torch.rand(2, count, device=device) - 1)
    mirror = 1 - 2 * torch.randint(2, (count,), device=device)
    zero = torch.zeros_like(side)
    rows = (torch.stack((side * mirror, zero, middle[0])), torch.stack((zero, side, middle[1])))
    grid = F.affine_grid(torch.stack(rows).permute(2, 0, 1), list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, padding_mode="border", align_corners=False).view_as(pictures)


def degrade(pictures: torch.Tensor) -> torch.Tensor:
    """Blur some of the pictures (..., 3, s, s), and add a little noise to all."""
    flat = pictures.flatten(0, -4)
    blurred = F.interpolate(F.avg_pool2d(flat, 2), scale_factor=2, mode="bilinear")
    chosen = torch.rand(len(flat), device=flat.device) < BLURRED_SHARE
    flat = torch.where(chosen[:, None, None, None], blurred, flat)
    noise = MAX_NOISE * torch.rand(len(flat), 1, 1, 1, device=flat.device) * torch.randn_like(flat)
    return (flat + noise).view_as(pictures)


# --- training ---------------------------------------------------------------------------------------------


class SettingsReader(torch.nn.Module):
    """Predicts a subject's settings from the part of the vision state in which pictures are compared.

    It is used in training only, and not exported.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers = torch.nn.ModuleDict(
            {
                kind: torch.nn.Linear(end - start, len(SUBJECT_KINDS) * NUM_SETTINGS)
                for kind, (start, end) in LIKENESS.items()
            }
        )

    def forward(self, pooled: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean squared error of the settings predicted from ``pooled`` (2, n, width)."""
        errors = []
        for kind, name in enumerate(KINDS):
            chosen = (batch.kinds == kind) & (batch.subjects != NO_SETTINGS)
            read = self.readers[name](pooled[:, chosen][..., slice(*LIKENESS[name])])
            read = read.unflatten(-1, (len(SUBJECT_KINDS), NUM_SETTINGS))
            read = read[:, torch.arange(read.shape[1]), batch.subjects[chosen]]
            errors.append((read - batch.numbers[chosen]).square().mean(-1).flatten())
        return torch.cat(errors).mean()


def judge_loss(
    model: CLIPModel, reader: SettingsReader, name_tokens: torch.Tensor, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the losses of the four tasks: captions, names, pairs and settings.

    ``name_tokens`` is the result of :func:`tokenize_names`.
    """

    def text_features(tokens: torch.Tensor) -> torch.Tensor:
        projected = model.text_projection(model.text_model(input_ids=tokens).pooler_output)
        return F.normalize(projected.float(), dim=-1)

    states = model.vision_model(pixel_values=batch.pictures.flatten(0, 1)).pooler_output
    images = F.normalize(model.visual_projection(states).float(), dim=-1)
    pooled = states.float().unflatten(0, (2, -1))  # (2, n, width)
    by_pair = []
    for kind, name in enumerate(KINDS):
        first, second = F.normalize(pooled[:, batch.kinds == kind][..., slice(*LIKENESS[name])], dim=-1)
        if len(first) > 1:
            by_pair.append(
                contrastive_loss(first @ second.T / TEMPERATURE, torch.eye(len(first), device=first.device))
            )
    scale = model.logit_scale.exp()
    rows = batch.tokens.flatten(0, 1)
    same_caption = (rows[:, None] == rows[None]).all(-1).float()
    by_caption = contrastive_loss(scale * images @ text_features(rows).T, same_caption)
    names = batch.names.repeat(2)
    named = names != NO_NAME
    by_name = F.cross_entropy(scale * images[named] @ text_features(name_tokens).T, names[named])
    return by_caption, by_name, torch.stack(by_pair).mean(), reader(pooled, batch)


def tokenize_names(tokenizer: CLIPTokenizer) -> torch.Tensor:
    """Return the tokens (names, length) of a plain prompt with each of ``NAMES``."""
    sentences = [PLAIN_TEMPLATES["object"].format(with_article(name)) for name in NAMES]
    tokens: torch.Tensor = tokenizer(sentences, padding=True, return_tensors="pt").input_ids
    return tokens


def contrastive_loss(similarities: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Return the symmetric InfoNCE loss of similarities (n, n); ``same`` (n, n) is 1 at all positives."""
    target = same / same.sum(1, keepdim=True)
    return (F.cross_entropy(similarities, target) + F.cross_entropy(similarities.T, target.T)) / 2


def train_judge(
    model: CLIPModel,
    tokenizer: CLIPTokenizer,
    renderer: Renderer,
    options: argparse.Namespace,
    device: torch.device,
) -> None:
    """Train the judge; resumes from the checkpoint in ``options.out``, and exports at every checkpoint."""
    checkpoint = options.out / CHECKPOINT
    averaged = copy.deepcopy(model).requires_grad_(False)
    reader = SettingsReader().to(device)
    trained = torch.nn.ModuleDict({"model": model, "reader": reader})
    optimizer = torch.optim.AdamW(trained.parameters(), betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    elapsed, step = 0.0, 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        trained.load_state_dict(saved["trained"])
        averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, step = saved["elapsed"], saved["step"]
        renderer.seek(saved["chunk"])
    name_tokens = tokenize_names(tokenizer).to(device)
    torch.manual_seed(FIRST_SEED + step)
    pool, history = PairPool(tokenizer, device), []
    while pool.added < 16 * PAIRS_IN_CHUNK:
        pool.add(renderer.take())
    wanted = float(pool.added)
    clock = Clock(options.minutes, options.checkpoint_minutes, elapsed)

    def save() -> None:
        save_checkpoint(
            checkpoint,
            trained=trained.state_dict(),
            averaged=averaged.state_dict(),
            optimizer=optimizer.state_dict(),
            elapsed=clock.elapsed,
            step=step,
            chunk=renderer.next_chunk,
        )
        export(averaged, tokenizer, options.out)

    while (share := clock.tick()) < 1:
        wanted += options.pairs / options.reuse
        while pool.added < wanted and renderer.ready:
            pool.add(renderer.take())
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(share, options.learning_rate, step, options.decay_share)
        with mixed_precision(device):
            losses = torch.stack(judge_loss(model, reader, name_tokens, pool.sample(options.pairs)))
        optimizer.zero_grad()
        captions, names, pairs, settings = losses
        (captions + names + pairs + SETTINGS_WEIGHT * settings).backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        step += 1
        update_average(averaged, model, min(AVERAGE_DECAY, 1 - 9 / (10 + step)))
        history.append(losses.detach())
        if clock.should_report():
            means = zip(("captions", "names", "pairs", "settings"), torch.stack(history).mean(0), strict=True)
            detail = ", ".join(f"{name} {mean:.3f}" for name, mean in means)
            history.clear()
            report("judge", clock, step * options.pairs, "pairs", f"{detail}, {pool.added} rendered")
        if clock.should_save():
            save()
    save()


def export(model: CLIPModel, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Save an ordinary CLIPModel in fp16 with its processor and tokenizer."""
    copy.deepcopy(model).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": PICTURE_SIZE},
        crop_size={"height": PICTURE_SIZE, "width": PICTURE_SIZE},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    ).save_pretrained(folder)


if __name__ == "__main__":
    main()
