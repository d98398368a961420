"""``inspect``, ``models`` and ``runs``: describe a word, and list models and training runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ti_core.cli.loading import RUNS, ModelOption, choose_model, load_concepts, load_model
from ti_core.cli.terminal import JsonOption, reporting, say, table
from ti_core.messages import Message, choice, series, template
from ti_core.model.presets import PRESETS
from ti_core.model.sources import model_source

FINISHED, STARTED = template("finished"), template("started")


def inspect_command(
    concept: Annotated[Path, typer.Argument(metavar="CONCEPT", help="A concept folder.")],
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a learned word is near to and how far it went."""
    with reporting(as_json) as report:
        [loaded] = load_concepts([concept])
        backbone = load_model(choose_model(model, loaded.base))
        from ti_core.words.inspection import inspect_concept

        found = inspect_concept(backbone, loaded)
        report.facts |= found.to_dict()
        report.say(
            "{token}: {kind}, {vectors}, learned on {model}, started from “{initializer}”"
            if found.initializer
            else "{token}: {kind}, {vectors}, learned on {model}",
            token=found.token,
            kind=choice(found.kind),
            vectors=Message(
                "1 vector" if found.num_vectors == 1 else "{count} vectors", count=found.num_vectors
            ),
            model=found.model,
            initializer=found.initializer,
        )
        for encoder, rows in found.nearest.items():
            lengths = found.norms[encoder]
            for number, neighbours in enumerate(rows):
                report.say(
                    "{encoder} {number}: norm {norm:.3f} (the vocabulary's {mean:.3f}), nearest {words}",
                    encoder=encoder,
                    number=number + 1,
                    norm=lengths.vectors[number],
                    mean=lengths.vocabulary_mean,
                    words=series(f"{word} {cosine:.2f}" for word, cosine in neighbours),
                )
                if found.travel:
                    way = found.travel[encoder]
                    report.say(
                        "{encoder} {number}: {distance:.3f} from its start, cosine {cosine:.2f}",
                        encoder=encoder,
                        number=number + 1,
                        distance=way.l2[number],
                        cosine=way.cosine[number],
                    )


def models_command(as_json: JsonOption = False) -> None:
    """List the models that have a short name; the gigabytes are those of the weights in half precision."""
    with reporting(as_json) as report:
        from ti_core.model.download import is_present

        found = [(preset, is_present(model_source(preset.name))) for preset in PRESETS]
        report.facts["models"] = [
            asdict(preset) | {"present": present, "gigabytes": preset.gigabytes} for preset, present in found
        ]
        rows = [
            (
                each.name,
                each.family,
                f"{each.resolution} px",
                f"{each.parameters:g} M",
                f"{each.gigabytes:.1f} GB",
                Message("here" if present else "not here"),
                each.licence,
                Message(each.about),
                each.source,
            )
            for each, present in found
        ]
        report.lines += table(rows)


def runs_command(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder that holds runs.")] = RUNS,
    as_json: JsonOption = False,
) -> None:
    """List the training runs in a folder."""
    with reporting(as_json) as report:
        from ti_core.training.runs import list_runs

        found, errors = list_runs(folder)
        for error in errors:
            say(error)
        runs: list[dict[str, Any]] = [
            {
                "token": run.config.token,
                "status": FINISHED if run.finish else STARTED,
                "has_result": run.has_result,
                "step": run.step,
                "steps": run.config.steps,
                "model": run.base.id,
                "folder": str(run.folder),
            }
            for run in found
        ]
        report.facts |= {"runs": runs, "broken": list(map(str, errors))}
        rows = [
            (
                run["token"],
                Message(run["status"]),
                f"{run['step']}/{run['steps']}",
                Message("has a result" if run["has_result"] else "no result yet"),
                run["model"],
                run["folder"],
            )
            for run in runs
        ]
        report.lines += table(rows)
        if not rows:
            report.say("There are no runs in {folder}.", folder=folder)
