"""Training runs on disk: created, stopped, resumed, listed.

A run is a folder, and when it ends the same folder is the concept:

    run.json             settings, base model and its precision, the pictures' fingerprints
    pictures/            the pictures (and masks) as the model sees them
    state.safetensors    vectors, Adam's moments, step, evaluations; and the one before it
    metrics.jsonl        one line a step
    steps/               the vectors of every step that was evaluated, 000020.safetensors
    previews/            one picture each time one was due, 000050.png
    concept.json …       the result (see ti_core.concept)

Whatever kills a run, resuming it gives the vectors that it would have given uninterrupted, and the same
metrics, steps and previews: what was written after the state that it resumes from is dropped.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO, TypeVar

import torch
from filelock import FileLock, Timeout
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ti_core.backbone import Backbone
from ti_core.concept import BaseModel, Concept, load_concept, save_concept
from ti_core.config import TrainingConfig
from ti_core.errors import (
    ConceptError,
    ConfigError,
    RunError,
    RunMismatchError,
    TokenNameError,
    TrainingError,
)
from ti_core.files import replace_file, write_text_whole, write_whole
from ti_core.images import Picture, fingerprint
from ti_core.initial_word import OnCandidate
from ti_core.training import (
    Evaluation,
    Finish,
    Snapshot,
    TrainingState,
    advance,
    check_words,
    evaluate,
    learned_concept,
    prepare,
)

VERSION = 1
STATE_FILES = ("state.safetensors", "state.previous.safetensors")  # newest first
FOLLOWED_RUNS = 16  # whose metrics are kept in memory
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One training run as its folder describes it.

    ``dtype`` is that of the model it was started on, ``fingerprints`` are those of its pictures, in order.
    """

    folder: Path
    config: TrainingConfig
    base: BaseModel
    dtype: torch.dtype
    fingerprints: tuple[str, ...]
    created: str

    @property
    def step(self) -> int:
        """Steps that are saved, 0 before the first save."""
        facts = _read_newest(self.folder, _facts)
        return facts["step"] if facts else 0

    @property
    def finish(self) -> Finish | None:
        """Why the run came to its end, None if it can go on."""
        facts = _read_newest(self.folder, _facts)
        return facts["finish"] if facts else None

    @property
    def has_result(self) -> bool:
        """Whether there is a word to use; one may be kept before the run has finished."""
        return (self.folder / "concept.json").is_file()

    def concept(self) -> Concept:
        """The result. Raises :class:`RunError` if there is none yet."""
        if not self.has_result:
            raise RunError(f"The run in {self.folder} has no result yet: resume it first.")
        return load_concept(self.folder)


@dataclass(frozen=True)
class StepMetrics:
    """One line of a run's metrics; the fields are those of :class:`~ti_core.training.Snapshot`."""

    step: int
    loss: float
    norm: Mapping[str, float]
    evaluation: float | None = None
    nearest: tuple[tuple[str, float], ...] = ()
    preview_error: str = ""


