"""Malicious or damaged files, and files that only look like an embedding; one function writes each."""

from __future__ import annotations

import base64
import io
import json
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from ti_core.words.formats import png_card

HARM = "harm-was-done"
"""The folder that code in the pickles would create, if it were run."""
TOKEN = "<our-cat>"


# --- pickles ----------------------------------------------------------------------------------------------


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class Storage:
    """Pickled by :func:`program`, becomes a reference to a storage."""

    def __init__(self, count: Any, kind: Any = torch.FloatStorage, key: str = "0", device: str = "cpu"):
        self.reference = ("storage", kind, key, device, count)


class OldStorage(Storage):
    """The same reference in the form of torch < 1.6."""

    def __init__(self, count: Any):
        super().__init__(count)
        self.reference = (*self.reference, None)


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        return value.reference if isinstance(value, Storage) else None


def program(value: Any) -> bytes:
    """Return the pickle of a value."""
    stream = io.BytesIO()
    _Pickler(stream, protocol=2).dump(value)
    return stream.getvalue()


def tensor(storage: Any, shape: Any, strides: Any, offset: Any = 0) -> Call:
    return Call(torch._utils._rebuild_tensor_v2, storage, offset, shape, strides, False, OrderedDict())


def archive(path: Path, data: bytes, record: bytes = b"\0" * 3072, packing: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", packing) as file:
        file.writestr("archive/data.pkl", data)
        file.writestr("archive/version", "3\n")
        file.writestr("archive/data/0", record)


def pickled(value: Any) -> Callable[[Path], None]:
    return lambda path: archive(path, program(value))


def machine_code(data: bytes) -> Callable[[Path], None]:
    """Write a pickle of hand-made instructions, which no program would produce."""
    return lambda path: archive(path, b"\x80\x02" + data)


def stored(shape: Any, strides: Any, count: Any = 768, offset: Any = 0) -> Callable[[Path], None]:
    return pickled({TOKEN: tensor(Storage(count), shape, strides, offset)})


def code_in_a_plain_pickle(path: Path) -> None:
    import os

    path.write_bytes(pickle.dumps(Call(os.mkdir, HARM)))


def code_beside_a_good_embedding(path: Path) -> None:
    import os

    archive(path, program({TOKEN: tensor(Storage(768), (1, 768), (768, 1)), "x": Call(os.mkdir, HARM)}))


def packed_zeros(path: Path) -> None:
    """Write a quarter of a gigabyte of zeros, compressed to a megabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("archive/data.pkl", program({TOKEN: tensor(Storage(768), (1, 768), (768, 1))}))
        file.writestr("archive/data/0", bytes(2**28))


def record_that_claims_to_go_on(path: Path) -> None:
    """Claim a tensor so far into a record that zipfile would need a minute to seek there."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", program({TOKEN: tensor(Storage(2**47), (1, 768), (768, 1), 2**46)}))
        file.writestr("archive/data/0", bytes(3072))
        file.getinfo("archive/data/0").file_size = 2**62  # in the central directory, which is written last


def many_members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for number in range(20_000):
            file.writestr(f"archive/data/{number}", b"")


def hash_bomb() -> bytes:
    """Return a dict whose key is a pair of pairs of pairs …: to hash it would take 2 ** 60 steps."""
    pair = b"K\x01" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(60))
    return b"}" + pair + b"Ns."


def deep_tuple_as_a_key() -> bytes:
    """Return a dict whose key is a tuple in a tuple in a tuple …: to hash it would overflow the stack."""
    return b"})" + b"\x85" * 100_000 + b"Ns."


def pairs_without_end() -> bytes:
    """Return a pair of pairs of pairs … in place of a tensor: to traverse it would take 2 ** 60 steps."""
    return b"}" + text("string_to_param") + b"}" + text("*") + hash_bomb()[1:-3] + b"ss."


def dict_in_itself() -> bytes:
    return b"}" + SHARED + text("string_to_param") + USE + b"s."


SHARED = b"q\x01"
"""The instruction that memoizes the object on top of the stack."""
USE = b"h\x01"
"""The instruction that pushes the memoized object again."""


def numbers(count: int) -> bytes:
    return b"".join(b"J" + struct.pack("<i", number) for number in range(count))


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def called(function: str, *arguments: bytes) -> bytes:
    """Return the instructions that call a function, given as "module name"."""
    module, _, name = function.partition(" ")
    return b"c" + f"{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def bytes_without_number() -> bytes:
    """Return a call that would make eight gigabytes of bytes."""
    return called("builtins bytearray", b"\x8a\x06" + (2**33).to_bytes(6, "little")) + b"."


