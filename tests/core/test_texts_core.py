"""Whatever the core says to a person is also said in Japanese.

The core's files are read as syntax trees: each text that becomes an error or a remark is put together with a
sample for every value that is known only when the program runs, and must then have a translation.
"""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count, product
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_core import errors
from ti_core.config import TrainingConfig
from ti_core.drawing.recipe import PARAMETERS_CHUNK, Recipe, read_recipe
from ti_core.errors import (
    ConceptError,
    OneWordError,
    RecipeError,
    RunError,
    RunMismatchError,
    UnknownTokenError,
)
from ti_core.judging.judge import GENERAL_JUDGE
from ti_core.model.base import BaseModel
from ti_core.pictures.prepare import Picture, prepare_picture
from ti_core.prompts.checks import check_tokens
from ti_core.words.folder import load_concept
from ui.texts import train
from ui.texts.core import CHOICES, MESSAGES, PARTS, SETTINGS, Pairs, in_japanese

CORE = Path(errors.__file__).parent
FILES = [  # without the command line, which speaks English
    path for path in sorted(CORE.rglob("*.py")) if path.parent.name != "cli" and path.stem != "__main__"
]
PAGE_FILES = sorted((CORE.parent / "ui").glob("*.py"))
CORE_ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, OneWordError)
}
# These put their message together themselves; the tests below make them.
SELF_MADE = {"UnknownTokenError", "RunMismatchError"}
REMARKING = {"images", "contents", "memory", "reading"}  # whose remarks, tuples of one text, are shown
DIFFERENCE_LISTS = {"_picture_differences"}  # functions that return parts of a RunMismatchError

SAMPLE = re.compile(r"Ω\d+Ω")
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")
LATIN = re.compile(r"[A-Za-z]{2,}")
PLACEHOLDER = re.compile(r"\{\w*\}")
LATIN_IN_JAPANESE = {
    word
    for text in [*(japanese for _, japanese in MESSAGES + PARTS), *SETTINGS.values(), *CHOICES]
    for word in LATIN.findall(PLACEHOLDER.sub("", text))
} | set(LATIN.findall(GENERAL_JUDGE))

Function = ast.FunctionDef | None


@dataclass(frozen=True)
class Sentence:
    """What the core may say; ``text`` has samples in place of values."""

    where: str
    text: str


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def walk(node: ast.AST, function: Function = None) -> Iterator[tuple[ast.AST, Function]]:
    """Every node with the function that it stands in."""
    for child in ast.iter_child_nodes(node):
        yield child, function
        yield from walk(child, child if isinstance(child, ast.FunctionDef) else function)


