"""Read embedding files; the format is detected from the keys in the file.

string_to_param        .pt and PNG of A1111; without ``name``, the paper's own, which may hold several words
emb_params             .safetensors of A1111, kohya, InvokeAI and ai-toolkit; emp_params (sic) of OneTrainer
clip_l, clip_g         SDXL of kohya, InvokeAI, ComfyUI, OneTrainer and diffusers' advanced script
bundle_emb.<name>.…    words bundled in a LoRA
<our-cat>              diffusers: the only key is the word; SDXL has two such files
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ti_core.errors import ConceptError
from ti_core.messages import Message, Said
from ti_core.words.folder import MAX_FILE_BYTES, load_concept
from ti_core.words.formats.contents import (
    MAX_WIDTH,
    SHOWN_LENGTH,
    TOO_MANY_PARTS,
    Contents,
    StoredTensor,
    length_remarks,
    read_rows,
)
from ti_core.words.formats.embedding import (
    FACTS_KEY,
    MAX_FACT_LENGTH,
    Embedding,
    by_encoder,
    check_facts,
    read_facts,
    read_facts_of_card,
    read_steps,
)
from ti_core.words.formats.pickles import opened_pickle
from ti_core.words.formats.png_card import read_png
from ti_core.words.formats.tensor_files import is_safetensors, opened_safetensors

SUFFIXES = (".safetensors", ".pt", ".bin", ".png")
MAX_FILES = 256  # embedding files per folder
MAX_WORDS = 50  # per file
MAX_TEXT_BYTES = 2**20
ENCODER_KEYS = ("clip_l", "clip_g")
PARAMS_KEYS = {"emb_params": "emb_params", "emp_params": "OneTrainer"}
XTI_KEYS = {"IN01", "IN08", "MID", "OUT03", "OUT11"}
PAIR = re.compile(r"learned_embeds(?P<second>_2)?(?P<rest>[-.].*)")
TEXT_ENCODER = re.compile(r"(.*\.)?text_model\.|cond_stage_model\.")
LORA = re.compile(r"(.*\.)?(lora_|lora\.|hada_|lokr_)|.*\.alpha$")
WHOLE_MODEL = re.compile(r"model\.diffusion_model\.|first_stage_model\.|down_blocks\.|conv_in\.|state_dict$")
WEIGHT = re.compile(r".*\.(weight|bias)$")  # any other model


def read_embeddings(path: Path) -> list[Embedding]:
    """Read the words, at least one, in a file or folder of any of the formats.

    A native concept folder, or one like those of sd-concepts-library, is read as that concept. In any other
    folder every embedding file is read. Raises :class:`ConceptError` that names the file and says what it is
    instead.
    """
    try:
        found = _read_folder(path) if path.is_dir() else _read_with_companion(path)
    except OSError as error:
        raise ConceptError("{name} cannot be read: {error}", name=path.name, error=error) from error
    return found


# --- folders ----------------------------------------------------------------------------------------------


def _read_folder(folder: Path) -> list[Embedding]:
    if (folder / "concept.json").is_file():
        return [_read_native(folder)]
    candidates = [folder / f"learned_embeds{suffix}" for suffix in (".safetensors", ".bin", ".pt")]
    first = next((file for file in candidates if file.is_file()), None)
    if first is not None:
        return [_with_notes(folder, embedding) for embedding in _read_with_companion(first)]
    return _read_every_file(folder)


def _read_native(folder: Path) -> Embedding:
    if (folder / "concept.json").stat().st_size > MAX_TEXT_BYTES:
        raise ConceptError(
            "{folder}/concept.json is larger than 1 MiB: it is no concept's.", folder=folder.name
        )
    concept = load_concept(folder)
    check_facts(concept)
    return Embedding(
        concept.vectors,
        "One Word",
        concept.token,
        folder.name,
        concept.kind,
        base=concept.base,
        initializer=concept.initializer,
        training=concept.training,
    )


def _with_notes(folder: Path, embedding: Embedding) -> Embedding:
    """Complete an embedding with what the text files of a repository of sd-concepts-library say."""
    kind, card = _read_text_file(folder / "type_of_concept.txt"), _read_text_file(folder / "README.md")
    model = re.search(r"^base_model:\s*(?:-\s*)?[\"']?([\w./-]+)", card, re.MULTILINE)
    name = _printable_text(_read_text_file(folder / "token_identifier.txt")) or embedding.name
    facts = read_facts_of_card(card)
    if embedding.base is None and facts.get("name") == name:  # otherwise the card describes another word
        embedding = replace(embedding, **facts)
    return replace(
        embedding,
        source="sd-concepts-library" if kind else embedding.source,
        file_name=folder.name,
        name=name,
        kind=embedding.kind or ("object" if kind == "object" else "style" if kind == "style" else None),
        model=embedding.model or (model[1] if model else ""),
    )


def _read_text_file(file: Path) -> str:
    """Read a text file; "" if it is missing or too large."""
    if not file.is_file() or file.stat().st_size > MAX_TEXT_BYTES:
        return ""
    return file.read_text(encoding="utf-8", errors="replace").strip()


def _read_every_file(folder: Path) -> list[Embedding]:
    """Read the embedding files in a folder, listing equal words once.

    PNG files are read only if there are no others. If some files could not be read, the remarks of the first
    word say why.
    """
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    pictures = [file for file in files if file.suffix.lower() == ".png"]
    others = [file for file in files if file not in pictures]
    read = others or pictures
    if len(read) > MAX_FILES:
        raise ConceptError(
            "{name} holds {count} embedding files: choose a folder of at most {limit}.",
            name=folder.name,
            count=len(read),
            limit=MAX_FILES,
        )
    found: list[Embedding] = []
    errors: list[ConceptError] = []
    for file in read:
        try:
            found += _read_with_companion(file)
        except ConceptError as error:
            errors.append(error)
    if not found:
        raise (
            errors[0]
            if errors
            else ConceptError("{name} holds no embedding file: choose another folder.", name=folder.name)
        )
    found[0] = replace(found[0], remarks=(*found[0].remarks, *(error.message for error in errors)))
    return [
        each for number, each in enumerate(found) if not any(_same(each, other) for other in found[:number])
    ]


def _same(one: Embedding, other: Embedding) -> bool:
    return one.vectors.keys() == other.vectors.keys() and all(
        torch.equal(rows, other.vectors[encoder]) for encoder, rows in one.vectors.items()
    )


# --- files ------------------------------------------------------------------------------------------------


def _read_with_companion(path: Path) -> list[Embedding]:
    """Read the words in a file.

    If it is one of a pair such as ``learned_embeds`` and ``learned_embeds_2``, read both as one SDXL word.
    """
    match = PAIR.fullmatch(path.name)
    if match is None:
        return _read_file(path)
    first, second = (path.with_name(f"learned_embeds{part}{match['rest']}") for part in ("", "_2"))
    if not (first.is_file() and second.is_file()):
        return _read_file(path)
    [one, *_], [other, *_] = _read_file(first), _read_file(second)
    if one.name != other.name or len(one.vectors) + len(other.vectors) > 2:
        raise ConceptError(
            "{first} and {second} hold different words: put each into a folder of its own.",
            first=first.name,
            second=second.name,
        )
    [rows], [other_rows] = one.vectors.values(), other.vectors.values()
    return [replace(one, vectors={"clip_l": rows, "clip_g": other_rows}, remarks=one.remarks + other.remarks)]


def _read_file(path: Path) -> list[Embedding]:
    if not path.is_file():
        raise ConceptError("There is no file {name}: check the path.", name=path)
    try:
        with _opened(path) as contents:
            found = _recognise(contents)
        is_bundle = found[0].source == "LoRA"
        if not is_bundle and not contents.is_picture and path.stat().st_size > MAX_FILE_BYTES:
            raise ConceptError(
                "It is larger than {limit} MiB, and no embedding is.", limit=MAX_FILE_BYTES // 2**20
            )
    except ConceptError as error:
        raise ConceptError(
            "{name} holds no usable embedding. {reason}", name=path.name, reason=error
        ) from error
    generic = path.stem.startswith("learned_embeds")
    return [replace(each, file_name=path.absolute().parent.name if generic else path.stem) for each in found]


def _opened(path: Path) -> AbstractContextManager[Contents]:
    """Open a file, detecting its type from its first bytes; tensors can be read while the context lasts.

    Raises :class:`ConceptError` if the file is of another type.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise ConceptError("It is empty: download or export it again.")
    if start.startswith(b"version https://git-lfs"):
        raise ConceptError(
            "It is a Git LFS pointer in place of the file: download the file itself from its page."
        )
    if start.startswith(b"\x89PNG"):
        return nullcontext(read_png(path))
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ConceptError("It is a web page in place of the file: download the file itself from its page.")
    if is_safetensors(path):  # checked first, because a header's length may look like the start of a pickle
        return opened_safetensors(path)
    if start.startswith((b"PK\3\4", b"\x80")):
        return opened_pickle(path)
    raise ConceptError("It is no embedding file: choose one of .safetensors, .pt, .bin or .png.")


