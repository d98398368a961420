"""``inspect``, ``models`` and ``runs``: say what there is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ti_core.cli.loading import RUNS, ModelOption, choose_model, load_concepts, load_model
from ti_core.cli.terminal import JsonOption, reporting, say, table
from ti_core.model.presets import PRESETS
from ti_core.model.sources import model_source


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
                if found.travel:
                    way = found.travel[encoder]
                    report.lines.append(
                        f"{encoder} {number + 1}: {way.l2[number]:.3f} from its start, "
                        f"cosine {way.cosine[number]:.2f}"
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
                "here" if present else "not here",
                each.licence,
                each.about,
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
        broken = [str(error) for error in errors]
        for message in broken:
            say(message)
        runs: list[dict[str, Any]] = [
            {
                "token": run.config.token,
                "status": "finished" if run.finish else "started",
                "has_result": run.has_result,
                "step": run.step,
                "steps": run.config.steps,
                "model": run.base.id,
                "folder": str(run.folder),
            }
            for run in found
        ]
        report.facts |= {"runs": runs, "broken": broken}
        rows = [
            (
                run["token"],
                run["status"],
                f"{run['step']}/{run['steps']}",
                "has a result" if run["has_result"] else "no result yet",
                run["model"],
                run["folder"],
            )
            for run in runs
        ]
        report.lines += table(rows) or [f"There are no runs in {folder}."]
