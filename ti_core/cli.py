"""The command line: the core's functions, with a progress bar and exit codes.

Results go to stdout, with ``--json`` as one JSON object on its last line; everything else goes to stderr.
Exit codes: 0, 1 if the work failed or was stopped, 2 if what was given is wrong.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from itertools import count as count_from
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ti_core.config import Kind, TrainingConfig
from ti_core.errors import (
    Cancelled,
    ConfigError,
    InputError,
    OneWordError,
    PictureError,
    RecipeError,
    RunError,
    RunMismatchError,
)
from ti_core.models import PRESETS, ModelPreset, find_preset, model_source
from ti_core.prompts import check_tokens, fill_template, split_prompt
from ti_core.recipe import SCHEDULER_LABELS, read_recipe, save_png

# torch, diffusers and what imports them take seconds: the commands import them when they need them.
if TYPE_CHECKING:
    from ti_core.backbone import Backbone
    from ti_core.concept import BaseModel, Concept
    from ti_core.generation import GeneratedPicture, GenerationSettings
    from ti_core.images import Picture, RejectedPicture
    from ti_core.runs import Run

# Read by those libraries when they are imported; their remarks and bars are not for the person.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

DEBUG_VARIABLE = "ONE_WORD_DEBUG"
DEFAULT_MODEL = "toybox"
PROBE_SIZE = 512  # pixels at which pictures are checked before a model of unknown resolution loads
SLUG_LENGTH = 40
LONGEST_REASON = 300  # characters of an unexpected error's own message

app = typer.Typer(
    help="Teach a frozen text-to-image model one new word from a few pictures, and draw with it.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A preset (see `models`), a model folder or owner/repository.",
        show_default="the first concept's if it is a preset, else toybox",
    ),
]
PromptArgument = Annotated[str, typer.Argument(help="What to draw, with concepts as <our-cat>.")]
ConceptsOption = Annotated[
    list[Path] | None, typer.Option("--concept", help="A concept folder; repeat for several.")
]
NegativeOption = Annotated[str, typer.Option("--negative", help="What not to draw.")]
CountOption = Annotated[int, typer.Option("--count", help="Pictures for each prompt.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the first picture; the others count on.")]
StepsOption = Annotated[int, typer.Option("--steps", help="Denoising steps.")]
GuidanceOption = Annotated[float, typer.Option("--guidance", help="Guidance scale; 1 is none.")]
SchedulerOption = Annotated[
    str, typer.Option("--scheduler", help=f"The sampler: {', '.join(SCHEDULER_LABELS)}.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for the pictures.")]

Draw = Callable[..., "Iterator[GeneratedPicture]"]
"""Draws settings with a backbone; takes ``on_progress`` and ``should_stop``."""


def main() -> None:
    """Run the command line, whatever characters the terminal can show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(prog_name="python -m ti_core")


# --- commands ---------------------------------------------------------------------------------------------


@app.command("train")
def train_command(
    name: Annotated[str, typer.Option("--name", help="The new word's name, such as our-cat.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PICTURES", help="Picture files or folders; may be left out with --resume."),
    ] = None,
    kind: Annotated[Kind, typer.Option("--kind", help="What the pictures show.")] = TrainingConfig.kind,
    initializer: Annotated[
        str, typer.Option("--init", metavar="WORD", help="The word to start from, or auto.")
    ] = TrainingConfig.initializer,
    vectors: Annotated[
        int, typer.Option("--vectors", help="Embedding vectors of the word.")
    ] = TrainingConfig.vectors,
    steps: Annotated[int, typer.Option("--steps", help="Steps at most.")] = TrainingConfig.steps,
    batch_size: Annotated[
        int, typer.Option("--batch-size", help="Rows of a step.")
    ] = TrainingConfig.batch_size,
    learning_rate: Annotated[
        float | None,
        typer.Option("--lr", help="Adam's step size.", show_default="scaled to the model's vocabulary"),
    ] = TrainingConfig.learning_rate,
    seed: Annotated[int, typer.Option("--seed")] = TrainingConfig.seed,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A preset (see `models`), a model folder or owner/repository.",
            show_default=DEFAULT_MODEL,
        ),
    ] = None,
    stop: Annotated[
        Literal["auto", "never"],
        typer.Option("--stop", help="auto: end early when the loss has levelled."),
    ] = TrainingConfig.stop,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The run's folder, and the concept's.", show_default="runs/NAME"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Learn a new word from pictures."""
    with _reporting(as_json) as report:
        config = TrainingConfig(
            token=name,
            kind=kind,
            initializer=initializer,
            vectors=vectors,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            stop=stop,
        )
        folder = out or Path("runs") / config.token.strip("<>")
        report.facts |= {"token": config.token, "folder": str(folder), "rejected": [], "seconds": 0.0}
        if resume:
            run = _run_to_resume(folder, config, paths, report)
            if run.status == "finished":
                _say(f"The run in {folder} has already finished.")
                _report_concept(run.concept(), folder, report)
                return
            backbone = _load_for_run(run, model)
        else:
            backbone, run = _new_run(folder, config, paths, model or DEFAULT_MODEL, report)
        _train(backbone, run, report)