def create_run(folder: Path, backbone: Backbone, config: TrainingConfig, pictures: Sequence[Picture]) -> Run:
    """Write a new run's folder, with the pictures as the model sees them: all of it, or nothing.

    Raises :class:`RunError` if the folder holds something already or cannot be written, and as
    :func:`~ti_core.training.check_words` for words that the model cannot read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        kind = "a run" if (folder / "run.json").is_file() else "something else"
        raise RunError(f"{folder} holds {kind} already: resume it, or choose another folder.")
    check_words(backbone, pictures, config)
    prints = tuple(fingerprint(picture) for picture in pictures)
    created = datetime.now(timezone.utc).isoformat()
    run = Run(folder, config, backbone.base, backbone.dtype, prints, created)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(
            dir=folder.parent, prefix=f".{folder.name}.", ignore_cleanup_errors=True
        ) as temporary:
            written = Path(temporary) / "run"
            (written / "pictures").mkdir(parents=True)
            entries = [
                _save_picture(written / "pictures", number, picture)
                for number, picture in enumerate(pictures)
            ]
            description = {
                "version": VERSION,
                "created": created,
                "base": asdict(backbone.base),
                "dtype": _name_of(backbone.dtype),
                "config": config.to_dict(),
                "pictures": entries,
            }
            text = json.dumps(description, indent=2, ensure_ascii=False)
            (written / "run.json").write_text(text + "\n", encoding="utf-8")
            if folder.is_dir():
                folder.rmdir()  # Windows renames nothing onto an empty folder
            replace_file(written, folder)
    except OSError as error:
        raise RunError(f"The run could not be written to {folder}: {error}") from error
    return run


def open_run(folder: Path) -> Run:
    """Read a run's folder. Raises :class:`RunError` if it is none."""
    description = _read_description(folder)
    try:
        return Run(
            folder,
            TrainingConfig.from_dict(description["config"]),
            BaseModel(**description["base"]),
            DTYPES[description["dtype"]],
            tuple(entry["fingerprint"] for entry in description["pictures"]),
            description["created"],
        )
    except (KeyError, TypeError, AttributeError, ConfigError, TokenNameError) as error:
        raise RunError(f"The run in {folder} cannot be read ({error}): start a new one.") from error


def list_runs(root: Path) -> tuple[list[Run], list[RunError]]:
    """The runs in the folders of ``root``, newest first, and an error for each that cannot be read."""
    runs, errors = [], []
    for file in sorted(root.glob("*/run.json")):
        try:
            runs.append(open_run(file.parent))
        except RunError as error:
            errors.append(error)
    return sorted(runs, key=lambda run: run.created, reverse=True), errors


def check_model(run: Run, backbone: Backbone) -> None:
    """Raises :class:`RunMismatchError` if a run was started on another model, or in another precision."""
    differences = []
    if run.base != backbone.base:
        same_id = run.base.id == backbone.base.id
        now = f"another version of {backbone.base.id}" if same_id else backbone.base.id
        differences.append(f"the base model was {run.base.id} and is now {now}")
    if run.dtype != backbone.dtype:
        differences.append(f"the precision was {_name_of(run.dtype)} and is now {_name_of(backbone.dtype)}")
    if differences:
        raise RunMismatchError(differences)


def check_same(run: Run, config: TrainingConfig, pictures: Sequence[Picture] | None = None) -> None:
    """Raises :class:`RunMismatchError` naming each setting that differs, and each of any given pictures."""
    differences = []
    then, now = run.config.to_dict(), config.to_dict()
    for name in then:
        if then[name] != now[name]:
            differences.append(f"{name} was {then[name]!r} and is now {now[name]!r}")
    if pictures is not None:
        differences += _picture_differences(run, pictures)
    if differences:
        raise RunMismatchError(differences)


def _picture_differences(run: Run, pictures: Sequence[Picture]) -> list[str]:
    prints = tuple(fingerprint(picture) for picture in pictures)
    if len(prints) != len(run.fingerprints):
        return [f"there were {len(run.fingerprints)} pictures and are now {len(prints)}"]
    return [
        f"{picture.name} is another picture, or has another caption"
        for picture, before, after in zip(pictures, run.fingerprints, prints, strict=True)
        if before != after
    ]


def train_runs(
    backbone: Backbone, runs: list[Run], on_candidate: OnCandidate | None = None
) -> Generator[tuple[Run, Snapshot], None, None]:
    """Train runs together, each from where it is, and keep their folders; yields as
    :func:`~ti_core.training.train` does, and tells ``on_candidate`` how an initial word is chosen.

    Runs may be added to or removed from the list between yields. What was learned is saved when a run
    is removed and when the iterator is closed, also by an error. Raises :class:`RunError` if another
    process trains one of them, :class:`RunMismatchError` if one was started on another model, and
    :class:`TrainingError` with the folders of the runs whose loss is no longer a number: the others can
    go on without them.
    """
    opened: list[_OpenRun] = []

    def follow() -> None:
        """Open the runs that joined the list and close those that left it."""
        for gone in [entry for entry in opened if entry.run not in runs]:
            opened.remove(gone)
            gone.close()
        for run in runs:
            if all(entry.run != run for entry in opened):
                opened.append(_OpenRun.open(backbone, run, on_candidate))

    try:
        follow()
        while active := [entry for entry in opened if entry.state.finish is None]:
            steps = list(zip(active, _advance(backbone, active), strict=True))
            for entry, snapshot in steps:  # all before any is yielded, where the caller may stop
                entry.record(backbone, snapshot)
            for entry, snapshot in steps:
                yield entry.run, snapshot
            follow()
    finally:
        with ExitStack() as closing:  # closes all, also when one cannot be saved
            for entry in opened:
                closing.callback(entry.close)


