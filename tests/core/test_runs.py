"""Runs on disk: however one is interrupted, resuming it gives the vectors of an uninterrupted run."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from ti_core.config import TrainingConfig
from ti_core.errors import (
    ConceptError,
    GenerationError,
    PromptError,
    RunError,
    RunMismatchError,
    TrainingError,
)
from ti_core.messages import Message
from ti_core.model.backbone import Backbone
from ti_core.model.families import Family
from ti_core.model.vocabulary import Vocabulary
from ti_core.pictures.prepare import Picture
from ti_core.training import loop
from ti_core.training import step as training_step
from ti_core.training.runs import (
    Run,
    check_model,
    check_same,
    concept_at,
    create_run,
    delete_run,
    keep_result,
    keep_step,
    list_previews,
    list_runs,
    load_run_pictures,
    load_state,
    open_run,
    picture_size,
    read_metrics,
    saved_steps,
    train_runs,
)
from ti_core.training.runs import driver as train_on_disk
from ti_core.training.runs import metrics as metrics_file
from ti_core.words.folder import load_concept

COMPANY_TOLERANCE = 5e-4  # as in test_training.py: kernels round differently for another batch size

TRAIN_IN_A_PROCESS = """
import sys
from pathlib import Path
import torch
from ti_core.messages import Message
from ti_core.model.backbone import Backbone
from ti_core.training.runs import open_run, train_runs

backbone = Backbone.load(sys.argv[1], device="cpu", dtype=torch.float32)
for _, snapshot in train_runs(backbone, [open_run(Path(sys.argv[2]))]):
    print(snapshot.step, flush=True)
"""


def make_pictures(seed: int = 0) -> list[Picture]:
    """Three pictures of 16 × 16 in coarse colours: one plain, one with a mask, one with a caption."""
    numbers = np.random.default_rng(seed)
    images = [
        Image.fromarray(numbers.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(
            (16, 16), Image.Resampling.BICUBIC
        )
        for _ in range(3)
    ]
    mask = Image.fromarray(np.repeat(np.arange(16, dtype=np.uint8)[None] * 16, 16, axis=0))
    return [
        Picture("plain.png", images[0], None, None, (640, 480), ()),
        Picture("cut out.png", images[1], mask, None, (16, 16), ()),
        Picture("Bücher.jpg", images[2], None, "a red toy", (16, 16), ("turned upright as its EXIF says",)),
    ]


def make_config(**changes) -> TrainingConfig:
    settings = {
        "token": "<x>",
        "initializer": "auto",
        "vectors": 2,
        "steps": 40,
        "batch_size": 1,
        "gradient_accumulation": 2,
        "learning_rate": 0.1,
        "max_grad_norm": 1.0,
        "eval_every": 2,
        "eval_rows": 2,
        "stop": "auto",
        "stop_window": 5,
        "stop_threshold": 0.05,
        "preview_every": 0,
        "checkpoint_every": 3,
        "seed": 2,
    }
    return TrainingConfig(**(settings | changes))


def finish(backbone: Backbone, *runs: Run) -> None:
    for _ in train_runs(backbone, list(runs)):
        pass


def stop_at(backbone: Backbone, run: Run, step: int) -> None:
    """Train until ``step`` and close the iterator."""
    iterator = train_runs(backbone, [run])
    for _, snapshot in iterator:
        if snapshot.step == step:
            break
    iterator.close()


def metrics(run: Run) -> list[str]:
    return (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def assert_same_result(backbone: Backbone, run: Run, expected: Run) -> None:
    state, wanted = load_state(backbone, run), load_state(backbone, expected)
    assert (state.step, state.finish) == (wanted.step, wanted.finish)
    assert state.evaluations == wanted.evaluations
    for name, rows in wanted.vectors.items():
        assert torch.equal(state.vectors[name], rows)
        assert torch.equal(state.best[name], wanted.best[name])
    assert metrics(run) == metrics(expected)
    assert files(run.folder / "steps") == files(expected.folder / "steps")
    assert run.concept().sha256 == expected.concept().sha256


def assert_close_vectors(backbone: Backbone, run: Run, expected: Run) -> None:
    state, wanted = load_state(backbone, run), load_state(backbone, expected)
    assert state.step == wanted.step
    for name, rows in wanted.vectors.items():
        assert (state.vectors[name] - rows).abs().max() < COMPANY_TOLERANCE


@pytest.fixture(scope="module")
def sd1(backbones: dict[Family, Backbone]) -> Backbone:
    return backbones["sd1"]


@pytest.fixture(scope="module")
def whole(sd1: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was never interrupted, ended by the automatic stop."""
    run = create_run(tmp_path_factory.mktemp("runs") / "whole", sd1, make_config(), make_pictures())
    finish(sd1, run)
    state = load_state(sd1, run)
    assert state.finish == "levelled" and 8 <= state.step < 40
    assert 0 < state.best_evaluation.step < state.step
    return run


