"""The vectors and previews saved at a run's steps, and how one of those steps becomes the result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ti_core.errors import ConceptError, RunError
from ti_core.files import write_whole
from ti_core.training.runs.folder import Run, lock_run, run_images
from ti_core.words.concept import Concept
from ti_core.words.folder import STAGING_PREFIX, save_concept


def save_step(run: Run, step: int, vectors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    """Save the vectors of a step with the facts that their concept records.

    :func:`concept_at` is the counterpart. Raises :class:`RunError` if they cannot be written.
    """
    tensors = {name: rows.detach().cpu() for name, rows in vectors.items()}
    file = _step_file(run, step)
    try:
        file.parent.mkdir(exist_ok=True)
        write_whole(file, partial(save_file, tensors, metadata={"facts": json.dumps(facts)}))
    except (OSError, SafetensorError) as error:
        raise RunError(
            "The vectors of step {step} could not be written to {folder}: {error}",
            step=step,
            folder=run.folder,
            error=error,
        ) from error


def concept_at(run: Run, step: int) -> Concept:
    """Load the concept with its vectors after ``step`` steps; its ``training`` describes the run so far.

    Raises :class:`RunError` if that step is not saved or cannot be read.
    """
    try:
        with safe_open(_step_file(run, step), framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            vectors = {name: file.get_tensor(name).clone() for name in run.base.widths}
        config = run.config
        return Concept(config.token, vectors, config.kind, run.base, facts["initializer"], facts["training"])
    except FileNotFoundError as error:
        saved = saved_steps(run)
        closest = min(saved, key=lambda other: abs(other - step), default=None)
        if closest is None:
            raise RunError(
                "Step {step} of the run in {folder} is not saved: resume it first.",
                step=step,
                folder=run.folder,
            ) from error
        raise RunError(
            "Step {step} of the run in {folder} is not saved: choose {closest}, the closest that is.",
            step=step,
            folder=run.folder,
            closest=closest,
        ) from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, ConceptError) as error:
        raise RunError(
            "Step {step} of the run in {folder} cannot be read ({error}): choose another.",
            step=step,
            folder=run.folder,
            error=error,
        ) from error


def keep_step(run: Run, step: int) -> Concept:
    """Make the vectors of a saved step the run's result, even if the run has finished. Needs no model.

    An unfinished run can still be resumed; its own result then replaces this one. Raises as
    :func:`concept_at`, and :class:`RunError` if another process trains the run.
    """
    lock = lock_run(run)
    try:
        concept = concept_at(run, step)
        save_concept(concept, run.folder, run_images(run))
    finally:
        lock.release()
    return concept


def saved_steps(run: Run) -> list[int]:
    """The steps whose vectors are saved, ascending: 0 and every later evaluation."""
    return [step for step, _ in _numbered(run.folder / "steps", ".safetensors")]


def list_previews(run: Run) -> list[tuple[int, Path]]:
    """The steps that have a preview, ascending, each with its file."""
    return _numbered(run.folder / "previews", ".png")


def _step_file(run: Run, step: int) -> Path:
    return run.folder / "steps" / f"{step:06d}.safetensors"


def preview_file(run: Run, step: int) -> Path:
    """The path of the preview at a step, whether or not it exists."""
    return run.folder / "previews" / f"{step:06d}.png"


def _numbered(folder: Path, suffix: str) -> list[tuple[int, Path]]:
    """The files in ``folder`` that are named after a step, ascending; empty if there is no such folder."""
    files = [file for file in folder.glob(f"*{suffix}") if file.stem.isdecimal()]
    return sorted((int(file.stem), file) for file in files)


def drop_later_files(run: Run, step: int) -> None:
    """Remove vectors and previews of steps after ``step``, which will be repeated, and unfinished files.

    Raises :class:`RunError` if the folder cannot be written to.
    """
    steps, previews = run.folder / "steps", run.folder / "previews"
    try:
        for number, file in _numbered(steps, ".safetensors") + _numbered(previews, ".png"):
            if number > step:
                file.unlink()
        for folder in (run.folder, steps, previews):
            for file in folder.glob(".*.partial"):
                file.unlink()
        for folder in run.folder.glob(f"{STAGING_PREFIX}*"):
            shutil.rmtree(folder)
    except OSError as error:
        raise RunError(
            "The run in {folder} cannot be written to: {error}", folder=run.folder, error=error
        ) from error
