"""What is in a file, before anything of it is trusted: tensors that are still in it, by their keys."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import torch

from ti_core.config import MAX_VECTORS
from ti_core.errors import ConceptError
from ti_core.messages import Message

T5_WIDTH = 4096
MAX_WIDTH = 2048  # no CLIP is wider
SOUND_LENGTHS = (0.01, 100.0)  # of a vector; those of SD 1's vocabulary are about 0.4 long
SHOWN_LENGTH = 60  # letters of a foreign name in a message

IS_DAMAGED = Message("It is damaged: download or export it again.")
TOO_MANY_PARTS = Message("It holds too many parts to be an embedding: choose another file.")

# What zipfile, struct, Pillow and the arithmetic on foreign numbers raise for a damaged file.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OverflowError,
    RecursionError,
    SyntaxError,
    NotImplementedError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    MemoryError,
    RuntimeError,
)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that is still in its file: only its form is known."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Contents:
    """What a file holds: nested dicts of texts, numbers and :class:`StoredTensor`, and its metadata."""

    values: Any
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_picture: bool = False


def read_rows(tensor: StoredTensor) -> torch.Tensor:
    """The vectors (n, d) in float32; the form is checked before anything is read, the values after.

    Raises :class:`ConceptError` for what is no embedding.
    """
    if not tensor.dtype.is_floating_point:
        kind = str(tensor.dtype).removeprefix("torch.")
        raise ConceptError("It holds {dtype} numbers; an embedding has floating-point ones.", dtype=kind)
    if len(tensor.shape) not in (1, 2):
        raise ConceptError(
            "It holds a tensor of {dimensions} dimensions; an embedding is a list of vectors.",
            dimensions=len(tensor.shape),
        )
    count, width = tensor.shape if len(tensor.shape) == 2 else (1, tensor.shape[0])
    if width == T5_WIDTH:
        raise ConceptError(
            "Its vectors are for the text encoder T5 (of Stable Diffusion 3 and Flux): no model here has "
            "one, so choose another file."
        )
    if not 1 <= width <= MAX_WIDTH:
        raise ConceptError(
            "Its vectors have {width} numbers each, as those of no text encoder have: it is no embedding.",
            width=width,
        )
    if not 1 <= count <= MAX_VECTORS:
        raise ConceptError("It holds {count} vectors; a word has 1 to {most}.", count=count, most=MAX_VECTORS)
    rows = tensor.read().to(torch.float32).reshape(count, width)
    if not bool(torch.isfinite(rows).all()):
        raise ConceptError("It holds numbers that are not finite: the training that wrote it had failed.")
    return rows


def length_remarks(rows: torch.Tensor) -> tuple[Message, ...]:
    """What to say of vectors (n, d) that are of a length that no word has."""
    lengths = rows.norm(dim=1)
    if SOUND_LENGTHS[0] <= lengths.min() and lengths.max() <= SOUND_LENGTHS[1]:
        return ()
    low, high = f"{lengths.min():.3g}", f"{lengths.max():.3g}"
    return (
        Message(
            "Its vectors are {low} to {high} long, unlike those of other words: it may draw noise.",
            low=low,
            high=high,
        ),
    )


def zip_directory_bytes(file: IO[bytes]) -> int | None:
    """Length of a zip archive's list of files, which zipfile reads as a whole; None if it is no archive.

    The record at the end (APPNOTE.TXT 4.3.16) tells it, where a comment may follow; if a locator (4.3.15)
    stands before that, as torch writes one, then the larger record before that one (4.3.14) does.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**16 - 22 - 20 - 56))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\5\6")
    if not 0 <= at <= len(tail) - 22:
        return None
    length: int
    [length] = struct.unpack_from("<L", tail, at + 12)
    if tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        larger = tail[max(0, at - 76) : at - 20]
        if len(larger) != 56 or not larger.startswith(b"PK\6\6"):
            return None
        [length] = struct.unpack_from("<Q", larger, 40)
    return length
