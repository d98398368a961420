"""A run's folder: its description and pictures, which are written once, and its lock."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from filelock import FileLock, Timeout
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.errors import ConfigError, RunError, RunMismatchError, TokenNameError
from ti_core.files import replace_file
from ti_core.messages import Message, setting, value
from ti_core.model.backbone import Backbone
from ti_core.model.base import BaseModel
from ti_core.pictures.prepare import Picture, fingerprint
from ti_core.training.preparation import check_initializer_and_captions
from ti_core.training.runs.saved_state import VERSION, read_facts
from ti_core.training.state import Finish
from ti_core.words.concept import Concept
from ti_core.words.folder import load_concept

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Run:
    """A training run, as described by its folder.

    ``base`` and ``dtype`` are the model and the precision it was started with; ``fingerprints`` are those of
    its pictures, in order; ``created`` is a time in ISO 8601.
    """

    folder: Path
    config: TrainingConfig
    base: BaseModel
    dtype: torch.dtype
    fingerprints: tuple[str, ...]
    created: str

    @property
    def step(self) -> int:
        """The step of the last saved state; 0 before the first save."""
        facts = read_facts(self.folder)
        return facts["step"] if facts else 0

    @property
    def finish(self) -> Finish | None:
        """Why the run has finished; None if it can go on."""
        facts = read_facts(self.folder)
        return facts["finish"] if facts else None

    @property
    def has_result(self) -> bool:
        """Whether the folder holds a concept, which is possible even before the run has finished."""
        return (self.folder / "concept.json").is_file()

    def concept(self) -> Concept:
        """Load the result. Raises :class:`RunError` if there is none yet."""
        if not self.has_result:
            raise RunError("The run in {folder} has no result yet: resume it first.", folder=self.folder)
        return load_concept(self.folder)


def create_run(folder: Path, backbone: Backbone, config: TrainingConfig, pictures: Sequence[Picture]) -> Run:
    """Create a new run's folder with its description and pictures, completely or not at all.

    Raises :class:`RunError` if the folder is not empty or cannot be written, and as
    :func:`~ti_core.training.preparation.check_initializer_and_captions`.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if (folder / "run.json").is_file():
            raise RunError(
                "{folder} holds a run already: resume it, or choose another folder.", folder=folder
            )
        raise RunError("{folder} holds something else already: choose another folder.", folder=folder)
    check_initializer_and_captions(backbone, pictures, config)
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
                "dtype": _dtype_name(backbone.dtype),
                "config": config.to_dict(),
                "pictures": entries,
            }
            text = json.dumps(description, indent=2, ensure_ascii=False)
            (written / "run.json").write_text(text + "\n", encoding="utf-8")
            if folder.is_dir():
                folder.rmdir()  # Windows cannot rename onto a folder, even an empty one
            replace_file(written, folder)
    except OSError as error:
        raise RunError(
            "The run could not be written to {folder}: {error}", folder=folder, error=error
        ) from error
    return run


def open_run(folder: Path) -> Run:
    """Read a run's folder. Raises :class:`RunError` if there is no run in it, or one that cannot be read."""
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
        raise RunError(
            "The run in {folder} cannot be read ({error}): start a new one.", folder=folder, error=error
        ) from error


def list_runs(root: Path) -> tuple[list[Run], list[RunError]]:
    """The runs in the subfolders of ``root``, newest first, and an error for each that cannot be read."""
    runs, errors = [], []
    for file in sorted(root.glob("*/run.json")):
        try:
            runs.append(open_run(file.parent))
        except RunError as error:
            errors.append(error)
    return sorted(runs, key=lambda run: run.created, reverse=True), errors


def delete_run(run: Run) -> None:
    """Delete a run's folder with everything in it. Raises :class:`RunError` while the run is in training."""
    lock_run(run).release()
    shutil.rmtree(run.folder)


def check_model(run: Run, backbone: Backbone) -> None:
    """Raise :class:`RunMismatchError` if a run was started on another model or in another precision."""
    differences = []
    if run.base != backbone.base:
        differences.append(model_difference(run.base, backbone.base))
    if run.dtype != backbone.dtype:
        differences.append(
            Message(
                "the precision was {before} and is now {after}",
                before=_dtype_name(run.dtype),
                after=_dtype_name(backbone.dtype),
            )
        )
    if differences:
        raise RunMismatchError(differences)


