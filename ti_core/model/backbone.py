"""The frozen text-to-image model. Only this module and its two helpers use diffusers.

All other code deals in pictures, prompts, latents and predictions. A concept is spliced in after the token
look-up and never installed: tokenizer, embedding table and weights stay as they were loaded. The helpers,
:mod:`ti_core.model.loading` and :mod:`ti_core.model.samplers`, import diffusers, which takes seconds; so they
are imported only when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from safetensors import SafetensorError

from ti_core.errors import ConfigError, ModelError
from ti_core.model.base import BaseModel
from ti_core.model.download import OnFetch, ShouldStop, fetch_model
from ti_core.model.families import Family, check_family
from ti_core.model.memory import (
    DECODING_BUFFERS,
    MEMORY_IS_FULL,
    Memory,
    activation_bytes,
    is_out_of_memory,
    out_of_memory_as,
)
from ti_core.model.precision import best_device, fastest_dtype
from ti_core.model.presets import DEFAULT_GUIDANCE_SCALE, DEFAULT_SCHEDULER, find_preset
from ti_core.model.schedulers import SCHEDULERS
from ti_core.model.sources import model_id, model_source
from ti_core.model.text_encoding import (
    Conditioning,
    KnownWords,
    TextEncoder,
    TokenCount,
    chunks_of,
    lengths_of,
)
from ti_core.model.vocabulary import Vocabulary, fingerprint
from ti_core.prompts.checks import check_tokens

if TYPE_CHECKING:
    from ti_core.model.samplers import Mode


LEARNING_RATE_PER_RMS = 0.36  # SD 1's usual rate, 5e-3, divided by the RMS of its embedding table, 0.0139
ACTIVATION_PROBE_SIDE = 16  # side of the latents on which the memory of a forward pass is measured
MAX_UNFUSED_SIDE = 16  # latents' side up to which unfused attention is faster on a CPU than the fused kernel


@dataclass(frozen=True)
class LatentPosterior:
    """The autoencoder's distribution for each picture: mean and std (b, c, h, w), float32.

    Both are scaled as the denoiser expects its latents.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def sample(self, noise: torch.Tensor) -> torch.Tensor:
        """Sample latents (b, c, h, w), given standard normal ``noise`` of that shape."""
        return self.mean + self.std * noise