@app.command("generate")
def generate_command(
    prompt: PromptArgument,
    concepts: ConceptsOption = None,
    negative: NegativeOption = "",
    count: CountOption = 4,
    seed: SeedOption = 0,
    steps: StepsOption = 25,
    guidance: GuidanceOption = 7.5,
    scheduler: SchedulerOption = "dpm++_2m",
    model: ModelOption = None,
    out: OutOption = Path("outputs"),
    as_json: JsonOption = False,
) -> None:
    """Draw pictures of a prompt."""
    with _reporting(as_json) as report:
        loaded = _load_concepts(concepts or [])
        _check_prompts([prompt, negative], loaded)
        from ti_core.generation import GenerationSettings, generate

        settings = GenerationSettings(
            prompt, negative, count, seed, steps, guidance_scale=guidance, scheduler=scheduler
        )
        _draw(
            "generate",
            [settings],
            loaded,
            model,
            out,
            lambda backbone, each, **hooks: generate(backbone, each, loaded, **hooks),
            report,
        )


@app.command("compose")
def compose_command(
    prompt: PromptArgument,
    concepts: Annotated[list[Path], typer.Option("--concept", help="A concept folder; two or more.")],
    weights: Annotated[
        list[float] | None,
        typer.Option(
            "--weight", help="Attention weight of each concept, in the same order.", show_default="1"
        ),
    ] = None,
    negative: NegativeOption = "",
    count: CountOption = 4,
    seed: SeedOption = 0,
    steps: StepsOption = 25,
    guidance: GuidanceOption = 7.5,
    scheduler: SchedulerOption = "dpm++_2m",
    model: ModelOption = None,
    out: OutOption = Path("outputs"),
    as_json: JsonOption = False,
) -> None:
    """Draw several concepts in one picture."""
    with _reporting(as_json) as report:
        loaded = _load_concepts(concepts)
        _check_prompts([prompt, negative], loaded)
        from ti_core.composition import compose
        from ti_core.generation import GenerationSettings

        settings = GenerationSettings(
            prompt, negative, count, seed, steps, guidance_scale=guidance, scheduler=scheduler
        )
        _draw(
            "compose",
            [settings],
            loaded,
            model,
            out,
            lambda backbone, each, **hooks: compose(backbone, each, loaded, weights or None, **hooks),
            report,
        )