# --- formats ----------------------------------------------------------------------------------------------


def _recognise(contents: Contents) -> list[Embedding]:
    """Detect the format from the keys and return the words. Raises :class:`ConceptError` if none matches."""
    values = contents.values
    facts = read_facts(contents.metadata[FACTS_KEY]) if FACTS_KEY in contents.metadata else {}
    if isinstance(values, StoredTensor):
        return [_embedding({"": values}, "tensor")]
    if not isinstance(values, dict) or not values:
        raise _unknown({})
    if isinstance(values.get("string_to_param"), dict):
        return _from_string_to_param(values, "A1111 PNG" if contents.is_picture else "A1111 .pt")
    if any(_has_prefix(key, "bundle_emb.") for key in values):
        return _from_bundle(values)
    usable = {key: value for key, value in values.items() if not str(key).endswith("_out")}
    if not usable:
        raise ConceptError(
            "It holds only OneTrainer's output vectors (_out), which live behind the text encoder: no other "
            "program can use them, so train it again without them."
        )
    left_out: tuple[Said, ...] = ()
    if len(usable) < len(values):
        left_out = (Message("OneTrainer's output vectors (_out) were left out."),)
    if any(_has_prefix(key, "t5") for key in usable):
        raise ConceptError(
            "Its vectors are for the text encoder T5 (of Stable Diffusion 3 and Flux): no model here has "
            "one, so choose another file."
        )
    if set(usable) <= set(ENCODER_KEYS):
        ordered = {key: usable[key] for key in ENCODER_KEYS if key in usable}
        return [_embedding(ordered, "SDXL", left_out, **facts)]
    if len(usable) > 1 or not isinstance(next(iter(usable.values())), StoredTensor):
        raise _unknown(usable)
    [(key, tensor)] = usable.items()
    if key in PARAMS_KEYS:
        return [_embedding({"": tensor}, PARAMS_KEYS[key], left_out, **facts)]
    if len(tensor.shape) == 2 and tensor.shape[1] > MAX_WIDTH or _is_model_weight(str(key)):
        raise _unknown(usable)
    return [_embedding({"": tensor}, "diffusers", **{"name": _printable_text(key), **facts})]