@pytest.fixture
def run(sd1: Backbone, tmp_path: Path) -> Run:
    return create_run(tmp_path / "run", sd1, make_config(), make_pictures())


# --- the folder -------------------------------------------------------------------------------------------


def test_a_run_is_what_it_was_created_as(run):
    opened = open_run(run.folder)
    assert opened == run
    assert (opened.step, opened.finish, opened.has_result) == (0, None, False)
    assert opened.dtype == torch.float32
    assert picture_size(opened) == (16, 16)
    assert [file.name for file in run.folder.parent.iterdir()] == ["run"]
    for picture, original in zip(load_run_pictures(opened), make_pictures(), strict=True):
        assert picture.image.tobytes() == original.image.tobytes()
        assert (picture.mask and picture.mask.tobytes()) == (original.mask and original.mask.tobytes())
        assert (picture.name, picture.caption) == (original.name, original.caption)
        assert picture.original_size == original.original_size
    with pytest.raises(RunError, match="no result yet"):
        run.concept()


def test_list_of_runs(sd1, run):
    root = run.folder.parent
    later = create_run(root / "later", sd1, make_config(token="<y>"), make_pictures())
    _edit_description(later.folder, lambda values: values.update(created="2999-01-01T00:00:00+00:00"))
    create_run(root / "damaged", sd1, make_config(), make_pictures())
    (root / "damaged" / "run.json").write_text("{", encoding="utf-8")
    create_run(root / "strange", sd1, make_config(), make_pictures())
    _edit_description(root / "strange", lambda values: values["config"].update(token="!"))
    create_run(root / "newer", sd1, make_config(), make_pictures())
    _edit_description(root / "newer", lambda values: values.update(version=99))
    (root / "no run").mkdir()
    found, errors = list_runs(root)
    assert [entry.folder.name for entry in found] == ["later", "run"]
    assert sorted(
        name for name in ("damaged", "strange", "newer") for error in errors if name in str(error)
    ) == [
        "damaged",
        "newer",
        "strange",
    ]
    delete_run(run)
    assert not run.folder.exists()
    with pytest.raises(RunError, match="no training run"):
        open_run(run.folder)


def _edit_description(folder: Path, edit) -> None:
    values = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    edit(values)
    (folder / "run.json").write_text(json.dumps(values), encoding="utf-8")


def test_a_folder_in_use_or_unwritable_is_refused(sd1, run, tmp_path):
    with pytest.raises(RunError, match="holds a run already"):
        create_run(run.folder, sd1, make_config(), make_pictures())
    with pytest.raises(RunError, match="something else"):
        create_run(tmp_path, sd1, make_config(), make_pictures())
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="could not be written"):
        create_run(file / "run", sd1, make_config(), make_pictures())


@pytest.mark.parametrize("caption", ["(red:99) toy", "beside <our-dog>"])
def test_a_caption_that_cannot_be_encoded_leaves_nothing(sd1, tmp_path, caption):
    pictures = [dataclasses.replace(picture, caption=caption) for picture in make_pictures()]
    with pytest.raises(PromptError):
        create_run(tmp_path / "run", sd1, make_config(), pictures)
    assert not list(tmp_path.iterdir())


