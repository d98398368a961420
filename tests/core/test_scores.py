"""The judge, and the scores that it gives a learned word."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny_models import save_tiny_judge
from PIL import Image, ImageOps
from typer.testing import CliRunner

from ti_core.cli import app
from ti_core.drawing.generate import Progress
from ti_core.errors import Cancelled, ConceptError, ConfigError, GenerationError, ModelError
from ti_core.judging import judge as judging
from ti_core.judging.judge import Judge, judge_for, likeness, likeness_among, load_judge
from ti_core.judging.scores import (
    SCENE_PROMPTS,
    ConceptScores,
    Score,
    crops_of,
    evaluate_concept,
    find_concepts,
    judge_comparison,
    without_token,
)
from ti_core.model.backbone import Backbone
from ti_core.model.base import BaseModel
from ti_core.model.families import Family
from ti_core.prompts.templates import Kind
from ti_core.words.arithmetic import interpolate_from_initial
from ti_core.words.card import concept_card
from ti_core.words.concept import Concept
from ti_core.words.folder import load_concept, save_concept

CPU = torch.device("cpu")
LIKENESS = {"object": (0, 10), "style": (10, 16)}
QUICK = {"count": 2, "steps": 2}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return load_judge(str(save_tiny_judge(tmp_path_factory.mktemp("judge"), LIKENESS)), CPU)


@pytest.fixture(scope="module")
def sd1(backbones: dict[Family, Backbone]) -> Backbone:
    return backbones["sd1"]


def pictures(count: int, size: tuple[int, int] = (24, 20)) -> list[Image.Image]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, size[1], size[0], 3), dtype=np.uint8)
    return [Image.fromarray(one) for one in pixels]


def concept_on(backbone: Backbone, initializer: str = "cat", kind: str = "object") -> Concept:
    rows = torch.full((1, backbone.base.widths["clip_l"]), 0.1)
    return Concept("<our-cat>", {"clip_l": rows}, kind, backbone.base, initializer)  # type: ignore[arg-type]


# --- the judge --------------------------------------------------------------------------------------------


def test_a_picture_is_most_like_itself(judge: Judge) -> None:
    features = judge.image_features(pictures(4))
    for kind in LIKENESS:
        cosines = likeness(features, features, kind)
        assert torch.allclose(cosines.diagonal(), torch.ones(4), atol=1e-5)
        assert torch.equal(cosines.argmax(1), torch.arange(4))
        pairs = likeness_among(features, kind)
        assert len(pairs) == 6
        assert float(pairs.mean()) == pytest.approx(float(cosines.sum() - 4) / 12, abs=1e-5)


def test_each_kind_has_entries_of_its_own(judge: Judge) -> None:
    features = judge.image_features(pictures(2))
    assert {kind: states.shape[1] for kind, states in features.likeness.items()} == {"object": 10, "style": 6}


def test_a_picture_is_seen_alike_alone_and_in_company(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    together = judge.image_features(pictures(5))
    monkeypatch.setattr(judging, "BATCH_ROWS", 2)
    parted = judge.image_features(pictures(5))
    assert torch.allclose(together.shared, parted.shared, atol=1e-5)
    assert torch.allclose(together.likeness["style"], parted.likeness["style"], atol=1e-5)


def test_in_ten_views_a_picture_and_its_mirror_image_are_the_same(judge: Judge) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    picture, other = (Image.fromarray(each) for each in pixels)
    features = judge.image_features([picture, ImageOps.mirror(picture), other])
    mirrored, first, _ = likeness_among(features, "object").tolist()
    assert mirrored == pytest.approx(1, abs=1e-5) and first < 0.9999


def test_of_a_general_clip_the_shared_space_is_compared_in_one_view(tmp_path: Path) -> None:
    general = load_judge(str(save_tiny_judge(tmp_path)), CPU)
    [picture] = pictures(1)
    features = general.image_features([picture, ImageOps.mirror(picture)])
    assert torch.equal(features.likeness["object"], features.shared)
    assert float(features.shared[0] @ features.shared[1]) < 0.9999


def test_ten_views_are_the_picture_its_corners_and_their_mirror_images() -> None:
    quarters = torch.zeros(1, 1, 12, 12)
    quarters[..., :6, 6:] = 1  # the upper right one
    views = judging.ten_views(quarters)
    assert views.shape == (10, 1, 1, 12, 12)
    assert torch.equal(views[0], quarters) and torch.equal(views[5:], views[:5].flip(-1))
    assert views[1:5].mean((1, 2, 3, 4)).argmax() == 1  # at the upper right there is most of it


def test_sentences_and_pictures_share_a_space_and_long_sentences_are_cut(judge: Judge) -> None:
    read = judge.text_features(["a cat", "a photo of a cat " * 60])
    assert read.shape == (2, judge.image_features(pictures(1)).shared.shape[1])
    assert torch.allclose(read.norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(judge.text_features(["a cat"])[0], read[0], atol=1e-5)


def test_a_judge_that_is_not_there_is_said(sd1: Backbone) -> None:
    with pytest.raises(
        ModelError, match="not on this machine: fetch it once with “hf download openai/clip-vit-base-patch32”"
    ):
        judge_for(sd1.base, CPU)


def test_the_embedded_model_has_its_own_judge_or_says_that_it_has_none(
    sd1: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toybox = dataclasses.replace(sd1.base, id="toybox")
    monkeypatch.setattr(judging, "EMBEDDED_JUDGE", tmp_path / "none")
    with pytest.raises(ModelError, match="is not in assets/judge"):
        judge_for(toybox, CPU)
    monkeypatch.setattr(judging, "EMBEDDED_JUDGE", save_tiny_judge(tmp_path / "judge", LIKENESS))
    assert judge_for(toybox, CPU).name == "toybox's own judge"

    damaged = save_tiny_judge(tmp_path / "damaged", LIKENESS)
    (damaged / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read: fetch its files again"):
        load_judge(str(damaged), CPU)


# --- the scores -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["object", "style"])
def test_a_word_that_is_still_its_initial_word_scores_as_that(sd1: Backbone, judge: Judge, kind: str) -> None:
    same = interpolate_from_initial(sd1, concept_on(sd1, kind=kind), 0.0)
    found = evaluate_concept(sd1, judge, same, pictures(3), **QUICK)
    for score in (found.likeness, found.agreement, found.diversity):
        assert score.learned == pytest.approx(score.initial, abs=1e-4)


def test_the_scores_are_those_of_the_pictures(sd1: Backbone, judge: Judge) -> None:
    seen: list[Progress] = []
    found = evaluate_concept(sd1, judge, concept_on(sd1), pictures(3), **QUICK, on_progress=seen.append)
    assert found.likeness.learned != found.likeness.initial
    real = judge.image_features(pictures(3))
    assert found.likeness.real == pytest.approx(float(likeness_among(real, "object").mean()), abs=1e-5)
    drawn = 2 * (QUICK["count"] + len(SCENE_PROMPTS["object"]))
    assert (seen[-1].done, seen[-1].total) == (drawn * QUICK["steps"], drawn * QUICK["steps"])
    assert [now.done for now in seen] == sorted(now.done for now in seen)
    assert found.judge == judge.name
    assert evaluate_concept(sd1, judge, concept_on(sd1), pictures(3), **QUICK) == found


def test_what_cannot_be_told_is_refused(sd1: Backbone, judge: Judge) -> None:
    with pytest.raises(ConfigError, match="two pictures"):
        evaluate_concept(sd1, judge, concept_on(sd1), pictures(1), **QUICK)
    with pytest.raises(ConceptError, match="which word it started from"):
        evaluate_concept(sd1, judge, concept_on(sd1, initializer=""), pictures(2), **QUICK)
    with pytest.raises(Cancelled):
        evaluate_concept(sd1, judge, concept_on(sd1), pictures(2), **QUICK, should_stop=lambda: True)


def test_a_picture_that_the_safety_checker_hid_is_not_judged(
    sd1: Backbone, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sd1, "is_unsafe", lambda picture: True)
    with pytest.raises(GenerationError, match="hid a picture"):
        evaluate_concept(sd1, judge, concept_on(sd1), pictures(2), **QUICK)


def test_shares_of_the_way() -> None:
    found = ConceptScores("<a>", "object", "me", Score(0.7, 0.5, 0.9), Score(0.3, 0.4, 0.1), Score(0, 0, 0))
    assert found.recovered == pytest.approx(0.5)
    assert found.kept == pytest.approx(0.75)
    assert json.loads(json.dumps(found.to_dict()))["likeness"] == {
        "learned": 0.7,
        "initial": 0.5,
        "real": 0.9,
    }
    nowhere = dataclasses.replace(found, likeness=Score(0.7, 0.9, 0.9), agreement=Score(0.3, 0, 0.1))
    assert nowhere.recovered is None
    assert nowhere.kept is None


def test_the_placeholder_is_left_out_for_the_text_side() -> None:
    assert without_token("a photo of <our-cat> on the beach", "<our-cat>") == "a photo on the beach"
    assert without_token("a cat in the style of <our-ink>", "<our-ink>") == "a cat"


# --- single pictures --------------------------------------------------------------------------------------


def test_a_comparison_is_judged_by_the_same_measure(sd1: Backbone, judge: Judge) -> None:
    real, concept, prompt = pictures(3), concept_on(sd1), "a photo of <our-cat> on the moon"
    blank = Image.new("RGB", (16, 16), "white")
    verdict = judge_comparison(judge, concept, real, blank, real[0], blank, prompt)
    assert verdict.recovered is not None
    assert verdict.likeness.learned > verdict.likeness.initial
    assert verdict.asked == "a photo on the moon"
    one = judge_comparison(judge, concept, real[:1], blank, real[0], blank, prompt)
    assert one.likeness.real == 1
    assert one.recovered == pytest.approx(1, abs=1e-4)


def test_the_scene_that_is_seen_is_the_one_closest_to_the_picture(sd1: Backbone, judge: Judge) -> None:
    prompts = SCENE_PROMPTS["object"]
    sentences = judge.text_features([without_token(prompt, "{}") for prompt in prompts])
    first, second = pictures(2)
    asked = prompts[0].format("<our-cat>")
    for scene in pictures(6):
        verdict = judge_comparison(judge, concept_on(sd1), [first], first, second, scene, asked)
        agreement = (judge.image_features([scene]).shared @ sentences.T)[0]
        assert verdict.seen == without_token(prompts[int(agreement.argmax())], "{}")
        assert verdict.agreement == pytest.approx(agreement[0].item(), abs=1e-5), "the first was asked for"
        assert verdict.rival_agreement == pytest.approx(agreement[1:].max().item(), abs=1e-5)


def test_a_concept_is_found_where_its_picture_is(judge: Judge) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)
    first, second = (Image.fromarray(pixels) for pixels in noise)
    beside = Image.new("RGB", (80, 40), "white")
    beside.paste(first, (0, 0))  # where one of the parts is

    def found(picture: Image.Image, kind: Kind) -> list[bool]:
        references = [(kind, judge.image_features([own, own])) for own in (first, second)]
        return find_concepts(judge, picture, references)

    assert found(first, "style") == [True, False]
    assert found(second, "style") == [False, True]
    assert not found(beside, "style")[0]
    assert found(beside, "object")[0]


def test_the_parts_of_a_picture_lie_in_it_and_reach_its_corners() -> None:
    picture = Image.new("RGB", (50, 30))
    whole, *parts = crops_of(picture)
    assert whole is picture
    assert {part.size for part in parts} == {(18, 18)}


def test_the_command_prints_a_table_or_json(
    sd1: Backbone, tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_concept(concept_on(sd1), tmp_path / "our-cat", pictures(2))
    command = [
        "evaluate",
        str(tmp_path / "our-cat"),
        "--model",
        str(tiny_sd1),
        "--count",
        "2",
        "--steps",
        "2",
    ]
    missing = CliRunner().invoke(app, [*command, "--json"])
    assert missing.exit_code == 2
    assert "hf download openai/clip-vit-base-patch32" in json.loads(missing.stdout.splitlines()[-1])["error"]
    monkeypatch.setattr(judging, "GENERAL_JUDGE", str(save_tiny_judge(tmp_path / "judge")))
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.splitlines()[0].split() == ["learned", "initial", "word", "real", "pictures"]
    facts = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout.splitlines()[-1])
    line = next(line for line in shown.stdout.splitlines() if line.startswith("likeness"))
    assert line.split()[-3:] == [f"{facts['likeness'][name]:.3f}" for name in ("learned", "initial", "real")]
    assert str(tmp_path / "judge") in shown.stdout


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [(0, [], "with --pictures"), (1, [], "two pictures"), (2, ["--count", "1"], "count is 1")],
)
def test_what_cannot_be_judged_is_refused_before_a_model_is_loaded(
    sd1: Backbone, tiny_sd1: Path, tmp_path: Path, given: int, options: list[str], message: str
) -> None:
    save_concept(concept_on(sd1), tmp_path, pictures(given))
    refused = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--model", str(tiny_sd1), *options])
    assert refused.exit_code == 2
    assert message in refused.stderr and "Loading the model" not in refused.stderr


def test_the_scores_are_kept_for_the_card(
    sd1: Backbone, tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "GENERAL_JUDGE", str(save_tiny_judge(tmp_path / "judge")))
    folder = tmp_path / "our-cat"
    save_concept(concept_on(sd1), folder, pictures(2))
    os.utime(folder / "concept.json", (1e9, 1e9))
    quick = ["--model", str(tiny_sd1), "--count", "2", "--steps", "2", "--json"]
    facts = json.loads(CliRunner().invoke(app, ["evaluate", str(folder), *quick]).stdout.splitlines()[-1])
    likeness = facts["likeness"]
    line = (
        f"Likeness to the pictures: {likeness['learned']:.3f} (initial word: {likeness['initial']:.3f}, "
        f"real pictures: {likeness['real']:.3f})"
    )
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert line in card and f"`{tmp_path / 'judge'}`" in card and "`tiny-sd1`" in card
    assert "concept_images/1.png" in card
    assert (folder / "concept.json").stat().st_mtime == 1e9, "the library lists it where it was"
    kept = load_concept(folder)
    assert kept.sha256 == concept_on(sd1).sha256
    assert line in concept_card(kept, 0, repo_id="ann/our-cat")
    assert line not in concept_card(interpolate_from_initial(sd1, kept, 0.5), 0), "these are other vectors"


def test_scores_of_a_word_that_has_changed_meanwhile_do_not_bring_it_back(
    sd1: Backbone, tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "GENERAL_JUDGE", str(save_tiny_judge(tmp_path / "judge")))
    folder = tmp_path / "our-cat"
    save_concept(concept_on(sd1), folder, pictures(2))
    newer = concept_on(sd1, initializer="dog")
    newer.vectors["clip_l"].add_(0.1)

    def learned_on(base: BaseModel, device: torch.device) -> Judge:
        save_concept(newer, folder, pictures(2))
        return judge_for(base, device)

    monkeypatch.setattr(judging, "judge_for", learned_on)
    quick = ["--model", str(tiny_sd1), "--count", "2", "--steps", "2"]
    told = CliRunner().invoke(app, ["evaluate", str(folder), *quick])
    assert told.exit_code == 0 and "likeness to the pictures" in told.stdout
    assert "it holds another version of the word by now" in told.stderr
    assert load_concept(folder).sha256 == newer.sha256


def test_scores_that_cannot_be_kept_are_still_told(
    sd1: Backbone, tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "GENERAL_JUDGE", str(save_tiny_judge(tmp_path / "judge")))
    folder = tmp_path / "our-cat"
    save_concept(concept_on(sd1), folder, pictures(2))
    (folder / "README.md").unlink()
    (folder / "README.md").mkdir()  # where no file can be written
    told = CliRunner().invoke(
        app, ["evaluate", str(folder), "--model", str(tiny_sd1), "--count", "2", "--steps", "2"]
    )
    assert told.exit_code == 0 and "likeness to the pictures" in told.stdout
    assert f"The scores are not kept in {folder}" in told.stderr
