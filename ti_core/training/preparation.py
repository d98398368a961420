"""Prepare a run: what training computes once, namely latents, sentences and initial vectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from ti_core.config import TrainingConfig
from ti_core.errors import ConfigError, PictureError, PromptError, TrainingError
from ti_core.model.backbone import Backbone, LatentPosterior
from ti_core.model.memory import MEMORY_IS_FULL, out_of_memory_as
from ti_core.pictures.prepare import Picture, loss_mask, to_pixels
from ti_core.prompts.checks import is_plain
from ti_core.prompts.templates import caption_prompt, fill_template, templates_for
from ti_core.training.initial_word import OnCandidate, choose_initializer
from ti_core.training.rows import TrainingData
from ti_core.training.state import TrainingState


def check_initializer_and_captions(
    backbone: Backbone, pictures: Sequence[Picture], config: TrainingConfig
) -> None:
    """Check the initial word and the captions, before anything is computed.

    Raises :class:`ConfigError` if the initial word has no token or cannot stand in a prompt, and
    :class:`PromptError` if a caption cannot be encoded.
    """
    if config.initializer != "auto":
        if not is_plain(config.initializer):
            raise ConfigError(
                "The initial word {phrase!r} cannot stand in a prompt: write plain words, without brackets, "
                "weights and learned words.",
                phrase=config.initializer,
            )
        backbone.vocabulary.phrase_vectors(config.initializer)
    placeholder = {name: torch.zeros(config.vectors, width) for name, width in backbone.base.widths.items()}
    for picture in pictures:
        if picture.caption:
            [sentence] = _prompts_of(picture, config)
            try:
                backbone.count_tokens(sentence, {config.token: placeholder})
            except PromptError as error:
                raise PromptError(
                    "The caption of {name} cannot be used. {error}", name=picture.name, error=error
                ) from error


def prepare(
    backbone: Backbone,
    pictures: Sequence[Picture],
    config: TrainingConfig,
    initializer: str | None = None,
    on_candidate: OnCandidate | None = None,
) -> TrainingState:
    """Encode the pictures, initialise the vectors, and return a run's state before its first step.

    ``initializer`` is the word that an earlier preparation of the same run chose, if there was one.
    ``on_candidate`` is for :func:`~ti_core.training.initial_word.choose_initializer`. Raises
    :class:`PictureError` if there are no pictures, :class:`TrainingError` if the device runs out of memory,
    and otherwise as :func:`check_initializer_and_captions`.
    """
    if not pictures:
        raise PictureError("There is no picture to learn from: give three to five.")
    check_initializer_and_captions(backbone, pictures, config)
    data = _encode(backbone, pictures, config)
    initializer = initializer or config.initializer
    if initializer == "auto":
        initializer = choose_initializer(backbone, data, config, on_candidate)
    start = backbone.vocabulary.initial_vectors(initializer, config.vectors)
    if config.norm_control == "fixed":
        start = backbone.vocabulary.with_mean_norms(start)
    vectors = {name: rows.to(backbone.device).requires_grad_() for name, rows in start.items()}
    rates = backbone.learning_rates()
    groups = [{"params": [rows], "lr": config.learning_rate or rates[name]} for name, rows in vectors.items()]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.0)
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    return TrainingState(config, data, initializer, vectors, optimizer)


@out_of_memory_as(TrainingError, MEMORY_IS_FULL)
def _encode(backbone: Backbone, pictures: Sequence[Picture], config: TrainingConfig) -> TrainingData:
    pixels = to_pixels(pictures)
    mask = loss_mask(pictures) if config.use_mask else None
    if config.flip:
        pixels = np.concatenate([pixels, pixels[..., ::-1]])
        mask = None if mask is None else np.concatenate([mask, mask[..., ::-1]])
    batches = [
        backbone.memory.with_fallback(
            partial(backbone.encode_pictures, torch.from_numpy(picture.copy())[None])
        )
        for picture in pixels
    ]
    posterior = LatentPosterior(
        torch.cat([batch.mean for batch in batches]), torch.cat([batch.std for batch in batches])
    )
    small = None
    if mask is not None:
        small = torch.nn.functional.avg_pool2d(torch.from_numpy(mask.copy()), backbone.pixels_per_latent).to(
            backbone.device
        )
    sentences = tuple(_prompts_of(picture, config) for picture in pictures)
    return TrainingData(posterior, small, sentences * (2 if config.flip else 1))


def _prompts_of(picture: Picture, config: TrainingConfig) -> tuple[str, ...]:
    if picture.caption:
        return (caption_prompt(picture.caption, config.token, config.kind),)
    return tuple(fill_template(template, config.token) for template in templates_for(config.kind))
