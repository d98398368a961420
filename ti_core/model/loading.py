"""Load a base model's pipeline from a diffusers folder or from one checkpoint file.

In the core, only :mod:`ti_core.model.backbone` uses this module. Nothing that is loaded here can run code:
weights are safetensors, or pickles of which only tensors are read.
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
from ti_core.model.memory import free_unused_memory
from ti_core.model.presets import find_preset

CONFIGURATION_PRESETS: Mapping[Family, str] = {"sd1": "sd15", "sd2": "sd21", "sdxl": "sdxl"}
"""For each family, the preset that provides the configuration and tokenizers for a checkpoint file."""
SD2_BASE_LATENTS = 64  # side of the latents of Stable Diffusion 2's base model, which draws 512 px
PREDICTION_PROBE_SIDE = 32  # side of the latents on which the prediction type is tested
MIN_VOCABULARY_SHARE = 0.9  # share of the embedding rows for which a matching tokenizer must have a token
LEGACY_EOS_ID = 2  # old configurations give this number as the end token's id, whatever the id is


def load_folder(
    folder: Path, name: str, dtype: torch.dtype, variant: str | None, safety_checker: bool
) -> Any:
    """Load a diffusers folder as a pipeline on the CPU, with its text encoders in float32.

    Raises :class:`ModelError`, and the errors of diffusers for damaged files.
    """
    is_xl = read_family(folder, name) == "sdxl"
    pipeline_class = StableDiffusionXLPipeline if is_xl else StableDiffusionPipeline
    index = pipeline_class.load_config(folder)
    extra: dict[str, Any] = {"image_encoder": None}
    if not is_xl:
        if not safety_checker or index.get("safety_checker", [None])[-1] is None:
            extra |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        else:  # loaded here, because old models name a class that no longer exists
            extra["feature_extractor"] = CLIPImageProcessor.from_pretrained(folder / "feature_extractor")
    # The text encoders are cast later: the fingerprint is taken from their original precision.
    exact = {part: torch.float32 for part in index if part.startswith("text_encoder")}
    pipeline = pipeline_class.from_pretrained(
        folder, dtype={"default": dtype, **exact}, variant=variant, local_files_only=True, **extra
    )
    check_tokenizers(name, pipeline)
    return pipeline


def load_file(file: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """Load one checkpoint file as a pipeline on the CPU, with its text encoders in float32.

    A checkpoint does not contain its configuration. It is read from a diffusers folder of the same name next
    to the file if there is one, otherwise from the family's own repository, which is downloaded once. Raises
    :class:`ModelError`, and the errors of diffusers for damaged files.
    """
    shapes = read_shapes(file)
    family = family_of_shapes(file.name, shapes)
    beside = file.with_suffix("")
    if (beside / "model_index.json").is_file():
        configuration = beside
    else:
        preset = find_preset(CONFIGURATION_PRESETS[family])
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
    # The text encoders are cast later: the fingerprint is taken from their original precision.
    pipeline = pipeline_class.from_single_file(str(file), dtype=torch.float32, **parts, **options, **extra)
    check_tokenizers(file.name, pipeline)
    if configuration != beside:
        _set_prediction_type(pipeline, family, device)
    return pipeline


def check_tokenizers(name: str, pipeline: Any) -> None:
    """Raise :class:`ModelError` if a tokenizer is missing or belongs to another text encoder."""
    for suffix in ("", "_2"):
        encoder = getattr(pipeline, f"text_encoder{suffix}", None)
        if encoder is not None and not _fits(getattr(pipeline, f"tokenizer{suffix}"), encoder.config):
            raise ModelError(
                "{name} has no tokenizer that fits its text encoder, and would draw nonsense: fetch its "
                "files again, or choose another model.",
                name=name,
            )


def _fits(tokenizer: Any, encoder: Any) -> bool:
    """Whether a tokenizer's ids are those that a text encoder with this configuration was trained on."""
    if tokenizer is None:
        return False
    ids = set(tokenizer.get_vocab().values())
    words = ids.difference(tokenizer.all_special_ids)
    return (
        len(words) >= MIN_VOCABULARY_SHARE * encoder.vocab_size
        and max(ids) < encoder.vocab_size
        and encoder.eos_token_id in (tokenizer.eos_token_id, LEGACY_EOS_ID)
    )


def _set_prediction_type(pipeline: Any, family: Family, device: torch.device) -> None:
    """Set the scheduler's prediction type, which no checkpoint states, and the latent size it implies."""
    is_noise = predicts_noise(pipeline.unet, device)
    pipeline.scheduler.register_to_config(prediction_type="epsilon" if is_noise else "v_prediction")
    if family == "sd2" and is_noise:
        pipeline.unet.register_to_config(sample_size=SD2_BASE_LATENTS)


@torch.no_grad()
def predicts_noise(unet: Any, device: torch.device) -> bool:
    """Whether a trained denoiser predicts noise rather than velocity.

    At the last timestep the input is almost pure noise. A model that predicts noise returns its input there,
    whereas the velocity is almost only the (negated) picture.
    """
    unet.to(device)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(
        1, unet.config.in_channels, PREDICTION_PROBE_SIDE, PREDICTION_PROBE_SIDE, generator=generator
    )
    noise = noise.to(device, unet.dtype)
    added = None
    if unet.config.addition_embed_type == "text_time":
        width = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
        added = {"text_embeds": noise.new_zeros(1, width), "time_ids": noise.new_zeros(1, 6)}
    hidden = noise.new_zeros(1, 77, unet.config.cross_attention_dim)
    prediction = unet(noise, 999, hidden, added_cond_kwargs=added).sample
    unet.to("cpu")  # where Memory expects every part at first
    free_unused_memory(device)
    likeness = torch.nn.functional.cosine_similarity(prediction.flatten().float(), noise.flatten().float(), 0)
    return bool(likeness > 0.5)


def attend_unfused(unet: Any, text_encoders: Iterable[Any]) -> None:
    """Replace fused attention by separate steps: the fused kernel's backward pass is slow on a CPU."""
    unet.set_attn_processor(AttnProcessor())
    for encoder in text_encoders:
        encoder.set_attn_implementation("eager")
