"""Files of torch.save, read as data: no object of a pickle is made and nothing in it is ever called.

``torch.load(weights_only=True)`` runs no foreign code either, but it believes what a file says of itself:

- a dict whose keys are pairs of pairs of pairs …, or numbers of one hash, keeps it busy without end, and one
  of a key a hundred thousand tuples deep ends the process;
- ``bytearray`` and ``_codecs.encode``, which it calls, make gigabytes out of a few bytes;
- of a file of torch < 1.6 it may return a tensor that was never filled: what stood in memory before;
- before torch 2.10 a storage that claims more numbers than the file has makes it read and write behind their
  end (CVE-2026-24747);
- it passes over the checksums of an archive.

To tell such a pickle from others is to know what lies on its stack, which is most of running it. So it is run
here, by :func:`_objects`: a global is only its name, a call of torch's own functions for tensors only a
:class:`StoredTensor`, and whatever else stands there is refused. Trusted are zipfile with the archive and its
checksums, pickletools with decoding the instructions, and torch with the form of a tensor.
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
MAX_WORK = 120_000  # instructions, and entries of dicts; a whole Stable Diffusion model takes some 40,000
MAX_NAME_LENGTH = 1000  # letters of a key or a global
MAX_DIRECTORY_BYTES = 2**20
MAX_NUMBER = 2**48  # of the numbers in a storage, and of a key
MAX_DIMENSIONS = 8
OLD_MAGIC = 0x1950A86A20F9469CFC6C  # of torch < 1.6
OLD_HEAD_BYTES = 8 * 2**20  # what is read of such a file

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
    """A block of ``count`` numbers in the file."""

    key: str
    dtype: torch.dtype
    count: int


@contextmanager
def opened_pickle(path: Path) -> Iterator[Contents]:
    """What ``torch.save`` wrote; its tensors can be read as long as the file is open.

    Raises :class:`ConceptError` for a damaged, hostile or other file.
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
    """``torch.save``, with no more in the archive than A1111's own check of it allows."""
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
            raise ConceptError(IS_DAMAGED)  # before zipfile seeks as far as the file claims to go
        with archive.open(member) as record:
            record.seek(start)
            return record.read(count)

    return next(_objects(io.BytesIO(archive.read(program)), read, {}))


def _read_old(file: IO[bytes]) -> Any:
    """Five pickles, the fourth the object and the fifth the order of the storages, which follow."""
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
    next(objects), next(objects)  # versions of the protocol and of the machine
    values, keys = next(objects), next(objects)
    place = stream.tell()
    if not isinstance(keys, list):
        raise ConceptError(IS_DAMAGED)
    for key in map(_name, keys):
        places[key] = place + 8  # after the number of its elements
        place += 8 + storages[key].count * storages[key].dtype.itemsize
    return values


# --- the pickle -------------------------------------------------------------------------------------------

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = re.compile(r"GLOBAL|(SHORT_)?BIN(INT|INT1|INT2|FLOAT|UNICODE|UNICODE8|STRING|BYTES)|LONG1")
TAKEN = {  # by an instruction from the top of the stack; None is all since the last mark
    **dict.fromkeys(("TUPLE", "APPENDS", "SETITEMS"), None),
    **dict.fromkeys(("TUPLE1", "APPEND", "BINPERSID", "BUILD"), 1),
    **dict.fromkeys(("TUPLE2", "SETITEM", "STACK_GLOBAL", "REDUCE", "NEWOBJ"), 2),
    "TUPLE3": 3,
}


def _objects(stream: io.BytesIO, read: ReadBytes, storages: dict[str, _Storage]) -> Iterator[Any]:
    """The object of each pickle in the stream, as data; the storages named there are put in ``storages``.

    See :mod:`pickletools` for what each instruction does. It may use an object of any size again and again,
    so none goes through a whole one, but where dicts are joined: there each entry counts as an instruction.
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
    """A dict; its keys are names and numbers, for the hash of a tuple may never end."""
    return {
        key if isinstance(key, int) and abs(key) < MAX_NUMBER else _name(key): value for key, value in pairs
    }


def _name(value: Any) -> str:
    """The text, if it takes but a moment to hash and to compare."""
    if not isinstance(value, str) or len(value) > MAX_NAME_LENGTH:
        raise ConceptError(IS_DAMAGED)
    return value


def _called(function: Any, arguments: Any, read: ReadBytes) -> Any:
    """What one of torch's own functions would make; any other is refused."""
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
    """Those in the state of a ``ParameterDict``; other states say nothing of tensors."""
    parameters = state.get("_parameters") if isinstance(state, dict) else None
    return parameters if isinstance(parameters, dict) else {}


def _storage(reference: Any) -> _Storage:
    _, kind, key, _, count = reference[:5]
    if _name(kind) not in DTYPES or type(count) is not int or not 0 <= count < MAX_NUMBER:
        raise ConceptError(IS_DAMAGED)
    return _Storage(_name(key), DTYPES[kind], count)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, read: ReadBytes) -> StoredTensor:
    """Checked against its storage; only rows that lie one after the other are taken."""
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
