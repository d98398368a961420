"""The native format of a concept: a folder that is also a concept repository on the Hub.

learned_embeds.safetensors     a tensor (n, d) under the token, as diffusers' load_textual_inversion reads it
learned_embeds_2.safetensors   the same for the second text encoder, if the model has one
token_identifier.txt           <our-cat>
type_of_concept.txt            object or style
concept.json                   everything else: base model, initial word, how it was trained
concept_images/                the training pictures as the model saw them
gallery/                       pictures drawn with the word and their recipes (see ti_core.words.gallery)
README.md                      the model card
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ti_core.errors import ConceptError, TokenNameError
from ti_core.files import replace_file, write_text_whole, write_whole
from ti_core.model.base import BaseModel
from ti_core.words.card import concept_card
from ti_core.words.concept import EMBEDDING_FILES, Concept

FORMAT_VERSION = 1
MAX_FILE_BYTES = 2 * 2**20
STAGING_PREFIX = ".concept-"  # of the temporary folder to which a concept is written first
PICTURE_PATTERN = re.compile(r"concept_images/[0-9]{1,4}\.png")


def save_concept(concept: Concept, folder: Path, pictures: Sequence[Image.Image] = ()) -> None:
    """Write a concept to ``folder`` in the native format.

    Files of other names in the folder are kept, and so are its training pictures if none are given.
    Everything is first written to a temporary folder, so that a full disk does not destroy what is there.
    Raises :class:`ConceptError` if the folder cannot be written.
    """
    num_pictures = len(pictures) or len(picture_files(folder))
    texts = {
        "token_identifier.txt": concept.token,
        "type_of_concept.txt": concept.kind,
        "README.md": concept_card(concept, num_pictures),
        "concept.json": json.dumps(_to_json(concept), indent=2, ensure_ascii=False) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=STAGING_PREFIX, ignore_cleanup_errors=True) as temporary:
            staging = Path(temporary)
            for encoder, name in concept.files.items():
                write_whole(staging / name, partial(save_file, {concept.token: concept.vectors[encoder]}))
            if pictures:
                (staging / "concept_images").mkdir()
                (folder / "concept_images").mkdir(exist_ok=True)
            names = [f"concept_images/{number}.png" for number in range(len(pictures))]
            for name, picture in zip(names, pictures, strict=True):
                write_whole(staging / name, partial(picture.save, format="PNG"))
            for name, text in texts.items():
                write_text_whole(staging / name, text)
            # Removed first and written last: a folder with a concept.json is complete.
            (folder / "concept.json").unlink(missing_ok=True)
            for name in (*concept.files.values(), *names, *texts):
                replace_file(staging / name, folder / name)
    except (OSError, SafetensorError) as error:
        raise ConceptError(
            "{token} could not be written to {folder}: {error}",
            token=concept.token,
            folder=folder,
            error=error,
        ) from error


def load_concept(folder: Path) -> Concept:
    """Read a concept that :func:`save_concept` wrote.

    Raises :class:`ConceptError` saying what is missing or wrong.
    """
    if not folder.is_dir():
        raise ConceptError("There is no concept folder {folder}: check the path.", folder=folder)
    description = folder / "concept.json"
    if not description.is_file():
        raise ConceptError("{folder} is not a concept folder: it has no concept.json.", folder=folder)
    try:
        values = json.loads(description.read_text(encoding="utf-8"))
        if values["version"] != FORMAT_VERSION:
            raise ConceptError(
                "{folder} was written by a newer version of this program: update it first.", folder=folder
            )
        base = BaseModel(**values["base"])
        token, kind = values["token"], values["kind"]
        vectors = {
            encoder: _read_embedding(folder / file, token)
            for file, encoder in zip(EMBEDDING_FILES, base.widths, strict=False)
        }
        training = dict(values["training"])
        concept = Concept(token, vectors, kind, base, values["initializer"], training)
        if concept.sha256 != values["sha256"]:
            raise ConceptError(
                "The vectors in {folder} are not those that its concept.json describes.", folder=folder
            )
        return concept
    except KeyError as error:
        raise ConceptError(
            "{file} has no {key}: the file is damaged.", file=description, key=error
        ) from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, TokenNameError) as error:
        raise ConceptError(
            "The concept in {folder} is damaged and cannot be read: {error}", folder=folder, error=error
        ) from error


def picture_files(folder: Path) -> list[Path]:
    """Return the training pictures in a concept's folder, ordered by number."""
    images = folder / "concept_images"
    names = os.listdir(images) if images.is_dir() else []
    ours = (name for name in names if PICTURE_PATTERN.fullmatch(f"concept_images/{name}"))
    return [images / name for name in sorted(ours, key=lambda name: int(name.removesuffix(".png")))]


def _read_embedding(path: Path, token: str) -> torch.Tensor:
    """Read the vectors (n, d) of a token; the file's size is checked before it is opened.

    Raises :class:`ConceptError` if the file is missing, too large or damaged, or holds another token.
    """
    if not path.is_file():
        raise ConceptError(
            "{folder} has no {file}: the concept is incomplete.", folder=path.parent, file=path.name
        )
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ConceptError(
            "{file} is larger than {limit} MiB: it is no embedding.", file=path, limit=MAX_FILE_BYTES // 2**20
        )
    try:
        with safe_open(path, framework="pt") as file:
            if list(file.keys()) != [token]:
                raise ConceptError(
                    "{file} does not hold {token}: the files do not belong together.", file=path, token=token
                )
            rows: torch.Tensor = file.get_tensor(token).clone()  # a mapped file cannot be replaced on Windows
    except SafetensorError as error:
        raise ConceptError(
            "{file} is not a readable safetensors file ({error}).", file=path, error=error
        ) from error
    if not rows.is_floating_point():
        raise ConceptError(
            "{file} holds {dtype} numbers: an embedding has floating-point ones.", file=path, dtype=rows.dtype
        )
    return rows


def _to_json(concept: Concept) -> dict[str, Any]:
    return {
        "version": FORMAT_VERSION,
        "token": concept.token,
        "kind": concept.kind,
        "base": asdict(concept.base),
        "initializer": concept.initializer,
        "training": dict(concept.training),
        "sha256": concept.sha256,
    }
