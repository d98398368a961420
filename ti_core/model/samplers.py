"""diffusers' own pipelines as samplers over the parts of a base model, and its schedulers by name.

Works for :mod:`ti_core.model.backbone`. A sampler is called with a conditioning in place of prompts, and with
latents in place of pictures: the autoencoder may be in another precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import diffusers
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionXLImg2ImgPipeline
from diffusers.utils.torch_utils import randn_tensor

Mode = Literal["text", "picture"]


def make_scheduler(class_name: str, configuration: Mapping[str, Any], **options: Any) -> Any:
    """A scheduler over the noise schedule of a ``configuration``."""
    return getattr(diffusers, class_name).from_config(configuration, **options)


def sampler_classes(pipeline_class: type, *, is_xl: bool) -> Mapping[Mode, Any]:
    """The pipelines from text to picture and from picture to picture."""
    other = StableDiffusionXLImg2ImgPipeline if is_xl else StableDiffusionImg2ImgPipeline
    return {"text": _at_the_denoiser(pipeline_class), "picture": _at_the_denoiser(other)}


def make_sampler(classes: Mapping[Mode, Any], mode: Mode, parts: Mapping[str, Any]) -> Any:
    """A sampler over ``parts``, which are not copied; its scheduler holds the state of one drawing."""
    pipeline = classes[mode](**parts)
    pipeline.set_progress_bar_config(disable=True)
    if mode == "picture":  # which takes for latents only what has four channels
        channels = pipeline.vae.config.latent_channels
        pipeline.image_processor.register_to_config(vae_latent_channels=channels)
        pipeline.prepare_latents = partial(_noisy_latents, pipeline.scheduler)
    return pipeline


def _noisy_latents(
    scheduler: Any,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    batch_size: int,
    num_images_per_prompt: int,
    dtype: torch.dtype,
    device: torch.device,
    generator: list[torch.Generator],
    add_noise: bool = True,
) -> torch.Tensor:
    """Stands in for a picture-to-picture pipeline's ``prepare_latents``: noisy latents (b, c, h, w)."""
    latents = latents.to(device, dtype)
    noise = randn_tensor(latents.shape, generator=generator, device=device, dtype=dtype)
    noisy: torch.Tensor = scheduler.add_noise(latents, noise, timestep)
    return noisy


def _at_the_denoiser(pipeline_class: type) -> Any:
    """The pipeline's class, but computing where the denoiser is: other parts may rest elsewhere."""
    here = property(lambda pipeline: pipeline.unet.device)
    return type(pipeline_class.__name__, (pipeline_class,), {"_execution_device": here})