class Backbone:
    """A frozen model on its device. Its attributes are read-only:

    - ``base``: the model's identity, as concepts record it
    - ``resolution``: the side of its square pictures in pixels, a multiple of ``pixels_per_latent``
    - ``num_timesteps``: the length of its noise schedule
    - ``guidance_scale``, ``scheduler`` (a name in ``SCHEDULERS``): the defaults for drawing
    - ``learning_rate_scale``: a factor on the usual learning rate
    - ``timestep_bias``: the default for training objects, as in
      :attr:`ti_core.config.TrainingConfig.timestep_bias`
    - ``vocabulary``: its tokens and their embeddings
    - ``memory``: keeps the model's parts on the device
    """

    def __init__(self, pipeline: Any, model_id: str, device: torch.device, dtype: torch.dtype):
        """Take over the parts of a pipeline. Raises :class:`ModelError` if it is not a base model."""
        from ti_core.model.samplers import make_scheduler, sampler_classes

        family = check_family(
            model_id,
            type(pipeline).__name__,
            pipeline.unet.config,
            pipeline.scheduler.config,
            has_encoder=pipeline.text_encoder is not None,
        )
        is_xl = family == "sdxl"
        self.device, self.dtype = device, dtype
        self.unet, self.vae = pipeline.unet, pipeline.vae
        self.noise_scheduler = make_scheduler("DDPMScheduler", pipeline.scheduler.config)
        self._checker = getattr(pipeline, "safety_checker", None)
        self._checker_input = getattr(pipeline, "feature_extractor", None)
        self._encoders = _text_encoders(pipeline, family)
        self.vocabulary = Vocabulary(self._encoders, device)
        widths = {encoder.name: encoder.width for encoder in self._encoders}
        self.base = BaseModel(model_id, family, widths, fingerprint(self._encoders))
        self.pixels_per_latent: int = pipeline.vae_scale_factor
        self.resolution: int = self.unet.config.sample_size * self.pixels_per_latent
        self.num_timesteps: int = self.noise_scheduler.config.num_train_timesteps
        preset = find_preset(model_id)
        self.guidance_scale = preset.guidance_scale if preset else DEFAULT_GUIDANCE_SCALE
        self.scheduler = preset.scheduler if preset else DEFAULT_SCHEDULER
        self.learning_rate_scale = preset.learning_rate_scale if preset else 1.0
        self.timestep_bias = preset.timestep_bias if preset else 0.0
        self._alphas = self.noise_scheduler.alphas_cumprod.to(device)
        self._memory_format = torch.contiguous_format if device.type == "mps" else torch.channels_last
        self.memory = self._place()
        self._sampler_parts = _sampler_parts(pipeline, is_xl=is_xl)
        self._samplers = sampler_classes(type(pipeline), is_xl=is_xl)

    @classmethod
    @out_of_memory_as(ModelError, MEMORY_IS_FULL)
    def load(
        cls,
        model: str = "toybox",
        device: str | None = None,
        dtype: torch.dtype | None = None,
        *,
        safety_checker: bool = True,
        on_fetch: OnFetch | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Backbone:
        """Load a model onto ``device``, downloading missing files first.

        ``model`` is a name that :func:`~ti_core.model.sources.model_source` resolves. ``device`` defaults to
        :func:`best_device`, ``dtype`` to :func:`fastest_dtype`; ``on_fetch`` and ``should_stop`` are for
        :func:`~ti_core.model.download.fetch_model`. Raises :class:`ModelError`, and :class:`Cancelled` if the
        download was stopped.
        """
        from ti_core.model.loading import load_file, load_folder

        source = model_source(model)
        target = torch.device(device) if device else best_device()
        chosen = dtype or fastest_dtype(target)
        path, variant = fetch_model(source, on_fetch, should_stop, half=chosen != torch.float32)
        try:
            if path.is_dir():
                pipeline = load_folder(path, model, chosen, variant, safety_checker)
            else:
                pipeline = load_file(path, chosen, target)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            if is_out_of_memory(error):
                raise
            raise ModelError(
                "The model {model} could not be loaded from {source}. Fetch its files again, or choose "
                "another model. The reason: {error}",
                model=model,
                source=source,
                error=error,
            ) from error
        return cls(pipeline, model_id(model), target, chosen)

    def _place(self) -> Memory:
        """Freeze the parts, set their precision and memory layout, and put them on the device."""
        encoders = {encoder.name: encoder.model for encoder in self._encoders}
        parts = {"unet": self.unet, "vae": self.vae, **encoders}
        if self._checker is not None:
            parts["safety_checker"] = self._checker
        for module in parts.values():
            module.requires_grad_(False).eval()
            if module.dtype != self.dtype:
                module.to(self.dtype)
        if self.dtype == torch.float16 and self.vae.config.force_upcast:
            self.vae.to(torch.float32)  # this autoencoder overflows in float16
        self.unet.to(memory_format=self._memory_format)
        self.vae.to(memory_format=self._memory_format)
        if self.device.type == "cpu" and self.unet.config.sample_size <= MAX_UNFUSED_SIDE:
            from ti_core.model.loading import attend_unfused

            attend_unfused(self.unet, encoders.values())
        numbers = self.resolution**2 * self.vae.config.block_out_channels[0] * DECODING_BUFFERS
        return Memory(self.device, parts, decoding=numbers * self.vae.dtype.itemsize)

    # --- pictures ---------------------------------------------------------------------------------------

    @torch.no_grad()
    def encode_pictures(self, pixels: torch.Tensor) -> LatentPosterior:
        """Encode pictures (b, 3, h, w) in [-1, 1] to their latent posterior (b, c, h / f, w / f)."""
        with self.memory.on_device("vae"):
            posterior = self.vae.encode(pixels.to(self.device, self.vae.dtype)).latent_dist
        scale, shift = self.vae.config.scaling_factor, self.vae.config.shift_factor or 0.0
        return LatentPosterior((posterior.mean.float() - shift) * scale, posterior.std.float() * scale)

    @torch.no_grad()
    def decode_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents (b, c, h, w) to pictures (b, 3, h * f, w * f), about [-1, 1]."""
        scale, shift = self.vae.config.scaling_factor, self.vae.config.shift_factor or 0.0
        with self.memory.on_device("vae"):
            decoded = self.vae.decode((latents / scale + shift).to(self.device, self.vae.dtype))
        pictures: torch.Tensor = decoded.sample.float()
        return pictures

    @torch.no_grad()
    def is_unsafe(self, picture: Image.Image) -> bool:
        """Whether the model's safety checker would hide a picture; False if the model has none."""
        if self._checker is None or self._checker_input is None:
            return False
        with self.memory.on_device("safety_checker"):
            pixels = self._checker_input(picture, return_tensors="pt").pixel_values
            _, [found] = self._checker(
                images=[torch.zeros(1)], clip_input=pixels.to(self.device, self._checker.dtype)
            )
        return bool(found)

    # --- prompts ----------------------------------------------------------------------------------------

    def count_tokens(self, prompt: str, words: KnownWords) -> TokenCount:
        """Count a prompt's tokens and chunks, in the text encoder that needs the most tokens.

        Raises as :meth:`encode_prompts`.
        """
        check_tokens(prompt, words)
        chunks = [chunks_of(encoder, prompt, words) for encoder in self._encoders]
        return max(
            (TokenCount(sum(len(chunk.ids) for chunk in parts), len(parts)) for parts in chunks),
            key=lambda count: count.tokens,
        )

    def encode_prompts(
        self, prompts: Sequence[str], words: KnownWords | Sequence[KnownWords] = ()
    ) -> Conditioning:
        """Encode prompts with concept tokens and ``(word:1.3)`` weights to conditioning.

        ``words`` holds the vectors of the concept tokens: one mapping for all prompts, or one for each.
        Gradients flow into the vectors. A prompt of more than 75 tokens takes several chunks of 77 positions;
        shorter prompts in the batch are padded with empty chunks, and ``lengths`` records how many positions
        are each prompt's own. A weight scales the difference between the hidden states of its tokens and
        those of an empty prompt.

        Raises :class:`PromptError`, :class:`UnknownTokenError`.
        """
        known = [words] * len(prompts) if isinstance(words, Mapping) else list(words) or [{}] * len(prompts)
        for prompt, row in zip(prompts, known, strict=True):
            check_tokens(prompt, row)
        hidden, pooled, lengths = [], None, None
        for encoder in self._encoders:
            chunked = [chunks_of(encoder, prompt, row) for prompt, row in zip(prompts, known, strict=True)]
            with self.memory.on_device(encoder.name):
                states, projected = encoder.encode(chunked, known)
            hidden.append(states)
            pooled = projected if projected is not None else pooled
            lengths = lengths_of(chunked)
        return Conditioning(torch.cat(hidden, dim=-1), pooled, lengths)

    # --- denoising --------------------------------------------------------------------------------------

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Noise latents to z_t (b, c, h, w) at integer timesteps (b,)."""
        noisy: torch.Tensor = self.noise_scheduler.add_noise(latents, noise, timesteps)
        return noisy

    def target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """The training target of :meth:`predict`: the noise, or for a v-prediction model the velocity."""
        if self.noise_scheduler.config.prediction_type == "v_prediction":
            velocity: torch.Tensor = self.noise_scheduler.get_velocity(latents, noise, timesteps)
            return velocity
        return noise

    def min_snr_weights(self, timesteps: torch.Tensor, gamma: float) -> torch.Tensor:
        """Min-SNR loss weights (b,) (arXiv 2303.09556).

        They are min(snr, gamma) / snr, or min(snr, gamma) / (snr + 1) for a v-prediction model.
        """
        alphas = self._alphas[timesteps]
        snr = alphas / (1 - alphas)
        is_velocity = self.noise_scheduler.config.prediction_type == "v_prediction"
        weights: torch.Tensor = snr.clamp(max=gamma) / (snr + 1 if is_velocity else snr)
        return weights

    def predict(
        self, noisy_latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        """The frozen denoiser's prediction (b, c, h, w), float32, differentiable in the conditioning.

        Rows of different conditioning lengths are predicted in separate passes, one for each length, without
        padding. So a row next to a longer one gets the prediction that it would get alone, even from models
        that pool over all positions.
        """
        if conditioning.lengths is None:
            return self._predict(noisy_latents, timesteps, conditioning)
        rows, predictions = [], []
        for own, shorter in conditioning.by_length():
            rows.append(own)
            predictions.append(self._predict(noisy_latents[own], timesteps[own], shorter))
        return torch.cat(predictions)[torch.cat(rows).argsort()]

    def _predict(
        self, noisy_latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        added = None
        if conditioning.pooled is not None:
            side = [self.resolution, self.resolution]
            time_ids = torch.tensor([side + [0, 0] + side], device=self.device, dtype=self.dtype)
            added = {"text_embeds": conditioning.pooled, "time_ids": time_ids.expand(len(conditioning), -1)}
        with self.memory.on_device("unet"):
            output = self.unet(
                noisy_latents.to(self.dtype).contiguous(memory_format=self._memory_format),
                timesteps,
                encoder_hidden_states=conditioning.hidden,
                added_cond_kwargs=added,
            )
        prediction: torch.Tensor = output.sample.float()
        return prediction

    # --- training ---------------------------------------------------------------------------------------

    def learning_rates(self) -> dict[str, float]:
        """Adam's learning rate for each text encoder, proportional to the RMS of its embedding table.

        The rate is 5e-3 on SD 1, as usual, and is multiplied by ``learning_rate_scale``.
        """
        usual = LEARNING_RATE_PER_RMS * self.learning_rate_scale
        return {name: usual * rms for name, rms in self.vocabulary.rms().items()}

    @contextmanager
    def gradient_checkpointing(self, enabled: bool) -> Iterator[None]:
        """Use gradient checkpointing in the denoiser, if ``enabled``, while the context is open."""
        before = self.unet.is_gradient_checkpointing
        if enabled and not before:
            self.unet.enable_gradient_checkpointing()
        try:
            yield
        finally:
            if enabled and not before:
                self.unet.disable_gradient_checkpointing()

    @cached_property
    def activation_bytes_per_row(self) -> float:
        """The bytes of activations that training one row saves in the denoiser, measured on small latents."""
        side = min(ACTIVATION_PROBE_SIDE, self.unet.config.sample_size)
        latents = torch.zeros(1, self.unet.config.in_channels, side, side, device=self.device)
        with torch.no_grad():
            conditioning = self.encode_prompts([""])
        hidden = conditioning.hidden.clone().requires_grad_()
        timesteps = torch.zeros(1, dtype=torch.long, device=self.device)
        same = Conditioning(hidden, conditioning.pooled)
        kept = activation_bytes(lambda: self.predict(latents, timesteps, same), self.unet)
        return float(kept * (self.unet.config.sample_size / side) ** 2)

    # --- sampling ---------------------------------------------------------------------------------------

    def sampler(self, mode: Mode, scheduler: str) -> Any:
        """Make a new pipeline of diffusers over these weights, for text-to-image or image-to-image.

        Call it with the result of :meth:`sampler_conditioning`, and with latents in place of pictures
        (``image`` and ``output_type="latent"``). Raises :class:`ConfigError` for an unknown scheduler.
        """
        from ti_core.model.samplers import make_sampler, make_scheduler

        if scheduler not in SCHEDULERS:
            raise ConfigError(
                "There is no scheduler called {scheduler}: choose {names}.",
                scheduler=scheduler,
                names=", ".join(SCHEDULERS),
            )
        class_name, options = SCHEDULERS[scheduler]
        own_scheduler = make_scheduler(class_name, self.noise_scheduler.config, **options)
        return make_sampler(self._samplers, mode, {**self._sampler_parts, "scheduler": own_scheduler})

    def sampler_conditioning(self, positive: Conditioning, negative: Conditioning) -> dict[str, torch.Tensor]:
        """Conditioning as a sampler's keyword arguments, (b, ...) each."""
        arguments = {"prompt_embeds": positive.hidden, "negative_prompt_embeds": negative.hidden}
        if positive.pooled is not None and negative.pooled is not None:
            arguments["pooled_prompt_embeds"] = positive.pooled
            arguments["negative_pooled_prompt_embeds"] = negative.pooled
        return arguments


def _text_encoders(pipeline: Any, family: Family) -> tuple[TextEncoder, ...]:
    """The text encoders of a pipeline, with the layers whose hidden states the denoiser was trained on."""
    if family == "sdxl":
        return (
            TextEncoder("clip_l", pipeline.tokenizer, pipeline.text_encoder, -2),
            TextEncoder("clip_g", pipeline.tokenizer_2, pipeline.text_encoder_2, -2),
        )
    name = "clip_l" if family == "sd1" else "clip_h"
    return (TextEncoder(name, pipeline.tokenizer, pipeline.text_encoder, -1),)


def _sampler_parts(pipeline: Any, *, is_xl: bool) -> dict[str, Any]:
    """The parts and options of a pipeline that its samplers share."""
    parts = dict(pipeline.components)
    if is_xl:
        option = "force_zeros_for_empty_prompt"
        return parts | {option: pipeline.config[option]}
    # Samplers return latents; the checker is applied to decoded pictures.
    return parts | {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
