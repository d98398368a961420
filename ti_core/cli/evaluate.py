"""``evaluate``: say how good a learned word is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ti_core.cli.loading import ModelOption, choose_model, load_concepts, load_model
from ti_core.cli.terminal import Interrupt, JsonOption, progress, reporting, say, table
from ti_core.errors import PictureError

NAMES = {
    "likeness": "likeness to the pictures",
    "agreement": "agreement with the prompt",
    "diversity": "diversity",
}


def evaluate_command(
    concept: Annotated[Path, typer.Argument(metavar="CONCEPT", help="A concept folder.")],
    pictures: Annotated[
        Path | None,
        typer.Option(help="A folder of real pictures of it.", show_default="the concept's training pictures"),
    ] = None,
    count: Annotated[int, typer.Option(help="Pictures of each plain prompt.")] = 4,
    steps: Annotated[int, typer.Option(help="Denoising steps.")] = 25,
    seed: Annotated[int, typer.Option(help="Of the first picture; the others count on.")] = 0,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what a word draws with the real pictures, and with what the prompt says."""
    with reporting(as_json) as report:
        [loaded] = load_concepts([concept])
        backbone = load_model(choose_model(model, loaded.base))
        from ti_core.evaluation import evaluate
        from ti_core.generation import Progress
        from ti_core.images import load_pictures
        from ti_core.judge import judge_for

        folder = pictures or concept / "concept_images"
        real, rejected = load_pictures([folder], backbone.resolution)
        for entry in rejected:
            say(f"Left out: {entry.reason}")
        if not real:
            raise PictureError(
                f"{folder} holds no picture of {loaded.token}: name the folder with --pictures."
            )
        judge = judge_for(loaded.base, backbone.device)
        with Interrupt() as interrupt, progress(f"Drawing {loaded.token}", 100) as show:

            def report_progress(now: Progress) -> None:
                show(100 * now.done // now.total, "")

            found = evaluate(
                backbone,
                judge,
                loaded,
                [picture.image for picture in real],
                count=count,
                steps=steps,
                seed=seed,
                on_progress=report_progress,
                should_stop=lambda: interrupt.requested,
            )
        report.facts |= found.to_dict()
        rows = [("", "learned", "initial word", "real pictures")]
        for name, title in NAMES.items():
            score = getattr(found, name)
            rows.append((title, f"{score.learned:.3f}", f"{score.initial:.3f}", f"{score.real:.3f}"))
        report.lines += table(rows)
        for share, text in (
            (found.recovered, "of the way from the initial word to the real pictures"),
            (found.kept, "of the initial word's agreement kept"),
        ):
            if share is not None:
                report.lines.append(f"{share:.0%} {text}")
        report.lines.append(f"Judged by {found.judge}.")
