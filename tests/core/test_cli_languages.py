"""The command line in the person's language: which that is, what is told in it, and the help."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.interrupts import interrupted_import
from helpers.japanese import JAPANESE, in_japanese
from PIL import Image
from typer.main import get_command

from ti_core import cli
from ti_core.cli import terminal, usage
from ti_core.languages import environment_wishes, split_language, tell
from ti_core.messages import Message
from ui import launch
from ui.texts.extraction import collect

VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
NO_RUNS = "There are no runs in {folder}."
COMMANDS: Any = get_command(cli.app)
HELP = {"": COMMANDS, **COMMANDS.commands, "page": get_command(launch.command_line())}


@dataclass
class Ended:
    """How the program ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return facts


class Program:
    """Runs the program as from a shell, in an environment that asks for no language but the one given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object, main: Callable[[], None] = cli.main, **environment: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["ti_core", *map(str, arguments)])
        for name in VARIABLES:
            self._monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as exit_info:
            main()
        printed = self._capsys.readouterr()
        return Ended(int(exit_info.value.code or 0), printed.out, printed.err)

    def help(self, command: str, language: str) -> Ended:
        """What ``--help`` shows of a command; "" for the whole program."""
        options = ("--help", "--lang", language)
        if command == "page":
            return self(*options, main=launch.main)
        return self(*filter(None, [command]), *options)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(monkeypatch, capsys)


def no_runs(language: str, folder: Path) -> str:
    return tell(language, Message(NO_RUNS, folder=folder)) + "\n"


# --- which language ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "tlh:ja:en"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LANGUAGE": "tlh"}, "en"),
        ({"LANG": "ja_JP.UTF-8", "LANGUAGE": "", "LC_ALL": ""}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LANGUAGE": "ja", "LC_ALL": "C"}, "en"),  # as scripts ask for English
    ],
)
def test_the_environment_says_the_language(
    program: Program, tmp_path: Path, environment: dict[str, str], language: str
) -> None:
    assert program("runs", tmp_path, **environment) == Ended(0, no_runs(language, tmp_path), "")


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("option", [["--lang", "ja"], ["--lang=ja"], ["--lang=ja-JP"]])
def test_an_option_says_the_language_wherever_it_stands(
    program: Program, tmp_path: Path, place: int, option: list[str]
) -> None:
    arguments = ["runs", str(tmp_path)]
    arguments[place:place] = option
    assert program(*arguments, LANG="en_US.UTF-8").out == no_runs("ja", tmp_path)


def test_an_option_outdoes_the_environment(program: Program, tmp_path: Path) -> None:
    assert program("runs", tmp_path, "--lang", "en", LANG="ja_JP.UTF-8").out == no_runs("en", tmp_path)
    assert environment_wishes() == ["ja_JP.UTF-8"]
    assert program("runs", tmp_path).out == no_runs("en", tmp_path)  # nothing is left of the last run


@pytest.mark.parametrize(
    ("arguments", "asked", "others"),
    [
        (["models"], None, ["models"]),
        (["--lang", "ja", "models", "--lang=en"], "en", ["models"]),
        (["models", "--lang"], "", ["models"]),
        (["generate", "--", "--lang", "ja"], None, ["generate", "--", "--lang", "ja"]),
    ],
)
def test_the_option_is_split_off(arguments: Sequence[str], asked: str | None, others: list[str]) -> None:
    assert split_language(arguments) == (asked, others)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "There is no language 'tlh': choose en or ja."),
        ({"LANG": "ja_JP"}, "'tlh' という言語はありません。en、ja から選んでください。"),
    ],
)
def test_an_unknown_language_is_refused(program: Program, environment: dict[str, str], told: str) -> None:
    refused = program("models", "--lang", "tlh", "--json", **environment)
    assert (refused.code, refused.err) == (2, f"{told}\n")
    assert refused.facts == {
        "error": "There is no language 'tlh': choose en or ja.",
        "kind": "ConfigError",
    }
    assert program("models", "--lang").code == 2


# --- what is told -----------------------------------------------------------------------------------------


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    """A text that is called as a picture."""
    (tmp_path / "text.png").write_text("hello", encoding="utf-8")
    return tmp_path / "text.png"


def test_an_error_within_an_error_is_told_in_japanese(program: Program, text_file: Path) -> None:
    out = text_file.parent / "out"
    english = program("train", text_file, "--name", "our-cat", "--out", out)
    left_out, none_left = english.err.splitlines()
    assert left_out.startswith("Left out: text.png ")
    japanese = program("train", text_file, "--name", "our-cat", "--out", out, LANG="ja_JP.UTF-8")
    assert japanese.err.splitlines() == [
        "除外しました：text.png は画像ではなくテキストファイルです。"
        "除くか、画像をもう一度コピーしてください。",
        "使える画像が 1 枚もありません。開ける画像を 3〜5 枚指定してください。",
    ]
    assert (japanese.code, japanese.out) == (english.code, english.out) == (2, "")


def test_json_is_the_same_in_every_language(program: Program, text_file: Path) -> None:
    (text_file.parent / "old").mkdir()
    (text_file.parent / "old" / "run.json").write_text("{", encoding="utf-8")
    for arguments in (
        ("train", text_file, "--name", "our-cat", "--out", text_file.parent / "out"),
        ("runs", text_file.parent),
        ("models",),
        ("generate", "a photo of <our-cat>"),
        ("generate",),
        ("train", "--name", "our-cat", "--steps", "many"),
    ):
        english = program(*arguments, "--json")
        japanese = program(*arguments, "--json", "--lang", "ja")
        assert (japanese.code, japanese.out) == (english.code, english.out)
        assert english.facts
        assert all(JAPANESE.search(line) for line in japanese.err.splitlines())
        assert len(japanese.err.splitlines()) == len(english.err.splitlines())


def test_a_whole_training_is_told_in_japanese(program: Program, tiny_sd1: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    options = ("--model", tiny_sd1, "--steps", 3, "--batch-size", 1, "--out", tmp_path / "our-cat")
    ended = program("train", tmp_path, "--name", "our-cat", *options, LANG="ja_JP.UTF-8")
    assert ended.code == 0, ended.err
    assert len(ended.out.splitlines()) == 3
    lines = [*ended.out.splitlines(), *ended.err.splitlines()]
    lines = [line for line in lines if line and "%|" not in line]  # the libraries' bars, here imported before
    assert [line for line in lines if not JAPANESE.search(line)] == []
    assert re.search(r"^<our-cat> を学習中：ステップ 2 / 3、残り \d+ 秒$", ended.err, re.M)
    assert re.search(r"^<our-cat> を学習中：ステップ 3 / 3、評価の損失 \d\.\d{4}$", ended.err, re.M)


def test_progress_in_a_log_is_told_in_japanese(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.speaking("ja"):
        show = terminal.ProgressLines(Message("Learning {token}", token="<our-cat>"), 10)
        show(0, Message("choosing the initial word, {done} of {total}", done=1, total=9))
        with terminal.downloading(Message("Downloading {name}", name="sd15")) as downloaded:
            downloaded(30_000_000, 100_000_000)
    terminal.say("Left out: {reason}", reason="this")
    assert capsys.readouterr().err.splitlines() == [
        "<our-cat> を学習中：ステップ 0 / 10、初期語を選択中 1 / 9",
        "sd15 をダウンロード中：100 MB 中 30 MB",
        "Left out: this",
    ]


def test_an_unexpected_error_is_told_in_japanese(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(cli.typer.Exit), terminal.speaking("ja"), terminal.reporting(as_json=True):
        raise OSError("disk\nfull")
    printed = capsys.readouterr()
    assert printed.err.startswith("予期しない問題が起きました（OSError: disk full）。")
    assert json.loads(printed.out)["error"].startswith("Something unexpected went wrong (OSError: disk full)")


@pytest.mark.parametrize("options", [["--lang", "ja"], ["--lang", "ja", "--json"]])
def test_ctrl_c_before_a_command_begins_is_told_in_japanese(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    interrupted_import(monkeypatch, "models", *options)
    printed = capsys.readouterr()
    assert printed.err == "中断しました。\n"
    assert all(json.loads(line)["error"] == "Stopped." for line in printed.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train"], "オプション '--name' を指定してください。"),
        (["convert"], "引数 'IN' を指定してください。"),
        (["models", "--colour"], "--colour というオプションはありません。"),
        (["train", "--nme"], "--nme というオプションはありません（近いもの：--model、--name、--resume）。"),
    ],
)
def test_a_usage_error_is_told_in_japanese(program: Program, arguments: list[str], told: str) -> None:
    assert program(*arguments, "--lang", "ja") == Ended(2, "", f"{told}\n")


def test_the_page_is_refused_a_port_in_japanese(program: Program) -> None:
    refused = program("--port", "70000", main=launch.main, LANG="ja_JP.UTF-8")
    told = "ポート 70000 は使えません。1 から 65535 までの番号を指定してください。\n"
    assert refused == Ended(2, "", told)


def test_a_bad_value_names_its_option_in_japanese(program: Program) -> None:
    refused = program("train", "--name", "our-cat", "--steps", "many", "--lang", "ja")
    assert refused.err.startswith("'--steps' の値が正しくありません：")


def test_the_cells_of_a_table_stand_below_each_other() -> None:
    with terminal.speaking("ja"):
        lines = terminal.table([(Message("here"), "a"), (Message("not here"), "b"), ("x", "c")])
    assert lines == ["あり            a", "未ダウンロード  b", "x               c"]


# --- help -------------------------------------------------------------------------------------------------


def texts_of(command: Any) -> Iterator[str]:
    """The English texts and templates of a command's help."""
    yield from usage.paragraphs(command.help)
    for parameter in command.params:
        for text in (parameter.help, parameter.show_default):
            if isinstance(text, str) and " " in text:
                yield text


