"""Convert a tiny Stable Diffusion 1 model to one checkpoint file with the original tensor names."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

LAYERS = 1  # per block of the tiny models
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
TOP = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def checkpoint_of(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a diffusers folder under the names of the original checkpoint."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    return {
        **{f"model.diffusion_model.{_unet_name(key)}": value for key, value in _state(pipeline.unet)},
        **{
            f"first_stage_model.{_vae_name(key)}": _as_conv(key, value) for key, value in _state(pipeline.vae)
        },
        **{
            f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}": value
            for key, value in _state(pipeline.text_encoder)
        },
    }


def _state(module: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [(key, value.clone()) for key, value in module.state_dict().items()]


def _unet_name(key: str) -> str:
    for ours, original in TOP.items():
        if key.startswith(f"{ours}."):
            return original + key.removeprefix(ours)
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", key):
        kind, number, rest = match.groups()
        place = 1 if kind == "attentions" else 2 * int(number)
        return f"middle_block.{place}.{_renamed(rest, RESNET) if kind == 'resnets' else rest}"
    match = re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", key)
    assert match, key
    way, block, kind, number, rest = match.groups()
    first, name = (1, "input_blocks") if way == "down" else (0, "output_blocks")
    at = first + int(block) * (LAYERS + 1) + int(number)
    if kind == "resnets":
        return f"{name}.{at}.0.{_renamed(rest, RESNET)}"
    if kind == "attentions":
        return f"{name}.{at}.1.{rest}"
    if kind == "downsamplers":
        return f"{name}.{at + LAYERS}.0.op.{rest.removeprefix('conv.')}"
    return f"{name}.{at + LAYERS}.2.{rest}"


def _vae_name(key: str) -> str:
    key = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", key)
    if match := re.fullmatch(r"(.*)mid_block\.attentions\.0\.(.*)", key):
        return f"{match[1]}mid.attn_1.{_renamed(match[2], ATTENTION)}"
    key = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets", lambda match: f"up.{1 - int(match[1])}.block", key)
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda match: f"up.{1 - int(match[1])}.upsample", key)


def _as_conv(key: str, value: torch.Tensor) -> torch.Tensor:
    return value[..., None, None] if "attentions" in key and value.ndim == 2 else value


def _renamed(rest: str, names: dict[str, str]) -> str:
    for ours, original in names.items():
        if rest.startswith(f"{ours}."):
            return original + rest.removeprefix(ours)
    return rest