def _advance(backbone: Backbone, entries: Sequence[_OpenRun]) -> list[Snapshot]:
    """One step of all together; a run's very first evaluation is kept like those that follow steps."""
    new = [entry for entry in entries if not entry.state.evaluations]
    try:
        evaluate(backbone, [entry.state for entry in new])
        for entry in new:
            entry.keep_vectors(backbone)
        return advance(backbone, [entry.state for entry in entries])
    except TrainingError as error:
        folders = [entry.run.folder for entry in entries if entry.state in error.states]
        if not folders:
            raise
        named = " and ".join(map(str, folders))
        raise TrainingError(
            f"{error} See {named}; every run is kept as it was last saved.", folders=folders
        ) from error


@dataclass(eq=False)
class _OpenRun:
    """A run that is being trained: its state in memory, its lock and its open files.

    ``recorded_step`` is the last that was taken and written down whole.
    """

    run: Run
    state: TrainingState
    lock: FileLock
    metrics: TextIO
    recorded_step: int
    saved_step: int

    @classmethod
    def open(cls, backbone: Backbone, run: Run, on_candidate: OnCandidate | None) -> _OpenRun:
        check_model(run, backbone)
        lock = _lock(run)
        try:
            state = load_state(backbone, run, on_candidate)
            _drop_later_files(run, state.step)
            entry = cls(run, state, lock, _open_metrics(run, state.step), state.step, saved_step=run.step)
        except BaseException:
            lock.release()
            raise
        if state.finish and not run.has_result:  # somebody has removed it
            entry._save_result(backbone)
        return entry

    def record(self, backbone: Backbone, snapshot: Snapshot) -> None:
        """Write down a step, and the state or the result where they are due."""
        try:
            self.metrics.write(json.dumps(_metrics_line(snapshot)) + "\n")
            if snapshot.preview is not None:
                file = _preview_file(self.run, snapshot.step)
                file.parent.mkdir(exist_ok=True)
                write_whole(file, partial(snapshot.preview.save, format="PNG"))
        except OSError as error:
            raise RunError(
                f"Step {snapshot.step} could not be written to {self.run.folder}: {error}"
            ) from error
        if snapshot.evaluation is not None:
            self.keep_vectors(backbone)
        if snapshot.finish:  # before the state: one that says it has finished is there only with its result
            self._save_result(backbone)
        self.recorded_step = snapshot.step
        if snapshot.finish or snapshot.step % self.run.config.checkpoint_every == 0:
            self._save()

    def keep_vectors(self, backbone: Backbone) -> None:
        """Write the vectors as they are now, just evaluated; the twin of :func:`concept_at`."""
        state, evaluation = self.state, self.state.evaluations[-1]
        training = {
            **learned_concept(backbone, state).training,
            "best_step": evaluation.step,
            "evaluation_loss": evaluation.loss,
        }
        facts = {"initializer": state.initializer, "training": training}
        tensors = {name: rows.detach().cpu() for name, rows in state.vectors.items()}
        file = _step_file(self.run, evaluation.step)
        try:
            file.parent.mkdir(exist_ok=True)
            write_whole(file, partial(save_file, tensors, metadata={"facts": json.dumps(facts)}))
        except (OSError, SafetensorError) as error:
            raise RunError(
                f"The vectors of step {evaluation.step} could not be written to {self.run.folder}: {error}"
            ) from error

    def close(self) -> None:
        """Save what was learned; not a step that was interrupted, which the resumed run takes again."""
        try:
            if self.recorded_step == self.state.step != self.saved_step:
                self._save()
        finally:
            try:
                self.metrics.close()
            finally:
                self.lock.release()

    def _save(self) -> None:
        save_state(self.run, self.state)
        self.saved_step = self.state.step

    def _save_result(self, backbone: Backbone) -> None:
        save_concept(learned_concept(backbone, self.state), self.run.folder, _images(self.run))