def test_a_run_that_cannot_be_created_whole_leaves_nothing(sd1, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    original = Image.Image.save

    def save(image, path, *arguments, **options):
        if path.name == "1.png":
            raise OSError("No space left on device")
        original(image, path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", save)
        with pytest.raises(RunError, match="No space left"):
            create_run(folder, sd1, make_config(), make_pictures())
    assert list(tmp_path.rglob("*")) == [folder]
    assert create_run(folder, sd1, make_config(), make_pictures()) == open_run(folder)


def test_a_state_that_another_process_reads_is_replaced_when_it_has_finished(sd1, run, monkeypatch):
    original, refusals = os.replace, [2, 9]

    def replace(source, target):
        if refusals[0]:
            refusals[0] -= 1
            raise PermissionError(f"{target} is in use")
        original(source, target)

    monkeypatch.setattr("ti_core.files.REPLACE_WAIT", 0)
    monkeypatch.setattr(os, "replace", replace)
    stop_at(sd1, run, 1)
    assert (run.step, refusals.pop(0)) == (1, 0)
    with pytest.raises(RunError, match="in use"):
        stop_at(sd1, run, 2)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("mask", [0o077, 0o002])
def test_files_may_be_read_by_whom_the_umask_lets(sd1, tmp_path, mask):
    before = os.umask(mask)
    try:
        run = create_run(tmp_path / "run", sd1, make_config(steps=2, preview_every=1), make_pictures())
        stop_at(sd1, run, 1)
        finish(sd1, run)
    finally:
        os.umask(before)
    written = [file for file in run.folder.rglob("*") if file.is_file() and file.name != ".lock"]
    assert {"state.safetensors", "state.previous.safetensors", "concept.json"} <= {f.name for f in written}
    assert {file.stat().st_mode & 0o777 for file in written} == {0o666 & ~mask}


@pytest.mark.parametrize("name", [".lock", "metrics.jsonl", "state.safetensors"])
def test_a_file_that_cannot_be_written_is_a_run_error(sd1, run, name):
    (run.folder / name).mkdir()
    with pytest.raises(RunError):
        stop_at(sd1, run, 1)
    (run.folder / name).rmdir()
    stop_at(sd1, run, 1)  # nothing is left locked
    assert run.step == 1


def test_a_changed_or_missing_picture_is_refused(sd1, run):
    file = run.folder / "pictures" / "1.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(RunError, match="Picture 1.*cannot be read"):
        stop_at(sd1, run, 1)
    Image.new("RGB", (16, 16)).save(file)
    with pytest.raises(RunError, match="Picture 1.*changed"):
        stop_at(sd1, run, 1)
    file.unlink()
    with pytest.raises(RunError, match="Picture 1.*cannot be read"):
        stop_at(sd1, run, 1)


# --- stopped and resumed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [(1,), (3, 4, 5), (6, 7)])
def test_a_stopped_run_ends_as_if_it_had_not_been(sd1, run, whole, steps):
    for step in steps:
        stop_at(sd1, run, step)
        assert open_run(run.folder).step == step
        assert len(metrics(run)) == step
    finish(sd1, run)
    assert_same_result(sd1, run, whole)
    finish(sd1, run)  # nothing is left to do
    assert_same_result(sd1, run, whole)


@pytest.mark.parametrize(
    "place",
    [
        "train_step",
        "_update",
        "evaluate_loss",
        "_finish_reason",
        "_snapshot",
        "AdamW.step",
        "Vocabulary.with_mean_norms",
    ],
)
def test_a_step_that_is_interrupted_is_taken_again(sd1, tmp_path, monkeypatch, place):
    """Ctrl-C can come at any moment, before or after the vectors have changed."""
    config = make_config(norm_control="fixed", steps=5, eval_every=1, stop="never")
    runs = [create_run(tmp_path / name, sd1, config, make_pictures()) for name in ("run", "whole")]
    owners = {
        "_update": training_step,
        "AdamW.step": torch.optim.AdamW,
        "Vocabulary.with_mean_norms": Vocabulary,
    }
    owner = owners.get(place, loop)
    name = place.rpartition(".")[2]
    original = getattr(owner, name)

    calls = []

    def interrupted(*arguments, **options):
        result = original(*arguments, **options)
        calls.append(place)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            finish(sd1, runs[0])
    finish(sd1, runs[0])
    finish(sd1, runs[1])
    assert_same_result(sd1, *runs)


def test_what_is_on_disk_at_any_moment_can_be_resumed(sd1, run, whole, tmp_path):
    iterator = train_runs(sd1, [run])
    for _, snapshot in iterator:  # what a killed process leaves
        if snapshot.step in (2, 3, 5):
            shutil.copytree(run.folder, tmp_path / str(snapshot.step))
        if snapshot.step == 5:
            break
    iterator.close()
    for step, saved in ((2, 0), (3, 3), (5, 3)):
        left = open_run(tmp_path / str(step))
        assert left.step == saved
        with (left.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"step": 4, "loss": 0.5, "norm": {"clip_l": 0.3}')  # cut in the middle of a line
        finish(sd1, left)
        assert_same_result(sd1, left, whole)


def test_a_damaged_state_falls_back_to_the_one_before(sd1, run, whole):
    stop_at(sd1, run, 5)  # saved at 3 and at 5
    newest = run.folder / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    assert run.step == 3
    stop_at(sd1, run, 7)
    assert run.step == 7
    for file in run.folder.glob("state*"):
        file.write_bytes(b"")
    assert run.step == 0
    finish(sd1, run)
    assert_same_result(sd1, run, whole)


def edit_state(run: Run, edit) -> None:
    """Change the tensors and facts of the newest state."""
    path = run.folder / "state.safetensors"
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()["state"])
    edit(tensors, facts)
    save_file(tensors, path, metadata={"state": json.dumps(facts)})


def test_where_a_run_is_is_told_without_its_tensors(sd1, run, monkeypatch):
    stop_at(sd1, run, 2)
    monkeypatch.setattr(
        "ti_core.training.runs.saved_state._tensors", lambda _: pytest.fail("tensors were read")
    )
    assert (run.step, run.finish) == (2, None)


def test_a_state_of_another_version_is_not_read(sd1, run):
    stop_at(sd1, run, 5)  # saved at 3 and at 5
    edit_state(run, lambda _, facts: facts.update(version=99))
    assert run.step == 3


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda tensors, _: tensors.pop("recent.clip_l"), "recent.clip_l"),
        (lambda tensors, _: tensors.update({"vectors.clip_l": torch.ones(1, 32)}), r"\(1, 32\)"),
        (lambda tensors, _: tensors.update({"exp_avg.clip_l": torch.ones(2, 1)}), r"\(2, 1\)"),
        (lambda _, facts: facts.pop("finish"), "finish"),
    ],
)
def test_a_state_that_is_not_the_runs_is_refused(sd1, run, edit, named):
    stop_at(sd1, run, 1)
    edit_state(run, edit)
    with pytest.raises(RunError, match=f"not this run's.*{named}"):
        stop_at(sd1, run, 2)