@app.command("style")
def style_command(
    concept: Annotated[Path, typer.Option("--concept", help="The style's concept folder.")],
    subjects: Annotated[
        list[str] | None, typer.Option("--subject", help="What to draw in the style; repeat for several.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="A picture to redraw in the style instead.")
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            help="With --picture: the higher, the less of it is kept.",
            show_default="0.6",
        ),
    ] = None,
    negative: NegativeOption = "",
    count: CountOption = 4,
    seed: SeedOption = 0,
    steps: StepsOption = 25,
    guidance: GuidanceOption = 7.5,
    scheduler: SchedulerOption = "dpm++_2m",
    model: ModelOption = None,
    out: OutOption = Path("outputs"),
    as_json: JsonOption = False,
) -> None:
    """Draw anything in a learned style, or redraw a picture in it."""
    with _reporting(as_json) as report:
        if (picture is None) == (not subjects):
            raise ConfigError("Give either --subject, what to draw, or --picture, a picture to redraw.")
        if picture is None and strength is not None:
            raise ConfigError("--strength is for redrawing a picture: add --picture, or leave it out.")
        loaded = _load_concepts([concept])
        from ti_core.composition import RESTYLE_STRENGTH, RESTYLE_TEMPLATE, style_prompts
        from ti_core.generation import GenerationSettings, generate
        from ti_core.images import open_picture

        source = None
        if picture is not None:
            source, _, _ = open_picture(picture, alpha="flatten")
            strength = RESTYLE_STRENGTH if strength is None else strength
            prompts = [fill_template(RESTYLE_TEMPLATE, loaded[0].token)]
        else:
            prompts = style_prompts(loaded[0], subjects or [])
            if not prompts:
                raise ConfigError("The subject is empty: say what to draw, such as a house.")
        _check_prompts([*prompts, negative], loaded)
        settings = [
            GenerationSettings(
                prompt,
                negative,
                count,
                seed,
                steps,
                guidance_scale=guidance,
                scheduler=scheduler,
                strength=strength,
            )
            for prompt in prompts
        ]
        _draw(
            "style",
            settings,
            loaded,
            model,
            out,
            lambda backbone, each, **hooks: generate(backbone, each, loaded, source=source, **hooks),
            report,
        )