def closed_up(text: str) -> str:
    """A text without the spaces and line breaks, which depend on the width."""
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("name", HELP)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_help_of_every_command_is_whole(program: Program, name: str, language: str) -> None:
    command = HELP[name]
    shown = program.help(name, language)
    assert (shown.code, shown.err) == (0, "")
    assert max(map(terminal.columns, shown.out.splitlines())) <= 80
    texts = [*texts_of(command), usage.HELP_OPTION]
    for each in getattr(command, "commands", {}).values():
        texts.append(usage.paragraphs(each.help)[0])
    for text in texts:
        message = Message(text, **usage.HELP_VALUES)
        assert closed_up(tell(language, message)) in closed_up(shown.out)
        assert language == "en" or in_japanese(message)
    for word in (Message("Options:"), Message("Usage: {command}", command="python ")):
        assert tell(language, word) in shown.out
    assert "--lang <en|ja>" in shown.out


@pytest.fixture(scope="module")
def english() -> set[str]:
    """What the program says in English, closed up: what stands between the placeholders, if that is long."""
    templates = [text.english for text in collect() if not text.context]
    parts = {closed_up(part) for template in templates for part in re.split(r"\{[^}]*\}", template)}
    return {part for part in parts if len(part) > 8}


@pytest.mark.parametrize("name", HELP)
def test_no_english_is_left_in_the_japanese_help(program: Program, name: str, english: set[str]) -> None:
    help_in = {language: closed_up(program.help(name, language).out) for language in ("en", "ja")}
    assert [part for part in english if part in help_in["ja"]] == []
    assert [part for part in english if part in help_in["en"]]  # or nothing would be found


def test_no_arguments_at_all_show_the_help_in_japanese(program: Program) -> None:
    shown = program(LANG="ja_JP.UTF-8")
    assert shown.code == 2
    assert shown.err.startswith("使い方：python -m ti_core ")
    assert program("--lang", "ja").err == shown.err


def test_lines_are_broken_where_japanese_can_be() -> None:
    [first, *others] = usage._hang("  --to  ", "「これ」は、<our-cat> です（長い説明）。", 17)
    assert first == "  --to  「これ」"
    assert all(line.startswith(" " * 8) and terminal.columns(line) <= 18 for line in others)
    assert not any(line.strip()[0] in usage.CLOSING for line in others)
    assert closed_up("".join(others)) == "は、<our-cat>です（長い説明）。"


def test_the_drawing_commands_share_their_last_options() -> None:
    from ti_core.cli.draw import DrawingOptions

    shared = list(inspect.signature(DrawingOptions).parameters)
    for command in (cli.generate_command, cli.compose_command, cli.style_command):
        assert list(inspect.signature(command).parameters)[-len(shared) :] == shared
