"""Safetensors files: the header is measured before the library reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ti_core.errors import ConceptError
from ti_core.formats.contents import IS_DAMAGED, TOO_MANY_PARTS, Contents, StoredTensor

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


def read_safetensors(path: Path) -> Contents:
    """The tensors by their keys, and the metadata. Raises :class:`ConceptError` if it cannot be read."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entries = file.read(min(length, MAX_HEADER_BYTES)).count(b'"data_offsets"')
    if length > MAX_HEADER_BYTES or entries > MAX_ENTRIES:
        raise ConceptError(TOO_MANY_PARTS)
    try:
        with safe_open(path, framework="pt") as tensors:
            values = {key: _stored(path, key, tensors.get_slice(key)) for key in tensors.keys()}  # noqa: SIM118
            return Contents(values, tensors.metadata() or {})
    except SafetensorError as error:
        raise ConceptError(IS_DAMAGED) from error


def _stored(path: Path, key: str, part: Any) -> StoredTensor:
    def read() -> torch.Tensor:
        with safe_open(path, framework="pt") as tensors:
            return tensors.get_tensor(key).clone()  # a mapped file cannot be replaced on Windows

    dtype = DTYPES.get(part.get_dtype(), torch.int64)  # of those that are no floats only that matters
    return StoredTensor(tuple(part.get_shape()), dtype, read)
