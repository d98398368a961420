"""Tiny models: the real classes and folder layout, with seeded random weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers import pre_tokenizers
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from demo_model.architecture import noise_schedule
from ti_core.model.families import Family

WORDS = ("cat", "photo", "of", "dog", "toy", "painting", "in", "the", "style", "red")
"""The words that are a single token; every other word is split into letters."""

CLIP_L_WIDTH, CLIP_H_WIDTH, CLIP_G_WIDTH = 32, 48, 48
TIME_IDS, TIME_ID_WIDTH = 6, 8


def save_tiny_model(family: Family, folder: Path, seed: int = 0) -> Path:
    """Save a model with 8 × 8 latents and 16 × 16 pixels, which draws a picture in a fraction of a second."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = _build_sdxl(folder) if family == "sdxl" else _build_sd(folder, is_sd2=family == "sd2")
    pipeline.save_pretrained(folder)
    return folder


def save_tiny_judge(folder: Path, likeness: dict[str, tuple[int, int]] | None = None) -> Path:
    """Save a CLIP for 16 × 16 pixels; ``likeness`` is as in the embedded judge's configuration."""
    tokenizer = tiny_tokenizer(folder)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    own = {} if likeness is None else {"likeness": likeness}
    config = CLIPConfig(
        vision_config={**shape, "image_size": 16, "patch_size": 4},
        text_config=_text_config(tokenizer, CLIP_L_WIDTH).to_dict(),
        projection_dim=8,
        **own,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    side = {"height": 16, "width": 16}
    CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=side).save_pretrained(folder)
    return folder


def tiny_tokenizer(folder: Path, pad_token: str = "<|endoftext|>") -> CLIPTokenizer:
    """Build a tokenizer with entries in CLIP's order: bytes, bytes at a word's end, merges, start, end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = list(dict.fromkeys(merge for word in WORDS for merge in _merges_of(word)))
    entries = [*alphabet, *(byte + "</w>" for byte in alphabet), *(left + right for left, right in merges)]
    vocabulary = {entry: index for index, entry in enumerate([*entries, "<|startoftext|>", "<|endoftext|>"])}
    folder.mkdir(parents=True, exist_ok=True)
    vocab_file, merges_file = folder / "vocab.json", folder / "merges.txt"
    vocab_file.write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    merges_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CLIPTokenizer(
        vocab=str(vocab_file), merges=str(merges_file), model_max_length=77, pad_token=pad_token
    )


def _merges_of(word: str) -> list[tuple[str, str]]:
    """Return a word's merges from its end to its start, so that no word's merges break another's."""
    letters = [*word[:-1], word[-1] + "</w>"]
    return [(letters[at], "".join(letters[at + 1 :])) for at in reversed(range(len(letters) - 1))]


def _build_sd(folder: Path, is_sd2: bool) -> StableDiffusionPipeline:
    width = CLIP_H_WIDTH if is_sd2 else CLIP_L_WIDTH
    tokenizer = tiny_tokenizer(folder / "tokenizer", "!" if is_sd2 else "<|endoftext|>")
    return StableDiffusionPipeline(
        vae=_vae(scaling_factor=0.18215),
        text_encoder=CLIPTextModel(_text_config(tokenizer, width)),
        tokenizer=tokenizer,
        unet=_unet(width, use_linear_projection=is_sd2),
        scheduler=noise_schedule("v_prediction" if is_sd2 else "epsilon"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _build_sdxl(folder: Path) -> StableDiffusionXLPipeline:
    first, second = tiny_tokenizer(folder / "tokenizer"), tiny_tokenizer(folder / "tokenizer_2", "!")
    return StableDiffusionXLPipeline(
        vae=_vae(scaling_factor=0.13025),
        text_encoder=CLIPTextModel(_text_config(first, CLIP_L_WIDTH)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(second, CLIP_G_WIDTH)),
        tokenizer=first,
        tokenizer_2=second,
        unet=_unet(
            CLIP_L_WIDTH + CLIP_G_WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=TIME_ID_WIDTH,
            projection_class_embeddings_input_dim=CLIP_G_WIDTH + TIME_IDS * TIME_ID_WIDTH,
        ),
        scheduler=noise_schedule("epsilon"),
    )


def _text_config(tokenizer: CLIPTokenizer, width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        projection_dim=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _unet(width: int, **options) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=4,
        norm_num_groups=8,
        **options,
    )


def _vae(scaling_factor: float) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=16,
        scaling_factor=scaling_factor,
    )
