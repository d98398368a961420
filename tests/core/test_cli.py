"""The command line on a tiny model: the whole path, wrong input, Ctrl-C."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from helpers.interrupts import interrupted_import
from PIL import Image
from typer.testing import CliRunner, Result

from ti_core import __version__, cli
from ti_core.cli import show as show_commands
from ti_core.cli import terminal
from ti_core.drawing.recipe import read_recipe
from ti_core.messages import Message
from ti_core.model.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--steps", "2", "--count", "2", "--scheduler", "ddim")


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever language the person who runs the tests speaks."""
    monkeypatch.setenv("LANGUAGE", "en")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def facts_of(result: Result) -> dict[str, Any]:
    """The JSON object of a command that went well."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def refusal_of(result: Result, code: int = 2) -> str:
    """The one sentence by which a command refused what it was given."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    error = json.loads(result.stdout.splitlines()[-1])["error"]
    assert result.stderr.splitlines()[-1] == error
    return error


def save_pictures(folder: Path, count: int, seed: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (count, 24, 24, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def train(pictures: Path, model: Path, out: Path, *more: object) -> Result:
    name = ("--name", out.name, "--init", "cat", "--batch-size", "1", "--stop", "never")
    return run("train", pictures, "--model", model, "--out", out, *name, "--steps", "3", *more, "--json")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictures(tmp_path_factory.mktemp("pictures"), 4)


@pytest.fixture(scope="module")
def learned(pictures: Path, tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two finished runs, our-cat and our-ink."""
    root = tmp_path_factory.mktemp("runs")
    facts_of(train(pictures, tiny_sd1, root / "our-cat"))
    facts_of(train(pictures, tiny_sd1, root / "our-ink", "--kind", "style", "--vectors", "2"))
    return root


# --- the whole path ---------------------------------------------------------------------------------------


def test_training_leaves_out_a_bad_picture_and_says_so(tmp_path: Path, tiny_sd1: Path) -> None:
    folder = save_pictures(tmp_path / "pictures", 4)
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a picture")
    Image.open(folder / "0.png").save(folder / "again.png")
    result = train(folder, tiny_sd1, tmp_path / "our-cat")
    facts = facts_of(result)
    assert [entry["name"] for entry in facts["rejected"]] == ["bad.jpg"]
    assert [line for line in result.stderr.splitlines() if line.startswith("Left out: bad.jpg")]
    assert "0.png and again.png look almost the same." in result.stderr
    assert facts["token"] == "<our-cat>"
    assert facts["initializer"] == "cat"
    assert (facts["steps"], facts["stopped"]) == (3, "steps")
    assert 1 <= facts["best_step"] <= 3  # never the initial word's, though three steps may not better it
    assert facts["evaluation_loss"] != facts["first_evaluation_loss"]
    assert len(list((tmp_path / "our-cat" / "concept_images").iterdir())) == 5
    assert (tmp_path / "our-cat" / "learned_embeds.safetensors").is_file()


def test_progress_in_a_log_is_a_line_for_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    show = terminal.ProgressLines(Message("Learning"), 200)
    for step in range(1, 201):
        show(step, "")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[0] == "Learning: step 1 of 200"
    assert lines[-1] == "Learning: step 200 of 200"


def test_generate_names_files_and_never_overwrites_another(
    learned: Path, tiny_sd1: Path, tmp_path: Path
) -> None:
    concept = ("--concept", learned / "our-cat", "--model", tiny_sd1, "--out", tmp_path, "--json")
    first = facts_of(run("generate", "A photo of <our-cat>!", *concept, "--seed", "3", *QUICK))
    assert [Path(file).name for file in first["files"]] == [
        "generate-a-photo-of-our-cat-3.png",
        "generate-a-photo-of-our-cat-4.png",
    ]
    recipe = read_recipe(Path(first["files"][0]))
    assert (recipe.prompt, recipe.seed, recipe.concepts[0].token) == ("A photo of <our-cat>!", 3, "<our-cat>")

    again = facts_of(run("generate", "A photo of <our-cat>!", *concept, "--seed", "3", *QUICK))
    assert again["files"] == first["files"]
    before = Path(first["files"][0]).read_bytes()
    other = facts_of(
        run("generate", "A photo of <our-cat>!", *concept, "--seed", "3", *QUICK, "--guidance", "2")
    )
    assert [Path(file).name for file in other["files"]] == [
        "generate-a-photo-of-our-cat-3-2.png",
        "generate-a-photo-of-our-cat-4-2.png",
    ]
    assert Path(first["files"][0]).read_bytes() == before


def test_generate_needs_no_concept(tiny_sd1: Path, tmp_path: Path) -> None:
    result = run("generate", "!!!", "--model", tiny_sd1, "--out", tmp_path, *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [str(tmp_path / f"generate-picture-{seed}.png") for seed in (0, 1)]


def test_a_prompt_of_several_chunks_is_told(tiny_sd1: Path, tmp_path: Path) -> None:
    prompt = "red cat " * 40
    negative = ("--negative", "dog " * 90)
    result = run("generate", prompt, *negative, "--model", tiny_sd1, "--out", tmp_path, *QUICK, "--json")
    assert facts_of(result)["lengths"] == [{"tokens": 80, "chunks": 2}]
    assert facts_of(result)["negative_length"] == {"tokens": 90, "chunks": 2}
    assert "has 80 tokens and is read in 2 parts." in result.stderr
    assert "has 90 tokens and is read in 2 parts." in result.stderr


def test_a_word_that_the_prompt_does_not_use_is_told(learned: Path, tiny_sd1: Path, tmp_path: Path) -> None:
    both = ("--concept", learned / "our-cat", "--concept", learned / "our-ink", "--model", tiny_sd1)
    prompt = ("our-cat in the snow", "--negative", "<our-ink>", "--count", "1", "--steps", "2")
    result = run("generate", *prompt, *both, "--out", tmp_path, "--json")
    assert facts_of(result)["tokens"] == ["<our-ink>"]
    [told] = [line for line in result.stderr.splitlines() if "does not use" in line]
    assert told.startswith("The prompt does not use <our-cat>: write it ")


def test_compose_weighs_its_concepts(learned: Path, tiny_sd1: Path, tmp_path: Path) -> None:
    both = ("--concept", learned / "our-cat", "--concept", learned / "our-ink", "--model", tiny_sd1)
    weights = ("--weight", "1.0", "--weight", "1.3")
    prompt = "<our-cat> in the style of <our-ink>"
    facts = facts_of(run("compose", prompt, *both, *weights, *QUICK, "--out", tmp_path, "--json"))
    assert facts["tokens"] == ["<our-cat>", "<our-ink>"]
    assert facts["lengths"] == [{"tokens": 7, "chunks": 1}]  # a word each, and 1 + 2 vectors
    recipe = read_recipe(Path(facts["files"][1]))
    assert recipe.prompt == "<our-cat> in the style of (<our-ink>:1.3)"
    one_weight = run("compose", prompt, *both, "--weight", "2", "--out", tmp_path, "--json")
    assert "1 weights for 2 concepts" in refusal_of(one_weight)


def test_style_draws_each_subject_or_a_picture(
    learned: Path, pictures: Path, tiny_sd1: Path, tmp_path: Path
) -> None:
    common = ("--concept", learned / "our-ink", "--model", tiny_sd1, "--out", tmp_path, "--json")
    facts = facts_of(run("style", *common, "--subject", "a cat", "--subject", "a dog", *QUICK))
    assert facts["prompts"] == ["a cat in the style of <our-ink>", "a dog in the style of <our-ink>"]
    assert len(facts["files"]) == 4
    facts = facts_of(run("style", *common, "--picture", pictures / "0.png", "--steps", "4", "--count", "1"))
    recipe = read_recipe(Path(facts["files"][0]))
    assert (recipe.strength, facts["steps"]) == (0.6, 2)
    assert recipe.prompt == facts["prompts"][0] == "a picture in the style of <our-ink>"
    assert "--subject" in refusal_of(run("style", *common))


def test_inspect_names_the_nearest_words(learned: Path, tiny_sd1: Path) -> None:
    facts = facts_of(run("inspect", learned / "our-cat", "--model", tiny_sd1, "--json"))
    assert facts["token"] == "<our-cat>"
    assert facts["nearest"]["clip_l"][0][0][0] == "cat"
    summary = run("inspect", learned / "our-ink", "--model", tiny_sd1).stdout
    assert "style, 2 vectors, learned on tiny-sd1, started from “cat”" in summary
    assert re.search(r"clip_l 2: \d+\.\d{3} from its start, cosine \d\.\d\d", summary)


def test_models_lists_the_presets() -> None:
    facts = facts_of(run("models", "--json"))
    assert [model["name"] for model in facts["models"]] == [preset.name for preset in PRESETS]
    assert len(run("models").stdout.splitlines()) == len(PRESETS)


def test_a_download_is_told_in_tenths_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.downloading(Message("Downloading sd15")) as show:
        for done in range(0, 101, 2):
            show(done * 10**6, 10**8)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[3] == "Downloading sd15: 30 of 100 MB"


def test_of_a_model_that_is_here_no_download_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.downloading(Message("Downloading sd15")) as show:
        show(100, 100)
    assert capsys.readouterr().err == ""


def test_hidden_pictures_are_named_by_their_seeds(
    tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ti_core.model.backbone import Backbone

    seen: list[object] = []
    monkeypatch.setattr(Backbone, "is_unsafe", lambda _, picture: (seen.append(picture), len(seen) == 2)[1])
    result = run("generate", "a cat", *QUICK, "--model", tiny_sd1, "--out", tmp_path, "--seed", 7, "--json")
    assert facts_of(result)["hidden"] == [8]
    assert "safety checker hid the pictures of these seeds: 8." in result.stderr


def test_runs_lists_runs_and_names_broken_ones(learned: Path, tmp_path: Path) -> None:
    facts = facts_of(run("runs", learned, "--json"))
    told = [(run["token"], run["status"], run["has_result"], run["step"]) for run in facts["runs"]]
    assert sorted(told) == [("<our-cat>", "finished", True, 3), ("<our-ink>", "finished", True, 3)]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text("{", encoding="utf-8")
    result = run("runs", tmp_path, "--json")
    assert facts_of(result)["runs"] == []
    assert str(tmp_path / "old") in result.stderr


# --- wrong input ------------------------------------------------------------------------------------------


def test_training_refuses_what_cannot_work(pictures: Path, tiny_sd1: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("keep me", encoding="utf-8")
    captioned = save_pictures(tmp_path / "captioned", 1)
    (captioned / "0.txt").write_text("beside <our-dog>", encoding="utf-8")
    good = ("--name", "our-cat", "--model", tiny_sd1, "--out", tmp_path / "run", "--json")
    cases: Sequence[tuple[str, tuple[object, ...]]] = (
        ("No picture was given", good),
        ("does not exist", (tmp_path / "no.png", *good)),
        ("None of the pictures", (tmp_path / "text.png", *good)),
        ("cannot become a token", (pictures, *good, "--name", "!!!")),
        ("steps is 0", (pictures, *good, "--steps", "0")),
        ("There is no model called nothing", (pictures, *good, "--model", "nothing")),
        ("holds no diffusers model", (pictures, *good, "--model", tmp_path)),
        ("something else already", (pictures, *good, "--out", tmp_path / "full")),
        ("The caption of 0.png cannot be used. No loaded concept defines <our-dog>", (captioned, *good)),
        ("holds no training run", (pictures, *good, "--resume")),
    )
    for expected, arguments in cases:
        assert expected in refusal_of(run("train", *arguments))
        assert not (tmp_path / "run").exists()
    assert run("train", pictures, "--name", "x", "--kind", "thing").exit_code == 2


def test_an_existing_run_is_resumed_only_when_asked_and_only_as_it_was(
    learned: Path, pictures: Path, tiny_sd1: Path, tmp_path: Path
) -> None:
    out = learned / "our-cat"
    before = (out / "learned_embeds.safetensors").read_bytes()
    assert "--resume" in refusal_of(train(pictures, tiny_sd1, out))
    refused = refusal_of(train(pictures, tiny_sd1, out, "--resume", "--seed", "7", "--lr", "0.1"))
    assert "seed was 0 and is now 7" in refused
    assert "learning_rate was None and is now 0.1" in refused
    others = save_pictures(tmp_path / "others", 4, seed=1)
    assert "0.png is another picture" in refusal_of(train(others, tiny_sd1, out, "--resume"))
    own = ("--out", out, "--model", tiny_sd1, "--resume", "--json")
    assert "token was" in refusal_of(run("train", "--name", "our-dog", *own))
    refused = refusal_of(run("train", "--name", "our-cat", "--steps", "1000", "--lr", "0.1", *own))
    assert ": steps was 3 and is now 1000; learning_rate was None and is now 0.1. " in refused
    assert facts_of(run("train", "--name", "our-cat", *own))["steps"] == 3
    finished = train(pictures, tiny_sd1, out, "--resume")
    assert facts_of(finished)["steps"] == 3
    assert "already finished" in finished.stderr
    assert (out / "learned_embeds.safetensors").read_bytes() == before


def test_a_run_that_was_stopped_with_a_result_goes_on(
    learned: Path, pictures: Path, tiny_sd1: Path, tmp_path: Path
) -> None:
    from ti_core.model.backbone import Backbone
    from ti_core.training.runs import keep_step, open_run, train_runs

    out = tmp_path / "our-cat"
    shutil.copytree(learned / "our-cat", out)
    for file in [*out.glob("state*"), *out.glob("learned*"), out / "concept.json"]:
        file.unlink()
    stopped, backbone = open_run(out), Backbone.load(str(tiny_sd1))
    with closing(train_runs(backbone, [stopped])) as steps:
        next(steps)
    keep_step(stopped, 0)
    [listed] = facts_of(run("runs", tmp_path, "--json"))["runs"]
    assert (listed["status"], listed["has_result"], listed["step"]) == ("started", True, 1)
    assert "started  1/3  has a result" in run("runs", tmp_path).stdout

    resumed = train(pictures, tiny_sd1, out, "--resume")
    assert facts_of(resumed)["steps"] == 3
    assert "already finished" not in resumed.stderr
    whole = learned / "our-cat" / "learned_embeds.safetensors"
    assert (out / "learned_embeds.safetensors").read_bytes() == whole.read_bytes()


def test_a_preview_that_cannot_be_drawn_is_told_once(
    pictures: Path, tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ti_core.config import TrainingConfig
    from ti_core.errors import GenerationError
    from ti_core.model.backbone import Backbone
    from ti_core.pictures.folders import load_pictures
    from ti_core.training import loop
    from ti_core.training.runs import create_run

    def fail(*_: object) -> None:
        raise GenerationError("The memory of the device is full.")

    monkeypatch.setattr(loop, "generate", fail)
    out = tmp_path / "our-cat"
    backbone = Backbone.load(str(tiny_sd1), dtype=torch.float32)
    shown, _ = load_pictures([pictures], backbone.resolution)
    config = TrainingConfig("our-cat", initializer="cat", batch_size=1, steps=2, preview_every=1)
    create_run(out, backbone, config, shown)
    result = run("train", "--name", "our-cat", "--out", out, "--model", tiny_sd1, "--resume", "--json")
    assert facts_of(result)["steps"] == 2
    told = [line for line in result.stderr.splitlines() if "preview" in line]
    assert told == ["Training goes on without the preview of step 1: The memory of the device is full."]


def test_a_resume_with_another_model_is_refused(
    pictures: Path, tiny_sd1: Path, tiny_sd2: Path, tmp_path: Path
) -> None:
    out = tmp_path / "our-cat"
    facts_of(train(pictures, tiny_sd1, out))
    resume = ("train", "--name", "our-cat", "--out", out, "--resume", "--json", "--model")
    assert "the base model was tiny-sd1 and is now tiny-sd2" in refusal_of(run(*resume, tiny_sd2))
    (out / "concept.json").unlink()  # so that there is something to do
    assert "the base model was tiny-sd1 and is now tiny-sd2" in refusal_of(run(*resume, tiny_sd2))
    assert facts_of(run(*resume, tiny_sd1))["steps"] == 3


def test_a_resume_is_in_the_precision_of_the_run(pictures: Path, tiny_sd1: Path, tmp_path: Path) -> None:
    from ti_core.config import TrainingConfig
    from ti_core.model.backbone import Backbone
    from ti_core.pictures.folders import load_pictures
    from ti_core.training.runs import create_run

    out = tmp_path / "our-cat"
    backbone = Backbone.load(str(tiny_sd1), dtype=torch.bfloat16)
    shown, _ = load_pictures([pictures], backbone.resolution)
    create_run(out, backbone, TrainingConfig("our-cat", initializer="cat", steps=1), shown)
    result = run("train", "--name", "our-cat", "--out", out, "--model", tiny_sd1, "--resume", "--json")
    assert facts_of(result)["steps"] == 1


def test_drawing_refuses_what_cannot_work(learned: Path, tiny_sd1: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    good = ("--concept", learned / "our-cat", "--model", tiny_sd1, "--out", tmp_path / "out", "--json")
    cases: Sequence[tuple[str, tuple[object, ...]]] = (
        ("Did you mean <our-cat>?", ("generate", "a photo of <our-cta>", *good)),
        ("is not a concept folder", ("generate", "a cat", *good, "--concept", tmp_path)),
        ("Two concepts are called", ("generate", "a cat", *good, "--concept", learned / "our-cat")),
        ("There is no model called nothing", ("generate", "a cat", *good, "--model", "nothing")),
        ("There is no scheduler called", ("generate", "a cat", *good, "--scheduler", "best")),
        ("The weight 11", ("generate", "a (cat:11)", *good)),
        ("not UTF-8", ("generate", "a \udcff cat", *good)),
        ("cannot be a folder", ("generate", "a cat", *good, "--out", tmp_path / "file")),
        ("two or more", ("compose", "<our-cat>", *good)),
        ("cannot be opened", ("style", *good, "--picture", tmp_path / "no.png")),
        ("There is no concept folder", ("inspect", tmp_path / "no", "--json")),
    )
    for expected, arguments in cases:
        assert expected in refusal_of(run(*arguments))
    assert not list(tmp_path.rglob("*.png"))


def test_without_json_a_refusal_is_one_line_on_stderr() -> None:
    result = run("generate", "a photo of <our-cat>")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "No loaded concept defines <our-cat>. Load the concept that defines it, or remove it from the prompt."
    ]


def test_an_unexpected_error_is_one_sentence_unless_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with terminal.reporting(as_json=True):
            raise OSError("disk\nfull")

    with pytest.raises(typer.Exit) as exit_info:
        fail()
    assert exit_info.value.exit_code == 1
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1
    assert "OSError: disk full" in printed.err
    assert json.loads(printed.out)["kind"] == "OSError"

    with pytest.MonkeyPatch.context() as patch, pytest.raises(typer.Exit):
        patch.setenv(terminal.DEBUG_VARIABLE, "1")
        fail()
    assert "Traceback" in capsys.readouterr().err


def test_the_options_have_the_settings_defaults() -> None:
    from ti_core.drawing.settings import GenerationSettings
    from ti_core.prompts.composition import RESTYLE_STRENGTH

    settings = GenerationSettings("")
    options = {"count": "count", "seed": "seed", "steps": "steps", "guidance": "guidance_scale"}
    for command in (cli.generate_command, cli.compose_command, cli.style_command):
        parameters = inspect.signature(command).parameters
        for option, setting in {**options, "scheduler": "scheduler"}.items():
            assert parameters[option].default == getattr(settings, setting)
    assert f"[default: ({RESTYLE_STRENGTH})]" in run("style", "--help").stdout


# --- a process of its own ---------------------------------------------------------------------------------


def test_help_loads_no_model_library() -> None:
    code = (
        "import sys; from ti_core import cli; cli.app(['train', '--help'], standalone_mode=False); "
        "print([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--resume" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def interrupt_at(line_start: str, arguments: Sequence[str]) -> tuple[int, str, str]:
    """Start the program, press Ctrl-C when a line of its stderr begins so; exit code, stdout and stderr."""
    command = [sys.executable, "-m", "ti_core", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if line.startswith(line_start):
                process.send_signal(signal.SIGINT)
                break
        stdout, rest = process.communicate(timeout=120)
    return process.returncode, stdout, "".join(seen) + rest


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["generate", "--json"], "Missing argument"),
        (["train", "--name", "x", "--json", "--steps", "many"], "--steps"),
        (["paint", "--json"], "No such command 'paint'"),
        (["models", "--json", "--colour"], "--colour"),
    ],
)
def test_a_usage_error_is_a_json_object_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["ti_core", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    printed = capsys.readouterr()
    assert exit_info.value.code == 2
    assert named in json.loads(printed.out)["error"]
    assert printed.err.splitlines() == [json.loads(printed.out)["error"]]


@pytest.mark.parametrize(
    "arguments", [["generate"], ["train", "x", "--name", "y", "--kind", "thing"], ["models", "--colour"]]
)
def test_a_usage_error_is_one_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ti_core", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    printed = capsys.readouterr()
    assert exit_info.value.code == 2
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1


def test_no_arguments_at_all_show_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ti_core"])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    assert exit_info.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) > 10


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_ctrl_c_while_the_modules_are_imported_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    exit_code = interrupted_import(monkeypatch, "models", *options)
    printed = capsys.readouterr()
    assert exit_code == 1
    assert printed.err == "Stopped.\n"
    told = [json.loads(line) for line in printed.out.splitlines()]
    assert told == [{"error": "Stopped.", "kind": "KeyboardInterrupt"}] * len(options)


def test_ctrl_c_before_a_command_begins_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(show_commands, "reporting", interrupted)
    monkeypatch.setattr(sys, "argv", ["ti_core", "models"])
    with pytest.raises(KeyboardInterrupt):
        cli.main()


@pytest.mark.parametrize(("arguments", "code"), [(["models", "--json"], 0), (["inspect", "no", "--json"], 2)])
def test_the_exit_code_with_json_is_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["ti_core", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    assert (exit_info.value.code or 0) == code
    assert isinstance(json.loads(capsys.readouterr().out), dict)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no sending Ctrl-C to one process on Windows")
def test_ctrl_c_ends_the_choice_of_the_initial_word(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "thing"
    options = ["--name", "thing", "--steps", "100", "--out", str(out)]
    code, stdout, stderr = interrupt_at("Learning <thing>: step 0", ["train", str(pictures), *options])
    assert code == 1, stderr
    assert "choosing the initial word, 1 of " in stderr
    assert f"Stopped after step 0 of 100; the run is kept in {out}." in stderr
    assert shlex.split(stdout.splitlines()[-1])[-1] == "--resume"
    assert not (out / "concept.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no sending Ctrl-C to one process on Windows")
def test_ctrl_c_saves_and_the_printed_command_gives_the_uninterrupted_result(
    pictures: Path, tiny_sd1: Path, tmp_path: Path
) -> None:
    def arguments(out: Path) -> list[str]:
        options = [
            "--name",
            "our-cat",
            "--init",
            "cat",
            "--stop",
            "never",
            "--steps",
            "120",
            "--batch-size",
            "1",
        ]
        return ["train", str(pictures), *options, "--model", str(tiny_sd1), "--out", str(out)]

    stopped, whole = tmp_path / "our cat", tmp_path / "whole"
    code, stdout, stderr = interrupt_at("Learning <our-cat>: step 1 ", arguments(stopped))
    assert code == 1, stderr
    assert "Traceback" not in stderr
    assert f"of 120; the run is kept in {stopped}." in stderr
    assert not (stopped / "concept.json").exists()

    command = shlex.split(stdout.splitlines()[-1])
    assert command[-1] == "--resume"
    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 120

    assert run(*arguments(whole)).exit_code == 0
    name = "learned_embeds.safetensors"
    assert (stopped / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no sending Ctrl-C to one process on Windows")
def test_ctrl_c_keeps_the_pictures_drawn_so_far(tiny_sd1: Path, tmp_path: Path) -> None:
    arguments = ["generate", "a cat", "--model", str(tiny_sd1), "--out", str(tmp_path), "--json"]
    code, stdout, stderr = interrupt_at("Drawing: step 2", [*arguments, "--count", "100", "--steps", "25"])
    assert code == 1, stderr
    facts = json.loads(stdout.splitlines()[-1])
    assert facts["kind"] == "Cancelled"
    assert f"pictures kept: {len(facts['files'])}." in stderr
    assert 0 < len(facts["files"]) < 100
    assert sorted(facts["files"]) == sorted(str(file) for file in tmp_path.iterdir())


@pytest.mark.parametrize("on_path", [True, False])
def test_the_command_to_go_on_with_is_the_installed_one(
    on_path: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name where the shell finds it, else its file; either can be typed as it is."""
    file = tmp_path / ("one-word.exe" if os.name == "nt" else "one-word")
    file.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path) if on_path else os.devnull)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "one-word"), "train", "my cat", "--name", "cat"])
    words = ["train", "my cat", "--name", "cat", "--resume"]
    expected = ["one-word" if on_path else str(tmp_path / "one-word"), *words]
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    assert terminal.resume_command() == join(expected)


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"one-word {__version__}\n"
