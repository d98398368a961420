"""Read safetensors files; the size of the header is checked before the library parses it."""

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
MAX_ENTRIES = 10_000  # tensors; a LoRA for SDXL has about 2,500

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


def is_safetensors(path: Path) -> bool:
    """Whether a file begins like safetensors: with the length of a JSON header, then the header."""
    with path.open("rb") as file:
        start = file.read(9)
    return (
        len(start) == 9
        and start[8:] == b"{"
        and int.from_bytes(start[:8], "little") + 8 <= path.stat().st_size
    )


@contextmanager
def opened_safetensors(path: Path) -> Iterator[Contents]:
    """Open a safetensors file; its tensors can be read while the context lasts.

    Raises :class:`ConceptError` if the file is damaged or has too many tensors.
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
    """Return an upper bound on the tensors in a JSON header: each has two lists, its shape and its offsets.

    Only brackets outside strings are counted, and those cannot be escaped.
    """
    parts = header.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')  # every second part is a string
    return sum(part.count(b"[") for part in parts[::2]) // 2


def _stored(tensors: Any, key: str) -> StoredTensor:
    part = tensors.get_slice(key)
    # Of other dtypes it only matters that they are not floating-point; int64 stands for all of them.
    dtype = DTYPES.get(part.get_dtype(), torch.int64)
    # A copy, because Windows cannot replace a file that is memory-mapped.
    return StoredTensor(tuple(part.get_shape()), dtype, lambda: tensors.get_tensor(key).clone())
