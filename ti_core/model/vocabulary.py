"""The model's vocabulary: its tokens, and their embeddings in the text encoders' frozen tables."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from ti_core.errors import ConfigError
from ti_core.model.text_encoding import TextEncoder, Vectors


@dataclass(frozen=True)
class Vocabulary:
    """The vocabulary of a model's text encoders. Embeddings are returned on ``device``."""

    encoders: tuple[TextEncoder, ...]
    device: torch.device

    def tables(self) -> dict[str, torch.Tensor]:
        """The frozen embedding table (vocabulary, d) of each text encoder."""
        return {encoder.name: encoder.table.to(self.device) for encoder in self.encoders}

    @cached_property
    def whole_words(self) -> dict[str, int]:
        """The alphabetic words that are one token of the first tokenizer, with their ids."""
        vocabulary = self.encoders[0].tokenizer.get_vocab()
        ending = "</w>"
        return {
            entry.removesuffix(ending): index
            for entry, index in sorted(vocabulary.items(), key=lambda item: item[1])
            if entry.endswith(ending)
            and entry.removesuffix(ending).isalpha()
            and len(entry) > len(ending) + 1
        }

    def phrase_vectors(self, phrase: str) -> dict[str, torch.Tensor]:
        """The embeddings (k, d), float32, of a phrase's k tokens in each text encoder.

        Raises :class:`ConfigError` if the phrase has no token.
        """
        rows = {}
        for encoder in self.encoders:
            ids = encoder.tokenizer(phrase, add_special_tokens=False).input_ids
            if not ids:
                raise ConfigError(
                    "The initial word {phrase!r} has nothing in it that the model can read.", phrase=phrase
                )
            table = encoder.table
            rows[encoder.name] = table[torch.tensor(ids, device=table.device)].to(self.device, torch.float32)
        return rows

    def initial_vectors(self, phrase: str, count: int) -> dict[str, torch.Tensor]:
        """Initial vectors (count, d) for each text encoder, from the embeddings of a phrase's k tokens.

        If k <= ``count`` the embeddings are repeated in a cycle; otherwise each vector is the mean of a group
        of neighbouring embeddings. Raises as :meth:`phrase_vectors`.
        """
        result = {}
        for name, rows in self.phrase_vectors(phrase).items():
            if len(rows) <= count:
                result[name] = rows.repeat(math.ceil(count / len(rows)), 1)[:count].clone()
            else:
                result[name] = torch.stack([group.mean(0) for group in torch.tensor_split(rows, count)])
        return result

    def with_mean_norms(self, vectors: Vectors) -> dict[str, torch.Tensor]:
        """The vectors (n, d), each rescaled to the mean norm of the embedding table."""
        return {
            name: rows * (self.mean_norms[name] / rows.norm(dim=1, keepdim=True))
            for name, rows in vectors.items()
        }

    @cached_property
    def mean_norms(self) -> dict[str, float]:
        """The mean norm of the embeddings in each text encoder's table."""
        return {
            name: table.norm(dim=1, dtype=torch.float32).mean().item()
            for name, table in self.tables().items()
        }

    def rms(self) -> dict[str, float]:
        """The root mean square of the numbers in each text encoder's table, over a sample of its rows."""
        return {
            name: _sample_rows(table).square().mean().sqrt().item() for name, table in self.tables().items()
        }


def fingerprint(encoders: Sequence[TextEncoder]) -> str:
    """Hash a sample of the embedding tables to twelve hexadecimal digits.

    The float16 and float32 variants of a model have the same fingerprint, because the rows are rounded to
    float16 first. Take it before the tables are cast to another precision.
    """
    digest = hashlib.sha256()
    for encoder in encoders:
        rows = encoder.table[::61].detach().to("cpu", torch.float16).to(torch.bfloat16).contiguous()
        digest.update(rows.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:12]


def _sample_rows(table: torch.Tensor) -> torch.Tensor:
    """About 4096 evenly spaced rows of a table, float32."""
    return table[:: max(1, len(table) // 4096)].float()