def model_difference(before: BaseModel, after: BaseModel) -> Message:
    """Describe how two base models differ, as a difference for :class:`RunMismatchError`."""
    if before.id == after.id:
        return Message(
            "the base model was {before} and is now another version of {after}",
            before=before.id,
            after=after.id,
        )
    return Message("the base model was {before} and is now {after}", before=before.id, after=after.id)


def check_same(run: Run, config: TrainingConfig, pictures: Sequence[Picture] | None = None) -> None:
    """Raise :class:`RunMismatchError` if settings differ from the run's, or pictures if any are given.

    The error names each setting and each picture that differs.
    """
    then, now = run.config.to_dict(), config.to_dict()
    differences = [
        Message(
            "{name} was {before} and is now {after}",
            name=setting(name),
            before=_shown(name, then[name]),
            after=_shown(name, now[name]),
        )
        for name in then
        if then[name] != now[name]
    ]
    if pictures is not None:
        differences += _picture_differences(run, pictures)
    if differences:
        raise RunMismatchError(differences)


def _shown(name: str, given: object) -> Message | str:
    """A setting's value; a word that a person chose is not translated, even if it looks like a choice."""
    return repr(given) if name in ("token", "initializer") else value(given)


def _picture_differences(run: Run, pictures: Sequence[Picture]) -> list[Message]:
    prints = tuple(fingerprint(picture) for picture in pictures)
    if len(prints) != len(run.fingerprints):
        return [
            Message(
                "there were {before} pictures and are now {after}",
                before=len(run.fingerprints),
                after=len(prints),
            )
        ]
    return [
        Message("{name} is another picture, or has another caption", name=picture.name)
        for picture, before, after in zip(pictures, run.fingerprints, prints, strict=True)
        if before != after
    ]


def lock_run(run: Run) -> FileLock:
    """Acquire the run's lock, which any thread may release.

    Raises :class:`RunError` if it is taken already, or if the folder cannot be written to.
    """
    lock = FileLock(run.folder / ".lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(
            "The run in {folder} is in training elsewhere: wait for it.", folder=run.folder
        ) from error
    except OSError as error:
        raise RunError(
            "The run in {folder} cannot be written to: {error}", folder=run.folder, error=error
        ) from error
    return lock


def load_run_pictures(run: Run) -> list[Picture]:
    """Load the pictures of a run as they were when it was created.

    Raises :class:`RunError` if one is missing, damaged or changed.
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
            raise RunError(
                "Picture {number} of the run in {folder} has been changed: start a new run.",
                number=number,
                folder=run.folder,
            )
        pictures.append(picture)
    return pictures


def picture_size(run: Run) -> tuple[int, int]:
    """The width and height of a run's pictures. Raises :class:`RunError` if the first cannot be read."""
    with _open_picture(run, 0) as file:
        return file.size


@contextmanager
def _open_picture(run: Run, number: int, suffix: str = "") -> Iterator[Image.Image]:
    try:
        with Image.open(run.folder / "pictures" / f"{number}{suffix}.png") as file:
            yield file
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three for damaged files
        raise RunError(
            "Picture {number} of the run in {folder} cannot be read: {error}",
            number=number,
            folder=run.folder,
            error=error,
        ) from error


def run_images(run: Run) -> list[Image.Image]:
    """The images of a run's pictures, as the model sees them. Raises as :func:`load_run_pictures`."""
    return [picture.image for picture in load_run_pictures(run)]


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


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _read_description(folder: Path) -> dict[str, Any]:
    try:
        description = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError("{folder} holds no training run: check the path.", folder=folder) from error
    except (OSError, ValueError) as error:
        raise RunError(
            "The run in {folder} cannot be read ({error}): start a new one.", folder=folder, error=error
        ) from error
    if not isinstance(description, dict) or description.get("version") != VERSION:
        raise RunError("The run in {folder} was written by another version: start a new one.", folder=folder)
    return description