def test_a_result_that_was_removed_is_written_again(sd1, whole, tmp_path):
    shutil.copytree(whole.folder, tmp_path / "run")
    run = open_run(tmp_path / "run")
    (run.folder / "concept.json").unlink()
    assert run.finish and not run.has_result
    finish(sd1, run)
    assert_same_result(sd1, run, whole)


def test_a_run_that_is_killed_while_it_ends_keeps_no_earlier_result(sd1, run, whole, tmp_path, monkeypatch):
    stop_at(sd1, run, 5)
    keep_step(run, 2)
    left: list[Path] = []

    def copy() -> None:
        left.append(shutil.copytree(run.folder, tmp_path / f"left {len(left)}"))

    def copying(write):
        return lambda *arguments: (copy(), write(*arguments), copy())

    with monkeypatch.context() as patch:
        for name in ("save_state", "save_concept"):
            patch.setattr(train_on_disk, name, copying(getattr(train_on_disk, name)))
        finish(sd1, run)
    for folder in left[-4:]:  # before and after each of the last two writes
        finish(sd1, open_run(folder))
        assert_same_result(sd1, open_run(folder), whole)


def test_a_result_that_could_not_be_written_is_there_when_the_run_has_gone_on(sd1, run, whole, monkeypatch):
    stop_at(sd1, run, 5)
    keep_step(run, 2)

    def fail(*arguments):
        raise ConceptError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(train_on_disk, "save_concept", fail)
        with pytest.raises(ConceptError, match="No space left"):
            finish(sd1, run)
    assert not run.finish
    finish(sd1, run)
    assert_same_result(sd1, run, whole)


@pytest.mark.slow
def test_a_killed_process_ends_as_if_it_had_not_been(sd1, tiny_sd1, tmp_path):
    config = make_config(stop="never", steps=60)  # too many to end before it is killed
    run, whole = (create_run(tmp_path / name, sd1, config, make_pictures()) for name in ("run", "whole"))
    finish(sd1, whole)
    chance = random.Random(0)
    command = [sys.executable, "-c", TRAIN_IN_A_PROCESS, str(tiny_sd1), str(run.folder)]
    for _ in range(2):
        with subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            for _ in range(chance.randint(3, 5)):
                assert process.stdout.readline()
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
    assert open_run(run.folder).step >= 3
    finish(sd1, run)
    assert_same_result(sd1, run, whole)


# --- what does not belong together ------------------------------------------------------------------------


def test_a_resume_with_anything_else_names_each_difference(run):
    pictures = make_pictures()
    check_same(run, make_config())
    check_same(run, make_config(), load_run_pictures(run))
    check_same(run, make_config(), pictures)

    def differences(config=run.config, pictures: Sequence[Picture] = pictures) -> str:
        with pytest.raises(RunMismatchError) as caught:
            check_same(run, config, pictures)
        return "; ".join(map(str, caught.value.differences))

    assert (
        differences(config=make_config(steps=41, seed=1))
        == "steps was 40 and is now 41; seed was 2 and is now 1"
    )
    assert "3 pictures and are now 2" in differences(pictures=pictures[:2])
    captioned = [dataclasses.replace(pictures[0], caption="a cat"), *pictures[1:]]
    assert differences(pictures=captioned) == "plain.png is another picture, or has another caption"
    changed = [*pictures[:2], dataclasses.replace(pictures[2], image=pictures[0].image)]
    assert differences(config=make_config(kind="style"), pictures=changed) == (
        "kind was 'object' and is now 'style'; Bücher.jpg is another picture, or has another caption"
    )


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"id": "another"}, "base model was another and is now tiny-sd1"),
        ({"fingerprint": "0"}, "another version of tiny-sd1"),
        ({"widths": {"clip_l": 48}}, "another version of tiny-sd1"),
    ],
    ids=["id", "fingerprint", "widths"],
)
def test_a_run_of_another_model_is_refused(sd1, run, change, difference):
    _edit_description(run.folder, lambda values: values["base"].update(change))
    other = open_run(run.folder)
    with pytest.raises(RunMismatchError, match=difference):
        check_model(other, sd1)
    with pytest.raises(RunMismatchError, match=difference):
        finish(sd1, other)
    with pytest.raises(RunMismatchError, match=difference):
        keep_result(sd1, other)


