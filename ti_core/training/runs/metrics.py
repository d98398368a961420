"""The metrics of a run, one line per step: appended during training, and read repeatedly by others."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from ti_core.errors import RunError
from ti_core.files import write_text_whole
from ti_core.messages import Said, from_json, to_json
from ti_core.training.runs.folder import Run
from ti_core.training.state import Snapshot

CACHED_METRICS_FILES = 16  # runs whose parsed metrics are kept in memory


@dataclass(frozen=True)
class StepMetrics:
    """One line of a run's metrics.

    The fields are those of :class:`~ti_core.training.state.Snapshot`; ``evaluation`` is the loss alone.
    """

    step: int
    loss: float
    norm: Mapping[str, float]
    evaluation: float | None = None
    nearest: tuple[tuple[str, float], ...] = ()
    preview_error: Said | None = None


def read_metrics(run: Run) -> list[StepMetrics]:
    """Read the metrics of all steps so far, without a line that is being written right now.

    Raises :class:`RunError` if the file is damaged.
    """
    path = run.folder / "metrics.jsonl"
    try:
        return _metrics_file(path).read()
    except FileNotFoundError:
        return []
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            "{file} is damaged ({error}): remove it; the run can go on without it.", file=path, error=error
        ) from error


class _MetricsFile:
    """A metrics file that is read repeatedly while it grows; lines parsed before are not parsed again."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()
        self._read: list[StepMetrics] = []
        self._length = 0  # bytes read so far
        self._last_line = b""

    def read(self) -> list[StepMetrics]:
        """Return all metrics in the file.

        Raises :class:`OSError`, and for a damaged line :class:`KeyError`, :class:`TypeError` or
        :class:`ValueError`.
        """
        with self._lock, self._path.open("rb") as file:
            file.seek(self._length - len(self._last_line))
            if file.read(len(self._last_line)) != self._last_line:  # the run was resumed from an earlier step
                self._read, self._length, self._last_line = [], 0, b""
                file.seek(0)
            lines = [line for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
            self._read += [_from_metrics_line(json.loads(line)) for line in lines]
            self._length += sum(map(len, lines))
            self._last_line = lines[-1] if lines else self._last_line
            return list(self._read)


@lru_cache(maxsize=CACHED_METRICS_FILES)
def _metrics_file(path: Path) -> _MetricsFile:
    return _MetricsFile(path)


def open_metrics(run: Run, step: int) -> TextIO:
    """Open the metrics file for appending after ``step``; drop lines of later steps and incomplete lines.

    Raises :class:`RunError` if it cannot be written.
    """
    path = run.folder / "metrics.jsonl"
    try:
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            write_text_whole(path, "".join(line for line in lines if _is_complete_until(line, step)))
        return path.open("a", encoding="utf-8", buffering=1)  # line-buffered: others read it meanwhile
    except OSError as error:
        raise RunError(
            "The metrics of the run in {folder} cannot be written: {error}", folder=run.folder, error=error
        ) from error


def _is_complete_until(line: str, step: int) -> bool:
    """Whether a line is complete and belongs to ``step`` or an earlier one."""
    try:
        return line.endswith("\n") and json.loads(line)["step"] <= step
    except (ValueError, KeyError, TypeError):
        return False


def metrics_line(snapshot: Snapshot) -> dict[str, Any]:
    """Convert a snapshot to a JSON-ready line of metrics."""
    line: dict[str, Any] = {"step": snapshot.step, "loss": snapshot.loss, "norm": dict(snapshot.norm)}
    if snapshot.evaluation:
        line["evaluation"] = snapshot.evaluation.loss
        line["nearest"] = [[word, cosine] for word, cosine in snapshot.nearest]
    if snapshot.preview_error:
        line["preview_error"] = to_json(snapshot.preview_error)
    return line


def _from_metrics_line(line: Mapping[str, Any]) -> StepMetrics:
    nearest = tuple((word, cosine) for word, cosine in line.get("nearest", ()))
    failure = line.get("preview_error")
    preview_error = None if failure is None else from_json(failure)
    return StepMetrics(
        line["step"], line["loss"], line["norm"], line.get("evaluation"), nearest, preview_error
    )
