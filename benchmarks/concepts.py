"""Learn words from held-out pictures and show what they do: ``python -m benchmarks.concepts``.

Four concepts, chosen by a fixed rule: the first two families, the first noun and the first style of the
held-out list. Each is learned with the command line's defaults. The sheet shows, for each: the pictures
it was learned from | its initial word | the learned word | the word in two scenes | composed with the
next object | in the learned style. All with the same seeds. ``--list development`` is for tuning.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import describe_machine
from benchmarks.sheets import Cell, contact_sheet
from demo_model.world import DEVELOPMENT, HELD_OUT, FamilyThing, NounThing, concept_pictures
from demo_model.world import Concept as WorldConcept
from ti_core.backbone import Backbone
from ti_core.concept import Concept
from ti_core.config import TrainingConfig
from ti_core.generation import GenerationSettings, generate
from ti_core.images import Picture
from ti_core.prompts import replace_token
from ti_core.training import learned_concept, prepare, train

SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="toybox", help="a preset or a model folder")
    parser.add_argument("--list", choices=["held-out", "development"], default="held-out")
    parser.add_argument("--out", type=Path, default=Path("outputs/concepts.webp"))
    options = parser.parse_args()
    print(describe_machine())
    backbone = Backbone.load(options.model)
    subjects = choose(HELD_OUT if options.list == "held-out" else DEVELOPMENT)
    print(f"{'concept':<16} {'initial word':<14} {'steps':>5} {'seconds':>8} {'first':>8} {'best loss':>10}")
    learned = [(subject, learn(backbone, subject)) for subject in subjects]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(backbone, learned).save(options.out)
    print(f"contact sheet: {options.out}")


def choose(concepts: Sequence[WorldConcept]) -> list[WorldConcept]:
    """The first two families, the first noun and the first style."""
    families = [concept for concept in concepts if isinstance(concept.subject, FamilyThing)]
    nouns = [concept for concept in concepts if isinstance(concept.subject, NounThing)]
    styles = [concept for concept in concepts if concept.kind == "style"]
    return [*families[:2], nouns[0], styles[0]]


def training_pictures(subject: WorldConcept, side: int) -> list[Picture]:
    """Four pictures of a concept as the model takes them."""
    images = [Image.fromarray(np.asarray(picture.pixels)) for picture in concept_pictures(subject, 4, side)]
    return [
        Picture(f"{subject.name}-{number}", image, None, None, image.size, ())
        for number, image in enumerate(images)
    ]


def learn(backbone: Backbone, subject: WorldConcept) -> Concept:
    """Learn one word with default settings and print a line of the table."""
    config = TrainingConfig(token=subject.name, kind=subject.kind)
    start = time.perf_counter()
    state = prepare(backbone, training_pictures(subject, backbone.resolution), config)
    for _ in train(backbone, [state]):
        pass
    concept = learned_concept(backbone, state)
    print(
        f"{subject.name:<16} {concept.initializer:<14} {state.step:>5} {time.perf_counter() - start:>8.1f} "
        f"{state.evaluations[0].loss:>8.4f} {state.best_evaluation.loss:>10.4f}",
        flush=True,
    )
    return concept


def draw_sheet(backbone: Backbone, learned: Sequence[tuple[WorldConcept, Concept]]) -> Image.Image:
    concepts = [concept for _, concept in learned]
    objects = [concept for concept in concepts if concept.kind == "object"]
    style = next(concept for concept in concepts if concept.kind == "style")

    def cell(prompt: str, caption: str | None = None) -> Cell:
        [picture] = generate(backbone, GenerationSettings(prompt=prompt, count=1, seed=SEED), concepts)
        return Cell(picture.image, caption or prompt)

    rows = []
    for subject, concept in learned:
        cells = [
            Cell(picture.image, "given" if number == 0 else "")
            for number, picture in enumerate(training_pictures(subject, backbone.resolution))
        ]
        if concept.kind == "object":
            other = objects[(objects.index(concept) + 1) % len(objects)]
            plain = f"a photo of {concept.token}"
            scenes = (f"{concept.token} on the beach", f"{concept.token} in the snow")
            composed = f"{concept.token} and {other.token}"
            styled = f"{concept.token} in the style of {style.token}"
        else:
            plain = f"a picture in the style of {concept.token}"
            scenes = (
                f"a mug on the beach in the style of {concept.token}",
                f"a robot in the snow in the style of {concept.token}",
            )
            composed = f"a cat and a house in the style of {concept.token}"
            styled = f"a teapot in the style of {concept.token}"
        initial = replace_token(plain, concept.token, concept.initializer)
        cells += [cell(initial, f"initial word: {initial}"), cell(plain)]
        cells += [cell(prompt) for prompt in (*scenes, composed, styled)]
        rows.append((f"{concept.token}, starting from “{concept.initializer}”", cells))
    return contact_sheet(rows, lines=3)


if __name__ == "__main__":
    main()
