"""``train``: learn a new word from pictures, or resume a run that was stopped."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ti_core.cli.loading import DEFAULT_MODEL, MODEL_HELP, RUNS, choose_model, load_model
from ti_core.cli.terminal import Interrupt, JsonOption, Report, progress, reporting, resume_command, say
from ti_core.config import TrainingConfig
from ti_core.errors import Cancelled, PictureError, RunError, RunMismatchError
from ti_core.messages import Message, Said, clauses, series
from ti_core.model.presets import find_preset
from ti_core.model.sources import model_id
from ti_core.prompts.templates import Kind

if TYPE_CHECKING:
    from ti_core.model.backbone import Backbone
    from ti_core.pictures.prepare import Picture
    from ti_core.training.runs import Run
    from ti_core.words.concept import Concept

PROBE_SIZE = 512  # pixels per side for checking pictures before a model of unknown resolution has loaded


def train_command(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="The new word's name, such as our-cat.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PICTURES", help="Picture files or folders; may be left out with --resume."),
    ] = None,
    kind: Annotated[Kind, typer.Option(help="What the pictures show.")] = TrainingConfig.kind,
    initializer: Annotated[
        str, typer.Option("--init", metavar="WORD", help="The word to start from, or auto.")
    ] = TrainingConfig.initializer,
    vectors: Annotated[int, typer.Option(help="Embedding vectors of the word.")] = TrainingConfig.vectors,
    steps: Annotated[int, typer.Option(help="Steps at most.")] = TrainingConfig.steps,
    batch_size: Annotated[int, typer.Option(help="Rows of a step.")] = TrainingConfig.batch_size,
    learning_rate: Annotated[
        float | None,
        typer.Option("--lr", help="Adam's step size.", show_default="scaled to the model's vocabulary"),
    ] = TrainingConfig.learning_rate,
    seed: Annotated[int, typer.Option()] = TrainingConfig.seed,
    model: Annotated[str | None, typer.Option(help=MODEL_HELP, show_default=DEFAULT_MODEL)] = None,
    stop: Annotated[
        Literal["auto", "never"], typer.Option(help="auto: end early when the loss has levelled.")
    ] = TrainingConfig.stop,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder, and the concept's.", show_default="runs/NAME")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Learn a new word from pictures."""
    with reporting(as_json) as report:
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
        folder = out or RUNS / config.token.strip("<>")
        report.facts |= {"token": config.token, "folder": str(folder), "rejected": [], "seconds": 0.0}
        if resume:
            run = _run_to_resume(folder, config, _given_settings(context), paths or [], report)
            if run.finish and run.has_result:
                if model and model_id(model) != run.base.id:
                    raise RunMismatchError(
                        [
                            Message(
                                "the base model was {before} and is now {after}",
                                before=run.base.id,
                                after=model_id(model),
                            )
                        ]
                    )
                say("The run in {folder} has already finished.", folder=folder)
                _report_concept(run.concept(), folder, report)
                return
            backbone = load_model(choose_model(model, run.base), run.dtype)
        else:
            backbone, run = _new_run(folder, config, paths or [], model, report)
        _train(backbone, run, report)


