"""Are words learned, and at what price: ``python -m benchmarks.inversion``.

Learns the held-out concepts, from four pictures each, by one or more recipes and from one or more training
seeds; the judge of the embedded model says how much of the way from the initial word to the real pictures
each word went (recovered), and how much of the initial word's agreement with scenes it has (kept). Every
result is a line of ``results.jsonl``, in a folder of its own for each model, judge and set of defaults: a
benchmark that was stopped goes on, and what was learned by a recipe that has changed is left out. In the end
contact sheets show all words of the list that the defaults have learned by then. ``--list development`` is
for finding defaults; the held-out list is measured only.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from benchmarks.errors import told_in_a_sentence
from benchmarks.machine import describe_machine
from benchmarks.sheets import Cell, contact_sheet
from benchmarks.toybox import load_toybox
from demo_model.world import DEVELOPMENT, HELD_OUT, NounThing, concept_pictures
from demo_model.world import Concept as WorldConcept
from ti_core.config import TrainingConfig
from ti_core.drawing.generate import generate_all
from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.judging.judge import EMBEDDED_JUDGE, ImageFeatures, Judge, load_judge
from ti_core.judging.scores import SampleFeatures, sample_orders, score
from ti_core.model.backbone import Backbone
from ti_core.pictures.prepare import Picture
from ti_core.prompts.grammar import replace_token
from ti_core.prompts.templates import PLAIN_TEMPLATES, Kind, fill_template
from ti_core.training.loop import train
from ti_core.training.preparation import prepare
from ti_core.training.selection import has_levelled
from ti_core.training.state import TrainingState, current_concept, learned_concept
from ti_core.words.concept import Concept
from ti_core.words.folder import load_concept, save_concept

Kept = Literal["best", "last", "average"]
"""Of a training: the best of the vectors last evaluated, the last, or their moving average."""
AVERAGE_DECAY = 0.95  # some 20 steps

PICTURES = 4
TOGETHER = 12  # concepts that are learned in one batch
DRAWN = 4  # of each plain prompt
DRAWN_TOGETHER = 16  # pictures in one batch
RESAMPLES = 10_000  # of the bootstrap that the confidence intervals are from
GROUPS = ("family", "noun", "style")
SHEET_PROMPTS: Mapping[Kind, tuple[str, ...]] = {
    "object": (
        PLAIN_TEMPLATES["object"],
        "a photo of {} on the beach",
        "a photo of {} in the snow",
        "a photo of {} and <other>",
        PLAIN_TEMPLATES["style"],
    ),
    "style": (
        PLAIN_TEMPLATES["style"],
        "a house on the beach in the style of {}",
        "a house in the snow in the style of {}",
        "<other> in the style of {}",
        "a cat in the style of {}",
    ),
}
"""Alone, in two scenes, with another word, and as a style; the first is drawn with the initial word, too."""


@dataclass(frozen=True)
class Recipe:
    """``changes`` to the defaults, and what is measured of one training: the vectors that it ``keeps``, those
    ``at`` some steps on its way, and what the automatic stop would have left with each of the ``thresholds``.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    keeps: tuple[Kept, ...] = ("best",)
    at: tuple[int, ...] = ()
    thresholds: tuple[float, ...] = ()
    script: bool = False
    """With the optimizer of the diffusers training script."""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that another recipe does not have."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode()).hexdigest()[:12]


SCRIPT = {
    "learning_rate": 5e-4 * TrainingConfig.batch_size,
    "lr_schedule": "constant",
    "lr_warmup_steps": 0,
    "timestep_bias": 0.0,
    "stop": "never",
}
"""The settings of the diffusers training script, with --scale_lr as its README has it."""

