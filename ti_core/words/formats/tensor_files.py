"""Safetensors files: the header is measured before the library reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ti_core.errors import ConceptError
from ti_core.words.formats.contents import IS_DAMAGED, TOO_MANY_PARTS, Contents, StoredTensor

MAX_HEADER_BYTES = 4 * 2**20
MAX_ENTRIES = 10_000  # a LoRA for SDXL has some 2,500

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as one: the length of a header, then the header."""
    with path.open("rb") as file:
        start = file.read(9)
    return (
        len(start) == 9
        and start[8:] == b"{"
        and int.from_bytes(start[:8], "little") + 8 <= path.stat().st_size
    )


@contextmanager
def opened_safetensors(path: Path) -> Iterator[Contents]:
    """The tensors by their keys, and the metadata; they can be read as long as the file is open.

    Raises :class:`ConceptError` if it cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, MAX_HEADER_BYTES))
    if length > MAX_HEADER_BYTES or _count_entries(header) > MAX_ENTRIES:
        raise ConceptError(TOO_MANY_PARTS)
    try:
        with safe_open(path, framework="pt") as tensors:
            values = {key: _stored(tensors, key) for key in tensors.keys()}  # noqa: SIM118
            yield Contents(values, tensors.metadata() or {})
    except SafetensorError as error:
        raise ConceptError(IS_DAMAGED) from error


def _count_entries(header: bytes) -> int:
    """At most this many tensors are in the JSON: each has two lists, its shape and its place.

    Brackets in texts do not count, and every other one stands there as itself, however a key is written.
    """
    parts = header.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')  # every second one is a text
    return sum(part.count(b"[") for part in parts[::2]) // 2


def _stored(tensors: Any, key: str) -> StoredTensor:
    part = tensors.get_slice(key)
    dtype = DTYPES.get(part.get_dtype(), torch.int64)  # of those that are no floats only that matters
    # A copy, for a mapped file cannot be replaced on Windows.
    return StoredTensor(tuple(part.get_shape()), dtype, lambda: tensors.get_tensor(key).clone())
