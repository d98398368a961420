"""Measure how well words are learned, and at what cost: ``python -m benchmarks.inversion``.

Learns the held-out concepts from four pictures each, with one or more recipes and training seeds. The
embedded model's judge then measures two shares for each word. "Recovered" is how much of the gap in likeness
between the initial word and the real pictures was closed. "Kept" is how much of the initial word's agreement
with scenes remains.

Every result is a line of ``results.jsonl``, in a separate folder for each model, judge and set of defaults.
A benchmark that was stopped continues there. Results of a recipe that has changed since are ignored. At the
end, contact sheets show all words of the list that were learned with the defaults. Use ``--list
development`` to search for defaults; the held-out list is for measuring only.
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

from benchmarks.errors import exit_on_input_error
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
"""Which vectors of a training are kept: the best evaluated ones, the last, or the moving average."""
AVERAGE_DECAY = 0.95  # averages over about 20 steps

PICTURES = 4  # per concept
CONCEPTS_PER_BATCH = 12  # that are learned together
PICTURES_PER_PROMPT = 4
DRAWING_BATCH = 16  # pictures
RESAMPLES = 10_000  # of the bootstrap for the confidence intervals
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
"""The word alone, in two scenes, with another word, and as a style; the first also with the initial word."""


@dataclass(frozen=True)
class Recipe:
    """How a word is trained, and which of the training's vectors are measured."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    """Training settings that differ from the defaults."""
    keeps: tuple[Kept, ...] = ("best",)
    """Vectors to measure at the end of the training."""
    at: tuple[int, ...] = ()
    """Steps at which the vectors are measured as well."""
    thresholds: tuple[float, ...] = ()
    """Thresholds of the automatic stop; the vectors that it would have kept are measured as well."""
    script: bool = False
    """Whether to use the optimizer settings of the diffusers training script."""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that identify the recipe."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode()).hexdigest()[:12]


SCRIPT = {
    "learning_rate": 5e-4 * TrainingConfig.batch_size,
    "lr_schedule": "constant",
    "lr_warmup_steps": 0,
    "timestep_bias": 0.0,
    "stop": "never",
}
"""The settings of the diffusers training script, with --scale_lr as in its README."""

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
    parser.add_argument("--judge", type=Path, default=EMBEDDED_JUDGE, help="the judge's folder")
    parser.add_argument("--list", choices=["held-out", "development"], default="held-out")
    parser.add_argument(
        "--recipe", action="append", choices=RECIPES, help="may be repeated; default: defaults and script"
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each concept")
    parser.add_argument("--first-seed", type=int, default=0, help="to divide the seeds among processes")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="only every Nth concept of the list"
    )
    parser.add_argument("--group", choices=GROUPS, help="only things of families, nouns or styles")
    parser.add_argument("--out", type=Path, default=Path("outputs/inversion"))
    options = parser.parse_args()
    print(describe_machine())
    backbone = load_toybox(options.model)
    listed = HELD_OUT if options.list == "held-out" else DEVELOPMENT
    in_group = [subject for subject in listed if options.group in (None, group_of(subject))]
    subjects = in_group[:: options.every]
    judge = load_judge(str(options.judge), backbone.device)
    out = options.out / options.list / digest_of(backbone, options.judge)
    results = Results(out / "results.jsonl", RECIPES)
    benches = {subject.name: Bench(backbone, judge, subject) for subject in subjects}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name in options.recipe or ("defaults", "script"):
            recipe = RECIPES[name]
            missing = [subject for subject in benches if not results.has(subject, recipe, seed)]
            for start in range(0, len(missing), CONCEPTS_PER_BATCH):
                batch = [benches[subject] for subject in missing[start : start + CONCEPTS_PER_BATCH]]
                learned = learn(backbone, batch, recipe, name, seed)
                for bench, words in zip(batch, learned, strict=True):
                    if seed == 0:
                        save_concept(words[-1].concept, word_folder(out, name, bench.subject))
                    results.add([bench.measure(word) for word in words])
    print_table([row for row in results.rows if row["concept"] in benches])
    draw_sheets(backbone, listed, results, out)