def test_a_run_in_another_precision_is_refused(sd1, run):
    _edit_description(run.folder, lambda values: values.update(dtype="bfloat16"))
    with pytest.raises(RunMismatchError, match="precision was bfloat16 and is now float32"):
        finish(sd1, open_run(run.folder))
    _edit_description(run.folder, lambda values: values.update(dtype="int8"))
    with pytest.raises(RunError, match="int8"):
        open_run(run.folder)


def test_a_run_in_training_is_locked_until_it_is_closed_by_any_thread(sd1, run):
    iterator = train_runs(sd1, [run])
    next(iterator)
    with pytest.raises(RunError, match="elsewhere"):
        stop_at(sd1, run, 2)
    with pytest.raises(RunError, match="elsewhere"):
        delete_run(run)
    with pytest.raises(RunError, match="elsewhere"):
        keep_result(sd1, run)
    thread = threading.Thread(target=iterator.close)
    thread.start()
    thread.join()
    stop_at(sd1, run, 2)
    assert run.step == 2


# --- runs that train together -----------------------------------------------------------------------------


def test_runs_join_and_leave_and_each_is_kept(sd1, tmp_path):
    config = make_config(steps=6, stop="never", learning_rate=0.02)

    def create(name: str, seed: int) -> Run:
        return create_run(tmp_path / name, sd1, config, make_pictures(seed))

    staying, leaving, joining = create("staying", 1), create("leaving", 2), create("joining", 3)
    runs = [staying, leaving]
    for run, snapshot in train_runs(sd1, runs):
        if run == staying and snapshot.step == 2:
            runs.append(joining)
        if run == leaving and snapshot.step == 4:
            runs.remove(leaving)
        if run == staying and snapshot.step == 5:
            assert leaving.step == 4  # saved when it left, and free for others
    assert (staying.finish, leaving.finish, joining.finish) == ("steps", None, "steps")
    finish(sd1, leaving)
    for run, seed in ((staying, 1), (leaving, 2), (joining, 3)):
        alone = create(f"alone {seed}", seed)
        finish(sd1, alone)
        assert_close_vectors(sd1, run, alone)
        assert [json.loads(line)["step"] for line in metrics(run)] == [1, 2, 3, 4, 5, 6]


def test_company_that_is_stopped_after_the_first_of_its_last_snapshots_is_complete(sd1, tmp_path):
    config = make_config(steps=2)
    runs = [create_run(tmp_path / name, sd1, config, make_pictures()) for name in ("a", "b")]
    iterator = train_runs(sd1, list(runs))
    for _, snapshot in iterator:
        if snapshot.finish:
            break
    iterator.close()
    for run in runs:
        assert (run.has_result, run.step, len(metrics(run))) == (True, 2, 2)
        assert load_state(sd1, run).finish == "steps"


def test_a_loss_that_is_no_number_names_its_run_and_the_others_are_saved(sd1, tmp_path):
    broken = create_run(
        tmp_path / "broken", sd1, make_config(token="<broken>", learning_rate=3e37), make_pictures()
    )
    other = create_run(tmp_path / "other", sd1, make_config(), make_pictures())
    with pytest.raises(TrainingError, match="<broken>.*no longer a number") as caught:
        finish(sd1, other, broken)
    assert caught.value.folders == (broken.folder,)
    assert str(broken.folder) in str(caught.value)
    assert str(other.folder) not in str(caught.value)
    assert other.step == len(metrics(other)) > 0
    stop_at(sd1, other, other.step + 1)  # and goes on alone


