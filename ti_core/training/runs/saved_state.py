"""Save and load the state of a training run; the previous state is kept in case the newest is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ti_core.errors import RunError
from ti_core.files import write_whole
from ti_core.training.selection import LossEvaluation
from ti_core.training.state import TrainingState

VERSION = 1
STATE_FILES = ("state.safetensors", "state.previous.safetensors")  # newest first

T = TypeVar("T")


def save_state(folder: Path, state: TrainingState) -> None:
    """Save a run's state in ``folder``, and keep the state that was saved before.

    Raises :class:`RunError` if it cannot be written; then the earlier states are unchanged.
    """
    tensors = {}
    for name, rows in state.vectors.items():
        tensors[f"vectors.{name}"] = rows.detach().cpu()
        if state.recent:
            tensors[f"recent.{name}"] = torch.stack([vectors[name] for vectors in state.recent]).cpu()
        moments = state.optimizer.state.get(rows, {})
        for moment in ("exp_avg", "exp_avg_sq"):
            if moment in moments:
                tensors[f"{moment}.{name}"] = moments[moment].cpu()
    facts = {
        "version": VERSION,
        "step": state.step,
        "finish": state.finish,
        "initializer": state.initializer,
        "evaluations": [[evaluation.step, evaluation.loss] for evaluation in state.evaluations],
    }
    newest, previous = (folder / name for name in STATE_FILES)
    write = partial(save_file, tensors, metadata={"state": json.dumps(facts)})
    try:
        write_whole(newest, write, sync=True, previous=previous)
    except (OSError, SafetensorError) as error:
        raise RunError(
            "The state could not be saved in {folder}: {error}", folder=folder, error=error
        ) from error


def restore_state(
    state: TrainingState, facts: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Restore a saved state into a freshly prepared one; the counterpart of :func:`save_state`.

    ``facts`` and ``tensors`` are from :func:`read_state`. Raises :class:`KeyError`, :class:`TypeError`,
    :class:`ValueError` or :class:`RunError` if another run saved the state.
    """

    def like(rows: torch.Tensor, key: str, *several: int) -> torch.Tensor:
        shape = (*several, *rows.shape)
        if tensors[key].shape != shape:
            raise RunError(
                "{key} is of shape {shape}, not {wanted}",
                key=key,
                shape=tuple(tensors[key].shape),
                wanted=shape,
            )
        return tensors[key].to(rows.device)

    state.step, state.finish = facts["step"], facts["finish"]
    state.evaluations = [LossEvaluation(*evaluation) for evaluation in facts["evaluations"]]
    count = min(len(state.evaluations), state.config.stop_window)
    state.recent = [{} for _ in range(count)]
    with torch.no_grad():
        for name, rows in state.vectors.items():
            rows.copy_(like(rows, f"vectors.{name}"))
            if count:
                for vectors, kept in zip(state.recent, like(rows, f"recent.{name}", count), strict=True):
                    vectors[name] = kept
            if facts["step"]:
                state.optimizer.state[rows] = {
                    "step": torch.tensor(float(facts["step"])),
                    "exp_avg": like(rows, f"exp_avg.{name}"),
                    "exp_avg_sq": like(rows, f"exp_avg_sq.{name}"),
                }


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Read the facts of the newest readable state, such as its step; None before the first save.

    This is quick, because no tensor is read.
    """
    return _read_newest(folder, _facts)


def read_state(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """Read the facts and the tensors of the newest readable state; None before the first save."""
    return _read_newest(folder, lambda file: (_facts(file), _tensors(file)))


def _read_newest(folder: Path, read: Callable[[Any], T]) -> T | None:
    """Call ``read`` with the newest readable state file, opened by safetensors; None if there is none."""
    for name in STATE_FILES:
        try:
            with safe_open(folder / name, framework="pt") as file:
                if _facts(file)["version"] == VERSION:
                    return read(file)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            continue
    return None


def _facts(file: Any) -> dict[str, Any]:
    """The facts in an open state file's header; no tensor is read."""
    facts: dict[str, Any] = json.loads(file.metadata()["state"])
    return facts


def _tensors(file: Any) -> dict[str, torch.Tensor]:
    # Cloned, because Windows cannot replace a file that is still memory-mapped.
    return {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