def text_twice_as_long_again_and_again() -> bytes:
    """Return nested calls that would double a text until it has four gigabytes."""
    code = called("_codecs encode", text("a"), text("latin-1"))
    for _ in range(32):
        code = called("_codecs encode", code, text("hex"))
    return code + b"."


def number_set_in_a_tensor() -> bytes:
    """Return a pickle that applies an instruction for dicts to a tensor."""
    reference = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"M\0\x03tQ"
    arguments = reference, b"K\0", b"M\0\x03\x85", b"K\x01\x85", b"\x89", b"}"
    return b"}" + text(TOKEN) + called("torch._utils _rebuild_tensor_v2", *arguments) + b"K\0K\x01ss."


def one_long_pair_often() -> bytes:
    pairs = b"(" + numbers(30_000) + b"t" + SHARED + USE * 1_200
    return called("collections OrderedDict", b"(" + pairs + b"t") + b"."


def one_list_of_pairs_often() -> bytes:
    pairs = b"".join(b"K\x01" + numbers(1) + b"\x86" for _ in range(20_000))
    return b"(" + pairs + b"t" + SHARED + (b"ccollections\nOrderedDict\n" + USE + b"\x85R") * 10_000 + b"t."


def one_long_state_often() -> bytes:
    entries = b"".join(b"J" + struct.pack("<i", number) + b"N" for number in range(30_000))
    state = b"}(" + text("_parameters") + b"}(" + entries + b"uu"
    return called("collections OrderedDict") + state + SHARED + b"b" + (USE + b"b") * 4_000 + b"."


def one_long_call_often() -> bytes:
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x01tQ"
    arguments = b"(" + storage + b"K\0))" + numbers(60_000) + b"t" + SHARED
    return b"(" + arguments + (b"ctorch._utils\n_rebuild_tensor_v2\n" + USE + b"R") * 15_000 + b"t."


def one_long_reference_often() -> bytes:
    reference = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x01"
    return b"(" + reference + numbers(60_000) + b"t" + SHARED + (USE + b"Q") * 25_000 + b"t."


def one_long_key_often() -> bytes:
    """Return a dict whose long key is set again and again by an equal key that is another object."""
    key = text("k" * 1_900_000)
    return b"}" + key + b"Ns" + key + SHARED + b"Ns" + (USE + b"Ns") * 25_000 + b"."


def keys_of_one_hash() -> bytes:
    """Return a dict whose keys are numbers with the same hash in Python."""
    keys = (number * (2**61 - 1) for number in range(1, 40_000))
    return b"}" + b"".join(b"\x8a\x0b" + key.to_bytes(11, "little") + b"Ns" for key in keys) + b"."


def long_names_as_keys() -> bytes:
    """Return a dict whose keys are globals of one module with a very long name."""
    name = text("m" * 3_500_000) + SHARED + text("0") + b"\x93Ns"
    return b"}" + name + b"".join(USE + text(str(n)) + b"\x93Ns" for n in range(1, 20_000)) + b"."


def name_that_never_ends() -> bytes:
    """Return a global whose module is a pair of pairs of pairs …: as text it would have 2 ** 60 letters."""
    return hash_bomb()[1:-3] + text("name") + b"\x93."


def in_old_torch(keys: bytes, value: Any = None, data: bytes = b"") -> Callable[[Path], None]:
    """Write a file of torch < 1.6 with these instructions in place of the list of its storages' keys."""
    magic, version = 0x1950A86A20F9469CFC6C, pickle.dumps(1001, 2)
    head = pickle.dumps(magic, 2) + version + version
    return raw(head + program({TOKEN: value or Storage(1)}) + b"\x80\x02" + keys + b"." + data)


def many_members_beside_words(path: Path) -> None:
    words = {str(number): tensor(Storage(768), (1, 768), (768, 1)) for number in range(49)}
    words["last"] = tensor(Storage(384, torch.LongStorage), (1, 384), (384, 1))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", program({"string_to_param": words}))
        file.writestr("archive/data/0", b"\0\0\0\x3f" * 768)
        for number in range(16_000):
            file.writestr(str(number), b"")


# --- safetensors ------------------------------------------------------------------------------------------