def _from_string_to_param(values: Mapping[str, Any], source: str) -> list[Embedding]:
    """Read A1111's dict, or the paper's: the same with several placeholder tokens and without a name."""
    found = values["string_to_param"]
    steps = values.get("step")
    fields: dict[str, Any] = {
        "model": _printable_text(values.get("sd_checkpoint_name")),
        "training": {"steps": read_steps(steps)} if type(steps) is int and steps >= 0 else {},
    }
    if FACTS_KEY in values:
        fields |= read_facts(values[FACTS_KEY])
    fields.pop("name", None)
    if not found:
        raise _unknown({})
    if len(found) == 1 and "name" in values:
        [tensor] = found.values()
        return [_embedding({"": tensor}, source, name=_printable_text(values["name"]), **fields)]
    remarks = _count_remarks(found)
    return [
        _embedding({"": tensor}, "the paper's program", remarks, name=_printable_text(placeholder), **fields)
        for placeholder, tensor in found.items()
    ]


def _from_bundle(values: Mapping[str, Any]) -> list[Embedding]:
    """Read the words under ``bundle_emb.<name>.string_to_param.*`` or ``.clip_l`` and ``.clip_g``."""
    bundles: dict[str, dict[str, StoredTensor]] = {}
    for key, tensor in values.items():
        match = re.fullmatch(r"bundle_emb\.(.+)\.(string_to_param\.[^.]*|\w+)", str(key))
        if match and not match[2].endswith("_out"):
            bundles.setdefault(match[1], {})[match[2]] = tensor
    remarks, found = _count_remarks(bundles), []
    for name, parts in bundles.items():
        if set(parts) <= set(ENCODER_KEYS):
            tensors = {key: parts[key] for key in ENCODER_KEYS if key in parts}
        elif len(parts) == 1 and (
            _has_prefix(part := next(iter(parts)), "string_to_param.") or part in PARAMS_KEYS
        ):
            tensors = {"": parts[part]}
        else:
            raise _unknown(parts)
        found.append(_embedding(tensors, "LoRA", remarks, name=_printable_text(name)))
    if not found:
        raise _unknown(values)
    return found


