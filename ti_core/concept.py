"""A learned word, and its native form on disk: a folder that is also a concept repository.

learned_embeds.safetensors     one key, the token, (n, d): what diffusers' load_textual_inversion reads
learned_embeds_2.safetensors   the same of the second text encoder, if the model has one
token_identifier.txt           <our-cat>
type_of_concept.txt            object or style
concept.json                   everything else: base model, initial word, how it was trained
concept_images/                the training pictures as the model saw them
gallery/                       pictures drawn with the word, their recipes inside (see :mod:`ti_core.card`)
README.md                      the card
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ti_core.card import concept_card
from ti_core.config import KINDS, MAX_VECTORS, Kind
from ti_core.errors import ConceptError, ConfigError, IncompatibleConceptError, TokenNameError
from ti_core.files import replace_file, write_text_whole, write_whole
from ti_core.models import FAMILIES, Family
from ti_core.prompts import token_for_name

FORMAT_VERSION = 1
MAX_FILE_BYTES = 2 * 2**20
EMBEDDING_FILES = ("learned_embeds.safetensors", "learned_embeds_2.safetensors")
BESIDE = ".concept-"  # begins the name of a folder in which a concept is written
PICTURE_PATTERN = re.compile(r"concept_images/[0-9]{1,4}\.png")


@dataclass(frozen=True)
class BaseModel:
    """The frozen model a concept belongs to.

    ``widths`` is the embedding width d of each text encoder, ``{"clip_l": 768}``; ``fingerprint``
    tells two versions of a model of the same id apart by their vocabulary table.
    """

    id: str
    family: Family
    widths: Mapping[str, int]
    fingerprint: str = ""

    def fits(self, other: BaseModel) -> bool:
        """Whether vectors of one work in the other: same family and widths, not two versions of one id."""
        if self.family != other.family or dict(self.widths) != dict(other.widths):
            return False
        if self.id != other.id or not (self.fingerprint and other.fingerprint):
            return True
        return self.fingerprint == other.fingerprint


@dataclass(frozen=True)
class Concept:
    """A word and its vectors, float32 ``(n, d)`` on the CPU for each text encoder.

    Raises :class:`ConceptError` when made of vectors that no text encoder could take.
    """

    token: str
    vectors: Mapping[str, torch.Tensor]
    kind: Kind
    base: BaseModel
    initializer: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if token_for_name(self.token) != self.token:
            raise TokenNameError(f"{self.token} is not a concept token: write it as <our-cat>.")
        if self.kind not in KINDS:
            raise ConceptError(f"{self.token} is of the unknown kind {self.kind!r}: object or style.")
        if self.base.family not in FAMILIES:
            raise ConceptError(f"{self.token} belongs to the unknown family {self.base.family!r} of models.")
        if set(self.vectors) != set(self.base.widths):
            raise ConceptError(
                f"{self.token} has vectors for {', '.join(sorted(self.vectors))}, "
                f"but {self.base.id} needs {', '.join(sorted(self.base.widths))}."
            )
        own = {name: rows.detach().to("cpu", torch.float32) for name, rows in self.vectors.items()}
        for encoder, rows in own.items():
            width = self.base.widths[encoder]
            if rows.ndim != 2 or rows.shape[1] != width or not 1 <= rows.shape[0] <= MAX_VECTORS:
                raise ConceptError(
                    f"{self.token} has vectors of shape {tuple(rows.shape)} for {encoder}; "
                    f"it takes 1 to {MAX_VECTORS} rows of {width}."
                )
            if not bool(torch.isfinite(rows).all()):
                raise ConceptError(f"{self.token} has vectors that are not finite: it cannot be used.")
        if len({rows.shape[0] for rows in own.values()}) > 1:
            raise ConceptError(f"{self.token} has another number of vectors for each text encoder.")
        object.__setattr__(self, "vectors", {name: rows.contiguous() for name, rows in own.items()})

    @property
    def name(self) -> str:
        """The token without its brackets."""
        return self.token[1:-1]

    def initial_word(self) -> str:
        """The word it started from. Raises :class:`ConceptError` if it does not say which that was."""
        if not self.initializer:
            raise ConceptError(
                f"{self.token} does not say which word it started from: learn it here to know."
            )
        return self.initializer

    @property
    def num_vectors(self) -> int:
        return next(iter(self.vectors.values())).shape[0]

    @property
    def files(self) -> dict[str, str]:
        """The native file of each text encoder's vectors."""
        return dict(zip(self.base.widths, EMBEDDING_FILES, strict=False))

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the vectors alone."""
        digest = hashlib.sha256()
        for encoder in sorted(self.vectors):
            digest.update(encoder.encode())
            digest.update(self.vectors[encoder].numpy().tobytes())
        return digest.hexdigest()

    def check_fits(self, base: BaseModel) -> None:
        """Raises :class:`IncompatibleConceptError` naming both models."""
        if self.base.fits(base):
            return
        if self.base.id == base.id:
            reason = f"was learned on another version of {base.id}"
        else:
            reason = f"was learned on {self.base.id} ({self.base.family}), not for {base.id} ({base.family})"
        raise IncompatibleConceptError(f"{self.token} {reason}: choose that model, or learn the word again.")


def save_concept(concept: Concept, folder: Path, pictures: Sequence[Image.Image] = ()) -> None:
    """Write the native folder. Files of other names that are already in it stay, and so do its pictures if
    none are given.

    All is written beside it first, so that a full disk takes nothing away. Raises :class:`ConceptError` if
    the folder cannot be written.
    """
    shown = len(pictures) or len(picture_files(folder))
    texts = {
        "token_identifier.txt": concept.token,
        "type_of_concept.txt": concept.kind,
        "README.md": concept_card(concept, shown),
        "concept.json": json.dumps(_to_json(concept), indent=2, ensure_ascii=False) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=BESIDE, ignore_cleanup_errors=True) as temporary:
            beside = Path(temporary)
            for encoder, name in concept.files.items():
                write_whole(beside / name, partial(save_file, {concept.token: concept.vectors[encoder]}))
            if pictures:
                (beside / "concept_images").mkdir()
                (folder / "concept_images").mkdir(exist_ok=True)
            names = [f"concept_images/{number}.png" for number in range(len(pictures))]
            for name, picture in zip(names, pictures, strict=True):
                write_whole(beside / name, partial(picture.save, format="PNG"))
            for name, text in texts.items():
                write_text_whole(beside / name, text)
            (folder / "concept.json").unlink(missing_ok=True)  # back last: it says that the rest is there
            for name in (*concept.files.values(), *names, *texts):
                replace_file(beside / name, folder / name)
    except (OSError, SafetensorError) as error:
        raise ConceptError(f"{concept.token} could not be written to {folder}: {error}") from error


def load_concept(folder: Path) -> Concept:
    """Read a native folder, the twin of :func:`save_concept`.

    Raises :class:`ConceptError` naming what is missing or wrong.
    """
    if not folder.is_dir():
        raise ConceptError(f"There is no concept folder {folder}: check the path.")
    description = folder / "concept.json"
    if not description.is_file():
        raise ConceptError(f"{folder} is not a concept folder: it has no concept.json.")
    try:
        values = json.loads(description.read_text(encoding="utf-8"))
        if values["version"] != FORMAT_VERSION:
            raise ConceptError(f"{folder} was written by a newer version of this program: update it first.")
        base = BaseModel(**values["base"])
        token, kind = values["token"], values["kind"]
        vectors = {
            encoder: _read_embedding(folder / file, token)
            for file, encoder in zip(EMBEDDING_FILES, base.widths, strict=False)
        }
        training = dict(values["training"])
        concept = Concept(token, vectors, kind, base, values["initializer"], training)
        if concept.sha256 != values["sha256"]:
            raise ConceptError(f"The vectors in {folder} are not those that its concept.json describes.")
        return concept
    except KeyError as error:
        raise ConceptError(f"{description} has no {error}: the file is damaged.") from error
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, TokenNameError) as error:
        raise ConceptError(f"The concept in {folder} is damaged and cannot be read: {error}") from error


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a concept folder in the order of their numbers."""
    images = folder / "concept_images"
    names = os.listdir(images) if images.is_dir() else []
    ours = (name for name in names if PICTURE_PATTERN.fullmatch(f"concept_images/{name}"))
    return [images / name for name in sorted(ours, key=lambda name: int(name.removesuffix(".png")))]


