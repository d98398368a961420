"""diffusers' pipelines, used as samplers over the parts of a base model, and its schedulers.

In the core, only :mod:`ti_core.model.backbone` uses this module. A sampler takes conditioning instead of
prompts, and latents instead of pictures, because the autoencoder may be in another precision than the
denoiser.
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
    """Make a scheduler of diffusers with the noise schedule of ``configuration``."""
    return getattr(diffusers, class_name).from_config(configuration, **options)


def sampler_classes(pipeline_class: type, *, is_xl: bool) -> Mapping[Mode, Any]:
    """The pipeline classes for text-to-image and image-to-image."""
    other = StableDiffusionXLImg2ImgPipeline if is_xl else StableDiffusionImg2ImgPipeline
    return {"text": _on_denoiser_device(pipeline_class), "picture": _on_denoiser_device(other)}


def make_sampler(classes: Mapping[Mode, Any], mode: Mode, parts: Mapping[str, Any]) -> Any:
    """Make a sampler for one drawing; it shares ``parts``, and its scheduler holds the drawing's state."""
    pipeline = classes[mode](**parts)
    pipeline.set_progress_bar_config(disable=True)
    if mode == "picture":  # diffusers recognises latents by their four channels; ours may have another number
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
    """Replace an image-to-image pipeline's ``prepare_latents``: return noisy latents (b, c, h, w)."""
    latents = latents.to(device, dtype)
    noise = randn_tensor(latents.shape, generator=generator, device=device, dtype=dtype)
    noisy: torch.Tensor = scheduler.add_noise(latents, noise, timestep)
    return noisy


def _on_denoiser_device(pipeline_class: type) -> Any:
    """A subclass that computes on the denoiser's device, while other parts may be on the CPU."""
    here = property(lambda pipeline: pipeline.unet.device)
    return type(pipeline_class.__name__, (pipeline_class,), {"_execution_device": here})
