"""``evaluate``: say how good a learned word is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ti_core.cli.loading import ModelOption, choose_model, load_concepts, load_model
from ti_core.cli.terminal import Interrupt, JsonOption, progress, reporting, say, table
from ti_core.errors import ConceptError, PictureError
from ti_core.messages import Message, Said

if TYPE_CHECKING:
    from ti_core.judging.scores import ConceptScores
    from ti_core.words.concept import Concept


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
    """Compare what a word draws with the real pictures, and with what the prompt says.

    The scores are also kept in the concept's folder, for its card.
    """
    with reporting(as_json) as report:
        [loaded] = load_concepts([concept])
        name = choose_model(model, loaded.base)
        from ti_core.drawing.generate import Progress
        from ti_core.judging.judge import EMBEDDED_JUDGE_NAME, judge_for
        from ti_core.judging.scores import evaluate_concept, evaluation_orders
        from ti_core.pictures.folders import find_pictures, load_pictures
        from ti_core.words.card import SCORES
        from ti_core.words.folder import picture_files

        files = find_pictures([pictures]) if pictures else picture_files(concept)
        if not files:
            raise PictureError(
                "{concept} holds no picture of {token}: name a folder of them with --pictures.",
                concept=concept,
                token=loaded.token,
            )
        evaluation_orders(loaded, len(files), count=count, steps=steps, seed=seed)  # fails before loading
        backbone = load_model(name, safety_checker=False)  # the pictures are scored and never shown
        real, rejected = load_pictures([pictures] if pictures else files, backbone.resolution)
        for entry in rejected:
            say("Left out: {reason}", reason=entry.reason)
        judge = judge_for(loaded.base, backbone.device)
        with Interrupt() as interrupt, progress(Message("Drawing {token}", token=loaded.token), 100) as show:

            def report_progress(now: Progress) -> None:
                show(100 * now.done // now.total, "")

            found = evaluate_concept(
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
        _keep(found, backbone.base.id, loaded, concept)
        report.facts |= found.to_dict()
        rows: list[tuple[Said, ...]] = [
            ("", Message("learned"), Message("initial word"), Message("real pictures"))
        ]
        for name, title in SCORES.items():
            score = getattr(found, name)
            numbers = (f"{number:.3f}" for number in (score.learned, score.initial, score.real))
            rows.append((Message(title), *numbers))
        report.lines += table(rows)
        if found.recovered is not None:
            report.say(
                "{share:.0%} of the way from the initial word to the real pictures", share=found.recovered
            )
        if found.kept is not None:
            report.say("{share:.0%} of the initial word's agreement kept", share=found.kept)
        own = found.judge == EMBEDDED_JUDGE_NAME  # any other judge is named after its repository
        report.say("Judged by {judge}.", judge=Message(found.judge) if own else found.judge)


def _keep(found: ConceptScores, model: str, evaluated: Concept, folder: Path) -> None:
    """Write a concept's scores into its folder, if that still exists, and restore its modification time."""
    from ti_core.words.folder import load_concept, save_concept

    description = folder / "concept.json"
    try:
        current = load_concept(folder)
        if current.sha256 != evaluated.sha256:
            say(
                "The scores are not kept in {folder}: it holds another version of the word by now.",
                folder=folder,
            )
            return
        added = description.stat().st_mtime
        save_concept(found.added_to(current, model), folder)
        os.utime(description, (added, added))  # the library sorts by this time
    except (OSError, ConceptError) as error:
        # The scores are still reported.
        say("The scores are not kept in {folder}: {reason}", folder=folder, reason=error)
