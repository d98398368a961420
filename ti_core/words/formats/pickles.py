"""Files of torch.save, read as data: no object of a pickle is made and nothing in it is ever called.

A pickle is a program for a small machine. :func:`_interpret` is that machine without the instructions that
import and call: a global is only its name, and of the functions only those that torch writes for tensors
mean anything, namely a :class:`StoredTensor`. So one reader serves plain dicts and ``ParameterDict``, the
zip archives of torch ≥ 1.6 and what older versions wrote, and whatever else stands there is refused.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
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
MAX_WORK = 120_000  # instructions, and entries of dicts; a whole Stable Diffusion model takes some 60,000
MAX_NAME_LENGTH = 1000  # letters of a key or a global
MAX_DIRECTORY_BYTES = 2**20
MAX_NUMBER = 2**48  # in the form of a tensor
MAX_DIMENSIONS = 8
OLD_MAGIC = 0x1950A86A20F9469CFC6C  # of torch < 1.6
OLD_HEAD_BYTES = 8 * 2**20  # what is read of such a file

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

ReadBytes = Callable[[str, int, int], bytes]
"""Bytes of a storage: its key, where they start and how many."""


@dataclass(frozen=True)
class _Name:
    """A global: nothing is imported."""

    module: str
    name: str


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
    data = _start_of(archive, members[program])
    prefix = program.removesuffix("data.pkl")

    def read(key: str, start: int, count: int) -> bytes:
        member = members[f"{prefix}data/{key}"]
        if member.file_size != member.compress_size or start + count > member.file_size:
            raise ConceptError(IS_DAMAGED)  # before zipfile seeks as far as the file claims to go
        with archive.open(member) as record:
            record.seek(start)
            return record.read(count)

    return next(_interpret(io.BytesIO(data), read))


def _start_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > MAX_PICKLE_BYTES:
        raise ConceptError(TOO_MANY_PARTS)
    return archive.read(info)


def _read_old(file: IO[bytes]) -> Any:
    """Five pickles, the fourth the object and the fifth the order of the storages, which follow."""
    data = file.read(OLD_HEAD_BYTES)
    stream = io.BytesIO(data)
    places: dict[str, int] = {}
    sizes: dict[str, int] = {}

    def read(key: str, start: int, count: int) -> bytes:
        place = places[key] + start
        return data[place : place + count]

    pickles = _interpret(stream, read, sizes)
    if next(pickles) != OLD_MAGIC:
        raise ConceptError("It is a pickle, but not one of torch: choose another file.")
    next(pickles), next(pickles)  # versions of the protocol and of the machine
    values, keys = next(pickles), next(pickles)
    place = stream.tell()
    if not isinstance(keys, list) or not all(_is_name(key) for key in keys):
        raise ConceptError(IS_DAMAGED)
    for key in keys:
        places[key] = place + 8  # after the number of its elements
        place += 8 + sizes[key]
    return values


# --- the machine ------------------------------------------------------------------------------------------

_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_LITERALS = re.compile(r"(SHORT_)?BIN(INT|INT1|INT2|FLOAT|UNICODE|UNICODE8|STRING|BYTES)|LONG1")


def _interpret(stream: io.BytesIO, read: ReadBytes, sizes: dict[str, int] | None = None) -> Iterator[Any]:
    """The object of each pickle in the stream; the bytes of each storage are noted in ``sizes``."""
    left = MAX_WORK
    while True:
        machine = _Machine(read, {} if sizes is None else sizes, left)
        for instruction, argument, _ in pickletools.genops(stream):
            machine.step(instruction.name, argument)
        [result], left = machine.stack, machine.left
        yield result


@dataclass
class _Machine:
    """What an instruction works on; see :mod:`pickletools` for what each does.

    An instruction may use an object of any size again and again, so none goes through a whole one, but that
    which sets the entries of a dict: each of these counts as an instruction does.
    """

    read: ReadBytes
    sizes: dict[str, int]
    left: int
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def step(self, name: str, argument: Any) -> None:
        self._count(1)
        stack = self.stack
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif _LITERALS.fullmatch(name):
            stack.append(argument)
        elif name in ("PROTO", "FRAME", "STOP"):
            pass
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        elif name == "APPENDS":
            values = self._since_mark()
            stack[-1].extend(values)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            self._set_items(stack[-1], [(key, value)])
        elif name == "SETITEMS":
            values = self._since_mark()
            self._set_items(stack[-1], list(zip(values[::2], values[1::2], strict=True)))
        elif name == "GLOBAL":
            module, _, attribute = argument.partition(" ")
            stack.append(_global(module, attribute))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_global(module, attribute))
        elif name == "BINPERSID":
            storage = _storage(stack.pop())
            self.sizes[storage.key] = storage.count * storage.dtype.itemsize
            stack.append(storage)
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            stack.append(self._call(function, arguments))
        elif name == "BUILD":
            state = stack.pop()
            self._set_state(stack[-1], state)
        else:
            raise ConceptError(
                "It holds the instruction {name}, which no embedding needs: do not use it.", name=name
            )

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def _count(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise ConceptError(TOO_MANY_PARTS)

    def _set_items(self, target: dict[Any, Any], items: Collection[tuple[Any, Any]]) -> None:
        self._count(len(items))
        if not all(_is_key(key) for key, _ in items):
            raise ConceptError(IS_DAMAGED)
        target.update(items)

    def _set_state(self, target: Any, state: Any) -> None:
        """Of a ``ParameterDict``, which holds its parameters; other states say nothing of tensors."""
        if isinstance(target, dict) and isinstance(state, dict):
            parameters = state.get("_parameters")
            if isinstance(parameters, dict):
                self._set_items(target, parameters.items())

    def _call(self, function: Any, arguments: Any) -> Any:
        """What one of torch's own functions would make; any other is refused."""
        match function:
            case _Name("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor"):
                storage, offset, shape, strides = arguments[:4]
                return _tensor(storage, offset, shape, strides, self.read)
            case _Name("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state"):
                return arguments[0]
            case _Name("torch.nn.modules.container", "ParameterDict"):
                return {}
            case _Name("collections", "OrderedDict"):
                pairs: dict[Any, Any] = {}
                self._set_items(pairs, arguments[0] if arguments else ())
                return pairs
            case _Name("__builtin__" | "builtins", "set"):
                return []
            case _Name(module, name):
                asked = f"{module}.{name}"[:SHOWN_LENGTH]
                raise ConceptError(
                    "It asks to run {name}, which no embedding needs: do not use it.", name=asked
                )
        raise ConceptError(IS_DAMAGED)


