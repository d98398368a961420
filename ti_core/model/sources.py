"""Resolve a model's name to where it comes from: a preset, a folder, a checkpoint file, or the Hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ti_core.errors import ModelError
from ti_core.model.presets import PRESETS, find_preset

CHECKPOINT_SUFFIXES = frozenset({".safetensors", ".ckpt"})
SOURCE_SYNTAX = "owner/name[@revision][:variant]"
_REPOSITORY = re.compile(
    r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w[\w./-]*))?(:(?P<variant>\w[\w-]*))?"
)


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from: a ``path`` (diffusers folder or checkpoint file) or a Hub ``repository``."""

    path: Path | None = None
    repository: str = ""
    revision: str | None = None
    variant: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        revision = f"@{self.revision}" if self.revision else ""
        return self.repository + revision + (f":{self.variant}" if self.variant else "")


def model_source(name: str) -> ModelSource:
    """Resolve ``name``: a preset, a folder, a checkpoint file, or a repository in ``SOURCE_SYNTAX``.

    Raises :class:`ModelError` if ``name`` is none of these.
    """
    preset = find_preset(name)
    if preset is not None:
        return _parse_source(preset.source)
    if "://" in name:
        raise ModelError(
            "{name} is an address: give the repository as owner/name, or download the file.", name=name
        )
    return _parse_source(name)


def model_id(name: str) -> str:
    """The id by which recipes and concepts name a model, without local folders and without the variant.

    Raises :class:`ModelError` as :func:`model_source`.
    """
    if find_preset(name) is not None:
        return name
    source = model_source(name)
    if source.path is not None:
        path = Path(os.path.abspath(source.path))  # "." gets a name, and a link keeps its own
        return path.name if path.is_dir() else path.stem
    return f"{source.repository}@{source.revision}" if source.revision else source.repository


def _parse_source(name: str) -> ModelSource:
    path = Path(name)
    if path.is_dir():
        if not (path / "model_index.json").is_file():
            raise ModelError(
                "The folder {folder} holds no diffusers model: it has no model_index.json.", folder=name
            )
        return ModelSource(path)
    if path.is_file():
        if path.suffix.lower() not in CHECKPOINT_SUFFIXES:
            raise ModelError(
                "{name} is no checkpoint that can be loaded: choose a .safetensors or .ckpt file.",
                name=path.name,
            )
        return ModelSource(path)
    if path.suffix.lower() in CHECKPOINT_SUFFIXES:
        raise ModelError("There is no file {name}: check the path.", name=name)
    match = _REPOSITORY.fullmatch(name)
    if match:
        return ModelSource(None, match["repository"], match["revision"], match["variant"])
    names = ", ".join(preset.name for preset in PRESETS)
    raise ModelError(
        "There is no model called {name}: choose {names}, a model folder, a checkpoint file, or "
        "owner/repository.",
        name=name,
        names=names,
    )