def safetensors(**tensors: torch.Tensor) -> Callable[[Path], None]:
    return lambda path: save_file({key.replace("__", "."): value for key, value in tensors.items()}, path)


def header(values: Any, data: bytes = b"") -> Callable[[Path], None]:
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def many_entries(path: Path) -> None:
    part = json.dumps(entry([0], 0, 0))
    header(("{" + ",".join(f'"{number}":{part}' for number in range(200_000)) + "}").encode())(path)


def entries_of_another_spelling(path: Path) -> None:
    part = json.dumps(entry([0], 0, 0)).replace("_", "\\u005f")
    header(("{" + ",".join(f'"{number}":{part}' for number in range(60_000)) + "}").encode())(path)


def entries_as_lists(path: Path) -> None:
    header({str(number): ["F32", [0], [0, 0]] for number in range(100_000)})(path)


def many_texts_beside_words(path: Path) -> None:
    """Write words, the last of which is not finite, and very many metadata entries."""
    keys = [f"bundle_emb.{number}.clip_l" for number in range(50)]
    tensors = {key: entry([1, 768], 3072 * at, 3072 * (at + 1)) for at, key in enumerate(keys)}
    texts = {"__metadata__": {str(number): "" for number in range(200_000)}}
    header({**texts, **tensors}, b"\0\0\0\x3f" * 768 * 49 + b"\xff" * 3072)(path)


# --- pictures ---------------------------------------------------------------------------------------------


def picture(chunk: bytes | str | None, *, packed: bool = False) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        info = PngInfo()
        if chunk is not None:
            info.add_text(png_card.CHUNK, chunk, zip=packed)
        Image.new("RGB", (64, 64), "red").save(path, pnginfo=info)

    return write


def in_base64(values: Any) -> bytes:
    return base64.b64encode(values if isinstance(values, bytes) else json.dumps(values).encode())


def word_of(rows: Any) -> bytes:
    return in_base64({"string_to_param": {"*": {"TORCHTENSOR": rows}}, "name": "our-cat"})


def enormous_picture(path: Path) -> None:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
            for part in (chunk, data)
        )
    )


def bomb_in_the_pixels(path: Path) -> None:
    """Hide a quarter of a gigabyte of zeros, compressed to a megabyte, in the pixels of a card."""
    data = zlib.compress(bytes(2**28), 1)
    card = Image.new("RGB", (64, 512), "red")
    png_card.join_wings(np.frombuffer(data, np.uint8), card).save(path)