def digest_of(backbone: Backbone, judge: Path) -> str:
    """Return twelve hexadecimal digits that identify everything on which the results depend.

    These are the weights of the model and the judge, the model's own settings for drawing and training, and
    the default training settings.
    """
    digest = hashlib.sha256((judge / "model.safetensors").read_bytes())
    for module in (backbone.unet, backbone.vae):
        for value in module.state_dict().values():
            digest.update(value.detach().float().cpu().numpy().tobytes())
    digest.update(backbone.base.fingerprint.encode())  # of the text encoders
    rates, bias = backbone.learning_rates(), backbone.timestep_bias
    own = (backbone.guidance_scale, backbone.scheduler, rates, bias)
    digest.update(json.dumps([own, dataclasses.asdict(TrainingConfig("any"))]).encode())
    return digest.hexdigest()[:12]


class Results:
    """The results in a file of JSON lines, except those of recipes that are no longer among ``recipes``."""

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
        """Add the results of one training to the file and print them."""
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
class LearnedWord:
    """A word after some ``steps`` of a training, which took ``seconds`` for this word alone."""

    concept: Concept
    recipe: str
    recipe_digest: str
    config: TrainingConfig
    steps: int
    seconds: float


class Bench:
    """One concept with its real pictures; what each word draws is cached."""

    def __init__(self, backbone: Backbone, judge: Judge, subject: WorldConcept):
        self.subject = subject
        self.pictures = training_pictures(subject, backbone.resolution)
        self._backbone, self._judge = backbone, judge
        self._real: ImageFeatures = judge.image_features([picture.image for picture in self.pictures])
        self._initial: SampleFeatures | None = None
        self._shown: dict[str, SampleFeatures] = {}

    def measure(self, word: LearnedWord) -> dict[str, Any]:
        """Return a word's scores and the cost of its training, as one line of the results."""
        concept, config = word.concept, word.config
        if self._initial is None:
            self._initial = self._show(concept, initial=True)
        if concept.sha256 not in self._shown:  # several words may have the same vectors
            self._shown[concept.sha256] = self._show(concept, initial=False)
        found = score(self._judge, concept, self._real, self._shown[concept.sha256], self._initial)
        start = self._backbone.vocabulary.initial_vectors(concept.initializer, config.vectors)
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
        orders = sample_orders(concept, initial=initial, count=PICTURES_PER_PROMPT)
        drawing = generate_all(self._backbone, orders, batch_size=DRAWING_BATCH)
        drawn = [picture.image for picture in drawing]
        return SampleFeatures.of(self._judge, drawn, concept.kind, PICTURES_PER_PROMPT)


class Training:
    """The training of one concept with a recipe; collects the vectors to be measured."""

    def __init__(self, backbone: Backbone, bench: Bench, recipe: Recipe, name: str, seed: int):
        subject = bench.subject
        self._backbone, self._recipe, self._name = backbone, recipe, name
        usual = TrainingConfig(subject.name, kind=subject.kind, initializer=subject.initializer, seed=seed)
        config = dataclasses.replace(usual, **recipe.changes)
        self.state = prepare(backbone, bench.pictures, config)
        if recipe.script:
            use_script_optimizer(self.state)
        self._average = current_concept(backbone, self.state)
        self._underway: list[tuple[str, int, Concept]] = []  # label, step, word
        self._thresholds_left = list(recipe.thresholds)

    def after_step(self) -> None:
        """Collect what the recipe measures at this step."""
        state, recipe = self.state, self._recipe
        if "average" in recipe.keeps:
            self._average = interpolate(self._average, state.vectors, 1 - AVERAGE_DECAY)
        if state.step in recipe.at:
            concept = current_concept(self._backbone, state)
            self._underway.append((f"{state.step} steps", state.step, concept))
        if self._thresholds_left and state.evaluations[-1].step == state.step:
            losses, window = [evaluation.loss for evaluation in state.evaluations], state.config.stop_window
            for threshold in self._thresholds_left[:]:
                if state.finish or has_levelled(losses, window, threshold):
                    self._thresholds_left.remove(threshold)
                    concept = learned_concept(self._backbone, state)
                    self._underway.append((f"threshold {threshold:g}", state.step, concept))

    def words(self, seconds_per_step: float) -> list[LearnedWord]:
        """Return the words collected during the training, then those kept at its end."""
        backbone, state, keeps = self._backbone, self.state, self._recipe.keeps
        vectors: dict[Kept, Concept] = {
            "best": learned_concept(backbone, state),
            "last": current_concept(backbone, state),
            "average": self._average,
        }
        ended = [(kept if len(keeps) > 1 else "", state.step, vectors[kept]) for kept in keeps]
        return [
            LearnedWord(
                concept=word,
                recipe=", ".join(filter(None, (self._name, what))),
                recipe_digest=self._recipe.digest,
                config=state.config,
                steps=step,
                seconds=seconds_per_step * step,
            )
            for what, step, word in [*self._underway, *ended]
        ]