def keep_result(backbone: Backbone, run: Run) -> Concept:
    """Make the best vectors so far the run's result, without training it to its end.

    Raises as :func:`train_runs`, and :class:`RunError` if nothing has been learned yet.
    """
    check_model(run, backbone)
    lock = _lock(run)
    try:
        state = load_state(backbone, run)
        if not state.evaluations:
            raise RunError(f"The run in {run.folder} has not learned anything yet: resume it first.")
        concept = learned_concept(backbone, state)
        save_concept(concept, run.folder, _images(run))
    finally:
        lock.release()
    return concept


def keep_step(run: Run, step: int) -> Concept:
    """Make the vectors of a saved step the run's result, also when it has finished; needs no model.

    A run that has not finished can still go on, to a result of its own. Raises as :func:`concept_at`, and
    :class:`RunError` if another process trains the run.
    """
    lock = _lock(run)
    try:
        concept = concept_at(run, step)
        save_concept(concept, run.folder, _images(run))
    finally:
        lock.release()
    return concept


def concept_at(run: Run, step: int) -> Concept:
    """The word with its vectors after ``step`` steps; ``training`` tells how it was learned up to there.

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
        advice = "resume it first" if closest is None else f"choose {closest}, the closest that is"
        raise RunError(f"Step {step} of the run in {run.folder} is not saved: {advice}.") from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, ConceptError) as error:
        raise RunError(
            f"Step {step} of the run in {run.folder} cannot be read ({error}): choose another."
        ) from error


def saved_steps(run: Run) -> list[int]:
    """The steps whose vectors are kept, ascending: 0 and all others that were evaluated."""
    return [step for step, _ in _numbered(run.folder / "steps", ".safetensors")]


def list_previews(run: Run) -> list[tuple[int, Path]]:
    """The steps with a preview and its file, ascending."""
    return _numbered(run.folder / "previews", ".png")


def read_metrics(run: Run) -> list[StepMetrics]:
    """What was measured in each step so far, without a line that is just being written.

    Raises :class:`RunError` if the file is damaged.
    """
    path = run.folder / "metrics.jsonl"
    try:
        return _followed(path).read()
    except FileNotFoundError:
        return []
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}): remove it; the run can go on without it.") from error


class _MetricsFile:
    """A metrics file that is read again and again while it grows: what was read once is not parsed again."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.Lock()
        self._read: list[StepMetrics] = []
        self._length = 0  # of what was read, in bytes
        self._last_line = b""

    def read(self) -> list[StepMetrics]:
        """All that it says now; a copy. Raises :class:`OSError`, and what a damaged line raises."""
        with self._lock, self._path.open("rb") as file:
            file.seek(self._length - len(self._last_line))
            if file.read(len(self._last_line)) != self._last_line:  # the run went on from an earlier step
                self._read, self._length, self._last_line = [], 0, b""
                file.seek(0)
            lines = [line for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
            self._read += [_from_metrics_line(json.loads(line)) for line in lines]
            self._length += sum(map(len, lines))
            self._last_line = lines[-1] if lines else self._last_line
            return list(self._read)


@lru_cache(maxsize=FOLLOWED_RUNS)
def _followed(path: Path) -> _MetricsFile:
    return _MetricsFile(path)


def load_state(backbone: Backbone, run: Run, on_candidate: OnCandidate | None = None) -> TrainingState:
    """A run's newest valid state, or its start, prepared as by :func:`~ti_core.training.prepare`.

    Raises :class:`RunError` if the state is not one of this run.
    """
    saved = _read_newest(run.folder, lambda file: (_facts(file), _tensors(file)))
    config = run.config
    if saved is None:
        return prepare(backbone, load_run_pictures(run), config, on_candidate=on_candidate)
    facts, tensors = saved
    state = prepare(backbone, load_run_pictures(run), config, initializer=facts.get("initializer"))
    try:
        _restore(state, tensors, facts)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"The state in {run.folder} is not this run's ({error}): start a new one.") from error
    return state