def _is_key(key: Any) -> bool:
    """Whether hashing it and comparing it take but a moment; that of a tuple may never end."""
    return isinstance(key, _Name) or _is_name(key) or (isinstance(key, int) and abs(key) < MAX_NUMBER)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_NAME_LENGTH


def _global(module: Any, name: Any) -> _Name:
    if not (_is_name(module) and _is_name(name)):
        raise ConceptError(IS_DAMAGED)
    return _Name(module, name)


def _storage(reference: Any) -> _Storage:
    _, kind, key, _, count = reference[:5]
    dtype = DTYPES.get(kind.name)
    if dtype is None or not _is_name(key) or type(count) is not int or not 0 <= count < MAX_NUMBER:
        raise ConceptError(IS_DAMAGED)
    return _Storage(key, dtype, count)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, read: ReadBytes) -> StoredTensor:
    """Checked against its storage; only rows that lie one after the other are taken."""
    if not isinstance(storage, _Storage) or not len(shape) == len(strides) <= MAX_DIMENSIONS:
        raise ConceptError(IS_DAMAGED)
    numbers = (offset, *shape, *strides)
    if not all(type(number) is int and 0 <= number < MAX_NUMBER for number in numbers):
        raise ConceptError(IS_DAMAGED)
    count, step = prod(shape), 1
    if offset + count > storage.count:
        raise ConceptError("It holds a tensor that is larger than its own numbers: do not use it.")
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size > 1 and stride != step:
            raise ConceptError("It holds a tensor whose numbers are spread or repeated: do not use it.")
        step *= size
    itemsize = storage.dtype.itemsize

    def read_tensor() -> torch.Tensor:
        try:
            data = read(storage.key, offset * itemsize, count * itemsize)
            return torch.frombuffer(bytearray(data), dtype=storage.dtype, count=count).reshape(shape)
        except DAMAGED as error:
            raise ConceptError(IS_DAMAGED) from error

    return StoredTensor(tuple(shape), storage.dtype, read_tensor)
