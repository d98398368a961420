"""The loss of diffusers' textual inversion training script, reimplemented step by step as a reference.

The script adds the placeholder token to the tokenizer and a row to the embedding table, adds noise to the
latents, predicts with the frozen denoiser, and computes the mean squared error in float32. It takes the
gradient of the whole table and keeps only the placeholder's row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import DDPMScheduler


def script_gradient(
    pipeline: Any,
    token: str,
    vectors: Mapping[str, torch.Tensor],
    prompt: str,
    latents: torch.Tensor,
    noise: torch.Tensor,
    timesteps: torch.Tensor,
    resolution: int,
) -> dict[str, torch.Tensor]:
    """Return the gradient (1, d) of the placeholder's row for each encoder.

    ``vectors`` has the placeholder's row (1, d) by encoder.
    """
    is_xl = hasattr(pipeline, "text_encoder_2")
    encoders = [(pipeline.tokenizer, pipeline.text_encoder)]
    if is_xl:
        encoders.append((pipeline.tokenizer_2, pipeline.text_encoder_2))
    placeholder_ids = [
        install(tokenizer, encoder, token, rows)
        for (tokenizer, encoder), rows in zip(encoders, vectors.values(), strict=True)
    ]
    for module in (pipeline.unet, pipeline.vae, *(encoder for _, encoder in encoders)):
        module.requires_grad_(False)
    for _, encoder in encoders:
        encoder.get_input_embeddings().requires_grad_(True)

    noise_scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    noisy_latents = noise_scheduler.add_noise(latents, noise, timesteps)
    input_ids = [
        tokenizer(
            [prompt] * len(latents),
            padding="max_length",
            truncation=True,
            max_length=tokenizer.model_max_length,
            return_tensors="pt",
        ).input_ids
        for tokenizer, _ in encoders
    ]
    if is_xl:
        first = encoders[0][1](input_ids[0], output_hidden_states=True).hidden_states[-2]
        second = encoders[1][1](input_ids[1], output_hidden_states=True)
        encoder_hidden_states = torch.cat([first, second.hidden_states[-2]], dim=-1)
        time_ids = torch.tensor([[resolution, resolution, 0, 0, resolution, resolution]] * len(latents))
        added = {"text_embeds": second[0], "time_ids": time_ids}
    else:
        encoder_hidden_states, added = encoders[0][1](input_ids[0])[0], None
    model_prediction = pipeline.unet(
        noisy_latents, timesteps, encoder_hidden_states, added_cond_kwargs=added
    ).sample
    if noise_scheduler.config.prediction_type == "v_prediction":
        target = noise_scheduler.get_velocity(latents, noise, timesteps)
    else:
        target = noise
    loss = torch.nn.functional.mse_loss(model_prediction.float(), target.float(), reduction="mean")
    loss.backward()
    return {
        name: encoder.get_input_embeddings().weight.grad[[index]]
        for name, (_, encoder), index in zip(vectors, encoders, placeholder_ids, strict=True)
    }


def install(tokenizer: Any, encoder: Any, token: str, rows: torch.Tensor) -> int:
    """Add the placeholder to the tokenizer and its row to the embedding table; return its token id."""
    assert tokenizer.add_tokens(token) == 1
    index = tokenizer.convert_tokens_to_ids(token)
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        encoder.get_input_embeddings().weight[index] = rows[0]
    return index