def _restore(state: TrainingState, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    def like(rows: torch.Tensor, key: str) -> torch.Tensor:
        if tensors[key].shape != rows.shape:
            raise ValueError(f"{key} is of shape {tuple(tensors[key].shape)}, not {tuple(rows.shape)}")
        return tensors[key].to(rows.device)

    with torch.no_grad():
        for name, rows in state.vectors.items():
            rows.copy_(like(rows, f"vectors.{name}"))
            state.best[name].copy_(like(rows, f"best.{name}"))
            if facts["step"]:
                state.optimizer.state[rows] = {
                    "step": torch.tensor(float(facts["step"])),
                    "exp_avg": like(rows, f"exp_avg.{name}"),
                    "exp_avg_sq": like(rows, f"exp_avg_sq.{name}"),
                }
    state.step, state.finish = facts["step"], facts["finish"]
    state.evaluations = [Evaluation(*evaluation) for evaluation in facts["evaluations"]]


def save_state(run: Run, state: TrainingState) -> None:
    """Write a run's state; the twin of :func:`load_state`. The state before it is kept beside it.

    Raises :class:`RunError` if it cannot be written; the earlier states are then as they were.
    """
    tensors = {}
    for name, rows in state.vectors.items():
        tensors[f"vectors.{name}"] = rows.detach().cpu()
        tensors[f"best.{name}"] = state.best[name].cpu()
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
    newest, previous = (run.folder / name for name in STATE_FILES)
    write = partial(save_file, tensors, metadata={"state": json.dumps(facts)})
    try:
        write_whole(newest, write, sync=True, previous=previous)
    except (OSError, SafetensorError) as error:
        raise RunError(f"The state could not be saved in {run.folder}: {error}") from error


def load_run_pictures(run: Run) -> list[Picture]:
    """The pictures of a run as they were when it was created.

    Raises :class:`RunError` if one is missing or is no longer what it was.
    """
    pictures = []
    for number, entry in enumerate(_read_description(run.folder)["pictures"]):
        with _open_picture(run, number) as file:
            image = file.convert("RGB")
        mask = None
        if entry["mask"]:
            with _open_picture(run, number, ".mask") as file:
                mask = file.convert("L")
        size = (entry["width"], entry["height"])
        picture = Picture(entry["name"], image, mask, entry["caption"], size, ())
        if fingerprint(picture) != entry["fingerprint"]:
            raise RunError(f"Picture {number} of the run in {run.folder} has been changed: start a new run.")
        pictures.append(picture)
    return pictures


def picture_size(run: Run) -> tuple[int, int]:
    """Width and height of a run's pictures. Raises :class:`RunError` if the first cannot be read."""
    with _open_picture(run, 0) as file:
        return file.size


@contextmanager
def _open_picture(run: Run, number: int, suffix: str = "") -> Iterator[Image.Image]:
    try:
        with Image.open(run.folder / "pictures" / f"{number}{suffix}.png") as file:
            yield file
    except (OSError, SyntaxError, ValueError) as error:  # Pillow has all three for damaged files
        raise RunError(f"Picture {number} of the run in {run.folder} cannot be read: {error}") from error


def delete_run(run: Run) -> None:
    """Remove a run's folder and all that is in it."""
    _lock(run).release()
    shutil.rmtree(run.folder)


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _save_picture(folder: Path, number: int, picture: Picture) -> dict[str, Any]:
    picture.image.save(folder / f"{number}.png")
    if picture.mask is not None:
        picture.mask.save(folder / f"{number}.mask.png")
    width, height = picture.original_size
    return {
        "name": picture.name,
        "caption": picture.caption,
        "width": width,
        "height": height,
        "mask": picture.mask is not None,
        "fingerprint": fingerprint(picture),
    }


def _images(run: Run) -> list[Image.Image]:
    return [picture.image for picture in load_run_pictures(run)]


def _read_description(folder: Path) -> dict[str, Any]:
    try:
        description = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{folder} holds no training run: check the path.") from error
    except (OSError, ValueError) as error:
        raise RunError(f"The run in {folder} cannot be read ({error}): start a new one.") from error
    if not isinstance(description, dict) or description.get("version") != VERSION:
        raise RunError(f"The run in {folder} was written by another version: start a new one.")
    return description


def _read_newest(folder: Path, read: Callable[[Any], T]) -> T | None:
    """What ``read`` takes from the newest state file that can be read, or None; it is given it open."""
    for name in STATE_FILES:
        try:
            with safe_open(folder / name, framework="pt") as file:
                if _facts(file)["version"] == VERSION:
                    return read(file)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            continue
    return None


def _facts(file: Any) -> dict[str, Any]:
    """The facts of an open state; they stand before its tensors, which stay unread."""
    return json.loads(file.metadata()["state"])


def _tensors(file: Any) -> dict[str, torch.Tensor]:
    # Copies: on Windows a file that is still mapped cannot be replaced.
    return {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118


def _lock(run: Run) -> FileLock:
    """Take the run's lock. Raises :class:`RunError` if another process has it.

    It may be released by another thread than this.
    """
    lock = FileLock(run.folder / ".lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(f"The run in {run.folder} is in training elsewhere: wait for it.") from error
    except OSError as error:
        raise RunError(f"The run in {run.folder} cannot be written to: {error}") from error
    return lock


def _step_file(run: Run, step: int) -> Path:
    return run.folder / "steps" / f"{step:06d}.safetensors"


def _preview_file(run: Run, step: int) -> Path:
    return run.folder / "previews" / f"{step:06d}.png"


def _numbered(folder: Path, suffix: str) -> list[tuple[int, Path]]:
    """The files that are named after a step, ascending; none if there is no such folder."""
    files = [file for file in folder.glob(f"*{suffix}") if file.stem.isdecimal()]
    return sorted((int(file.stem), file) for file in files)


def _drop_later_files(run: Run, step: int) -> None:
    """Remove the vectors and previews of later steps, which will be taken again, and files cut short."""
    steps, previews = run.folder / "steps", run.folder / "previews"
    try:
        for number, file in _numbered(steps, ".safetensors") + _numbered(previews, ".png"):
            if number > step:
                file.unlink()
        for folder in (run.folder, steps, previews):
            for file in folder.glob(".*.partial"):
                file.unlink()
    except OSError as error:
        raise RunError(f"The run in {run.folder} cannot be written to: {error}") from error


def _open_metrics(run: Run, step: int) -> TextIO:
    """The metrics file, open to go on after ``step``; lines of later steps, whole or not, are dropped."""
    path = run.folder / "metrics.jsonl"
    try:
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            write_text_whole(path, "".join(lines[:step]))
        return path.open("a", encoding="utf-8", buffering=1)  # by lines: others read it meanwhile
    except OSError as error:
        raise RunError(f"The metrics of the run in {run.folder} cannot be written: {error}") from error


def _metrics_line(snapshot: Snapshot) -> dict[str, Any]:
    line: dict[str, Any] = {"step": snapshot.step, "loss": snapshot.loss, "norm": dict(snapshot.norm)}
    if snapshot.evaluation:
        line["evaluation"] = snapshot.evaluation.loss
        line["nearest"] = [[word, cosine] for word, cosine in snapshot.nearest]
    if snapshot.preview_error:
        line["preview_error"] = snapshot.preview_error
    return line


def _from_metrics_line(line: Mapping[str, Any]) -> StepMetrics:
    nearest = tuple((word, cosine) for word, cosine in line.get("nearest", ()))
    evaluation, preview_error = line.get("evaluation"), line.get("preview_error", "")
    return StepMetrics(line["step"], line["loss"], line["norm"], evaluation, nearest, preview_error)
