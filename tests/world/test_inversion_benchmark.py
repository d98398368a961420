"""The inversion benchmark on a tiny model: what it measures, stores and draws."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.tiny_models import save_tiny_judge

from benchmarks.inversion import (
    SCRIPT,
    Bench,
    Recipe,
    Results,
    by_concept,
    digest_of,
    draw_sheets,
    interval,
    learn,
    partners,
    sheet_row,
    word_folder,
)
from demo_model.world import DEVELOPMENT
from ti_core.judging.judge import Judge, load_judge
from ti_core.model.backbone import Backbone
from ti_core.model.families import Family
from ti_core.words.concept import Concept
from ti_core.words.folder import save_concept

pytestmark = pytest.mark.slow

FISH = next(subject for subject in DEVELOPMENT if subject.name.startswith("fish"))
LIKENESS = {"object": (0, 10), "style": (10, 16)}
QUICK = {"steps": 4, "eval_every": 2, "eval_rows": 4, "batch_size": 2}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    folder = save_tiny_judge(tmp_path_factory.mktemp("judge"), LIKENESS)
    return load_judge(str(folder), torch.device("cpu"))


@pytest.fixture(scope="module")
def sd1(backbones: dict[Family, Backbone]) -> Backbone:
    return backbones["sd1"]


def test_a_recipe_is_measured_with_what_it_cost(sd1: Backbone, judge: Judge, tmp_path: Path) -> None:
    recipe, changed = Recipe(QUICK), Recipe({**QUICK, "steps": 6})
    bench, results = Bench(sd1, judge, FISH), Results(tmp_path / "results.jsonl", {"defaults": recipe})
    [[word]] = learn(sd1, [bench], recipe, "defaults", seed=0)
    found = bench.measure(word)
    assert (found["samples"], found["group"], found["token"]) == (8, "family", word.concept.token)
    assert found["norm"] > 0 and found["seconds"] > 0
    results.add([found])
    assert results.has(FISH.name, recipe, 0)
    assert not results.has(FISH.name, recipe, 1) and not results.has(FISH.name, changed, 0)
    assert Results(tmp_path / "results.jsonl", {"defaults": recipe}).rows == results.rows
    assert Results(tmp_path / "results.jsonl", {"defaults": changed}).rows == []

    save_concept(word.concept, word_folder(tmp_path, "defaults", FISH))
    draw_sheets(sd1, DEVELOPMENT, results, tmp_path)
    assert {path.name for path in tmp_path.glob("*.webp")} == {"sheet.webp", "four.webp"}


def test_a_row_of_the_sheet_shows_a_word_in_all_its_uses(sd1: Backbone) -> None:
    vectors = sd1.vocabulary.initial_vectors("cat", 1)
    fish, other = (
        Concept(token, vectors, "object", sd1.base, "cat") for token in ("<our-fish>", "<another>")
    )
    title, cells = sheet_row(sd1, FISH, fish, other, {"recovered": 0.5, "kept": None})
    assert title == "<our-fish>, starting from “cat”: recovered 50%, kept —"
    assert [cell.caption for cell in cells] == [
        "given",
        "",
        "",
        "",
        "a photo of cat",
        "a photo of <our-fish>",
        "a photo of <our-fish> on the beach",
        "a photo of <our-fish> in the snow",
        "a photo of <our-fish> and <another>",
        "a house in the style of <our-fish>",
    ]
    style = replace(other, token="<our-ink>", kind="style")
    assert partners([fish, style, other]) == [other, fish, fish]


def test_a_measurement_is_another_one_with_other_weights(sd1: Backbone, tmp_path: Path) -> None:
    def judge_of(weights: bytes) -> Path:
        (tmp_path / "model.safetensors").write_bytes(weights)
        return tmp_path

    digest = digest_of(sd1, judge_of(b"one"))
    assert digest_of(sd1, judge_of(b"one")) == digest
    assert digest_of(sd1, judge_of(b"two")) != digest
    before = sd1.unet.conv_out.bias.detach().clone()
    with torch.no_grad():
        sd1.unet.conv_out.bias += 1
        changed = digest_of(sd1, judge_of(b"one"))
        sd1.unet.conv_out.bias.copy_(before)  # subtracting 1 again would round
    assert changed != digest


def test_the_script_keeps_its_last_vectors_and_is_measured_on_its_way(sd1: Backbone, judge: Judge) -> None:
    recipe = Recipe({**SCRIPT, **QUICK, "steps": 4}, ("last",), at=(2,), script=True)
    bench = Bench(sd1, judge, FISH)
    [[early, late]] = learn(sd1, [bench], recipe, "script", seed=0)
    first, last = bench.measure(early), bench.measure(late)
    assert (first["recipe"], first["samples"]) == ("script, 2 steps", 4)
    assert (last["recipe"], last["samples"]) == ("script", 8)
    assert early.seconds == pytest.approx(late.seconds / 2)
    assert not torch.equal(early.concept.vectors["clip_l"], late.concept.vectors["clip_l"])


def test_concepts_that_are_learned_together_become_what_each_would_alone(sd1: Backbone, judge: Judge) -> None:
    benches = [Bench(sd1, judge, subject) for subject in DEVELOPMENT[:2]]
    together = learn(sd1, benches, Recipe(QUICK), "defaults", seed=0)
    for bench, [word] in zip(benches, together, strict=True):
        [[alone]] = learn(sd1, [bench], Recipe(QUICK), "defaults", seed=0)
        assert word.concept.token == alone.concept.token == f"<{bench.subject.name}>"
        rows, expected = word.concept.vectors["clip_l"], alone.concept.vectors["clip_l"]
        assert torch.allclose(rows, expected, atol=1e-4)  # a larger batch rounds differently


def test_an_average_of_the_vectors_lies_between_the_first_and_the_last(sd1: Backbone, judge: Judge) -> None:
    bench, changes = Bench(sd1, judge, FISH), {**QUICK, "stop": "never"}
    [[late, mean]] = learn(sd1, [bench], Recipe(changes, ("last", "average")), "endings", seed=0)
    assert [word.recipe for word in (late, mean)] == ["endings, last", "endings, average"]
    assert bench.measure(mean)["samples"] == 8
    last, averaged = late.concept, mean.concept
    start = sd1.vocabulary.initial_vectors(averaged.initializer, 1)["clip_l"]
    way, whole = averaged.vectors["clip_l"] - start, last.vectors["clip_l"] - start
    assert 0.5 < torch.nn.functional.cosine_similarity(way, whole).item() < 1
    assert 0 < way.norm() < whole.norm()


def test_one_training_tells_what_each_threshold_of_the_stop_would_have_kept(
    sd1: Backbone, judge: Judge
) -> None:
    changes = {**QUICK, "steps": 12, "eval_every": 1, "stop_window": 2}
    loose, tight = 0.9, 1e-9
    recipe = Recipe({**changes, "stop": "never"}, thresholds=(tight, loose))
    [[early, late, whole]] = learn(sd1, [Bench(sd1, judge, FISH)], recipe, "endings", seed=0)
    [[stopped]] = learn(
        sd1, [Bench(sd1, judge, FISH)], Recipe({**changes, "stop_threshold": loose}), "defaults", seed=0
    )
    assert (early.recipe, late.recipe) == ("endings, threshold 0.9", "endings, threshold 1e-09")
    assert early.steps == stopped.steps < late.steps == whole.steps == 12
    assert early.concept.sha256 == stopped.concept.sha256
    assert late.concept.sha256 == whole.concept.sha256


def test_each_concept_counts_once_and_what_the_judge_cannot_tell_does_not() -> None:
    rows = [
        {"concept": "a", "recovered": 0.2},
        {"concept": "a", "recovered": 0.4},
        {"concept": "b", "recovered": None},
        {"concept": "c", "recovered": 0.9},
    ]
    assert by_concept(rows, "recovered") == pytest.approx([0.3, 0.9])
    assert interval([0.5, 0.5, 0.5]) == " 50% ( 50% to  50%)"
    assert interval([]) == "—"


def test_a_benchmark_without_its_judge_says_so_in_a_sentence() -> None:
    command = [sys.executable, "-m", "benchmarks.judge", "--judge", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "The judge is not on this machine" in done.stderr and "Traceback" not in done.stderr