@app.command("inspect")
def inspect_command(
    concept: Annotated[Path, typer.Argument(metavar="CONCEPT", help="A concept folder.")],
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a learned word is near to and how far it went."""
    with _reporting(as_json) as report:
        loaded = _load_concepts([concept])
        backbone = _load_model(_model_for(loaded, model))
        from ti_core.inspection import inspect_concept

        found = inspect_concept(backbone, loaded[0])
        report.facts |= found.to_dict()
        count = "1 vector" if found.num_vectors == 1 else f"{found.num_vectors} vectors"
        start = f", started from “{found.initializer}”" if found.initializer else ""
        report.lines.append(f"{found.token}: {found.kind}, {count}, learned on {found.model}{start}")
        for encoder, rows in found.nearest.items():
            lengths = found.norms[encoder]
            for number, neighbours in enumerate(rows):
                words = ", ".join(f"{word} {cosine:.2f}" for word, cosine in neighbours)
                report.lines.append(
                    f"{encoder} {number + 1}: norm {lengths.vectors[number]:.3f} "
                    f"(the vocabulary's {lengths.vocabulary_mean:.3f}), nearest {words}"
                )


@app.command("models")
def models_command(as_json: JsonOption = False) -> None:
    """List the models that have a short name."""
    with _reporting(as_json) as report:
        here = {preset.name: _is_present(preset) for preset in PRESETS}
        report.facts["models"] = [
            {
                "name": preset.name,
                "source": preset.source,
                "family": preset.family,
                "resolution": preset.resolution,
                "licence": preset.licence,
                "about": preset.about,
                "present": here[preset.name],
            }
            for preset in PRESETS
        ]
        rows = [
            (
                preset.name,
                f"{preset.resolution} px",
                "here" if here[preset.name] else "not here",
                preset.about,
                preset.source,
            )
            for preset in PRESETS
        ]
        report.lines += _table(rows)


@app.command("runs")
def runs_command(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder that holds runs.")] = Path(
        "runs"
    ),
    as_json: JsonOption = False,
) -> None:
    """List the training runs in a folder."""
    with _reporting(as_json) as report:
        from ti_core.runs import list_runs

        runs, broken = list_runs(folder)
        for error in broken:
            _say(str(error))
        report.facts["runs"] = [
            {
                "token": run.config.token,
                "status": run.status,
                "step": run.step,
                "steps": run.config.steps,
                "model": run.base.id,
                "folder": str(run.folder),
            }
            for run in runs
        ]
        report.facts["broken"] = [str(error) for error in broken]
        rows = [
            (run.config.token, run.status, f"{run.step}/{run.config.steps}", run.base.id, str(run.folder))
            for run in runs
        ]
        report.lines += _table(rows) or [f"There are no runs in {folder}."]


# --- outcome ----------------------------------------------------------------------------------------------


@dataclass
class _Report:
    """What a command prints on stdout when it ends: ``facts`` with ``--json``, otherwise ``lines``."""

    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


@contextmanager
def _reporting(as_json: bool) -> Iterator[_Report]:
    """Print what the command reports, and turn an error into a sentence on stderr and an exit code."""
    report, code = _Report(), 0
    try:
        yield report
    except (Exception, KeyboardInterrupt) as error:
        code = 2 if isinstance(error, InputError) else 1
        message = _sentence(error)
        report.facts |= {"error": message, "kind": type(error).__name__}
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        _say(message)
    if as_json:
        typer.echo(json.dumps(report.facts))
    else:
        for line in report.lines:
            typer.echo(line)
    if code:
        raise typer.Exit(code)


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, OneWordError):
        return text
    if isinstance(error, KeyboardInterrupt):
        return "Stopped."
    reason = f"{type(error).__name__}: {text}"
    if len(reason) > LONGEST_REASON:
        reason = reason[:LONGEST_REASON] + "…"
    return f"Something unexpected went wrong ({reason}); set {DEBUG_VARIABLE}=1 to see where."


def _say(message: str) -> None:
    typer.echo(message, err=True)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


# --- stopping and progress --------------------------------------------------------------------------------


class Interrupt:
    """Inside the context the first Ctrl-C only sets ``requested``; a second one ends the process at once."""

    requested = False

    def __enter__(self) -> Interrupt:
        self._previous = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _request(self, *_: object) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Not through sys.stderr, whose buffer the signal may have interrupted. The bar hides the cursor,
        # and the second Ctrl-C would leave it hidden.
        show_cursor = b"\x1b[?25h" if sys.stderr.isatty() else b""
        os.write(2, show_cursor + b"\nStopping after this step; press Ctrl-C again to stop at once.\n")


Show = Callable[[int, str], None]
"""Shows how many steps are done, and a note."""


@contextmanager
def _progress(label: str, total: int) -> Iterator[Show]:
    """A bar with the time left on stderr, or a line every tenth of the way where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _ProgressLines(label, total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=total, note="")
        yield lambda done, note: bar.update(task, completed=done, note=note)


class _ProgressLines:
    """Progress for a log: one line at the first step and then for every tenth of the way."""

    def __init__(self, label: str, total: int):
        self._label, self._total = label, total
        self._first: tuple[int, float] | None = None
        self._tenth = -1

    def __call__(self, done: int, note: str) -> None:
        now = time.monotonic()
        self._first = self._first or (done, now)
        tenth = 10 * done // self._total
        if tenth == self._tenth:
            return
        self._tenth = tenth
        first_done, started = self._first
        parts = [f"{self._label}: step {done} of {self._total}"]
        if first_done < done < self._total:
            left = (now - started) / (done - first_done) * (self._total - done)
            parts.append(f"{left:.0f} s left")
        _say(", ".join([*parts, note] if note else parts))


def _resume_command() -> str:
    """This process's own command line with ``--resume``, quoted for the shell."""
    words = list(sys.orig_argv)
    if "--resume" not in words:
        words.insert(words.index("--") if "--" in words else len(words), "--resume")
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


# --- models and concepts ----------------------------------------------------------------------------------


def _load_model(name: str) -> Backbone:
    model_source(name)  # raises for a name that can be no model, before the libraries are imported
    from ti_core.backbone import Backbone

    _say(f"Loading the model {name}…")
    return Backbone.load(name)


def _preset_or_default(base: BaseModel) -> str:
    return base.id if find_preset(base.id) else DEFAULT_MODEL


def _model_for(concepts: Sequence[Concept], model: str | None) -> str:
    """The model that was asked for, or the first concept's own if its id is a preset's name."""
    return model or (_preset_or_default(concepts[0].base) if concepts else DEFAULT_MODEL)


def _is_present(preset: ModelPreset) -> bool:
    """Whether the model is in its folder, or in the Hub's cache on this machine."""
    if Path(preset.source).is_absolute():
        return (Path(preset.source) / "model_index.json").is_file()
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(preset.source, "model_index.json"), str)


