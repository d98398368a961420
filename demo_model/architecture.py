"""Build the parts of the embedded model, and initialise its autoencoder.

Every part is an ordinary diffusers or transformers class. Only the sizes are ours, chosen so that two CPU
cores can train and run the model.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

PICTURE_SIZE = 128  # pixels per side
LATENT_CHANNELS = 8
TEXT_WIDTH = 256


def make_autoencoder() -> AutoencoderKL:
    """Build a fully convolutional autoencoder, (3, 128, 128) → (8, 16, 16), with 2.5 M parameters.

    It has no attention in the middle block, so that it can be trained on crops. The outer blocks have few
    channels, because a CPU spends most of its time there.
    """
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 128),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        sample_size=PICTURE_SIZE,
        scaling_factor=1.0,  # balance_latents scales the latents themselves
        mid_block_add_attention=False,
    )
    start_as_thumbnail(vae)
    return vae


def make_unet() -> UNet2DConditionModel:
    """Build the denoiser, (8, 16, 16) → (8, 16, 16), with 11 M parameters.

    It is conditioned on the text by cross-attention at 8 x 8 and 4 x 4. The pooled text is also added to the
    timestep embedding, so that what a caption says about the whole picture reaches every block.
    """
    unet = UNet2DConditionModel(
        sample_size=PICTURE_SIZE // 8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # diffusers' name for the number of heads
        norm_num_groups=16,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )
    torch.nn.init.zeros_(unet.add_embedding.norm2.weight)  # the pooled text has no effect at first
    return unet


def make_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Build a four-layer CLIP text encoder of width 256 for the tokenizer's vocabulary and 77 positions."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=77,
            hidden_act="gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def noise_schedule(prediction_type: str) -> DDIMScheduler:
    """Return Stable Diffusion's noise schedule: 1,000 steps, scaled linear."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction_type,
    )


@torch.no_grad()
def start_as_thumbnail(vae: AutoencoderKL) -> None:
    """Initialise the autoencoder so that the latent is the picture's colours at 1/8 of its size.

    Decoding then upscales these colours.

    Every residual branch starts at zero and the shortcuts carry three colour channels through. Colours are
    therefore right from the first step, and training only adds detail. The group norm before each output
    would remove the level of a colour. Each of its groups therefore holds a colour, its negative and a
    constant pair that dominates the group's variance. The activation cancels out because
    silu(x) - silu(-x) = x.
    """
    constant = 3.0  # large compared with a colour in [-1, 1]
    for module in vae.modules():
        if type(module).__name__ == "ResnetBlock2D":
            module.conv2.weight.zero_()
            module.conv2.bias.zero_()
            if module.conv_shortcut is not None:
                torch.nn.init.dirac_(module.conv_shortcut.weight)
                module.conv_shortcut.bias.zero_()

    def init_input(conv_in: Any, colours: torch.Tensor) -> None:
        """Fill each of the first three groups with the channels (colour, -colour, constant, -constant)."""
        conv_in.weight[:12].zero_()
        conv_in.bias[:12].zero_()
        for colour in range(3):
            conv_in.weight[4 * colour, :, 1, 1] = colours[colour]
            conv_in.weight[4 * colour + 1, :, 1, 1] = -colours[colour]
            conv_in.bias[4 * colour + 2] = constant
            conv_in.bias[4 * colour + 3] = -constant

    def init_output(norm: Any, conv_out: Any, colours: torch.Tensor) -> None:
        """Recover the colours after the norm and the activation, mixed by ``colours`` (out, 3)."""
        group = norm.num_channels // norm.num_groups
        pairs_per_group = min(3, group // 4)
        spread = (2 * pairs_per_group / group) ** 0.5 * constant
        norm.weight.fill_(spread)
        conv_out.weight[: len(colours)].mul_(0.1)
        for colour in range(3):
            conv_out.weight[: len(colours), 4 * colour : 4 * colour + 2] = 0
            conv_out.weight[: len(colours), 4 * colour, 1, 1] = colours[:, colour]
            conv_out.weight[: len(colours), 4 * colour + 1, 1, 1] = -colours[:, colour]

    for block in vae.encoder.down_blocks:
        for sampler in block.downsamplers or ():
            sampler.conv.weight[:12].zero_()
            sampler.conv.bias[:12].zero_()
            for channel in range(12):
                sampler.conv.weight[channel, channel, :2, :2] = 0.25
    for block in vae.decoder.up_blocks:
        for sampler in block.upsamplers or ():
            sampler.conv.weight[:12].zero_()
            sampler.conv.bias[:12].zero_()
            for channel in range(12):
                sampler.conv.weight[channel, channel, 1, 1] = 1.0

    luma_chroma = torch.tensor([[0.58, 0.58, 0.58], [0.71, 0.0, -0.71], [-0.41, 0.82, -0.41]])
    init_input(vae.encoder.conv_in, torch.eye(3))
    init_output(vae.encoder.conv_norm_out, vae.encoder.conv_out, 2.0 * luma_chroma)
    torch.nn.init.dirac_(vae.quant_conv.weight)
    torch.nn.init.dirac_(vae.post_quant_conv.weight)
    colours = torch.zeros(3, LATENT_CHANNELS)
    colours[:, :3] = torch.linalg.inv(2.0 * luma_chroma)
    init_input(vae.decoder.conv_in, colours)
    init_output(vae.decoder.conv_norm_out, vae.decoder.conv_out, torch.eye(3))
    # The log-variances start small; the means of the other latent channels keep their random weights.
    vae.encoder.conv_out.weight[LATENT_CHANNELS:].zero_()
    vae.encoder.conv_out.bias[LATENT_CHANNELS:] = -4.0
