"""Base models with random weights, for measurements that do not depend on the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers import (
    AutoencoderKL,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from demo_model.architecture import noise_schedule
from ti_core.model.backbone import Backbone
from ti_core.model.families import Family
from ti_core.model.precision import best_device, fastest_dtype

LATENTS: Mapping[Family, int] = {"sd1": 64, "sd2": 96, "sdxl": 128}  # side of the latents
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16}
CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
TINY_CLIP = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
FULL_UNETS: Mapping[Family, Mapping[str, Any]] = {
    "sd1": {"cross_attention_dim": 768, "attention_head_dim": 8},
    "sd2": {
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
    "sdxl": {
        "cross_attention_dim": 2048,
        "attention_head_dim": (5, 10, 20),
        "use_linear_projection": True,
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 1280 + 6 * 256,
    },
}
TINY_UNET: Mapping[str, Any] = {
    "block_out_channels": (32, 64),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}


def random_model(family: Family, *, full: bool) -> Backbone:
    """Build a model of a family, at its full size or tiny, with the embedded model's tokenizer."""
    tokenizer = Backbone.load("toybox", device="cpu").sampler("text", "ddim").tokenizer
    encoders = {
        "sd1": [(CLIPTextModel, CLIP_L)],
        "sd2": [(CLIPTextModel, CLIP_H)],
        "sdxl": [(CLIPTextModel, CLIP_L), (CLIPTextModelWithProjection, CLIP_G)],
    }[family]
    text_encoders = [
        model_class(_text_config(tokenizer, sizes if full else TINY_CLIP)) for model_class, sizes in encoders
    ]
    parts = {
        "vae": _vae(LATENTS[family], full),
        "unet": UNet2DConditionModel(sample_size=LATENTS[family], **_unet_sizes(family, full)),
        "scheduler": noise_schedule("v_prediction" if family == "sd2" else "epsilon"),
        "tokenizer": tokenizer,
        "text_encoder": text_encoders[0],
    }
    if family == "sdxl":
        pipeline: Any = StableDiffusionXLPipeline(
            **parts, tokenizer_2=tokenizer, text_encoder_2=text_encoders[1]
        )
    else:
        pipeline = StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    device = best_device()
    return Backbone(pipeline, f"{family}-random", device, fastest_dtype(device))


def _text_config(tokenizer: Any, sizes: Mapping[str, int]) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=49408,
        projection_dim=sizes["hidden_size"],
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **sizes,
    )


def _unet_sizes(family: Family, full: bool) -> dict[str, Any]:
    if full:
        return dict(FULL_UNETS[family])
    width, sizes = TINY_CLIP["hidden_size"], dict(TINY_UNET)
    if family == "sd1":
        return sizes | {"cross_attention_dim": width}
    if family == "sd2":
        return sizes | {"cross_attention_dim": width, "use_linear_projection": True}
    return sizes | {
        "cross_attention_dim": 2 * width,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": width + 6 * 8,
    }


def _vae(latents: int, full: bool) -> AutoencoderKL:
    widths = (128, 256, 512, 512) if full else (16, 32, 32, 32)
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2 if full else 1,
        norm_num_groups=32 if full else 8,
        latent_channels=4,
        sample_size=8 * latents,
        scaling_factor=0.18215,
    )
