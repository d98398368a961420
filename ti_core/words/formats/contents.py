"""The contents of an untrusted file: keys, metadata, and tensors that are checked before they are read."""

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
MAX_WIDTH = 2048  # no CLIP text encoder is wider
PLAUSIBLE_NORMS = (0.01, 100.0)  # L2; those of SD 1's vocabulary are about 0.4
SHOWN_LENGTH = 60  # characters of an untrusted name that a message shows

IS_DAMAGED = Message("It is damaged: download or export it again.")
TOO_MANY_PARTS = Message("It holds too many parts to be an embedding: choose another file.")

# What zipfile, struct, Pillow and arithmetic on untrusted numbers raise for a damaged file.
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
    """A tensor that is still in its file: its shape and dtype are known, and ``read`` loads it."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Contents:
    """The contents of a file: nested dicts of strings, numbers and :class:`StoredTensor`, and metadata."""

    values: Any
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_picture: bool = False


def read_rows(tensor: StoredTensor) -> torch.Tensor:
    """Read the vectors (n, d) as float32. The shape is checked before reading, the values afterwards.

    Raises :class:`ConceptError` if the tensor cannot be an embedding.
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
    """Return a remark if the L2 norm of any of the vectors (n, d) is implausible for a word."""
    lengths = rows.norm(dim=1)
    if PLAUSIBLE_NORMS[0] <= lengths.min() and lengths.max() <= PLAUSIBLE_NORMS[1]:
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
    """Return the size of a zip archive's central directory, which zipfile reads in one go.

    Returns None if the file is no zip archive. The size is in the end record (APPNOTE.TXT 4.3.16), which a
    comment may follow. If a zip64 locator (4.3.15) precedes that record, as in files of torch, the size is in
    the zip64 end record (4.3.14) before the locator.
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
        zip64_record = tail[max(0, at - 76) : at - 20]
        if len(zip64_record) != 56 or not zip64_record.startswith(b"PK\6\6"):
            return None
        [length] = struct.unpack_from("<Q", zip64_record, 40)
    return length
