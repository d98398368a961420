"""Load the model and the concepts that a command works with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ti_core.cli.terminal import downloading, say
from ti_core.messages import Message, template
from ti_core.model.presets import preset_of
from ti_core.model.sources import model_source

if TYPE_CHECKING:
    import torch

    from ti_core.model.backbone import Backbone
    from ti_core.model.base import BaseModel
    from ti_core.words.concept import Concept

DEFAULT_MODEL = "toybox"
RUNS = Path("runs")  # the default folder for runs
MODEL_HELP = template(
    "A preset (see `models`), a model folder, a checkpoint file (.safetensors, .ckpt), or a repository of "
    "the Hugging Face Hub: {repository}, such as owner/name@main:fp16."
)

SafetyOption = Annotated[
    bool,
    typer.Option(
        "--safety-checker/--no-safety-checker",
        help="Hide what the model's own safety checker, if any, finds.",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help=MODEL_HELP, show_default="the first concept's if it is a preset, else toybox"),
]


def choose_model(asked: str | None, base: BaseModel | None = None) -> str:
    """Return the requested model, else the preset that matches ``base``, else the default model.

    Raises :class:`ModelError` if the name cannot be a model, before the model libraries are imported.
    """
    preset = preset_of(base.id) if base else None
    name = asked or (preset.name if preset else DEFAULT_MODEL)
    model_source(name)
    return name


def load_model(name: str, dtype: torch.dtype | None = None, *, safety_checker: bool = True) -> Backbone:
    """Download the missing files of a model and load it; a download stopped by Ctrl-C resumes next time.

    ``dtype`` is that of :meth:`Backbone.load`. Raises :class:`ModelError` if the model cannot be loaded.
    """
    from ti_core.model.backbone import Backbone

    say("Loading the model {name}…", name=name)
    with downloading(Message("Downloading {name}", name=name)) as show:
        backbone = Backbone.load(name, dtype=dtype, safety_checker=safety_checker, on_fetch=show)
    backbone.memory.on_remark = say
    return backbone


def load_concepts(folders: Sequence[Path]) -> list[Concept]:
    """Load concepts.

    Raises :class:`ConceptError` if one cannot be loaded, if they belong to different models, or if two have
    the same token.
    """
    if not folders:
        return []
    from ti_core.words.concept import vectors_by_token
    from ti_core.words.folder import load_concept

    concepts = [load_concept(folder) for folder in folders]
    vectors_by_token(concepts, concepts[0].base)
    return concepts