def learn(
    backbone: Backbone, benches: Sequence[Bench], recipe: Recipe, name: str, seed: int
) -> list[list[LearnedWord]]:
    """Learn the concepts of several benches together, in shared batches; return the words of each."""
    start = time.perf_counter()
    trainings = [Training(backbone, bench, recipe, name, seed) for bench in benches]
    by_state = {id(training.state): training for training in trainings}
    for state, _ in train(backbone, [training.state for training in trainings]):
        by_state[id(state)].after_step()
    steps = sum(training.state.step for training in trainings)
    seconds_per_step = (time.perf_counter() - start) / steps
    return [training.words(seconds_per_step) for training in trainings]


def interpolate(concept: Concept, vectors: Mapping[str, torch.Tensor], share: float) -> Concept:
    """Move a concept's vectors towards ``vectors`` by a share of the distance."""
    moved = {name: rows.lerp(vectors[name].detach(), share) for name, rows in concept.vectors.items()}
    return dataclasses.replace(concept, vectors=moved)


def use_script_optimizer(state: TrainingState) -> None:
    """Set AdamW's hyperparameters to PyTorch's defaults, which the script uses."""
    for group in state.optimizer.param_groups:
        group.update(betas=(0.9, 0.999), weight_decay=1e-2)


def training_pictures(subject: WorldConcept, side: int) -> list[Picture]:
    """Draw the pictures of a concept at the model's resolution, ready for training."""
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
    """Print each recipe's means over the concepts of each group, with 95 % intervals.

    A concept counts once, as the mean of its seeds.
    """
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
    """Return each concept's mean over its seeds, leaving out results that the judge could not measure."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row[name] is not None:
            values.setdefault(row["concept"], []).append(row[name])
    return [statistics.mean(seeds) for seeds in values.values()]


def interval(values: Sequence[float]) -> str:
    """Format the mean and its 95 % bootstrap confidence interval over concepts."""
    if not values:
        return "—"
    chosen = np.random.default_rng(0).choice(np.array(values), (RESAMPLES, len(values)))
    low, high = np.percentile(chosen.mean(1), (2.5, 97.5))
    return f"{percent(statistics.mean(values))} ({percent(low)} to {percent(high)})"


def percent(share: float | None) -> str:
    return "   —" if share is None else f"{share:4.0%}"


# --- contact sheets ---------------------------------------------------------------------------------------


def draw_sheets(backbone: Backbone, subjects: Sequence[WorldConcept], results: Results, out: Path) -> None:
    """Draw ``sheet.webp`` with every concept learned with the defaults, and ``four.webp`` with four of them.

    Ranked by what they recovered, the four are the best, the weakest, and those at one and two thirds.
    """
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
    """Return for each word the one with which it is drawn together: the next thing, cyclically."""
    things = [word for word in words if word.kind == "object"] or list(words)
    after = {word.token: things[(place + 1) % len(things)] for place, word in enumerate(things)}
    return [after.get(word.token, things[0]) for word in words]


def sheet_row(
    backbone: Backbone, subject: WorldConcept, concept: Concept, other: Concept, found: Mapping[str, Any]
) -> tuple[str, list[Cell]]:
    """Draw a row: the training pictures, then what the initial and the learned word draw, with seed 0."""
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
    with exit_on_input_error():
        main()