def _load_concepts(folders: Sequence[Path]) -> list[Concept]:
    """Raises :class:`ConceptError`, also for concepts of different models or of one token."""
    if not folders:
        return []
    from ti_core.concept import load_concept

    concepts = [load_concept(folder) for folder in folders]
    if len(concepts) > 1:
        from ti_core.backbone import known_words

        known_words(concepts, concepts[0].base)
    return concepts


def _check_prompts(prompts: Sequence[str], concepts: Sequence[Concept]) -> None:
    """Raises :class:`PromptError` for what would be wrong once the model has loaded."""
    for prompt in prompts:
        check_tokens(prompt, [concept.token for concept in concepts])
        split_prompt(prompt)


# --- training ---------------------------------------------------------------------------------------------


def _new_run(
    folder: Path, config: TrainingConfig, paths: Sequence[Path] | None, model: str, report: _Report
) -> tuple[Backbone, Run]:
    """Check everything that can be checked, then load the model and create the run."""
    if (folder / "run.json").is_file():
        raise RunError(f"{folder} holds a run already: add --resume to go on, or choose another --out.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} holds something else already: choose another --out.")
    preset = find_preset(model)
    size = preset.resolution if preset else PROBE_SIZE
    pictures = _read_pictures(paths, size, report)
    backbone = _load_model(model)
    from ti_core.images import load_pictures
    from ti_core.runs import create_run

    if backbone.resolution != size:
        pictures, _ = load_pictures(paths or [], backbone.resolution)
    _say_remarks(pictures)
    return backbone, create_run(folder, backbone.base, config, pictures)


def _run_to_resume(
    folder: Path, config: TrainingConfig, paths: Sequence[Path] | None, report: _Report
) -> Run:
    """The run in ``folder``; without pictures its own settings hold, and only the token is compared."""
    if not (folder / "run.json").is_file():
        raise RunError(f"{folder} holds no training run: leave out --resume, or check --out and --name.")
    from ti_core.runs import check_same, load_run_pictures, open_run

    run = open_run(folder)
    if paths:
        size = load_run_pictures(run)[0].image.size
        check_same(run, config, run.base, _read_pictures(paths, size, report))
    elif config.token != run.config.token:
        raise RunMismatchError([f"token was {run.config.token!r} and is now {config.token!r}"])
    return run


def _load_for_run(run: Run, model: str | None) -> Backbone:
    from ti_core.runs import check_same, load_run_pictures

    backbone = _load_model(model or _preset_or_default(run.base))
    check_same(run, run.config, backbone.base, load_run_pictures(run))
    return backbone


def _read_pictures(
    paths: Sequence[Path] | None, size: int | tuple[int, int], report: _Report
) -> list[Picture]:
    """The usable pictures; the others are named. Raises :class:`PictureError` if there is none."""
    from ti_core.images import load_pictures

    pictures, rejected = load_pictures(paths or [], size)
    _say_rejected(rejected, report)
    if not pictures:
        raise PictureError("None of the pictures can be used: give three to five that can be opened.")
    return pictures


def _say_rejected(rejected: Sequence[RejectedPicture], report: _Report) -> None:
    report.facts["rejected"] = [{"name": entry.name, "reason": entry.reason} for entry in rejected]
    for entry in rejected:
        _say(f"Left out: {entry.reason}")


def _say_remarks(pictures: Sequence[Picture]) -> None:
    from ti_core.images import find_near_duplicates

    for picture in pictures:
        if picture.remarks:
            _say(f"{picture.name}: {'; '.join(picture.remarks)}.")
    for first, second in find_near_duplicates(pictures):
        _say(f"{pictures[first].name} and {pictures[second].name} look almost the same.")