def test_of_runs_of_one_token_only_those_that_failed_are_named(sd1, tmp_path):
    """Two people may train the same token; the driver goes on with the runs that did not fail."""
    configs = {
        "fine": make_config(),
        "broken": make_config(learning_rate=3e37),
        "broken too": make_config(learning_rate=3e37, seed=3),
    }
    runs = [create_run(tmp_path / name, sd1, config, make_pictures()) for name, config in configs.items()]
    with pytest.raises(TrainingError, match="<x>.*<x>") as caught:
        finish(sd1, *runs)
    assert caught.value.folders == (runs[1].folder, runs[2].folder)
    going_on = [run for run in runs if run.folder not in caught.value.folders]
    stop_at(sd1, *going_on, 4)


def test_a_first_evaluation_that_is_no_number_names_its_run(sd1, tmp_path, monkeypatch):
    config = make_config(initializer="cat")
    runs = [create_run(tmp_path / name, sd1, config, make_pictures()) for name in ("fine", "broken")]
    original = loop._fixed_loss
    scored = []

    def loss(*arguments):
        scored.append(original(*arguments))
        return float("nan") if len(scored) == 2 else scored[-1]

    monkeypatch.setattr(loop, "_fixed_loss", loss)
    with pytest.raises(TrainingError) as caught:
        finish(sd1, *runs)
    assert caught.value.folders == (runs[1].folder,)
    assert [saved_steps(run) for run in runs] == [[], []]


def test_memory_that_does_not_suffice_is_no_runs_fault(tiny_sd1, run, monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError

    alone = Backbone.load(str(tiny_sd1), device="cpu", dtype=torch.float32)  # it stays at its last setting
    monkeypatch.setattr(Backbone, "predict", full)
    with pytest.raises(TrainingError, match="memory") as caught:
        finish(alone, run)
    assert caught.value.folders == ()


# --- the result -------------------------------------------------------------------------------------------


def test_the_folder_of_a_finished_run_is_its_concept(sd1, tiny_sd1, whole):
    state = load_state(sd1, whole)
    concept = load_concept(whole.folder)
    assert concept.sha256 == whole.concept().sha256
    assert torch.equal(concept.vectors["clip_l"], state.best["clip_l"])
    assert concept.initializer == state.initializer != "auto"
    assert concept.training["stopped"] == "levelled" and concept.training["pictures"] == 3
    for number, picture in enumerate(make_pictures()):
        with Image.open(whole.folder / "concept_images" / f"{number}.png") as image:
            assert image.tobytes() == picture.image.tobytes()

    pipeline = StableDiffusionPipeline.from_pretrained(tiny_sd1)
    pipeline.load_textual_inversion(str(whole.folder))
    ids = pipeline.tokenizer.convert_tokens_to_ids(["<x>", "<x>_1"])
    assert torch.equal(pipeline.text_encoder.get_input_embeddings().weight[ids], concept.vectors["clip_l"])


def test_metrics_and_previews_are_kept(sd1, tmp_path):
    run = create_run(tmp_path / "run", sd1, make_config(steps=3, preview_every=2), make_pictures())
    snapshots = [snapshot for _, snapshot in train_runs(sd1, [run])]
    lines = [json.loads(line) for line in metrics(run)]
    assert [(line["step"], line["loss"], line["norm"]) for line in lines] == [
        (snapshot.step, snapshot.loss, dict(snapshot.norm)) for snapshot in snapshots
    ]
    assert [line.get("evaluation") for line in lines] == [
        snapshot.evaluation and snapshot.evaluation.loss for snapshot in snapshots
    ]
    assert [tuple(map(tuple, line.get("nearest", ()))) for line in lines] == [s.nearest for s in snapshots]
    with Image.open(run.folder / "previews" / "000002.png") as image:
        assert image.tobytes() == snapshots[1].preview.tobytes()


def test_a_preview_that_cannot_be_drawn_is_told_and_nothing_else_changes(sd1, tmp_path, monkeypatch):
    config = make_config(steps=4, preview_every=2)
    run, whole = (create_run(tmp_path / name, sd1, config, make_pictures()) for name in ("run", "whole"))
    finish(sd1, whole)

    def fail(*arguments):
        raise GenerationError("The memory of the device is full.")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "generate", fail)
        finish(sd1, run)
    told = [line.preview_error for line in read_metrics(run)]
    full = Message("The memory of the device is full.")
    assert told == [None, full, None, full]
    assert list_previews(run) == [] and len(list_previews(whole)) == 2
    assert run.concept().sha256 == whole.concept().sha256
    assert not any(line.preview_error for line in read_metrics(whole))


def test_the_best_so_far_can_be_kept(sd1, run, whole):
    with pytest.raises(RunError, match="not learned anything"):
        keep_result(sd1, run)
    stop_at(sd1, run, 5)
    concept = keep_result(sd1, run)
    state = load_state(sd1, run)
    assert torch.equal(concept.vectors["clip_l"], state.best["clip_l"])
    assert concept.training["stopped"] == "by hand" and concept.training["steps"] == 5
    assert run.concept().sha256 == concept.sha256
    finish(sd1, run)  # and the run can still go on
    assert_same_result(sd1, run, whole)


