"""The core of One Word: textual inversion for frozen text-to-image diffusion models.

Nothing here depends on the page or on a terminal. Plain functions do the work: they yield facts (snapshots,
pictures with their recipes) and raise the errors of :mod:`ti_core.errors`.

Most programs need only the names below; docs/python-api.md has an example of each. A name is imported when
it is first used, because importing torch takes seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ti_core.config import TrainingConfig
    from ti_core.drawing.generate import generate
    from ti_core.drawing.recipe import save_png
    from ti_core.drawing.settings import GenerationSettings
    from ti_core.model.backbone import Backbone
    from ti_core.pictures.folders import load_pictures
    from ti_core.training.runs import create_run, open_run, train_runs
    from ti_core.words.folder import load_concept, save_concept

__version__ = "1.0.0"

__all__ = [
    "Backbone",
    "GenerationSettings",
    "TrainingConfig",
    "create_run",
    "generate",
    "load_concept",
    "load_pictures",
    "open_run",
    "save_concept",
    "save_png",
    "train_runs",
]

_MODULES = {
    "Backbone": "ti_core.model.backbone",
    "GenerationSettings": "ti_core.drawing.settings",
    "TrainingConfig": "ti_core.config",
    "create_run": "ti_core.training.runs",
    "generate": "ti_core.drawing.generate",
    "load_concept": "ti_core.words.folder",
    "load_pictures": "ti_core.pictures.folders",
    "open_run": "ti_core.training.runs",
    "save_concept": "ti_core.words.folder",
    "save_png": "ti_core.drawing.recipe",
    "train_runs": "ti_core.training.runs",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
