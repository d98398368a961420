"""In each family, the gradient at the word's vector equals that of diffusers' training script."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from helpers.diffusers_script import script_gradient
from helpers.tiny_models import tiny_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from demo_model.architecture import noise_schedule
from ti_core.errors import ModelError
from ti_core.model.backbone import Backbone
from ti_core.model.families import check_family

TOKEN = "<our-cat>"
PROMPT = f"a photo of {TOKEN}"
CPU = torch.device("cpu")
KINDS = ("sd1", "sd1-velocity", "sd2", "sd2-base", "sdxl")


def pipeline_of(folder: Path, kind: str) -> Any:
    pipeline_class = StableDiffusionXLPipeline if kind == "sdxl" else StableDiffusionPipeline
    pipeline = pipeline_class.from_pretrained(folder)
    if kind == "sd1-velocity":
        pipeline.scheduler.register_to_config(prediction_type="v_prediction")
    if kind == "sd2-base":
        pipeline.scheduler.register_to_config(prediction_type="epsilon")
    return pipeline


def our_gradient(
    backbone: Backbone,
    vectors: dict[str, torch.Tensor],
    latents: torch.Tensor,
    noise: torch.Tensor,
    timesteps: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """The gradient that a training step computes on the given rows."""
    rows = {name: vector.clone().requires_grad_() for name, vector in vectors.items()}
    conditioning = backbone.encode_prompts([PROMPT] * len(latents), {TOKEN: rows})
    prediction = backbone.predict(backbone.add_noise(latents, noise, timesteps), timesteps, conditioning)
    (prediction - backbone.target(latents, noise, timesteps)).square().mean().backward()
    return {name: row.grad for name, row in rows.items() if row.grad is not None}


def assert_same_gradient(pipeline: Any, side: int) -> None:
    backbone = Backbone(copy.copy(pipeline), "model", CPU, torch.float32)
    generator = torch.Generator().manual_seed(0)
    channels = backbone.unet.config.in_channels
    latents, noise = torch.randn(2, 2, channels, side, side, generator=generator)
    timesteps = torch.tensor([100, 700])
    vectors = {
        name: 0.02 * torch.randn(1, width, generator=generator)
        for name, width in backbone.base.widths.items()
    }
    ours = our_gradient(backbone, vectors, latents, noise, timesteps)
    theirs = script_gradient(pipeline, TOKEN, vectors, PROMPT, latents, noise, timesteps, backbone.resolution)
    assert ours.keys() == theirs.keys() == vectors.keys()
    for name, gradient in ours.items():
        cosine = torch.nn.functional.cosine_similarity(gradient, theirs[name])
        assert cosine >= 0.999, name
        torch.testing.assert_close(gradient.norm(), theirs[name].norm(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_the_diffusers_script(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(f"tiny_{kind.split('-')[0]}")
    assert_same_gradient(pipeline_of(folder, kind), side=8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_family_is_not_what_the_denoiser_predicts(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(f"tiny_{kind.split('-')[0]}")
    backbone = Backbone(pipeline_of(folder, kind), "model", CPU, torch.float32)
    assert backbone.base.family == kind.split("-")[0]
    latents, noise, timesteps = torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8), torch.tensor([900])
    is_noise = torch.equal(backbone.target(latents, noise, timesteps), noise)
    assert is_noise == (kind in ("sd1", "sd2-base", "sdxl"))


@pytest.mark.parametrize(
    ("class_name", "unet", "scheduler", "has_encoder", "message"),
    [
        ("StableDiffusionInpaintPipeline", {"in_channels": 9}, {}, True, "m is an inpainting model: choose"),
        ("StableDiffusionPipeline", {"in_channels": 9}, {}, True, "m is an inpainting model: choose"),
        ("StableDiffusionPipeline", {"in_channels": 8}, {}, True, "edits pictures by instructions"),
        ("StableDiffusionPipeline", {"in_channels": 5}, {}, True, "a model for depth maps"),
        ("StableDiffusionPipeline", {"in_channels": 7}, {}, True, "an upscaling model"),
        ("StableDiffusionXLImg2ImgPipeline", {}, {}, False, "m is a refiner"),
        ("FluxPipeline", {}, {}, True, r"another kind \(FluxPipeline\)"),
        ("", {}, {}, True, r"another kind \(unnamed\)"),
        (
            "StableDiffusionXLPipeline",
            {},
            {"_class_name": "EDMEulerScheduler"},
            True,
            "another kind of noise",
        ),
        ("StableDiffusionPipeline", {}, {"prediction_type": "sample"}, True, "another kind of noise"),
    ],
)
def test_what_learns_no_words_is_refused_with_the_reason(
    class_name: str, unet: dict[str, Any], scheduler: dict[str, Any], has_encoder: bool, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        check_family("m", class_name, unet, scheduler, has_encoder)


def test_latents_of_another_depth_are_no_other_input() -> None:
    unet = {"in_channels": 8, "out_channels": 8}
    assert check_family("toybox", "StableDiffusionPipeline", unet, {}, True) == "sd1"


# --- at full size, with random weights ----------------------------------------------------------------------


def text_config(tokenizer: Any, **sizes: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=49408,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **sizes,
    )


def full_vae(sample_size: int) -> AutoencoderKL:
    """A small autoencoder: the loss does not depend on it."""
    return AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        sample_size=sample_size,
    )


CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}


@pytest.mark.slow
def test_at_the_size_of_sd15_the_gradient_is_that_of_the_script(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer(tmp_path / "tokenizer")
    pipeline = StableDiffusionPipeline(
        vae=full_vae(512),
        text_encoder=CLIPTextModel(text_config(tokenizer, **CLIP_L)),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8),
        scheduler=noise_schedule("epsilon"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    assert_same_gradient(pipeline, side=8)


@pytest.mark.slow
@pytest.mark.large
def test_at_the_size_of_sdxl_the_gradient_is_that_of_the_script(tmp_path: Path) -> None:
    """Needs memory for 14 GB of weights."""
    torch.manual_seed(0)
    first, second = tiny_tokenizer(tmp_path / "first"), tiny_tokenizer(tmp_path / "second", "!")
    pipeline = StableDiffusionXLPipeline(
        vae=full_vae(1024),
        text_encoder=CLIPTextModel(text_config(first, **CLIP_L)),
        text_encoder_2=CLIPTextModelWithProjection(
            text_config(second, **CLIP_G, projection_dim=1280, hidden_act="gelu")
        ),
        tokenizer=first,
        tokenizer_2=second,
        unet=UNet2DConditionModel(
            sample_size=128,
            cross_attention_dim=2048,
            attention_head_dim=[5, 10, 20],
            use_linear_projection=True,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 2, 10],
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        ),
        scheduler=noise_schedule("epsilon"),
    )
    assert_same_gradient(pipeline, side=8)
