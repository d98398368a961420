"""What the denoiser learns from: latents with captions, some of which name a thing or a style by settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel, CLIPTokenizer

from demo_model.architecture import TEXT_WIDTH
from demo_model.autoencoder import to_unit_range
from demo_model.loop import mixed_precision
from demo_model.pool import Pool
from demo_model.rendering import CHUNK_SIZE, Chunk
from demo_model.world import FAMILIES
from demo_model.world.settings import (
    CAPTIONS,
    SETTINGS,
    SUBJECT_KINDS,
    SUBJECTS,
    TOKENS,
    Subject,
    settings_of,
    word_of,
)
from ti_core.model.text_encoding import TextEncoder, chunks_of

FULL_CAPTION = 77  # tokens
CAPTION_DROPOUT = 0.1  # for classifier-free guidance (arXiv 2207.12598)
FAMILY_SETTINGS_SHARE = 0.8
"""The share of captions of settings where the first thing is of a family, whose looks have no other name."""
NOUN_SETTINGS_SHARE = 0.3  # where it is a noun, which also has to be known by its name
POOL_CAPACITY = 12_500 * CHUNK_SIZE  # pictures


class SettingsWords(torch.nn.Module):
    """What the numbers of a subject add to the embedding of its word: one linear map for each kind.

    Training needs it, the pipeline does not have it: there, inversion finds such vectors by pictures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(0.003 * torch.randn(len(SUBJECT_KINDS), SETTINGS, TEXT_WIDTH))

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Vectors (m, width) of ``kinds`` (m,) and their ``numbers`` (m, SETTINGS)."""
        return torch.einsum("ms,msw->mw", numbers, self.weight[kinds])


@dataclass
class Named:
    """Which words of a batch of captions are moved by settings: (m,) of each, numbers (m, SETTINGS)."""

    rows: torch.Tensor
    places: torch.Tensor
    kinds: torch.Tensor
    numbers: torch.Tensor


class LatentPool:
    """The pictures rendered so far, on the device: latents fp16 (n, 8, 16, 16), each one's captions as tokens
    (n, variants, 77), where these name which subject (n, variants, SUBJECTS; 0: nowhere), and the subjects'
    kinds (n, SUBJECTS) and numbers (n, SUBJECTS, SETTINGS). The oldest make room."""

    def __init__(
        self, vae: AutoencoderKL, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, device: torch.device
    ):
        self._vae, self._tokenizer, self._device = vae, tokenizer, device
        self._encoder = TextEncoder("clip_l", tokenizer, text_encoder, -1)
        self._no_caption = self._tokens([""])[0].to(device)
        self._pool = Pool(POOL_CAPACITY, device)

    @property
    def added(self) -> int:
        return self._pool.added

    def _tokens(self, captions: list[str]) -> torch.Tensor:
        tokens: torch.Tensor = self._tokenizer(
            captions, padding="max_length", max_length=FULL_CAPTION, truncation=True, return_tensors="pt"
        ).input_ids
        return tokens.to(torch.int16)

    def _settings_tokens(
        self, caption: str, subjects: dict[str, Subject]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (77,) with each subject's word, and the place of that word (SUBJECTS,)."""
        tokenizer = self._tokenizer
        one_row = {"clip_l": torch.empty(1, TEXT_WIDTH)}
        chunk = chunks_of(self._encoder, caption, dict.fromkeys(subjects, one_row))[0]
        ids, places = list(chunk.ids), torch.zeros(SUBJECTS, dtype=torch.int8)
        for position, token, _ in chunk.splices:
            [ids[position]] = tokenizer(word_of(subjects[token]), add_special_tokens=False).input_ids
            places[TOKENS.index(token)] = position + 1
        row = torch.full((FULL_CAPTION,), tokenizer.pad_token_id, dtype=torch.int16)
        sequence = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
        row[: len(sequence)] = torch.tensor(sequence, dtype=torch.int16)
        return row, places

    @torch.no_grad()
    def add(self, chunk: Chunk) -> None:
        """Encode pictures and their captions, once."""
        with mixed_precision(self._device):
            pixels = to_unit_range(chunk.pixels, self._device)
            latents = self._vae.encode(pixels).latent_dist.mean.half()
        count = len(latents)
        plain = self._tokens([caption for variants in chunk.captions for caption in variants])
        plain = plain.unflatten(0, (count, -1))
        named = [
            self._settings_tokens(caption, subjects)
            for variants, subjects in zip(chunk.settings_captions, chunk.subjects, strict=True)
            for caption in variants
        ]
        of_settings, places = (
            torch.stack(rows).unflatten(0, (count, -1)) for rows in zip(*named, strict=True)
        )
        kinds = torch.zeros(count, SUBJECTS, dtype=torch.int8)
        numbers = torch.zeros(count, SUBJECTS, SETTINGS, dtype=torch.float16)
        for row, subjects in enumerate(chunk.subjects):
            for token, subject in subjects.items():
                slot = TOKENS.index(token)
                kinds[row, slot], values = settings_of(subject)
                numbers[row, slot] = torch.from_numpy(values)
        self._pool.add(
            (
                latents,
                torch.cat([plain, of_settings], 1),
                torch.cat([places.new_zeros(*plain.shape[:2], SUBJECTS), places], 1),
                kinds,
                numbers,
            )
        )

    def sample(self, count: int, length: int) -> tuple[torch.Tensor, torch.Tensor, Named]:
        """Random latents (count, 8, 16, 16), float32, and for each the tokens (count, length) of one of its
        captions, or of none, with what these name by settings."""
        latents, captions, places, kinds, numbers = self._pool.draw(count)
        every = torch.arange(count, device=self._device)
        of_family = kinds[:, 0] < len(FAMILIES)
        share = torch.where(of_family, FAMILY_SETTINGS_SHARE, NOUN_SETTINGS_SHARE)
        plain = captions.shape[1] - CAPTIONS
        variants = torch.where(
            torch.rand(count, device=self._device) < share,
            torch.randint(plain, captions.shape[1], (count,), device=self._device),
            torch.randint(plain, (count,), device=self._device),
        )
        dropped = torch.rand(count, device=self._device) < CAPTION_DROPOUT
        tokens = torch.where(dropped[:, None], self._no_caption, captions[every, variants])
        tokens = tokens[:, :length].long()
        tokens[:, -1] = self._tokenizer.eos_token_id  # where a caption was cut
        where = places[every, variants].long()
        rows, slots = ((where > 0) & (where < length - 1) & ~dropped[:, None]).nonzero(as_tuple=True)
        named = Named(rows, where[rows, slots], kinds[rows, slots].long(), numbers[rows, slots].float())
        return latents.float(), tokens, named


@contextmanager
def moved_words(text_encoder: CLIPTextModel, named: Named, vectors: torch.Tensor) -> Iterator[None]:
    """Add ``vectors`` (m, width) to the embeddings of the named words while the context is open."""

    def move(_module: object, _inputs: object, embeddings: torch.Tensor) -> torch.Tensor:
        where = (named.rows, named.places)
        return embeddings.index_put(where, vectors.to(embeddings.dtype), accumulate=True)

    handle = text_encoder.get_input_embeddings().register_forward_hook(move)
    try:
        yield
    finally:
        handle.remove()