# --- what is written on the way ---------------------------------------------------------------------------


def test_the_vectors_of_every_evaluated_step_are_kept(sd1, run):
    vectors = {0: sd1.vocabulary.initial_vectors(load_state(sd1, run).initializer, 2)["clip_l"]}
    entered = {}
    iterator = train_runs(sd1, [run])
    for _, snapshot in iterator:
        assert max(saved_steps(run)) == snapshot.step - snapshot.step % 2
        if snapshot.evaluation:
            entered[snapshot.step] = snapshot.evaluation.loss
            vectors[snapshot.step] = concept_at(run, snapshot.step).vectors["clip_l"]
        if snapshot.step == 6:  # also the last saved state
            break
    iterator.close()
    assert saved_steps(run) == [0, 2, 4, 6]
    state = load_state(sd1, run)
    assert torch.equal(vectors[6], state.vectors["clip_l"])
    best = state.best_evaluation.step
    assert torch.equal(vectors[best], state.best["clip_l"])
    assert len({rows.numpy().tobytes() for rows in vectors.values()}) == 4
    for step, rows in vectors.items():
        concept = concept_at(open_run(run.folder), step)
        assert torch.equal(concept.vectors["clip_l"], rows)
        assert (concept.token, concept.kind, concept.base) == ("<x>", "object", sd1.base)
        assert concept.initializer == state.initializer
        assert concept.training["best_step"] == concept.training["steps"] == step
        assert concept.training["evaluation_loss"] == entered.get(step, state.evaluations[0].loss)
        assert concept.training["stopped"] == "by hand"


def test_the_steps_of_a_model_with_two_encoders(backbones, tmp_path):
    run = create_run(tmp_path / "run", backbones["sdxl"], make_config(steps=2), make_pictures())
    finish(backbones["sdxl"], run)
    concept = concept_at(run, 2)
    for name, rows in load_state(backbones["sdxl"], run).vectors.items():
        assert torch.equal(concept.vectors[name], rows)
    assert list(concept.vectors) == list(backbones["sdxl"].base.widths)
    keep_step(run, 0)
    assert run.concept().sha256 == concept_at(run, 0).sha256


def test_later_steps_are_dropped_when_a_run_goes_on_from_an_earlier_one(sd1, tmp_path):
    run = create_run(tmp_path / "run", sd1, make_config(preview_every=2), make_pictures())
    stop_at(sd1, run, 7)
    assert saved_steps(run) == [0, 2, 4, 6]
    assert [step for step, _ in list_previews(run)] == [2, 4, 6]
    for file in run.folder.glob("state*"):
        file.unlink()
    (run.folder / "steps" / ".0123456789abcdef.partial").write_bytes(b"cut short")
    iterator = train_runs(sd1, [run])
    next(iterator)
    iterator.close()
    assert [file.name for file in (run.folder / "steps").iterdir()] == ["000000.safetensors"]
    assert list_previews(run) == []


def test_a_step_that_is_not_saved_or_damaged_is_refused(sd1, run):
    assert saved_steps(run) == []
    with pytest.raises(RunError, match="Step 2 .* not saved: resume it"):
        concept_at(run, 2)
    stop_at(sd1, run, 4)
    with pytest.raises(RunError, match="Step 9 .* not saved: choose 4"):
        concept_at(run, 9)
    for step in (-1, 3):
        with pytest.raises(RunError, match="not saved"):
            keep_step(run, step)
    file = run.folder / "steps" / "000002.safetensors"
    save_file({"clip_l": torch.zeros(2, 7)}, file, metadata={"facts": '{"initializer": "", "training": {}}'})
    with pytest.raises(RunError, match="Step 2 .* cannot be read"):
        concept_at(run, 2)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(RunError, match="Step 2 .* cannot be read"):
        keep_step(run, 2)
    assert not run.has_result


def test_any_saved_step_can_become_the_result(sd1, run, whole):
    stop_at(sd1, run, 5)
    chosen = keep_step(run, 2)
    assert run.has_result and not run.finish
    assert run.concept().sha256 == chosen.sha256 == concept_at(run, 2).sha256
    assert run.concept().training["best_step"] == 2
    assert len(list((run.folder / "concept_images").iterdir())) == 3
    finish(sd1, run)  # and the run can still go on
    assert_same_result(sd1, run, whole)

    last = saved_steps(run)[-1]
    best = run.concept().training["best_step"]
    assert best != last
    keep_step(run, last)
    assert torch.equal(run.concept().vectors["clip_l"], load_state(sd1, run).vectors["clip_l"])
    assert run.concept().training["stopped"] == "levelled"
    finish(sd1, run)  # has nothing left to do, so the choice stays
    assert run.concept().training["best_step"] == last
    assert keep_step(run, best).sha256 == whole.concept().sha256
    assert run.concept().training["evaluation_loss"] == whole.concept().training["evaluation_loss"]


