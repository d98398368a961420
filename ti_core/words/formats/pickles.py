"""Read files of torch.save as data: no pickled object is constructed, and nothing in the pickle is called.

``torch.load(weights_only=True)`` runs no foreign code either, but it trusts what a file says about itself:

- a dict whose keys are pairs of pairs of pairs …, or numbers with the same hash, keeps it busy forever, and a
  key that is nested a hundred thousand tuples deep crashes the process;
- it calls ``bytearray`` and ``_codecs.encode``, which can make gigabytes out of a few bytes;
- from a file of torch < 1.6 it may return an uninitialized tensor, which exposes old memory contents;
- before torch 2.10, a storage that claims more numbers than the file holds makes it read and write out of
  bounds (CVE-2026-24747);
- it does not verify the checksums of an archive.

Recognizing such a pickle requires knowing what is on its stack, which is most of the work of running it. So
:func:`_objects` interprets the pickle: a global becomes only its name, a call of one of torch's own tensor
functions becomes only a :class:`StoredTensor`, and everything else is refused. We trust zipfile to read the
archive and verify its checksums, pickletools to decode the instructions, and torch to compute a tensor's
layout.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from ti_core.errors import ConceptError
from ti_core.words.formats.contents import (
    DAMAGED,
    IS_DAMAGED,
    SHOWN_LENGTH,
    TOO_MANY_PARTS,
    Contents,
    StoredTensor,
    zip_directory_bytes,
)

MAX_PICKLE_BYTES = 4 * 2**20
MAX_WORK = 120_000  # instructions and dict entries; a whole Stable Diffusion model takes about 40,000
MAX_NAME_LENGTH = 1000  # characters of a key or a global
MAX_DIRECTORY_BYTES = 2**20
MAX_NUMBER = 2**48  # bound for the element count of a storage, and for an integer key
MAX_DIMENSIONS = 8
OLD_MAGIC = 0x1950A86A20F9469CFC6C  # magic number of torch < 1.6
OLD_HEAD_BYTES = 8 * 2**20  # only this much of such a file is read

DTYPES = {
    "torch DoubleStorage": torch.float64,
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}

ReadBytes = Callable[[str, int, int], bytes]
"""Bytes of a storage: its key, where they start and how many."""


@dataclass(frozen=True)
class _Storage:
    """A storage of ``count`` numbers in the file."""

    key: str
    dtype: torch.dtype
    count: int


@contextmanager
def opened_pickle(path: Path) -> Iterator[Contents]:
    """Read what ``torch.save`` wrote; its tensors can be read as long as the file is open.

    Raises :class:`ConceptError` if the file is damaged, hostile or of another kind.
    """
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\3\4"
        file.seek(0)
        try:
            values = _read_archive(file) if is_archive else _read_old(file)
        except DAMAGED as error:
            raise ConceptError(IS_DAMAGED) from error
        yield Contents(values)


def write_pickle(values: Mapping[str, Any], path: Path) -> None:
    """Write values like ``torch.save``, but keep only the archive entries that A1111's own check allows."""
    saved = io.BytesIO()
    torch.save(dict(values), saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            _, _, inner = name.partition("/")
            if re.fullmatch(r"data\.pkl|version|data/\d+", inner):
                target.writestr(zipfile.ZipInfo(f"archive/{inner}"), source.read(name))


# --- the two kinds of files -------------------------------------------------------------------------------


def _read_archive(file: IO[bytes]) -> Any:
    length = zip_directory_bytes(file)
    if length is None:
        raise ConceptError(IS_DAMAGED)
    if length > MAX_DIRECTORY_BYTES:
        raise ConceptError(TOO_MANY_PARTS)
    archive = zipfile.ZipFile(file)
    members = {info.filename: info for info in archive.infolist()}
    program = next((name for name in members if name.rpartition("/")[2] == "data.pkl"), None)
    if program is None:
        raise ConceptError("It is an archive, but neither one of torch nor a word that was exported here.")
    if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
        raise ConceptError("It is packed, as torch never does: do not use it.")
    if members[program].file_size > MAX_PICKLE_BYTES:
        raise ConceptError(TOO_MANY_PARTS)
    prefix = program.removesuffix("data.pkl")

    def read(key: str, start: int, count: int) -> bytes:
        member = members[f"{prefix}data/{key}"]
        if member.file_size != member.compress_size or start + count > member.file_size:
            raise ConceptError(IS_DAMAGED)  # before zipfile seeks as far as the file claims
        with archive.open(member) as record:
            record.seek(start)
            return record.read(count)

    return next(_objects(io.BytesIO(archive.read(program)), read, {}))


def _read_old(file: IO[bytes]) -> Any:
    """Read a file of torch < 1.6: five pickles, then the storages.

    The fourth pickle is the object, and the fifth lists the order of the storages.
    """
    data = file.read(OLD_HEAD_BYTES)
    stream = io.BytesIO(data)
    places: dict[str, int] = {}
    storages: dict[str, _Storage] = {}

    def read(key: str, start: int, count: int) -> bytes:
        place = places[key] + start
        return data[place : place + count]

    objects = _objects(stream, read, storages)
    if next(objects) != OLD_MAGIC:
        raise ConceptError("It is a pickle, but not one of torch: choose another file.")
    next(objects), next(objects)  # the protocol version and the machine's properties
    values, keys = next(objects), next(objects)
    place = stream.tell()
    if not isinstance(keys, list):
        raise ConceptError(IS_DAMAGED)
    for key in map(_name, keys):
        places[key] = place + 8  # skips the number of elements
        place += 8 + storages[key].count * storages[key].dtype.itemsize
    return values


# --- the pickle -------------------------------------------------------------------------------------------

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = re.compile(r"GLOBAL|(SHORT_)?BIN(INT|INT1|INT2|FLOAT|UNICODE|UNICODE8|STRING|BYTES)|LONG1")
TAKEN = {  # how many values an instruction pops from the stack; None means all since the last mark
    **dict.fromkeys(("TUPLE", "APPENDS", "SETITEMS"), None),
    **dict.fromkeys(("TUPLE1", "APPEND", "BINPERSID", "BUILD"), 1),
    **dict.fromkeys(("TUPLE2", "SETITEM", "STACK_GLOBAL", "REDUCE", "NEWOBJ"), 2),
    "TUPLE3": 3,
}


def _objects(stream: io.BytesIO, read: ReadBytes, storages: dict[str, _Storage]) -> Iterator[Any]:
    """Yield the object of each pickle in the stream as data; its storages are added to ``storages``.

    :mod:`pickletools` documents each instruction. A pickle may use an object of any size again and again, so
    no instruction here traverses a whole object. The exception is joining dicts: each entry counts as an
    instruction.
    """
    left = MAX_WORK
    while True:
        stack: list[Any] = []
        marks: list[int] = []
        memo: dict[Any, Any] = {}
        for instruction, argument, _ in pickletools.genops(stream):
            name = instruction.name
            count = TAKEN.get(name, 0)
            start = marks.pop() if count is None else len(stack) - count
            taken = stack[start:]
            del stack[start:]
            match name:
                case "PROTO" | "FRAME" | "STOP":
                    pass
                case "MARK":
                    marks.append(len(stack))
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "NONE" | "NEWTRUE" | "NEWFALSE":
                    stack.append(CONSTANTS[name])
                case "EMPTY_DICT":
                    stack.append({})
                case "EMPTY_LIST":
                    stack.append([])
                case "EMPTY_TUPLE" | "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                    stack.append(tuple(taken))
                case "APPEND" | "APPENDS":
                    stack[-1].extend(taken)
                case "SETITEM" | "SETITEMS":
                    stack[-1].update(_entries(zip(taken[::2], taken[1::2], strict=True)))
                case "STACK_GLOBAL":
                    stack.append(" ".join(map(_name, taken)))
                case "BINPERSID":
                    storage = _storage(*taken)
                    storages[storage.key] = storage
                    stack.append(storage)
                case "REDUCE" | "NEWOBJ":
                    function, arguments = taken
                    if function == "collections OrderedDict":
                        pairs: list[Any] = list(*arguments)
                        stack.append(_entries(pairs))
                        left -= len(pairs)
                    else:
                        stack.append(_called(function, arguments, read))
                case "BUILD":
                    if parameters := _parameters(*taken):
                        stack[-1].update(parameters)
                        left -= len(parameters)
                case _ if LITERALS.fullmatch(name):
                    stack.append(argument)
                case _:
                    raise ConceptError(
                        "It holds the instruction {name}, which no embedding needs: do not use it.", name=name
                    )
            left -= 1
            if left < 0:
                raise ConceptError(TOO_MANY_PARTS)
        [result] = stack
        yield result


def _entries(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Make a dict. Keys must be names or numbers, because hashing a nested tuple may never end."""
    return {
        key if isinstance(key, int) and abs(key) < MAX_NUMBER else _name(key): value for key, value in pairs
    }


def _name(value: Any) -> str:
    """Return the text if it is short enough to hash and compare quickly."""
    if not isinstance(value, str) or len(value) > MAX_NAME_LENGTH:
        raise ConceptError(IS_DAMAGED)
    return value


def _called(function: Any, arguments: Any, read: ReadBytes) -> Any:
    """Return what one of torch's own functions would make. Raises :class:`ConceptError` for any other."""
    match function:
        case "torch._utils _rebuild_tensor_v2" | "torch._utils _rebuild_tensor":
            storage, offset, shape, strides = arguments[:4]
            return _tensor(storage, offset, shape, strides, read)
        case "torch._utils _rebuild_parameter" | "torch._utils _rebuild_parameter_with_state":
            return arguments[0]
        case "torch.nn.modules.container ParameterDict":
            return {}
        case "__builtin__ set" | "builtins set":
            return []
        case str() if function.isprintable():
            asked = function[:SHOWN_LENGTH].replace(" ", ".")
            raise ConceptError("It asks to run {name}, which no embedding needs: do not use it.", name=asked)
    raise ConceptError(IS_DAMAGED)


def _parameters(state: Any) -> dict[Any, Any]:
    """Return the parameters in the state of a ``ParameterDict``; other states hold no tensors."""
    parameters = state.get("_parameters") if isinstance(state, dict) else None
    return parameters if isinstance(parameters, dict) else {}


def _storage(reference: Any) -> _Storage:
    _, kind, key, _, count = reference[:5]
    if _name(kind) not in DTYPES or type(count) is not int or not 0 <= count < MAX_NUMBER:
        raise ConceptError(IS_DAMAGED)
    return _Storage(_name(key), DTYPES[kind], count)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, read: ReadBytes) -> StoredTensor:
    """Make a tensor after checking it against its storage; only contiguous rows are accepted."""
    if not isinstance(storage, _Storage) or not len(shape) == len(strides) <= MAX_DIMENSIONS:
        raise ConceptError(IS_DAMAGED)
    form = torch.empty_strided(shape, strides, dtype=storage.dtype, device="meta")
    if type(offset) is not int or offset < 0:
        raise ConceptError(IS_DAMAGED)
    if offset + form.numel() > storage.count:
        raise ConceptError("It holds a tensor that is larger than its own numbers: do not use it.")
    if not form.is_contiguous():
        raise ConceptError("It holds a tensor whose numbers are spread or repeated: do not use it.")

    def read_tensor() -> torch.Tensor:
        try:
            data = read(storage.key, offset * form.itemsize, form.nbytes)
            return torch.frombuffer(bytearray(data), dtype=form.dtype, count=form.numel()).reshape(form.shape)
        except DAMAGED as error:
            raise ConceptError(IS_DAMAGED) from error

    return StoredTensor(tuple(form.shape), form.dtype, read_tensor)
