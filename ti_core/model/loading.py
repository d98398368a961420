"""Loads the parts of a base model, from a diffusers folder or from one checkpoint file.

Works for :mod:`ti_core.model.backbone`. Nothing that is loaded here can run code: weights are safetensors, or
pickles that are read as tensors only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPImageProcessor

from ti_core.errors import ModelError
from ti_core.model.checkpoints import family_of_shapes, read_shapes
from ti_core.model.download import fetch_configuration
from ti_core.model.families import Family, read_family
from ti_core.model.memory import release
from ti_core.model.presets import find_preset

CONFIGURATION_OF: Mapping[Family, str] = {"sd1": "sd15", "sd2": "sd21", "sdxl": "sdxl"}
"""The preset whose configuration and tokenizers a checkpoint file of each family is read with."""
SD2_BASE_LATENTS = 64  # the side that Stable Diffusion 2's base model was trained for, 512 px
PROBE_SIDE = 32
LEAST_VOCABULARY = 0.9  # of a text encoder's rows: what its own tokenizer has words for, at least
OLD_END = 2  # stands in old configurations in place of the end token's id


def load_folder(
    folder: Path, name: str, dtype: torch.dtype, variant: str | None, safety_checker: bool
) -> Any:
    """A pipeline on the CPU, its text encoders in float32. Raises :class:`ModelError` or others."""
    is_xl = read_family(folder, name) == "sdxl"
    pipeline_class = StableDiffusionXLPipeline if is_xl else StableDiffusionPipeline
    index = pipeline_class.load_config(folder)
    extra: dict[str, Any] = {"image_encoder": None}
    if not is_xl:
        if not safety_checker or index.get("safety_checker", [None])[-1] is None:
            extra |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        else:  # named here, for old models name a class that is no more
            extra["feature_extractor"] = CLIPImageProcessor.from_pretrained(folder / "feature_extractor")
    # The text encoders are cast only after their fingerprint is taken.
    exact = {part: torch.float32 for part in index if part.startswith("text_encoder")}
    pipeline = pipeline_class.from_pretrained(
        folder, dtype={"default": dtype, **exact}, variant=variant, local_files_only=True, **extra
    )
    check_tokenizers(name, pipeline)
    return pipeline


def load_file(file: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """A diffusers pipeline from one checkpoint file. Raises :class:`ModelError` and others.

    The file says nothing of its configuration: that is read from a diffusers folder of the same name beside
    it if there is one, else from the family's own repository, where it is downloaded once.
    """
    shapes = read_shapes(file)
    family = family_of_shapes(file.name, shapes)
    beside = file.with_suffix("")
    if (beside / "model_index.json").is_file():
        configuration = beside
    else:
        preset = find_preset(CONFIGURATION_OF[family])
        assert preset is not None
        try:
            configuration = fetch_configuration(preset.source)
        except ModelError as error:
            raise ModelError(
                "{file} needs the configuration of {repository}, which is downloaded once. {error}",
                file=file.name,
                repository=preset.source,
                error=error,
            ) from error
    pipeline_class = StableDiffusionXLPipeline if family == "sdxl" else StableDiffusionPipeline
    extra = {} if family == "sdxl" else {"safety_checker": None, "requires_safety_checker": False}
    options = {"config": str(configuration), "local_files_only": True}
    classes = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}
    parts = {
        part: part_class.from_single_file(str(file), subfolder=part, dtype=dtype, **options)
        for part, part_class in classes.items()
    }
    # The text encoders are cast only after their fingerprint is taken.
    pipeline = pipeline_class.from_single_file(str(file), dtype=torch.float32, **parts, **options, **extra)
    check_tokenizers(file.name, pipeline)
    if configuration != beside:
        _settle_prediction(pipeline, family, device)
    return pipeline


def check_tokenizers(name: str, pipeline: Any) -> None:
    """Raises :class:`ModelError` for a tokenizer that is missing, or another text encoder's."""
    for suffix in ("", "_2"):
        encoder = getattr(pipeline, f"text_encoder{suffix}", None)
        if encoder is not None and not _fits(getattr(pipeline, f"tokenizer{suffix}"), encoder.config):
            raise ModelError(
                "{name} has no tokenizer that fits its text encoder, and would draw nonsense: fetch its "
                "files again, or choose another model.",
                name=name,
            )


def _fits(tokenizer: Any, encoder: Any) -> bool:
    """Whether a tokenizer's ids are those that a text encoder of that configuration was trained on."""
    if tokenizer is None:
        return False
    ids = set(tokenizer.get_vocab().values())
    words = ids.difference(tokenizer.all_special_ids)
    return (
        len(words) >= LEAST_VOCABULARY * encoder.vocab_size
        and max(ids) < encoder.vocab_size
        and encoder.eos_token_id in (tokenizer.eos_token_id, OLD_END)
    )


def _settle_prediction(pipeline: Any, family: Family, device: torch.device) -> None:
    """Find out what the denoiser predicts, which no checkpoint says, and with it what size it is for."""
    is_noise = predicts_noise(pipeline.unet, device)
    pipeline.scheduler.register_to_config(prediction_type="epsilon" if is_noise else "v_prediction")
    if family == "sd2" and is_noise:
        pipeline.unet.register_to_config(sample_size=SD2_BASE_LATENTS)


@torch.no_grad()
def predicts_noise(unet: Any, device: torch.device) -> bool:
    """Whether a trained denoiser predicts noise, else velocity.

    At the last timestep its input is almost only noise: a model of noise gives that back, and velocity there
    is almost only the picture.
    """
    unet.to(device)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, unet.config.in_channels, PROBE_SIDE, PROBE_SIDE, generator=generator)
    noise = noise.to(device, unet.dtype)
    added = None
    if unet.config.addition_embed_type == "text_time":
        width = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
        added = {"text_embeds": noise.new_zeros(1, width), "time_ids": noise.new_zeros(1, 6)}
    hidden = noise.new_zeros(1, 77, unet.config.cross_attention_dim)
    prediction = unet(noise, 999, hidden, added_cond_kwargs=added).sample
    unet.to("cpu")  # from where the memory policy takes it
    release(device)
    likeness = torch.nn.functional.cosine_similarity(prediction.flatten().float(), noise.flatten().float(), 0)
    return bool(likeness > 0.5)


def attend_unfused(unet: Any, text_encoders: Iterable[Any]) -> None:
    """Compute attention in separate steps: the way back through the fused kernel is slow on a CPU."""
    unet.set_attn_processor(AttnProcessor())
    for encoder in text_encoders:
        encoder.set_attn_implementation("eager")
