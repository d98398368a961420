"""The denoiser's training data: latents with captions, some of which name subjects by their settings."""

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
    MAX_SUBJECTS,
    NUM_CAPTIONS,
    NUM_SETTINGS,
    SUBJECT_KINDS,
    SUBJECT_TOKENS,
    Subject,
    settings_of,
    word_of,
)
from ti_core.model.text_encoding import TextEncoder, chunks_of

FULL_CAPTION = 77  # tokens
CAPTION_DROPOUT = 0.1  # for classifier-free guidance (arXiv 2207.12598)
FAMILY_SETTINGS_SHARE = 0.8
"""Share of captions of settings if the first thing is of a family, whose looks no word describes."""
NOUN_SETTINGS_SHARE = 0.3  # the same if it is a noun, whose name must be learned as well
POOL_CAPACITY = 12_500 * CHUNK_SIZE  # pictures


class SettingsWords(torch.nn.Module):
    """Maps a subject's settings to a vector that is added to its word's embedding; linear for each kind.

    It is part of the training only. In the exported pipeline, textual inversion finds such vectors from
    pictures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(0.003 * torch.randn(len(SUBJECT_KINDS), NUM_SETTINGS, TEXT_WIDTH))

    def forward(self, kinds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return the vectors (m, width) for m subjects' ``kinds`` (m,) and settings (m, NUM_SETTINGS)."""
        return torch.einsum("ms,msw->mw", numbers, self.weight[kinds])


@dataclass
class SubjectWords:
    """The m words in a batch of tokenized captions that stand for a subject with settings."""

    rows: torch.Tensor  # (m,): the caption
    places: torch.Tensor  # (m,): the position of the word's token
    kinds: torch.Tensor  # (m,): index into SUBJECT_KINDS
    numbers: torch.Tensor  # (m, NUM_SETTINGS): the settings


class LatentPool:
    """The newest rendered pictures as latents with tokenized captions, on the device.

    Each picture has latents fp16 (8, 16, 16), the tokens of its captions (variants, 77), the position of each
    subject's word in each caption (variants, MAX_SUBJECTS; 0 if absent), and the subjects' kinds
    (MAX_SUBJECTS,) and settings (MAX_SUBJECTS, NUM_SETTINGS).
    """

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
        """Return tokens (77,) that contain each subject's word, and the words' positions (MAX_SUBJECTS,)."""
        tokenizer = self._tokenizer
        one_row = {"clip_l": torch.empty(1, TEXT_WIDTH)}
        chunk = chunks_of(self._encoder, caption, dict.fromkeys(subjects, one_row))[0]
        ids, places = list(chunk.ids), torch.zeros(MAX_SUBJECTS, dtype=torch.int8)
        for position, token, _ in chunk.splices:
            [ids[position]] = tokenizer(word_of(subjects[token]), add_special_tokens=False).input_ids
            places[SUBJECT_TOKENS.index(token)] = position + 1  # after the start token
        row = torch.full((FULL_CAPTION,), tokenizer.pad_token_id, dtype=torch.int16)
        sequence = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
        row[: len(sequence)] = torch.tensor(sequence, dtype=torch.int16)
        return row, places

    @torch.no_grad()
    def add(self, chunk: Chunk) -> None:
        """Encode a chunk's pictures and tokenize its captions, once for all samples drawn from it."""
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
        kinds = torch.zeros(count, MAX_SUBJECTS, dtype=torch.int8)
        numbers = torch.zeros(count, MAX_SUBJECTS, NUM_SETTINGS, dtype=torch.float16)
        for row, subjects in enumerate(chunk.subjects):
            for token, subject in subjects.items():
                slot = SUBJECT_TOKENS.index(token)
                kinds[row, slot], values = settings_of(subject)
                numbers[row, slot] = torch.from_numpy(values)
        self._pool.add(
            (
                latents,
                torch.cat([plain, of_settings], 1),
                torch.cat([places.new_zeros(*plain.shape[:2], MAX_SUBJECTS), places], 1),
                kinds,
                numbers,
            )
        )

    def sample(self, count: int, length: int) -> tuple[torch.Tensor, torch.Tensor, SubjectWords]:
        """Draw random latents (count, 8, 16, 16) in float32, each with a caption.

        Also returns the tokens (count, length) of the captions, some of which are empty for classifier-free
        guidance, and the words in them that stand for subjects with settings.
        """
        latents, captions, places, kinds, numbers = self._pool.draw(count)
        every = torch.arange(count, device=self._device)
        of_family = kinds[:, 0] < len(FAMILIES)
        share = torch.where(of_family, FAMILY_SETTINGS_SHARE, NOUN_SETTINGS_SHARE)
        plain = captions.shape[1] - NUM_CAPTIONS
        variants = torch.where(
            torch.rand(count, device=self._device) < share,
            torch.randint(plain, captions.shape[1], (count,), device=self._device),
            torch.randint(plain, (count,), device=self._device),
        )
        dropped = torch.rand(count, device=self._device) < CAPTION_DROPOUT
        tokens = torch.where(dropped[:, None], self._no_caption, captions[every, variants])
        tokens = tokens[:, :length].long()
        tokens[:, -1] = self._tokenizer.eos_token_id  # in case the caption was truncated
        where = places[every, variants].long()
        rows, slots = ((where > 0) & (where < length - 1) & ~dropped[:, None]).nonzero(as_tuple=True)
        words = SubjectWords(
            rows, where[rows, slots], kinds[rows, slots].long(), numbers[rows, slots].float()
        )
        return latents.float(), tokens, words


@contextmanager
def added_to_words(text_encoder: CLIPTextModel, words: SubjectWords, vectors: torch.Tensor) -> Iterator[None]:
    """Add ``vectors`` (m, width) to the input embeddings of the words while the context lasts."""

    def add_vectors(_module: object, _inputs: object, embeddings: torch.Tensor) -> torch.Tensor:
        where = (words.rows, words.places)
        return embeddings.index_put(where, vectors.to(embeddings.dtype), accumulate=True)

    handle = text_encoder.get_input_embeddings().register_forward_hook(add_vectors)
    try:
        yield
    finally:
        handle.remove()