def cut(write: Callable[[Path], None], share: float) -> Callable[[Path], None]:
    def write_part(path: Path) -> None:
        write(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return write_part


def raw(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data)


def torch_saved(values: Any) -> Callable[[Path], None]:
    return lambda path: torch.save(values, path)


NAN, INFINITE = torch.full((1, 768), torch.nan), torch.full((1, 768), -torch.inf)
ROWS = torch.ones(2, 768)
LFS_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 3840\n"
)
XTI = ["IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "MID", *(f"OUT{n:02}" for n in range(3, 12))]

HOSTILE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    # name: file name, function that writes it, pattern of the error
    "empty": ("a.pt", raw(b""), "It is empty"),
    "noise": ("a.pt", raw(bytes(range(1, 255)) * 20), "no embedding file"),
    "text": ("a.bin", raw(b"our cat"), "no embedding file"),
    "web page": ("a.bin", raw(b"\n<!DOCTYPE html><title>404</title>"), "It is a web page"),
    "cut .safetensors": ("a.safetensors", cut(safetensors(emb_params=ROWS), 0.5), "damaged"),
    "cut .pt": ("a.pt", cut(torch_saved({TOKEN: ROWS}), 0.7), "damaged"),
    "cut picture": ("a.png", cut(picture(None), 0.6), "damaged picture"),
    "code in a plain pickle": ("a.bin", code_in_a_plain_pickle, r"asks to run \w+.mkdir"),
    "code beside an embedding": ("a.pt", code_beside_a_good_embedding, r"asks to run \w+.mkdir"),
    "pickle of others": ("a.pt", raw(pickle.dumps({"a": 1}, 2)), "not one of torch"),
    "repeated numbers": ("a.bin", stored((10**9,), (0,)), "larger than its own numbers"),
    "one number, often": ("a.bin", stored((75, 768), (0, 0), 10**9), "spread or repeated"),
    "spread numbers": ("a.bin", stored((2, 384), (1, 2)), "spread or repeated"),
    "negative shape": ("a.bin", stored((-1, 768), (768, 1)), "damaged"),
    "negative start": ("a.bin", stored((1, 768), (768, 1), offset=-9), "damaged"),
    "enormous shape": ("a.bin", stored((10**400, 10**400), (1, 1)), "damaged"),
    "too many dimensions": ("a.bin", stored((1,) * 500, (1,) * 500), "damaged"),
    "a shape of text": ("a.bin", stored(("a",), ("b",)), "damaged"),
    "storage larger than the file": ("a.bin", stored((75, 1024), (1024, 1), 75 * 1024), "damaged"),
    "no such storage": ("a.bin", pickled({TOKEN: tensor(Storage(9, key="7"), (9,), (1,))}), "damaged"),
    "storage of no kind": ("a.bin", pickled({TOKEN: tensor(Storage(9, dict), (9,), (1,))}), "damaged"),
    "tensor of no storage": ("a.bin", pickled({TOKEN: tensor("0", (9,), (1,))}), "damaged"),
    "record that claims to go on": ("a.bin", record_that_claims_to_go_on, "damaged"),
    "packed zeros": ("a.pt", packed_zeros, "packed, as torch never does"),
    "many members": ("a.pt", many_members, "too many parts"),
    "other archive": (
        "a.pt",
        lambda path: zipfile.ZipFile(path, "w").writestr("a", "b"),
        "neither one of torch",
    ),
    "hash that never ends": ("a.pt", machine_code(hash_bomb()), "damaged"),
    "pairs of many": ("a.pt", machine_code(one_long_pair_often()), "damaged"),
    "pairs again and again": ("a.pt", machine_code(one_list_of_pairs_often()), "too many parts"),
    "state again and again": ("a.pt", machine_code(one_long_state_often()), "too many parts"),
    "call again and again": ("a.pt", machine_code(one_long_call_often()), "no vectors"),
    "reference again and again": ("a.pt", machine_code(one_long_reference_often()), "no vectors"),
    "key again and again": ("a.pt", machine_code(one_long_key_often()), "damaged"),
    "keys of one hash": ("a.pt", machine_code(keys_of_one_hash()), "damaged"),
    "long names as keys": ("a.pt", machine_code(long_names_as_keys()), "damaged"),
    "name that never ends": ("a.pt", machine_code(name_that_never_ends()), "damaged"),
    "key of a storage that never ends": ("a.bin", in_old_torch(b"](" + hash_bomb()[1:-3] + b"e"), "damaged"),
    "text in place of keys": ("a.bin", in_old_torch(text("0" * 7_000_000)), "damaged"),
    "deep tuple as a key": ("a.pt", machine_code(deep_tuple_as_a_key()), "damaged"),
    "pairs without end": ("a.pt", machine_code(pairs_without_end()), "as no embedding format does"),
    "dict in itself": ("a.pt", machine_code(dict_in_itself()), "as no embedding format does"),
    "number set in a tensor": ("a.pt", machine_code(number_set_in_a_tensor()), "damaged"),
    "bytes without number": (
        "a.pt",
        machine_code(bytes_without_number()),
        r"asks to run builtins\.bytearray",
    ),
    "text twice as long": (
        "a.pt",
        machine_code(text_twice_as_long_again_and_again()),
        r"asks to run _codecs\.encode",
    ),
    "number of many digits": ("a.pt", machine_code(b"L" + b"9" * 4_000_000 + b"L\n."), "damaged"),
    "number of many bytes": (
        "a.pt",
        machine_code(b"\x8b" + struct.pack("<i", 4_000_000) + b"\x7f" * 4_000_000 + b"."),
        "holds the instruction LONG4",
    ),
    "terabytes": ("a.pt", stored((2**19, 2**19), (2**19, 1), 2**38), "as no embedding format does"),
    "terabytes in old torch": (
        "a.bin",
        in_old_torch(
            b"](" + text("0") + b"e",
            tensor(OldStorage(2**38), (1, 768), (768, 1), 2**37),
            struct.pack("<q", 2**38) + bytes(3072),
        ),
        "damaged",
    ),
    "storage that is not there, in old torch": (
        "a.bin",
        in_old_torch(b"]", tensor(OldStorage(768), (1, 768), (768, 1))),
        "damaged",
    ),
    "sparse tensor": (
        "a.pt",
        torch_saved({TOKEN: torch.ones(1, 768).to_sparse()}),
        "asks to run torch.serialization._get_layout",
    ),
    "quantised tensor": (
        "a.pt",
        pickled(
            {TOKEN: Call(torch._utils._rebuild_qtensor, Storage(768, torch.ByteStorage), 0, (768,), (1,))}
        ),
        "asks to run torch._utils._rebuild_qtensor",
    ),
    "tensor of another class": (
        "a.pt",
        pickled({TOKEN: Call(torch._tensor._rebuild_from_type_v2, torch._utils._rebuild_tensor_v2)}),
        "asks to run torch._tensor._rebuild_from_type_v2",
    ),
    "tensor without numbers": (
        "a.pt",
        torch_saved({TOKEN: torch.ones(1, 768, device="meta")}),
        "asks to run torch._utils._rebuild_meta_tensor_no_storage",
    ),
    "many members beside words": ("a.pt", many_members_beside_words, "floating-point"),
    "enormous memo": ("a.pt", machine_code(b"Nr\xff\xff\xff\x7f0."), "holds the instruction POP"),
    "enormous text": ("a.pt", machine_code(b"\x8d" + b"\xff" * 7 + b"\x7f."), "damaged"),
    "enormous bytes": ("a.pt", machine_code(b"\x96" + b"\xff" * 5 + b"\0\0\0."), "damaged"),
    "flood of instructions": ("a.pt", machine_code(b"N" * 4_000_000 + b"."), "too many parts"),
    "long pickle": ("a.pt", machine_code(b"N" * 5_000_000 + b"."), "too many parts"),
    "deep lists": ("a.pt", machine_code(b"]" * 50_000 + b"a" * 49_999 + b"."), "no vectors"),
    "empty stack": ("a.pt", machine_code(b"0."), "damaged|POP"),
    "nothing": ("a.pt", machine_code(b"."), "damaged"),
    "many entries": ("a.safetensors", many_entries, "too many parts"),
    "many entries of another spelling": ("a.safetensors", entries_of_another_spelling, "too many parts"),
    "many entries as lists": ("a.safetensors", entries_as_lists, "too many parts"),
    "many texts beside words": ("a.safetensors", many_texts_beside_words, "not finite"),
    "many words": (
        "a.safetensors",
        header({f"bundle_emb.{number}.clip_l": entry([0], 0, 0) for number in range(9_000)}),
        "too many parts",
    ),
    "many placeholders": (
        "a.pt",
        pickled(
            {"string_to_param": {str(n): tensor(Storage(768), (1, 768), (768, 1)) for n in range(999)}},
        ),
        "too many parts",
    ),
    "enormous header": ("a.safetensors", raw(struct.pack("<Q", 2**60) + b"{}"), "no embedding file"),
    "long header": ("a.safetensors", header(b"{" + b" " * 2**23 + b"}"), "too many parts"),
    "deep header": ("a.safetensors", header(b'{"a":' + b"[" * 10**4 + b"]" * 10**4 + b"}"), "damaged"),
    "lying shape": ("a.safetensors", header({TOKEN: entry([75, 768], 0, 4)}, b"\0" * 4), "damaged"),
    "enormous tensor": ("a.safetensors", header({TOKEN: entry([2**31, 2**31], 0, 4)}, b"\0" * 4), "damaged"),
    "negative tensor": ("a.safetensors", header({TOKEN: entry([-1], 0, 4)}, b"\0" * 4), "damaged"),
    "overlapping tensors": (
        "a.safetensors",
        header({"clip_l": entry([1], 0, 4), "clip_g": entry([1], 0, 4)}, b"\0" * 4),
        "damaged",
    ),
    "enormous picture": ("a.png", enormous_picture, "too large for a word|damaged picture"),
    "bomb in the pixels": ("a.png", bomb_in_the_pixels, "too long"),
    "bomb in the text": ("a.png", picture("A" * 2**26, packed=True), "damaged picture"),
    "long text": ("a.png", picture(in_base64(b"[" + b"1," * 2**22 + b"1]")), "too long"),
    "deep text": ("a.png", picture(in_base64(b"[" * 10**6)), "data in the picture is damaged"),
    "text of lists": ("a.png", picture(in_base64([1, 2])), "data in the picture is damaged"),
    "no base64": ("a.png", picture("*" * 1000), "damaged"),
    "uneven rows": ("a.png", picture(word_of([[1.0, 2.0], [1.0]])), "data in the picture is damaged"),
    "rows of text": ("a.png", picture(word_of([["a"] * 768])), "data in the picture is damaged"),
    "no rows": ("a.png", picture(word_of([])), "data in the picture is damaged"),
    "infinite in a picture": ("a.png", picture(word_of([[1e999] * 768])), "not finite"),
    "enormous numbers": ("a.png", picture(word_of([[10**400] * 768])), "data in the picture is damaged"),
    "ordinary picture": ("a.png", picture(None), "without a word in it"),
    "nan": ("a.safetensors", safetensors(emb_params=NAN), "not finite"),
    "infinite": ("a.pt", torch_saved({"string_to_param": {"*": INFINITE}, "name": "cat"}), "not finite"),
    "too large for float32": (
        "a.pt",
        torch_saved({TOKEN: torch.full((1, 768), 1e300, dtype=torch.float64)}),
        "not finite",
    ),
    "whole numbers": ("a.safetensors", safetensors(emb_params=ROWS.int()), "floating-point"),
    "truth values": ("a.pt", torch_saved({TOKEN: ROWS.bool()}), "floating-point"),
    "three dimensions": ("a.safetensors", safetensors(emb_params=ROWS[None]), "3 dimensions"),
    "no dimension": ("a.pt", torch_saved({TOKEN: torch.tensor(1.0)}), "0 dimensions"),
    "too many vectors": ("a.safetensors", safetensors(emb_params=torch.ones(76, 768)), "76 vectors"),
    "no vectors": ("a.safetensors", safetensors(emb_params=torch.ones(0, 768)), "0 vectors"),
    "unknown width": ("a.safetensors", safetensors(emb_params=torch.ones(1, 5000)), "5000 numbers"),
    "too large a file": (
        "a.safetensors",
        header({TOKEN: entry([1, 768], 0, 3072), "__metadata__": {"a": "b" * 3_000_000}}, b"\0" * 3072),
        "larger than 2 MiB",
    ),
    # files that only look like an embedding
    "git lfs": ("a.bin", raw(LFS_POINTER), "Git LFS pointer"),
    "xti": ("a.safetensors", safetensors(**{key: ROWS.clone() for key in XTI}), "extended textual inversion"),
    "text encoder": (
        "a.bin",
        torch_saved({"text_model.embeddings.token_embedding.weight": torch.ones(100, 768)}),
        "whole text encoder",
    ),
    "text encoder of safetensors": (
        "a.safetensors",
        safetensors(text_model__final_layer_norm__bias=torch.ones(768), text_model__a=torch.ones(1)),
        "whole text encoder",
    ),
    "checkpoint": (
        "a.ckpt",
        torch_saved({"state_dict": {"model.diffusion_model.out.2.bias": torch.ones(4)}, "epoch": 1}),
        "whole model",
    ),
    "checkpoint of safetensors": (
        "a.safetensors",
        safetensors(model__diffusion_model__out__bias=torch.ones(4), first_stage_model__a=torch.ones(4)),
        "whole model",
    ),
    "lora": (
        "a.safetensors",
        safetensors(lora_unet_down__lora_down__weight=torch.ones(4, 4), lora_unet_down__alpha=torch.ones(1)),
        "LoRA without any words",
    ),
    "lora of diffusers": (
        "a.safetensors",
        safetensors(unet__down__to_q__lora_A__weight=torch.ones(4, 4), unet__b__lora_B__weight=torch.ones(4)),
        "LoRA without any words",
    ),
    "only outputs": (
        "a.safetensors",
        safetensors(emp_params_out=ROWS, t5_out=ROWS.clone()),
        "output vectors",
    ),
    "t5": ("a.safetensors", safetensors(emb_params=torch.ones(1, 4096)), "T5"),
    "t5 beside clip": ("a.safetensors", safetensors(clip_l=ROWS, t5=torch.ones(2, 4096)), "T5"),
    "several unknown keys": ("a.safetensors", safetensors(a=ROWS, b=ROWS.clone()), "'a' and 1 more"),
    "an empty dict": ("a.pt", torch_saved({}), "no vectors"),
    "no placeholder": ("a.pt", torch_saved({"string_to_param": {}, "name": "cat"}), "no vectors"),
}


def write_hostile(name: str, folder: Path) -> Path:
    file_name, write, _ = HOSTILE[name]
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / file_name)
    return folder / file_name
