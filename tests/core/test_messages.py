"""Messages: made from a template and its values, shown in English and Japanese, stored and pickled."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.japanese import in_japanese
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_core.config import TrainingConfig
from ti_core.drawing.recipe import PARAMETERS_CHUNK, Recipe, read_recipe
from ti_core.drawing.settings import GenerationSettings
from ti_core.errors import (
    ConceptError,
    ModelError,
    OneWordError,
    PictureError,
    RecipeError,
    RunError,
    RunMismatchError,
    TrainingError,
    UnknownTokenError,
)
from ti_core.languages import choose_language, languages, tell
from ti_core.messages import TERMS, Message, both, choice, either, from_json, renamed, setting, to_json, value
from ti_core.model.base import BaseModel
from ti_core.pictures.prepare import prepare_picture
from ti_core.prompts.checks import check_tokens
from ti_core.training.runs import Run, check_same, open_run
from ti_core.training.runs.folder import model_difference
from ti_core.words.folder import load_concept

EMPTY = "{name} is an empty file. Copy it again from where it came, or leave it out."
NASTY = ["{name}", "a\nb", r"\1 (?P<x>.*)", "it is 3: choose x.", "%s", "SD 1.5 (pruned)", "x: {y!r:>9}"]


# --- made and told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NASTY)
def test_a_value_passes_unchanged_whatever_is_in_it(name: str) -> None:
    error = PictureError(EMPTY, name=name)
    assert str(error) == f"{name} is an empty file. Copy it again from where it came, or leave it out."
    assert tell("ja", error) == (
        f"{name} は空のファイルです。元の場所からもう一度コピーするか、除いてください。"
    )


@pytest.mark.parametrize("name", NASTY)
def test_an_error_within_an_error_is_told_in_the_same_language(name: str) -> None:
    inner = ModelError("{repository} cannot be the name of a model: give owner/name.", repository=name)
    outer = ModelError("The model {name} could not be loaded: {reason}", name=name, reason=inner)
    assert str(outer) == f"The model {name} could not be loaded: {inner}"
    assert in_japanese(outer) == f"モデル {name} を読み込めませんでした：{in_japanese(inner)}"


def test_what_is_no_message_of_the_program_stays_as_it_is() -> None:
    assert tell("ja", "Drawing was stopped.") == "Drawing was stopped."
    assert tell("ja", Message("Something else happened.")) == "Something else happened."
    assert tell("ja", OSError(28, "No space left")) == "[Errno 28] No space left"


def test_a_list_is_joined_as_its_language_does() -> None:
    listed = Message("{one} {other}", one=either(["a", "b"]), other=both([choice("object"), "c"]))
    assert str(listed) == "a or b object and c"
    assert tell("ja", listed) == "a、b object（もの）、c"


def test_a_format_of_a_value_counts_in_every_language() -> None:
    message = Message("very elongated ({ratio:.1f} to 1); only its middle is used", ratio=3.14159)
    assert "(3.1 to 1)" in str(message) and "3.1 対 1" in in_japanese(message)


def test_errors_survive_the_way_to_another_process() -> None:
    unknown = UnknownTokenError({"<a>": ["<b>"], "<c>": []})
    failed = TrainingError("{error} See {folder}.", error=unknown, folder="x", folders=[Path("x")])
    for error in (unknown, failed, PictureError(EMPTY, name="{cat}"), RunMismatchError([Message("x")])):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error)
        assert again.__dict__.keys() == error.__dict__.keys()
    assert pickle.loads(pickle.dumps(unknown)).unknown == {"<a>": ("<b>",), "<c>": ()}


def test_a_message_keeps_no_error_of_others_alive() -> None:
    message = ConceptError("It cannot be read: {error}", error=OSError("gone")).message
    assert isinstance(message, Message) and message.values == {"error": "gone"}


def test_a_stored_message_is_read_back() -> None:
    nested = PictureError(EMPTY, name=Path("cat.png"))
    message = Message("{error} {listed}", error=nested, listed=either([1.5, setting("steps"), None]))
    read = from_json(json.loads(json.dumps(to_json(message))))
    assert str(read) == str(message) and tell("ja", read) == tell("ja", message)
    assert from_json("as older versions stored it") == "as older versions stored it"


def test_a_folder_can_be_called_otherwise_without_losing_the_translation() -> None:
    error = ConceptError("{folder} has no {file}: the concept is incomplete.", folder=Path("/a/b"), file="c")
    shown = renamed(Message("{error}", error=error), "/a/b", "cat.zip")
    assert str(shown) == "cat.zip has no c: the concept is incomplete."
    assert tell("ja", shown) == "cat.zip に c がありません。ことばのファイルがそろっていません。"


# --- the words of the program -----------------------------------------------------------------------------


def test_every_setting_has_a_name_and_every_choice_a_meaning() -> None:
    fields = {
        field.name
        for kind in (TrainingConfig, GenerationSettings, Recipe)
        for field in dataclasses.fields(kind)
    }
    assert fields - set(TERMS["setting"]) == set()
    choices = {choice for error in bad_choices() for choice in error.message.values["choices"].items}
    assert choices == set(map(choice, TERMS["choice"]))


def bad_choices() -> Iterator[OneWordError]:
    for name in ("kind", "lr_schedule", "norm_control", "stop"):
        values: dict[str, Any] = {name: "other"}
        with pytest.raises(OneWordError) as caught:
            TrainingConfig("our-cat", **values)
        yield caught.value


def test_settings_are_called_as_on_the_page() -> None:
    from ui.texts import page_text

    names = [field.name for field in dataclasses.fields(TrainingConfig) if field.name != "token"]
    assert {name: tell("ja", setting(name)) for name in names} == {
        name: page_text("ja", f"train_{name}") for name in names
    }


@pytest.mark.parametrize(
    ("given", "english", "japanese"), [(True, "True", "オン"), ("auto", "'auto'", "自動")]
)
def test_a_value_is_translated_if_it_is_a_word_of_the_program(
    given: object, english: str, japanese: str
) -> None:
    assert (tell("en", value(given)), tell("ja", value(given))) == (english, japanese)
    assert tell("ja", value("<our-cat>")) == "'<our-cat>'"


# --- languages --------------------------------------------------------------------------------------------


def test_a_country_has_its_own_catalogue_or_shares_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ti_core.languages.languages", lambda: ("en", "ja", "zh-CN", "zh-TW"))
    assert choose_language(["zh_TW.UTF-8"]) == "zh-TW"
    assert choose_language(["zh-HK", "ja"]) == "zh-CN"


@pytest.mark.parametrize(
    ("wishes", "language"),
    [
        (["ja"], "ja"),
        (["ja_JP.UTF-8"], "ja"),
        (["JA-jp"], "ja"),
        (["tlh", "ja", "en"], "ja"),
        (["C.UTF-8"], "en"),
        (["fr", "en", "ja"], "en"),
        ([""], "en"),
        ([], "en"),
    ],
)
def test_the_first_language_that_there_is_gets_chosen(wishes: list[str], language: str) -> None:
    assert languages()[0] == "en" and "ja" in languages()
    assert choose_language(wishes) == language


# --- errors as they happen --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "japanese"),
    [
        (["<our-cat>"], "<our-cta> ということばは読み込まれていません。<our-cat> のことですか？"),
        (
            ["<our-cat>", "<our-coat>"],
            "<our-cta> ということばは読み込まれていません。<our-cat>、<our-coat> のことですか？",
        ),
        ([], "<our-cta> ということばは読み込まれていません。読み込むか、プロンプトから消してください。"),
    ],
)
def test_an_unknown_token(known: list[str], japanese: str) -> None:
    with pytest.raises(UnknownTokenError) as caught:
        check_tokens("a photo of <our-cta>", known)
    assert in_japanese(caught.value) == japanese


@pytest.mark.parametrize(
    ("name", "given", "japanese"),
    [
        (
            "kind",
            "thing",
            "種類は object（もの）、style（スタイル）から選んでください（今の値：'thing'）。",
        ),
        ("steps", 0, "ステップ数は 1 から 1000000 までの整数にしてください（今の値：0）。"),
        ("learning_rate", -1.0, "学習率は 0 より大きい数にしてください（今の値：-1.0）。"),
        ("initializer", " ", "初期語が空です。cat のような単語か、auto（自動）を入力してください。"),
    ],
)
def test_a_bad_training_setting(name: str, given: Any, japanese: str) -> None:
    with pytest.raises(OneWordError) as caught:
        TrainingConfig("our-cat", **{name: given})
    assert in_japanese(caught.value) == japanese


def test_a_run_started_with_other_settings_names_each_in_japanese() -> None:
    import torch

    then = TrainingConfig("our-cat", initializer="style")
    whole_numbers: dict[str, Any] = {
        field.name: 7 for field in dataclasses.fields(then) if field.type == "int"
    }
    now = TrainingConfig(
        "our-dog",
        kind="style",
        initializer="cat",
        lr_schedule="linear",
        learning_rate=0.01,
        flip=True,
        **whole_numbers,
    )
    run = Run(Path("run"), then, BaseModel("tiny", "sd1", {"clip_l": 8}), torch.float32, ("0" * 64,), "now")
    with pytest.raises(RunMismatchError) as caught:
        check_same(run, now, [])
    assert all(isinstance(difference, Message) for difference in caught.value.differences)
    japanese = in_japanese(caught.value)
    assert japanese.startswith("この学習は別の条件で始められています（トークン：'<our-cat>' → '<our-dog>'、")
    assert "、種類：もの → スタイル、" in japanese
    assert "、初期語：'style' → 'cat'、" in japanese  # a word, not the kind
    assert "、学習率：指定なし → 0.01、" in japanese
    assert "、学習率スケジューラー：コサインで下げる → 直線で下げる、" in japanese
    assert "、左右反転：オフ → オン、" in japanese
    assert "、画像の枚数：1 → 0）。" in japanese


@pytest.mark.parametrize(
    ("now", "japanese"), [("toybox", "toybox → toybox の別のバージョン"), ("SD (x)", "toybox → SD (x)")]
)
def test_a_run_started_on_another_model(now: str, japanese: str) -> None:
    difference = model_difference(BaseModel("toybox", "sd1", {}, "1"), BaseModel(now, "sd1", {}, "2"))
    assert in_japanese(RunMismatchError([difference])).startswith(
        f"この学習は別の条件で始められています（ベースモデル：{japanese}）。"
    )


def test_a_run_whose_description_holds_a_bad_setting(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"version": 1, "config": {"token": "cat", "steps": 0}}')
    with pytest.raises(RunError) as caught:
        open_run(tmp_path)
    assert in_japanese(caught.value) == (
        f"{tmp_path} の学習を読み込めません。新しく始めてください。理由：ステップ数は 1 から "
        "1000000 までの整数にしてください（今の値：0）。"
    )


def test_a_concept_whose_token_is_none(tmp_path: Path) -> None:
    base = {"id": "tiny", "family": "sd1", "widths": {}}
    values = {"version": 1, "base": base, "token": "猫", "kind": "object", "initializer": "", "training": {}}
    (tmp_path / "concept.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ConceptError) as caught:
        load_concept(tmp_path)
    japanese = in_japanese(caught.value)
    assert japanese.startswith(f"{tmp_path} のことばは壊れていて読み込めません：「猫」という名前は")


def test_a_recipe_that_was_edited() -> None:
    chunks = PngInfo()
    chunks.add_text(PARAMETERS_CHUNK, "a photo\nSteps: 20, Seed: many")
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="PNG", pnginfo=chunks)
    file.name = "cat.png"
    with pytest.raises(RecipeError) as caught:
        read_recipe(file)
    assert in_japanese(caught.value) == (
        "cat.png：設定「Seed: many」が数ではありません。書き換えられた可能性があります。"
        "最初に保存したままのファイルを選んでください。"
    )


def test_remarks_on_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    Image.new("RGBA", (400, 40), (255, 0, 0, 128)).save(path)
    path.with_suffix(".txt").write_bytes(b"\xff\xfe\xfd")
    picture = prepare_picture(path, (64, 96))
    assert [in_japanese(remark) for remark in picture.remarks] == [
        "透明な部分は学習の対象になりません",
        "とても細長い（10.0 対 1）ため、中央だけを使います",
        "ベースモデルの 64 x 96 px より小さいため、拡大しました",
        "キャプション strip.txt を UTF-8 の文章として読めないため、無視しました",
    ]