def _count_remarks(names: Collection[str]) -> tuple[Said, ...]:
    """Return a remark if a file holds several words. Raises :class:`ConceptError` if there are too many."""
    if len(names) > MAX_WORDS:
        raise ConceptError(TOO_MANY_PARTS)
    if len(names) < 2:
        return ()
    words = ", ".join(map(_printable_text, names))[:MAX_FACT_LENGTH]
    return (Message("The file holds {count} words: {words}.", count=len(names), words=words),)


def _embedding(
    tensors: Mapping[str, StoredTensor], source: str, remarks: tuple[Said, ...] = (), **fields: Any
) -> Embedding:
    """Read the tensors and build the embedding; nothing else here reads a tensor.

    ``tensors`` is by text encoder; the key "" stands for one that the file does not name.
    """
    if not all(isinstance(tensor, StoredTensor) for tensor in tensors.values()):
        raise _unknown(tensors)
    vectors = {key: read_rows(tensor) for key, tensor in tensors.items()}
    for rows in vectors.values():
        remarks = (*remarks, *length_remarks(rows))
    if list(vectors) == [""]:
        vectors = by_encoder(vectors[""])
    return Embedding(vectors, source, remarks=remarks, **fields)


def _is_model_weight(key: str) -> bool:
    """Whether a tensor's key is one of a model, a LoRA or a text encoder rather than a word."""
    return any(kind.match(key) for kind in (WHOLE_MODEL, LORA, TEXT_ENCODER, WEIGHT))


def _unknown(values: Mapping[Any, Any]) -> ConceptError:
    """Build the error that says what a file with these keys is instead of an embedding."""
    keys = [str(key) for key in values]
    if set(keys) >= XTI_KEYS:
        return ConceptError(
            "It is an extended textual inversion (XTI) of kohya, a word for each layer of the model: it "
            "works in no prompt, so train it again as an ordinary one."
        )
    if any(WHOLE_MODEL.match(key) for key in keys):
        return ConceptError("It is a whole model, not a word: choose the word's own file.")
    if any(LORA.match(key) for key in keys):
        return ConceptError("It is a LoRA without any words in it, and only words can be used here.")
    if any(TEXT_ENCODER.match(key) for key in keys):
        return ConceptError(
            "It is a whole text encoder, of which an embedding is one word: choose the word's own file."
        )
    if not keys:
        return ConceptError("It holds no vectors: choose another file.")
    shown = _shown_keys(keys)
    return ConceptError("It holds {key}, as no embedding format does: choose another file.", key=shown)


def _shown_keys(keys: Iterable[str]) -> str:
    first, *others = keys
    return f"{first[:SHOWN_LENGTH]!r}" + (f" and {len(others)} more" if others else "")


def _has_prefix(key: object, prefix: str) -> bool:
    return isinstance(key, str) and key.startswith(prefix)


def _printable_text(value: object) -> str:
    """Shorten an untrusted string and drop its unprintable characters; "" if it is not a string."""
    text = value[:MAX_FACT_LENGTH] if isinstance(value, str) else ""
    return "".join(letter for letter in text if letter.isprintable())