def named(node: ast.expr) -> str:
    """The last name of ``a`` or ``a.b``, else nothing."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


class Reader:
    """Puts together the texts that expressions of the given files can have."""

    def __init__(self, trees: list[ast.Module]):
        self.calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
        self.constants: dict[str, list[str]] = {}  # the texts that each name has in any of the files
        for tree in trees:
            for node in tree.body:
                match node:
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                        self.constants.setdefault(name, []).append(text)
        self.numbers = count()

    def texts(self, node: ast.expr, function: Function) -> list[str]:
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return ["".join(texts) for texts in product(*(self.texts(part, function) for part in parts))]
            case ast.FormattedValue(value=value, conversion=-1):
                return self.texts(value, function)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return [a + b for a, b in product(self.texts(left, function), self.texts(right, function))]
            case ast.IfExp(body=body, orelse=orelse):
                return self.texts(body, function) + self.texts(orelse, function)
            case ast.Name(id=name):
                return self.texts_of_name(name, function)
        return [self.sample()]

    def sample(self) -> str:
        return f"Ω{next(self.numbers)}Ω"

    def texts_of_name(self, name: str, function: Function) -> list[str]:
        """Of a variable of the function, one of its parameters, or a constant of the file."""
        assigned = [
            node.value
            for node in (ast.walk(function) if function else ())
            if isinstance(node, ast.Assign) and named(node.targets[0]) == name
        ]
        if assigned:
            return [text for value in assigned for text in self.texts(value, function)]
        parameters = [argument.arg for argument in function.args.args] if function else []
        if function and name in parameters:
            return self.texts_of_argument(function.name, parameters.index(name))
        return self.constants.get(name) or [self.sample()]

    def texts_of_argument(self, function: str, place: int) -> list[str]:
        """What the calls of a function give it, as far as they say it in the call."""
        texts, open_call = [], False
        for call in self.calls:
            if named(call.func) == function and call.args[place:]:
                match call.args[place]:
                    case ast.Constant(value=str(text)):
                        texts.append(text)
                    case argument:
                        texts += self.constants.get(named(argument), [])
                        open_call = open_call or named(argument) not in self.constants
        return texts + [self.sample()] * (open_call or not texts)


def error_texts(tree: ast.Module) -> Iterator[tuple[ast.expr, Function]]:
    """The first argument of every error that is made or raised."""
    own_functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    raised = {id(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise)}
    for node, function in walk(tree):
        if isinstance(node, ast.Call) and (id(node) in raised or named(node.func) in CORE_ERRORS):
            name = named(node.func)
            assert name, f"line {node.lineno} raises what this test cannot follow"
            if name not in SELF_MADE | own_functions:
                assert node.args, f"line {node.lineno} raises {name} without a word"
                yield node.args[0], function


def remark_texts(tree: ast.Module) -> Iterator[tuple[ast.expr, Function]]:
    """The remarks on pictures and embedding files: each is a tuple of one text."""
    for node, function in walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) == 1:
            match node.elts[0]:
                case ast.JoinedStr() | ast.Constant(value=str()) as text:
                    yield text, function


def part_texts(tree: ast.Module) -> Iterator[tuple[ast.expr, Function]]:
    """What is appended to ``differences`` or returned as a list of them, or is joined by " and "."""
    for node, function in walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="differences"), attr="append"), args=[text]):
                yield text, function
            case ast.Return(value=ast.List(elts=texts)) if function and function.name in DIFFERENCE_LISTS:
                yield from ((text, function) for text in texts)
            case ast.Return(value=ast.ListComp(elt=text)) if function and function.name in DIFFERENCE_LISTS:
                yield text, function
            case ast.Call(
                func=ast.Attribute(value=ast.Constant(value=" and "), attr="join"),
                args=[ast.GeneratorExp(elt=text)],
            ):
                yield text, function


@cache
def sentences() -> tuple[Sentence, ...]:
    """Everything the core can say, and the page in the core's errors, but for the errors that put their
    message together themselves."""
    found = []
    for files in (FILES, PAGE_FILES):
        trees = {path: parsed(path) for path in files}
        reader = Reader(list(trees.values()))
        for path, tree in trees.items():
            nodes = [*error_texts(tree), *(remark_texts(tree) if path.stem in REMARKING else ())]
            found += [
                Sentence(f"{path.name}:{node.lineno}", text)
                for node, function in nodes
                for text in reader.texts(node, function)
                if files is FILES or not SAMPLE.fullmatch(text)  # what the page has in both languages
            ]
    return tuple(found)


@cache
def parts() -> tuple[Sentence, ...]:
    """What the core joins to one message: differences between runs, and runs that failed together."""
    trees = {path: parsed(path) for path in FILES}
    reader = Reader(list(trees.values()))
    return tuple(
        Sentence(f"{path.name}:{node.lineno}", text)
        for path, tree in trees.items()
        for node, function in part_texts(tree)
        for text in reader.texts(node, function)
    )


def fault_of(english: str) -> str | None:
    """What is wrong with the translation of a message, if anything."""
    japanese = in_japanese(english)
    if japanese is None:
        return "has no translation"
    if not JAPANESE.search(japanese):
        return f"is not Japanese: {japanese}"
    if lost := [sample for sample in SAMPLE.findall(english) if sample not in japanese]:
        return f"loses {', '.join(lost)}: {japanese}"
    if left := english_in(SAMPLE.sub("", japanese)):
        return f"keeps {', '.join(left)}: {japanese}"
    return None


def english_in(japanese: str) -> list[str]:
    """The words in Latin letters that no Japanese text has."""
    return [word for word in LATIN.findall(japanese) if word not in LATIN_IN_JAPANESE]


def assert_no_faults(said: Iterable[Sentence]) -> None:
    checked = [(sentence, fault_of(sentence.text)) for sentence in said]
    faults = [f"{sentence.where} {sentence.text!r} {fault}" for sentence, fault in checked if fault]
    assert not faults, "Mend ui/texts/core.py:\n" + "\n".join(faults)


def test_everything_that_the_core_says_has_a_translation() -> None:
    assert len(sentences()) > 100, "The core's messages were not found: mend this test."
    assert_no_faults(sentences())


def test_the_remarks_on_pictures_are_found() -> None:
    remarks = [text for text, _ in remark_texts(parsed(CORE / "images.py"))]
    assert len(remarks) >= 9, "Remarks are now written in another way: mend this test."


def test_everything_that_the_core_joins_to_one_message_has_a_translation() -> None:
    assert len(parts()) >= 7, "Parts are now written in another way: mend this test."
    failed = [part for part in parts() if "(step " in part.text]
    differing = [part for part in parts() if part not in failed]
    ends = " is no longer a number: start again with a lower learning rate."
    assert_no_faults(Sentence(part.where, f"The loss of {part.text}{ends}") for part in failed)
    assert_no_faults(Sentence(part.where, str(RunMismatchError([part.text]))) for part in differing)


def test_errors_that_put_their_message_together_themselves_are_known() -> None:
    makers = {name: vars(getattr(errors, name)).get("__init__") for name in CORE_ERRORS}
    own = {name for name, make in makers.items() if make and "message" not in make.__annotations__}
    assert own == SELF_MADE, "Add a test here that makes the new one."


def test_a_message_that_nobody_translated_is_found() -> None:
    tree = ast.parse(
        'def check(path, many):\n    advice = "go on" if many else "stop"\n'
        '    raise PictureError(f"{path} is upside down: {advice}.")\n'
    )
    [(node, function)] = error_texts(tree)
    texts = Reader([tree]).texts(node, function)
    assert [SAMPLE.sub("…", text) for text in texts] == [
        "… is upside down: go on.",
        "… is upside down: stop.",
    ]
    assert [fault_of(text) for text in texts] == ["has no translation"] * 2


@pytest.mark.parametrize(("pairs", "said"), [(MESSAGES, sentences), (PARTS, parts)])
def test_no_translation_is_left_of_a_message_that_is_gone(
    pairs: Pairs, said: Callable[[], tuple[Sentence, ...]]
) -> None:
    made_elsewhere = ("No loaded concept defines ", "This run was started differently: ", "initializer was ")

    def pattern(template: str) -> str:
        pieces = Formatter().parse(template)
        return "".join(re.escape(text) + ("" if name is None else ".+") for text, name, _, _ in pieces)

    unused = [
        english
        for english, _ in pairs
        if not english.startswith(made_elsewhere)
        and not any(re.fullmatch(pattern(english), sentence.text) for sentence in said())
    ]
    assert not unused, "Remove from ui/texts/core.py:\n" + "\n".join(unused)


@pytest.mark.parametrize(("english", "japanese"), [*MESSAGES, *PARTS])
def test_both_languages_have_the_same_placeholders(english: str, japanese: str) -> None:
    def names(template: str) -> list[str]:
        return [name for _, name, _, _ in Formatter().parse(template) if name is not None]

    assert set(names(english)) == set(names(japanese))
    assert len(names(english)) == len(set(names(english)))


def test_every_setting_and_choice_has_a_japanese_name() -> None:
    from ti_core.drawing.settings import GenerationSettings

    fields = {
        field.name
        for kind in (TrainingConfig, GenerationSettings, Recipe)
        for field in dataclasses.fields(kind)
    }
    assert fields - set(SETTINGS) == set()
    words = {
        word
        for error in bad_choices()
        for word in str(error).removesuffix(".").split("choose ")[1].split(" or ")
    }
    assert words == set(CHOICES)


def test_settings_are_called_as_on_the_page() -> None:
    names = [field.name for field in dataclasses.fields(TrainingConfig) if field.name != "token"]
    assert {name: SETTINGS[name] for name in names} == {name: train.JA[f"train_{name}"] for name in names}


def bad_choices() -> Iterator[OneWordError]:
    for setting in ("kind", "lr_schedule", "norm_control", "stop"):
        values: dict[str, Any] = {setting: "other"}
        with pytest.raises(OneWordError) as caught:
            TrainingConfig("our-cat", **values)
        yield caught.value


def japanese_of(error: BaseException) -> str:
    japanese = in_japanese(str(error))
    assert japanese is not None, str(error)
    return japanese


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
    assert japanese_of(caught.value) == japanese


@pytest.mark.parametrize(
    ("setting", "value", "japanese"),
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
def test_a_bad_training_setting(setting: str, value: Any, japanese: str) -> None:
    with pytest.raises(OneWordError) as caught:
        TrainingConfig("our-cat", **{setting: value})
    assert japanese_of(caught.value) == japanese


def test_a_run_started_with_other_settings_names_each_in_japanese() -> None:
    import torch

    from ti_core.training.runs import Run, check_same

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
    japanese = japanese_of(caught.value)
    assert japanese.startswith("この学習は別の条件で始められています（トークン：'<our-cat>' → '<our-dog>'、")
    assert "、種類：もの → スタイル、" in japanese
    assert "、初期語：'style' → 'cat'、" in japanese  # a word, not the kind
    assert "、学習率：指定なし → 0.01、" in japanese
    assert "、学習率スケジューラー：コサインで下げる → 直線で下げる、" in japanese
    assert "、左右反転：オフ → オン、" in japanese
    assert "、画像の枚数：1 → 0）。" in japanese
    assert english_in(japanese) == ["dog"]  # of the token


def test_a_run_started_on_another_model() -> None:
    differences = [
        "the base model was toybox and is now another version of toybox",
        "the precision was float32 and is now bfloat16",
        "cat.png is another picture, or has another caption",
    ]
    assert japanese_of(RunMismatchError(differences)).startswith(
        "この学習は別の条件で始められています（ベースモデル：toybox → toybox の別のバージョン、"
        "精度：float32 → bfloat16、cat.png：別の画像、または別のキャプション）。"
    )


def test_a_run_whose_description_holds_a_bad_setting(tmp_path: Path) -> None:
    from ti_core.training.runs import open_run

    (tmp_path / "run.json").write_text('{"version": 1, "config": {"token": "cat", "steps": 0}}')
    with pytest.raises(RunError) as caught:
        open_run(tmp_path)
    assert japanese_of(caught.value) == (
        f"{tmp_path} の学習を読み込めません。新しく始めてください。理由：ステップ数は 1 から "
        "1000000 までの整数にしてください（今の値：0）。"
    )


def test_a_concept_whose_token_is_none(tmp_path: Path) -> None:
    base = {"id": "tiny", "family": "sd1", "widths": {}}
    values = {"version": 1, "base": base, "token": "猫", "kind": "object", "initializer": "", "training": {}}
    (tmp_path / "concept.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ConceptError) as caught:
        load_concept(tmp_path)
    japanese = japanese_of(caught.value)
    assert japanese.startswith(f"{tmp_path} のことばは壊れていて読み込めません：「猫」という名前は")


def test_a_recipe_that_was_edited(tmp_path: Path) -> None:
    chunks = PngInfo()
    chunks.add_text(PARAMETERS_CHUNK, "a photo\nSteps: 20, Seed: many")
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="PNG", pnginfo=chunks)
    file.name = "cat.png"
    with pytest.raises(RecipeError) as caught:
        read_recipe(file)
    assert japanese_of(caught.value) == (
        "cat.png：設定「Seed: many」が数ではありません。書き換えられた可能性があります。"
        "最初に保存したままのファイルを選んでください。"
    )


def test_remarks_on_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    Image.new("RGBA", (400, 40), (255, 0, 0, 128)).save(path)
    path.with_suffix(".txt").write_bytes(b"\xff\xfe\xfd")
    picture: Picture = prepare_picture(path, (64, 96))
    assert [in_japanese(remark) for remark in picture.remarks] == [
        "透明な部分は学習の対象になりません",
        "とても細長い（10.0 対 1）ため、中央だけを使います",
        "ベースモデルの 64 x 96 px より小さいため、拡大しました",
        "キャプション strip.txt を UTF-8 の文章として読めないため、無視しました",
    ]


# --- the matching -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", ["", "Something else happened.", "画像がありません。", "Drawing was stopped"]
)
def test_what_the_core_did_not_say_is_not_translated(message: str) -> None:
    assert in_japanese(message) is None


@pytest.mark.parametrize("name", ["{name}", "a\nb", r"\1 (?P<x>.*)", "it is 3: choose x.", "%s"])
def test_a_name_passes_unchanged_whatever_is_in_it(name: str) -> None:
    japanese = in_japanese(f"{name} is an empty file. Copy it again from where it came, or leave it out.")
    assert japanese == f"{name} は空のファイルです。元の場所からもう一度コピーするか、除いてください。"


def test_the_message_with_more_text_of_its_own_goes_before_a_general_one() -> None:
    japanese = in_japanese("steps is 2000: the model has 1000, give fewer.")
    assert japanese == "ステップ数はベースモデルの 1000 以下にしてください（今の値：2000）。"


def test_a_long_hostile_message_is_answered() -> None:
    """By patterns that try every way to divide it, this one never would be."""
    assert in_japanese("x was learned on " + "a (b), not for c (d): choose " * 5_000) is None