def test_no_step_is_chosen_while_the_run_is_trained(sd1, run):
    iterator = train_runs(sd1, [run])
    next(iterator)
    with pytest.raises(RunError, match="elsewhere"):
        keep_step(run, 0)
    iterator.close()
    keep_step(run, 0)


def test_vectors_that_cannot_be_written_are_a_run_error(sd1, run):
    (run.folder / "steps").write_text("in the way", encoding="utf-8")
    with pytest.raises(RunError, match="vectors of step 0 could not be written"):
        stop_at(sd1, run, 1)


def test_metrics_are_read_as_they_were_measured(sd1, run):
    assert read_metrics(run) == []
    snapshots = []
    iterator = train_runs(sd1, [run])
    for _, snapshot in iterator:
        snapshots.append(snapshot)
        assert [line.step for line in read_metrics(run)] == [s.step for s in snapshots]  # while it is trained
        if snapshot.step == 5:
            break
    iterator.close()
    lines = read_metrics(run)
    assert [(line.step, line.loss, line.norm) for line in lines] == [
        (snapshot.step, snapshot.loss, dict(snapshot.norm)) for snapshot in snapshots
    ]
    assert [line.evaluation for line in lines] == [s.evaluation and s.evaluation.loss for s in snapshots]
    assert [line.nearest for line in lines] == [snapshot.nearest for snapshot in snapshots]


def test_only_what_was_added_to_the_metrics_is_parsed(sd1, run, monkeypatch):
    parsed = []
    original = metrics_file._from_metrics_line
    monkeypatch.setattr(
        metrics_file, "_from_metrics_line", lambda line: (parsed.append(line["step"]), original(line))[1]
    )
    iterator = train_runs(sd1, [run])
    for _, snapshot in iterator:
        read_metrics(run)
        if snapshot.step == 4:
            break
    iterator.close()
    assert parsed == [1, 2, 3, 4]
    read_metrics(run).clear()
    assert [line.step for line in read_metrics(run)] == [1, 2, 3, 4]
    for file in run.folder.glob("state*"):
        file.unlink()
    iterator = train_runs(sd1, [run])  # from the start, so that the lines so far are dropped
    next(iterator)
    assert [line.step for line in read_metrics(run)] == [1]
    iterator.close()
    assert parsed == [1, 2, 3, 4, 1]
    (run.folder / "metrics.jsonl").unlink()
    assert read_metrics(run) == []


def test_metrics_that_were_removed_on_the_way_lose_later_steps_only(sd1, run):
    stop_at(sd1, run, 3)
    (run.folder / "metrics.jsonl").unlink()
    stop_at(sd1, run, 6)
    file = metrics_file.open_metrics(run, 5)  # as if step 6 had not been saved
    file.close()
    assert [line.step for line in read_metrics(run)] == [4, 5]


def test_metrics_that_are_being_written_or_damaged(run):
    path = run.folder / "metrics.jsonl"
    line = (
        '{"step": 1, "loss": 0.5, "norm": {"clip_l": 0.3}, "evaluation": 0.4, "nearest": [["katze", 0.9]]}\n'
    )
    path.write_bytes(b"")
    assert read_metrics(run) == []
    for length in range(len(line)):
        path.write_text(line + line[:length], encoding="utf-8")
        assert [metric.step for metric in read_metrics(run)] == [1]
    path.write_text("{\n" + line, encoding="utf-8")
    with pytest.raises(RunError, match="metrics.jsonl is damaged"):
        read_metrics(run)
    path.write_text('{"step": 1}\n', encoding="utf-8")
    with pytest.raises(RunError, match="metrics.jsonl is damaged"):
        read_metrics(run)


def test_previews_are_listed_in_the_order_of_their_steps(sd1, tmp_path):
    run = create_run(tmp_path / "run", sd1, make_config(steps=4, preview_every=2), make_pictures())
    assert list_previews(run) == []
    finish(sd1, run)
    folder = run.folder / "previews"
    shutil.copy(folder / "000002.png", folder / "1000000.png")
    (folder / ".0123456789abcdef.partial").write_bytes(b"")
    (folder / "mine.png").write_bytes(b"")
    assert list_previews(run) == [
        (2, folder / "000002.png"),
        (4, folder / "000004.png"),
        (1000000, folder / "1000000.png"),
    ]