def _read_embedding(path: Path, token: str) -> torch.Tensor:
    """The rows (n, d) under the one key; sizes are checked before anything is read."""
    if not path.is_file():
        raise ConceptError(f"{path.parent} has no {path.name}: the concept is incomplete.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ConceptError(f"{path} is larger than {MAX_FILE_BYTES // 2**20} MiB: it is no embedding.")
    try:
        with safe_open(path, framework="pt") as file:
            if list(file.keys()) != [token]:
                raise ConceptError(f"{path} does not hold {token}: the files do not belong together.")
            rows = file.get_tensor(token).clone()  # a mapped file cannot be replaced on Windows
    except SafetensorError as error:
        raise ConceptError(f"{path} is not a readable safetensors file ({error}).") from error
    if not rows.is_floating_point():
        raise ConceptError(f"{path} holds {rows.dtype} numbers: an embedding has floating-point ones.")
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


def known_words(concepts: Sequence[Concept], base: BaseModel) -> dict[str, Mapping[str, torch.Tensor]]:
    """The vectors of concepts by token, all checked against each other and the model.

    Raises :class:`IncompatibleConceptError`, or :class:`ConfigError` if two share a token.
    """
    for first, second in combinations(concepts, 2):
        if not first.base.fits(second.base):
            same_id = first.base.id == second.base.id
            other = f"another version of {second.base.id}" if same_id else second.base.id
            raise IncompatibleConceptError(
                f"{first.token} was learned on {first.base.id} and {second.token} on {other}: "
                "choose concepts of the same model."
            )
        if first.token == second.token:
            raise ConfigError(f"Two concepts are called {first.token}: rename one of them.")
    for concept in concepts:
        concept.check_fits(base)
    return {concept.token: concept.vectors for concept in concepts}