def _train(backbone: Backbone, run: Run, report: _Report) -> None:
    """Train the run to its end, or until Ctrl-C; raises :class:`Cancelled` with how to go on."""
    from ti_core.runs import keep_result, train_runs

    started, note = time.monotonic(), ""
    total, label = run.config.steps, f"Learning {run.config.token}"
    with (
        Interrupt() as interrupt,
        _progress(label, total) as show,
        closing(train_runs(backbone, [run])) as snapshots,
    ):
        for _, snapshot in snapshots:
            if snapshot.evaluation:
                note = f"evaluation loss {snapshot.evaluation.loss:.4f}"
            show(snapshot.step, f"{note}, levelled" if snapshot.finish == "levelled" else note)
            if interrupt.requested and not snapshot.finish:
                break
    report.facts["seconds"] = round(time.monotonic() - started, 1)
    if interrupt.requested and run.status != "finished":
        command = _resume_command()
        report.facts |= {"steps": run.step, "resume": command}
        report.lines += ["Go on with:", command]
        raise Cancelled(f"Stopped after step {run.step} of {total}; the run is kept in {run.folder}.")
    # A run that was killed between its last state and its result has only the first.
    concept = run.concept() if run.status == "finished" else keep_result(backbone, run)
    _report_concept(concept, run.folder, report)


def _report_concept(concept: Concept, folder: Path, report: _Report) -> None:
    training = concept.training
    report.facts |= {
        "token": concept.token,
        "folder": str(folder),
        "initializer": concept.initializer,
        "steps": training["steps"],
        "best_step": training["best_step"],
        "evaluation_loss": training["evaluation_loss"],
        "first_evaluation_loss": training["first_evaluation_loss"],
        "stopped": training["stopped"],
    }
    why = " because the loss has levelled" if training["stopped"] == "levelled" else ""
    report.lines += [
        f"{concept.token} is learned, from “{concept.initializer}”, in {training['steps']} steps{why}.",
        f"Evaluation loss {training['first_evaluation_loss']:.4f} at the start, "
        f"{training['evaluation_loss']:.4f} at step {training['best_step']}, which is kept.",
        f"The concept is in {folder}.",
    ]


# --- drawing ----------------------------------------------------------------------------------------------


def _draw(
    command: str,
    prompts: Sequence[GenerationSettings],
    concepts: Sequence[Concept],
    model: str | None,
    folder: Path,
    draw: Draw,
    report: _Report,
) -> None:
    """Draw and save the pictures of each prompt; after Ctrl-C those so far are kept and named."""
    name = _model_for(concepts, model)
    model_source(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be a folder ({error.strerror}): choose another --out.") from error
    backbone = _load_model(name)
    files: list[str] = []
    report.facts |= {
        "prompts": [settings.prompt for settings in prompts],
        "tokens": [concept.token for concept in concepts],
        "model": backbone.base.id,
        "steps": prompts[0].denoising_steps,
        "files": files,
    }
    started, done = time.monotonic(), 0
    total = sum(settings.count * settings.denoising_steps for settings in prompts)
    try:
        with Interrupt() as interrupt, _progress("Drawing", total) as show:
            for settings in prompts:
                pictures = draw(
                    backbone,
                    settings,
                    on_progress=lambda progress, before=done: show(before + progress.done, ""),
                    should_stop=lambda: interrupt.requested,
                )
                for picture in pictures:
                    path = _save(picture, folder, f"{command}-{_slug(settings.prompt)}-{picture.recipe.seed}")
                    files.append(str(path))
                    report.lines.append(str(path))
                done += settings.count * settings.denoising_steps
    except Cancelled as error:
        raise Cancelled(f"Drawing was stopped; pictures kept: {len(files)}.") from error
    finally:
        report.facts["seconds"] = round(time.monotonic() - started, 1)


def _save(picture: GeneratedPicture, folder: Path, stem: str) -> Path:
    """Write the picture under the first name that is free or holds the same picture already."""
    names = chain([f"{stem}.png"], (f"{stem}-{number}.png" for number in count_from(2)))
    paths = (folder / name for name in names)
    path = next(path for path in paths if not path.exists() or _holds(path, picture))
    if not path.exists():
        save_png(picture.image, path, picture.recipe)
    return path


def _holds(path: Path, picture: GeneratedPicture) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            same = image.size == picture.image.size and image.tobytes() == picture.image.tobytes()
        return same and read_recipe(path) == picture.recipe
    except (OSError, RecipeError):
        return False


def _slug(prompt: str) -> str:
    return re.sub(r"[\W_]+", "-", prompt.casefold()).strip("-")[:SLUG_LENGTH].strip("-") or "picture"