def _new_run(
    folder: Path, config: TrainingConfig, paths: Sequence[Path], model: str | None, report: Report
) -> tuple[Backbone, Run]:
    """Check everything that can be checked without the model, then load the model and create the run."""
    if (folder / "run.json").is_file():
        raise RunError(
            "{folder} holds a run already: add --resume to go on, or choose another --out.", folder=folder
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError("{folder} holds something else already: choose another --out.", folder=folder)
    name = choose_model(model)
    preset = find_preset(name)
    size = preset.resolution if preset else PROBE_SIZE
    pictures = _read_pictures(paths, size, report)
    backbone = load_model(name)
    from ti_core.pictures.folders import load_pictures
    from ti_core.training.runs import create_run

    if backbone.resolution != size:
        pictures, _ = load_pictures(paths, backbone.resolution)
    _say_remarks(pictures)
    return backbone, create_run(folder, backbone, config, pictures)


def _given_settings(context: typer.Context) -> set[str]:
    """Return the training settings given on the command line, by their names in the configuration."""
    settings = {field.name for field in dataclasses.fields(TrainingConfig)}
    sources = {name: context.get_parameter_source(name) for name in settings & context.params.keys()}
    return {"token"} | {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _run_to_resume(
    folder: Path, config: TrainingConfig, given: Collection[str], paths: Sequence[Path], report: Report
) -> Run:
    """Open the run in ``folder`` and compare it with the ``given`` settings and with the pictures, if any.

    Raises :class:`RunMismatchError`, which names each difference, if they do not match.
    """
    if not (folder / "run.json").is_file():
        raise RunError(
            "{folder} holds no training run: leave out --resume, or check --out and --name.", folder=folder
        )
    from ti_core.training.runs import check_same, open_run, picture_size

    run = open_run(folder)
    pictures = _read_pictures(paths, picture_size(run), report) if paths else None
    asked = dataclasses.replace(run.config, **{name: getattr(config, name) for name in given})
    check_same(run, asked, pictures)
    return run


def _read_pictures(paths: Sequence[Path], size: int | tuple[int, int], report: Report) -> list[Picture]:
    """Read the usable pictures and report the others. Raises :class:`PictureError` if none is usable."""
    from ti_core.pictures.folders import load_pictures

    pictures, rejected = load_pictures(paths, size)
    report.facts["rejected"] = [{"name": entry.name, "reason": str(entry.reason)} for entry in rejected]
    for entry in rejected:
        say("Left out: {reason}", reason=entry.reason)
    if not pictures:
        raise PictureError("None of the pictures can be used: give three to five that can be opened.")
    return pictures


def _say_remarks(pictures: Sequence[Picture]) -> None:
    from ti_core.pictures.remarks import find_near_duplicates

    for picture in pictures:
        if picture.remarks:
            say("{name}: {remarks}.", name=picture.name, remarks=clauses(picture.remarks))
    for first, second in find_near_duplicates(pictures):
        say(
            "{first} and {second} look almost the same.",
            first=pictures[first].name,
            second=pictures[second].name,
        )


def _train(backbone: Backbone, run: Run, report: Report) -> None:
    """Train the run to its end. Raises :class:`Cancelled` after Ctrl-C, saying how to resume the run."""
    from ti_core.training.runs import train_runs

    started, total = time.monotonic(), run.config.steps
    loss: Said = ""
    preview_failed = False
    with (
        Interrupt() as interrupt,
        progress(Message("Learning {token}", token=run.config.token), total) as show,
        suppress(Cancelled),
    ):

        def on_candidate(done: int, comparisons: int) -> None:
            show(
                0,
                Message("choosing the initial word, {done} of {total}", done=done, total=comparisons),
            )
            if interrupt.requested:
                raise Cancelled

        with closing(train_runs(backbone, [run], on_candidate)) as snapshots:
            for _, snapshot in snapshots:
                if snapshot.evaluation:
                    loss = Message("evaluation loss {loss:.4f}", loss=snapshot.evaluation.loss)
                levelled = snapshot.finish == "levelled"
                show(snapshot.step, series([loss, Message("levelled")]) if levelled else loss)
                if snapshot.preview_error and not preview_failed:  # once: the others may fail alike
                    preview_failed = True
                    say(
                        "Training goes on without the preview of step {step}: {reason}",
                        step=snapshot.step,
                        reason=snapshot.preview_error,
                    )
                if interrupt.requested:
                    break
    report.facts["seconds"] = round(time.monotonic() - started, 1)
    if not run.finish:
        command = resume_command()
        report.facts |= {"steps": run.step, "resume": command}
        report.say("Go on with:")
        report.lines.append(command)
        raise Cancelled(
            "Stopped after step {step} of {total}; the run is kept in {folder}.",
            step=run.step,
            total=total,
            folder=run.folder,
        )
    _report_concept(run.concept(), run.folder, report)


def _report_concept(concept: Concept, folder: Path, report: Report) -> None:
    training = concept.training
    report.facts["initializer"] = concept.initializer
    for name in ("steps", "best_step", "evaluation_loss", "first_evaluation_loss", "stopped"):
        report.facts[name] = training[name]
    report.say(
        "{token} is learned, from “{initializer}”, in {steps} steps because the loss has levelled."
        if training["stopped"] == "levelled"
        else "{token} is learned, from “{initializer}”, in {steps} steps.",
        token=concept.token,
        initializer=concept.initializer,
        steps=training["steps"],
    )
    report.say(
        "Evaluation loss {first:.4f} at the start, {best:.4f} at step {step}, which is kept.",
        first=training["first_evaluation_loss"],
        best=training["evaluation_loss"],
        step=training["best_step"],
    )
    report.say("The concept is in {folder}.", folder=folder)