RECIPES = {
    "defaults": Recipe(),
    "50 steps": Recipe({"steps": 50}),
    "100 steps": Recipe({"steps": 100}),
    "600 steps": Recipe({"steps": 600}),
    "script": Recipe(
        {**SCRIPT, "steps": 5 * TrainingConfig.steps}, ("last",), at=(TrainingConfig.steps,), script=True
    ),
    "rate 0.001": Recipe({"learning_rate": 0.001}, ("best", "last")),
    "rate 0.006": Recipe({"learning_rate": 0.006}, ("best", "last")),
    "rate 0.003": Recipe({"learning_rate": 0.003}, ("best", "last")),
    "rate 0.012": Recipe({"learning_rate": 0.012}, ("best", "last")),
    "rate 0.02": Recipe({"learning_rate": 0.02}, ("best", "last")),
    "constant rate": Recipe({"lr_schedule": "constant"}),
    "batch 8": Recipe({"batch_size": 8}),
    "batch 8, half the steps": Recipe({"batch_size": 8, "steps": TrainingConfig.steps // 2}),
    "min-SNR 5": Recipe({"snr_gamma": 5.0}),
    "timestep bias 0.6": Recipe({"timestep_bias": 0.6}),
    "timestep bias 0": Recipe({"timestep_bias": 0.0}),
    "timestep bias -0.6": Recipe({"timestep_bias": -0.6}),
    "timestep bias -1": Recipe({"timestep_bias": -1.0}),
    "fixed norm": Recipe({"norm_control": "fixed"}),
    "two vectors": Recipe({"vectors": 2}),
    "four vectors": Recipe({"vectors": 4}),
    "endings": Recipe({"stop": "never"}, ("best", "last", "average"), thresholds=(0.02, 0.005)),
    "evaluation rows 16": Recipe({"eval_rows": 16}, ("best", "last")),
    "evaluation rows 64": Recipe({"eval_rows": 64}, ("best", "last")),
    "initial word by itself": Recipe({"initializer": "auto"}),
    "initial word that says nothing": Recipe({"initializer": "thing"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="toybox", help="a preset or a model folder")
    parser.add_argument("--judge", type=Path, default=EMBEDDED_JUDGE, help="its folder")
    parser.add_argument("--list", choices=["held-out", "development"], default="held-out")
    parser.add_argument(
        "--recipe", action="append", choices=RECIPES, help="again for more; default: defaults and script"
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each concept")
    parser.add_argument("--first-seed", type=int, default=0, help="to share the trainings among processes")
    parser.add_argument("--every", type=int, default=1, help="only every so many concepts of the list")
    parser.add_argument("--group", choices=GROUPS, help="only things of families, nouns or styles")
    parser.add_argument("--out", type=Path, default=Path("outputs/inversion"))
    options = parser.parse_args()
    print(describe_machine())
    backbone = load_toybox(options.model)
    listed = HELD_OUT if options.list == "held-out" else DEVELOPMENT
    asked = [subject for subject in listed if options.group in (None, group_of(subject))]
    subjects = asked[:: options.every]
    judge = load_judge(str(options.judge), backbone.device)
    out = options.out / options.list / digest_of(backbone, options.judge)
    results = Results(out / "results.jsonl", RECIPES)
    benches = {subject.name: Bench(backbone, judge, subject) for subject in subjects}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name in options.recipe or ("defaults", "script"):
            recipe = RECIPES[name]
            missing = [subject for subject in benches if not results.has(subject, recipe, seed)]
            for start in range(0, len(missing), TOGETHER):
                together = [benches[subject] for subject in missing[start : start + TOGETHER]]
                learned = learn(backbone, together, recipe, name, seed)
                for bench, words in zip(together, learned, strict=True):
                    if seed == 0:
                        save_concept(words[-1].concept, word_folder(out, name, bench.subject))
                    results.add([bench.found(word) for word in words])
    print_table([row for row in results.rows if row["concept"] in benches])
    draw_sheets(backbone, listed, results, out)


def digest_of(backbone: Backbone, judge: Path) -> str:
    """Twelve hexadecimal digits over the model's and the judge's weights, how the model draws and learns, and
    the default settings of training: what was measured with others is another measurement."""
    digest = hashlib.sha256((judge / "model.safetensors").read_bytes())
    for module in (backbone.unet, backbone.vae):
        for value in module.state_dict().values():
            digest.update(value.detach().float().cpu().numpy().tobytes())
    digest.update(backbone.base.fingerprint.encode())  # of the words that it knows
    rates, bias = backbone.learning_rates(), backbone.timestep_bias
    own = (backbone.guidance_scale, backbone.scheduler, rates, bias)
    digest.update(json.dumps([own, dataclasses.asdict(TrainingConfig("any"))]).encode())
    return digest.hexdigest()[:12]


class Results:
    """The lines of one measurement and their file, without those of ``recipes`` that have changed since."""

    def __init__(self, path: Path, recipes: Mapping[str, Recipe]):
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        known = {recipe.digest for recipe in recipes.values()}
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.rows = [row for row in rows if row["recipe_digest"] in known]

    def has(self, subject: str, recipe: Recipe, seed: int) -> bool:
        sought = (subject, recipe.digest, seed)
        return any((row["concept"], row["recipe_digest"], row["seed"]) == sought for row in self.rows)

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep what one training gave."""
        self.rows += rows
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))
        for row in rows:
            print(
                f"{row['concept']:<14} {row['recipe']:<24} seed {row['seed']} {row['samples']:>6} samples "
                f"{row['seconds']:>6.0f} s  recovered {percent(row['recovered'])}  "
                f"kept {percent(row['kept'])}  norm x {row['norm']:.1f}",
                flush=True,
            )


@dataclass(frozen=True)
class Learned:
    """A word after some ``steps`` of a training, and its share of the ``seconds`` that took."""

    concept: Concept
    recipe: str
    recipe_digest: str
    config: TrainingConfig
    steps: int
    seconds: float


class Bench:
    """One concept with its real pictures; what a word draws is drawn once."""

    def __init__(self, backbone: Backbone, judge: Judge, subject: WorldConcept):
        self.subject = subject
        self.pictures = training_pictures(subject, backbone.resolution)
        self._backbone, self._judge = backbone, judge
        self._real: ImageFeatures = judge.image_features([picture.image for picture in self.pictures])
        self._initial: SampleFeatures | None = None
        self._shown: dict[str, SampleFeatures] = {}

    def found(self, word: Learned) -> dict[str, Any]:
        """What the judge says of a word, with what it cost."""
        concept, config = word.concept, word.config
        if self._initial is None:
            self._initial = self._show(concept, initial=True)
        if concept.sha256 not in self._shown:  # trainings may end in the same vectors
            self._shown[concept.sha256] = self._show(concept, initial=False)
        found = score(self._judge, concept, self._real, self._shown[concept.sha256], self._initial)
        start = self._backbone.initial_vectors(concept.initializer, config.vectors)
        [(name, rows)] = concept.vectors.items()
        return {
            "concept": self.subject.name,
            "group": group_of(self.subject),
            "recipe": word.recipe,
            "recipe_digest": word.recipe_digest,
            "seed": config.seed,
            "samples": word.steps * config.batch_size,
            "seconds": word.seconds,
            "norm": float(rows.norm(dim=1).mean() / start[name].norm(dim=1).mean()),
        } | found.to_dict()

    def _show(self, concept: Concept, initial: bool) -> SampleFeatures:
        orders = sample_orders(concept, initial=initial, count=DRAWN)
        drawing = generate_all(self._backbone, orders, batch_size=DRAWN_TOGETHER)
        drawn = [picture.image for picture in drawing]
        return SampleFeatures.of(self._judge, drawn, concept.kind, DRAWN)


class Course:
    """One concept while it is learned by a recipe."""

    def __init__(self, backbone: Backbone, bench: Bench, recipe: Recipe, name: str, seed: int):
        subject = bench.subject
        self._backbone, self._recipe, self._name = backbone, recipe, name
        usual = TrainingConfig(subject.name, kind=subject.kind, initializer=subject.initializer, seed=seed)
        config = dataclasses.replace(usual, **recipe.changes)
        self.state = prepare(backbone, bench.pictures, config)
        if recipe.script:
            use_script_optimizer(self.state)
        self._average = current_concept(backbone, self.state)
        self._underway: list[tuple[str, int, Concept]] = []
        self._awaited = list(recipe.thresholds)

    def after_step(self) -> None:
        state, recipe = self.state, self._recipe
        if "average" in recipe.keeps:
            self._average = moved_towards(self._average, state.vectors, 1 - AVERAGE_DECAY)
        if state.step in recipe.at:
            concept = current_concept(self._backbone, state)
            self._underway.append((f"{state.step} steps", state.step, concept))
        if self._awaited and state.evaluations[-1].step == state.step:
            losses, window = [evaluation.loss for evaluation in state.evaluations], state.config.stop_window
            for threshold in self._awaited[:]:
                if state.finish or has_levelled(losses, window, threshold):
                    self._awaited.remove(threshold)
                    concept = learned_concept(self._backbone, state)
                    self._underway.append((f"threshold {threshold:g}", state.step, concept))

    def words(self, seconds_a_step: float) -> list[Learned]:
        """Those on the way, and last what the training keeps."""
        backbone, state, keeps = self._backbone, self.state, self._recipe.keeps
        vectors: dict[Kept, Concept] = {
            "best": learned_concept(backbone, state),
            "last": current_concept(backbone, state),
            "average": self._average,
        }
        ended = [(kept if len(keeps) > 1 else "", state.step, vectors[kept]) for kept in keeps]
        return [
            Learned(
                concept=word,
                recipe=", ".join(filter(None, (self._name, what))),
                recipe_digest=self._recipe.digest,
                config=state.config,
                steps=step,
                seconds=seconds_a_step * step,
            )
            for what, step, word in [*self._underway, *ended]
        ]


def learn(
    backbone: Backbone, benches: Sequence[Bench], recipe: Recipe, name: str, seed: int
) -> list[list[Learned]]:
    """Learn the concepts of some benches together, in batches of all of them; the words of each."""
    start = time.perf_counter()
    courses = [Course(backbone, bench, recipe, name, seed) for bench in benches]
    of_state = {id(course.state): course for course in courses}
    for state, _ in train(backbone, [course.state for course in courses]):
        of_state[id(state)].after_step()
    steps = sum(course.state.step for course in courses)
    seconds_a_step = (time.perf_counter() - start) / steps
    return [course.words(seconds_a_step) for course in courses]


def moved_towards(concept: Concept, vectors: Mapping[str, torch.Tensor], share: float) -> Concept:
    """The concept with its vectors moved by this share of the way."""
    moved = {name: rows.lerp(vectors[name].detach(), share) for name, rows in concept.vectors.items()}
    return dataclasses.replace(concept, vectors=moved)


def use_script_optimizer(state: TrainingState) -> None:
    """PyTorch's AdamW with its own defaults, as the script uses it."""
    for group in state.optimizer.param_groups:
        group.update(betas=(0.9, 0.999), weight_decay=1e-2)


def training_pictures(subject: WorldConcept, side: int) -> list[Picture]:
    """The pictures of a concept as the model takes them."""
    images = [
        Image.fromarray(np.asarray(picture.pixels)) for picture in concept_pictures(subject, PICTURES, side)
    ]
    return [
        Picture(f"{subject.name}-{number}", image, None, None, image.size, ())
        for number, image in enumerate(images)
    ]


def group_of(subject: WorldConcept) -> str:
    if subject.kind == "style":
        return "style"
    return "noun" if isinstance(subject.subject, NounThing) else "family"


def word_folder(out: Path, recipe: str, subject: WorldConcept) -> Path:
    return out / "words" / recipe.replace(" ", "-") / subject.name


# --- tables -----------------------------------------------------------------------------------------------


def print_table(results: Sequence[Mapping[str, Any]]) -> None:
    """Each recipe's means over the concepts of a group, each the mean of its seeds, and a 95 % interval."""
    print(f"\n{'recipe':<24} {'group':<7} {'n':>3} {'samples':>8} {'seconds':>8} {'norm':>6}", end="")
    print(f"  {'recovered':<22} kept")
    for recipe in dict.fromkeys(row["recipe"] for row in results):
        for group in GROUPS:
            rows = [row for row in results if (row["recipe"], row["group"]) == (recipe, group)]
            if rows:
                concepts = len({row["concept"] for row in rows})
                samples, seconds, norm = (
                    statistics.mean(row[name] for row in rows) for name in ("samples", "seconds", "norm")
                )
                recovered, kept = (interval(by_concept(rows, name)) for name in ("recovered", "kept"))
                print(
                    f"{recipe:<24} {group:<7} {concepts:>3} {samples:>8.0f} {seconds:>8.0f} {norm:>6.2f}  "
                    f"{recovered:<22} {kept}"
                )


def by_concept(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """The mean of each concept's seeds, where the judge could tell."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row[name] is not None:
            values.setdefault(row["concept"], []).append(row[name])
    return [statistics.mean(seeds) for seeds in values.values()]


def interval(values: Sequence[float]) -> str:
    """The mean, and where it lies in 95 % of resamples of the concepts."""
    if not values:
        return "—"
    chosen = np.random.default_rng(0).choice(np.array(values), (RESAMPLES, len(values)))
    low, high = np.percentile(chosen.mean(1), (2.5, 97.5))
    return f"{percent(statistics.mean(values))} ({percent(low)} to {percent(high)})"


def percent(share: float | None) -> str:
    return "   —" if share is None else f"{share:4.0%}"


# --- contact sheets ---------------------------------------------------------------------------------------


def draw_sheets(backbone: Backbone, subjects: Sequence[WorldConcept], results: Results, out: Path) -> None:
    """``sheet.webp`` of every concept that has been learned by the defaults, and ``four.webp``: the best by
    what it recovered, the weakest, and those at one and at two thirds of the way."""
    found = {row["concept"]: row for row in results.rows if (row["recipe"], row["seed"]) == ("defaults", 0)}
    learned = [subject for subject in subjects if subject.name in found]
    if not learned:
        return
    words = {subject.name: load_concept(word_folder(out, "defaults", subject)) for subject in learned}
    others = partners([words[subject.name] for subject in learned])
    rows = {
        subject.name: sheet_row(backbone, subject, words[subject.name], other, found[subject.name])
        for subject, other in zip(learned, others, strict=True)
    }
    ranked = sorted(learned, key=lambda subject: -(found[subject.name]["recovered"] or 0.0))
    four = [ranked[round(share * (len(ranked) - 1))] for share in (0, 1 / 3, 2 / 3, 1)]
    for name, chosen in (("sheet", learned), ("four", four)):
        contact_sheet([rows[subject.name] for subject in chosen], lines=3).save(out / f"{name}.webp")
        print(out / f"{name}.webp")


def partners(words: Sequence[Concept]) -> list[Concept]:
    """For each word the one that it is composed with: the next thing of the list, round and round."""
    things = [word for word in words if word.kind == "object"] or list(words)
    after = {word.token: things[(place + 1) % len(things)] for place, word in enumerate(things)}
    return [after.get(word.token, things[0]) for word in words]


def sheet_row(
    backbone: Backbone, subject: WorldConcept, concept: Concept, other: Concept, found: Mapping[str, Any]
) -> tuple[str, list[Cell]]:
    """The pictures given, what the initial word draws, and what the learned word does, all from seed 0."""
    cells = [
        Cell(picture.image, "given" if number == 0 else "")
        for number, picture in enumerate(training_pictures(subject, backbone.resolution))
    ]
    prompts = [
        fill_template(template, concept.token).replace("<other>", other.token)
        for template in SHEET_PROMPTS[concept.kind]
    ]
    prompts = [replace_token(prompts[0], concept.token, concept.initializer), *prompts]
    known = tuple({word.token: word for word in (concept, other)}.values())
    orders = [Order(GenerationSettings(prompt, count=1), known) for prompt in prompts]
    cells += [
        Cell(picture.image, prompt)
        for prompt, picture in zip(prompts, generate_all(backbone, orders), strict=True)
    ]
    scores = f"recovered {percent(found['recovered']).strip()}, kept {percent(found['kept']).strip()}"
    return f"{concept.token}, starting from “{concept.initializer}”: {scores}", cells


if __name__ == "__main__":
    with told_in_a_sentence():
        main()
