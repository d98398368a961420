"""Encode prompts to conditioning: split them into chunks, splice in concepts, apply weights.

A concept's vectors are put in place after the token look-up, only while a prompt is encoded. The tokenizer
and the embedding table stay as they were loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from ti_core.prompts.grammar import TokenPiece, split_prompt

CHUNK_TOKENS = 75  # tokens per chunk, between the start and the end token
SPLICE_ID = 0  # token id at the positions of a concept's vectors; must be lower than the end token's

Vectors = Mapping[str, torch.Tensor]
"""The vectors (n, d) of one concept, by the name of the text encoder."""
KnownWords = Mapping[str, Vectors]
"""The vectors of each concept, by its placeholder token."""


@dataclass(frozen=True)
class Conditioning:
    """The denoiser's conditioning: ``hidden`` (b, 77 * chunks, width) and, for SDXL, ``pooled`` (b, p).

    ``lengths`` (b,), on the CPU, is the number of positions before each row's padding; None if no row is
    padded.
    """

    hidden: torch.Tensor
    pooled: torch.Tensor | None = None
    lengths: torch.Tensor | None = None

    def __len__(self) -> int:
        return self.hidden.shape[0]

    def __getitem__(self, rows: slice | torch.Tensor) -> Conditioning:
        return Conditioning(
            self.hidden[rows],
            None if self.pooled is None else self.pooled[rows],
            None if self.lengths is None else self.lengths[rows if isinstance(rows, slice) else rows.cpu()],
        )

    def by_length(self) -> Iterator[tuple[torch.Tensor, Conditioning]]:
        """For each length, yield the indices of the rows that have it, and their conditioning unpadded."""
        assert self.lengths is not None
        for length in self.lengths.unique().tolist():
            rows = (self.lengths == length).nonzero().flatten().to(self.hidden.device)
            pooled = None if self.pooled is None else self.pooled[rows]
            yield rows, Conditioning(self.hidden[rows, :length], pooled)


@dataclass(frozen=True)
class TokenCount:
    """A prompt's length: ``tokens``, without start and end tokens, in ``chunks`` of 75."""

    tokens: int
    chunks: int


@dataclass(frozen=True)
class Chunk:
    """At most 75 positions of a prompt: token ids, weights, and where concept vectors are spliced in."""

    ids: list[int]
    weights: list[float]
    splices: list[tuple[int, str, int]]  # position, placeholder token, index of the vector


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder and its tokenizer.

    ``layer`` is the index of the hidden state that conditions the denoiser; -1 is the last one, after the
    final norm.
    """

    name: str
    tokenizer: Any
    model: Any
    layer: int
    _splicing: Any = field(default_factory=threading.Lock, repr=False)

    @property
    def table(self) -> torch.Tensor:
        """The frozen embedding table (vocabulary, d), on the device where the model is now."""
        weights: torch.Tensor = self.model.get_input_embeddings().weight
        return weights.detach()

    @property
    def width(self) -> int:
        return self.table.shape[1]

    def encode(
        self, chunked: list[list[Chunk]], known: Sequence[KnownWords]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Encode chunked prompts to hidden states (b, 77 * chunks, d) and pooled states (b, p), if any."""
        most = max(len(parts) for parts in chunked)
        padded = [parts + [Chunk([], [], [])] * (most - len(parts)) for parts in chunked]
        tokenizer, length, device = self.tokenizer, CHUNK_TOKENS + 2, self.table.device
        ids = torch.full((len(padded) * most, length), tokenizer.pad_token_id)
        weights = torch.ones(len(padded), most * length)
        rows, positions, values = [], [], []
        for prompt, (parts, words) in enumerate(zip(padded, known, strict=True)):
            for part, chunk in enumerate(parts):
                row = prompt * most + part
                sequence = [tokenizer.bos_token_id, *chunk.ids, tokenizer.eos_token_id]
                ids[row, : len(sequence)] = torch.tensor(sequence)
                start = part * length + 1
                weights[prompt, start : start + len(chunk.ids)] = torch.tensor(chunk.weights)
                for position, token, index in chunk.splices:
                    rows.append(row)
                    positions.append(position + 1)
                    values.append(words[token][self.name][index])
        with self._splice(rows, positions, values):
            output = self.model(ids.to(device), output_hidden_states=self.layer != -1)
        states = output.last_hidden_state if self.layer == -1 else output.hidden_states[self.layer]
        states = states.reshape(len(padded), most * length, -1)
        if bool((weights != 1).any()):
            [empty], _ = self.encode([[Chunk([], [], [])]], [{}])
            neutral = empty.repeat(most, 1)
            states = neutral + (states - neutral) * weights.to(device, states.dtype)[..., None]
        projected = getattr(output, "text_embeds", None)
        if projected is not None:
            projected = projected.reshape(len(padded), most, -1)[:, 0]
        return states, projected

    @contextmanager
    def _splice(self, rows: list[int], positions: list[int], values: list[torch.Tensor]) -> Iterator[None]:
        """Replace the looked-up embeddings at (rows, positions) by ``values`` while the context is open."""

        def place(_module: Any, _inputs: Any, embeddings: torch.Tensor) -> torch.Tensor:
            if not values:
                return embeddings
            device = embeddings.device
            where = (torch.tensor(rows, device=device), torch.tensor(positions, device=device))
            return embeddings.index_put(where, torch.stack(values).to(device, embeddings.dtype))

        with self._splicing:
            handle = self.model.get_input_embeddings().register_forward_hook(place)
            try:
                yield
            finally:
                handle.remove()


def chunks_of(encoder: TextEncoder, prompt: str, words: KnownWords) -> list[Chunk]:
    """Split a prompt into chunks of at most 75 tokens, never inside a word or concept that fits in one."""
    groups: list[Chunk] = []
    for piece in split_prompt(prompt):
        if isinstance(piece, TokenPiece):
            count = words[piece.token][encoder.name].shape[0]
            splices = [(index, piece.token, index) for index in range(count)]
            groups.append(Chunk([SPLICE_ID] * count, [piece.weight] * count, splices))
            continue
        word: list[int] = []
        ids = encoder.tokenizer(piece.text, add_special_tokens=False, verbose=False).input_ids
        for index, entry in zip(ids, encoder.tokenizer.convert_ids_to_tokens(ids), strict=True):
            word.append(index)
            if entry.endswith("</w>") or len(word) == CHUNK_TOKENS:
                groups.append(Chunk(word, [piece.weight] * len(word), []))
                word = []
        if word:
            groups.append(Chunk(word, [piece.weight] * len(word), []))
    chunks = [Chunk([], [], [])]
    for group in groups:
        if len(chunks[-1].ids) + len(group.ids) > CHUNK_TOKENS:
            chunks.append(Chunk([], [], []))
        last = chunks[-1]
        last.splices.extend((len(last.ids) + position, token, row) for position, token, row in group.splices)
        last.ids.extend(group.ids)
        last.weights.extend(group.weights)
    return chunks


def lengths_of(chunked: list[list[Chunk]]) -> torch.Tensor | None:
    """The number of positions (b,) that each prompt's chunks take; None if it is the same for all."""
    lengths = torch.tensor([len(parts) * (CHUNK_TOKENS + 2) for parts in chunked])
    return None if bool((lengths == lengths[0]).all()) else lengths
