"""The README and the pages of docs/: their code runs, their links resolve, and both languages agree.

Every page is executed from top to bottom, Python and commands alike, in a folder with the files that the
pages mention (see ``imagined_folder``). A block that this machine cannot run is marked in the page by a
comment above it, ``<!-- not run: … -->``, and listed here; its commands are still parsed, its Python is
compiled and its imports are resolved.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer
from helpers.markdown import Block, anchors, blocks, headings, inline_code, links
from PIL import Image
from typer.testing import CliRunner

from ti_core import cli
from ti_core.cli.usage import Command, CommandGroup
from ti_core.config import TrainingConfig
from ti_core.drawing.settings import GenerationSettings
from ti_core.pictures.decode import open_picture
from ti_core.words.folder import load_concept, picture_files, save_concept
from ti_core.words.formats import write_embedding
from ui.launch import page_command
from ui.texts import say

ROOT = Path(__file__).resolve().parents[1]
README, README_JA = ROOT / "README.md", ROOT / "README.ja.md"
INDEX = ROOT / "docs" / "README.md"
CHAPTERS = sorted(set(INDEX.parent.glob("*.md")) - {INDEX})
PAGES = [README, README_JA, INDEX, *CHAPTERS]
README_LINES = 160
JOURNEY_BYTES = 2_000_000

NOT_RUN = {
    "docs/command-line.md": ["it downloads a base model"],
    "docs/models-and-hardware.md": ["they download a base model", "it downloads a base model"],
    "docs/python-api.md": ["it needs the Hub", "it needs a running page"],
}
"""The reasons of the blocks that are not run, in their order."""

OURS: Sequence[tuple[list[str], list[str]]] = (
    (["one-word"], []),
    (["python", "-m", "ti_core"], []),
    (["python", "app.py"], ["page"]),
)
"""How our commands begin, and what that means to the installed one."""
PARSED_ONLY = ("page", "pull", "push")  # they need a server or the Hub
QUICKLY = {  # said last, so that it counts
    "train": ["--steps", "2", "--init", "cat"],
    "generate": ["--steps", "2", "--count", "1"],
    "compose": ["--steps", "2", "--count", "1"],
    "style": ["--steps", "2", "--count", "1"],
    "evaluate": ["--steps", "2", "--count", "2"],
}
OTHERS = (["pip", "install"], ["hf", "auth", "login"])
"""How commands of other programs begin that a page may name."""

WORDS = {"our-cat": "toy-cat", "our-mug": "toy-teapot", "our-ink": "toy-x-ray"}
"""The words that the pages use, and the ready-made ones that stand for them."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- running ----------------------------------------------------------------------------------------------


@pytest.fixture
def quick_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make two steps and no search for an initial word the defaults of a training."""
    defaults = {field.name: field.default for field in dataclasses.fields(TrainingConfig)[1:]}
    defaults |= {"steps": 2, "initializer": "cat"}
    monkeypatch.setattr(TrainingConfig.__init__, "__defaults__", tuple(defaults.values()))


def imagined_folder(folder: Path, page: Path) -> None:
    """Make the working directory of a page's reader: photographs, a picture, and words learned before.

    A word that the page itself learns is not there yet.
    """
    examples = ROOT / "assets" / "examples"
    shutil.copytree(examples / "cat", folder / "photos")
    shutil.copytree(examples / "x-ray", folder / "ink")
    (folder / "assets").symlink_to(ROOT / "assets")
    Image.open(examples / "teapot" / "0.png").save(folder / "photo.jpg")
    code = "\n".join(block.code for block in blocks(page))
    learned = re.findall(r"""(?:--name |create_run\(Path\("runs/)([\w-]+)""", code)
    for name, ready_made in WORDS.items():
        source = ROOT / "assets" / "words" / ready_made
        concept = dataclasses.replace(load_concept(source), token=f"<{name}>")
        if name not in learned:
            pictures = [open_picture(file)[0] for file in picture_files(source)]
            save_concept(concept, folder / "runs" / name, pictures)
        if name == "our-cat":
            write_embedding(concept, folder, "a1111-pt")


def code_to_run(page: Path) -> list[Block]:
    """Skip the Japanese README: another test checks that its code equals the English one's."""
    return [
        block
        for block in blocks(page)
        if block.language != "text" and not block.not_run and page != README_JA
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_training")
@pytest.mark.parametrize("page", [page for page in PAGES if code_to_run(page)], ids=name_of)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imagined_folder(tmp_path, page)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in code_to_run(page):
        if block.language == "python":
            exec(compiled(block), namespace)
            continue
        for words in commands(block):
            run_command(block, words)


def compiled(block: Block) -> object:
    """Compile a block so that its tracebacks name the page and the lines."""
    return compile("\n" * block.line + block.code, str(block.page), "exec")


def commands(block: Block) -> list[list[str]]:
    """Split each command into words; a backslash continues a command on the next line."""
    lines = block.code.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run_command(block: Block, words: Sequence[str]) -> None:
    if [*words[:2]] == ["python", "-c"]:
        exec(compile(words[2], str(block), "exec"), {})
        return
    arguments = arguments_of(words)
    if not arguments or arguments[0] in PARSED_ONLY:
        check_command(block, words)
        return
    result = CliRunner().invoke(cli.app, [*arguments, *QUICKLY.get(arguments[0], [])])
    assert result.exit_code == 0, f"{block}: {shlex.join(words)}\n{result.output}"


def arguments_of(words: Sequence[str]) -> list[str] | None:
    """Return the arguments of our command, or equivalent ones; None for another command."""
    for start, meaning in OURS:
        if [*words[: len(start)]] == start:
            return [*meaning, *words[len(start) :]]
    return None


def check_command(block: Block, words: Sequence[str]) -> None:
    """Check that a command and its options exist, without running it."""
    place, arguments = f"{block}: {shlex.join(words)}", arguments_of(words)
    if arguments is not None:
        check_arguments(place, arguments or ["--help"])
    elif words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[1] in targets, place
    elif [*words[:2]] == ["python", "-m"] and words[2].split(".")[0] in ("benchmarks", "demo_model"):
        assert importlib.util.find_spec(words[2]), place
    else:
        assert any([*words[: len(other)]] == other for other in OTHERS), f"{place}: what is it?"
        for option, file in zip(words, words[1:], strict=False):
            assert option not in ("-r", "-c") or (ROOT / file).is_file(), place


def check_arguments(place: str, arguments: Sequence[str]) -> None:
    """Parse a command line with the real parser, whose commands do nothing."""
    group = installed_command()
    for command in group.commands.values():
        command.callback = None
    try:
        group.main([*arguments], prog_name="one-word", standalone_mode=False)
    except cli.USAGE_ERROR as error:
        pytest.fail(f"{place}\n{error.format_message()}")


def installed_command() -> Any:
    """Return ``one-word`` as :mod:`ui.command` assembles it."""
    commands = typer.Typer(cls=CommandGroup, **cli.STYLE)
    commands.registered_callback = cli.app.registered_callback
    commands.registered_commands = [*cli.app.registered_commands]
    commands.command("page", cls=Command)(page_command)
    return typer.main.get_command(commands)


# --- what is not run --------------------------------------------------------------------------------------


def test_what_is_not_run_is_listed() -> None:
    found = {name_of(page): [block.not_run for block in blocks(page) if block.not_run] for page in PAGES}
    assert {name: reasons for name, reasons in found.items() if reasons} == NOT_RUN


@pytest.mark.parametrize(
    "block", [block for page in PAGES for block in blocks(page) if block.not_run], ids=str
)
def test_what_is_not_run_could_be(block: Block) -> None:
    if block.language == "sh":
        for words in commands(block):
            check_command(block, words)
        return
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), f"{block}: {node.module} has no {alias.name}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    unknown = [str(block) for block in blocks(page) if block.language not in ("python", "sh", "text")]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_within_sentences_exist(page: Path) -> None:
    for line, code in inline_code(page):
        if re.match(r"(one-word|python|make|pip) ", code) and not re.search(r"[A-Z]{3,}|…", code):
            check_command(Block(page, line, "sh", code, ""), shlex.split(code))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_within_sentences_exist(page: Path) -> None:
    """They are options of our commands or of a benchmark."""
    group = installed_command()
    options = [option for command in (group, *group.commands.values()) for option in command.params]
    known = {"--help", "--lang", *(name for option in options for name in option.opts)}
    for file in (ROOT / "benchmarks").glob("*.py"):
        known.update(re.findall(r'"(--[\w-]+)"', file.read_text(encoding="utf-8")))
    found = {(line, code.split()[0]) for line, code in inline_code(page) if code.startswith("--")}
    assert [f"{page.name}:{line}: {name}" for line, name in sorted(found) if name not in known] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_paths_within_sentences_exist(page: Path) -> None:
    rooms = r"(ti_core|ui|tests|docs|benchmarks|demo_model|locale|assets|notebooks|\.github|\.ci)/[\w./-]*"
    missing = [
        f"{page.name}:{line}: {code}"
        for line, code in inline_code(page)
        if re.fullmatch(rooms, code) and not re.search("[A-Z]{3,}", code) and not (ROOT / code).exists()
    ]
    assert missing == []


# --- links and pictures -----------------------------------------------------------------------------------


def markdown_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("page", markdown_files(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        address, _, anchor = link.target.partition("#")
        if re.match(r"[a-z]+:", address):
            continue
        target = (page.parent / unquote(address)).resolve() if address else page
        if not target.exists() or (anchor and unquote(anchor) not in anchors(target)):
            broken.append(f"{page.name}:{link.line}: {link.target}")
    assert broken == []


def test_every_picture_is_shown_somewhere() -> None:
    shown = {
        (page.parent / link.target).resolve()
        for page in markdown_files()
        for link in links(page)
        if link.is_picture
    }
    assert {path.name for path in (ROOT / "assets" / "readme").iterdir()} == {
        path.name for path in shown if path.parent.name == "readme"
    }


@pytest.mark.parametrize("name", ["journey.webp", "journey.ja.webp"])
def test_the_journey_moves_and_is_light(name: str) -> None:
    file = ROOT / "assets" / "readme" / name
    assert file.stat().st_size < JOURNEY_BYTES
    with Image.open(file) as picture:
        assert picture.n_frames > 10  # type: ignore[attr-defined]


# --- the pages ----------------------------------------------------------------------------------------------


def test_the_readme_stays_short() -> None:
    for readme in (README, README_JA):
        assert len(readme.read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_both_readmes_say_the_same() -> None:
    """The texts differ, but the number of headings, the code, the pictures and the links agree."""

    def in_english(target: str) -> str:
        return target.replace(".ja.", ".").replace("/ja/", "/")

    assert [tag for tag, _ in headings(README)] == [tag for tag, _ in headings(README_JA)]
    assert [meaning(block) for block in blocks(README)] == [meaning(block) for block in blocks(README_JA)]
    own, other = links(README), links(README_JA)
    assert own[0].target == "README.ja.md" and other[0].target == "README.md"
    assert sorted(in_english(link.target) for link in own[1:]) == sorted(
        in_english(link.target) for link in other[1:]
    )
    assert [link.target for link in other if link.is_picture and ".ja." not in link.target] == []


def meaning(block: Block) -> object:
    """Return the code without its comments."""
    return ast.dump(ast.parse(block.code)) if block.language == "python" else commands(block)


def test_every_chapter_leads_to_the_next() -> None:
    """The index lists them in order; each begins with links to its neighbours and the index."""
    order = [INDEX.parent / link.target for link in links(INDEX) if re.fullmatch(r"[\w-]+\.md", link.target)]
    assert sorted(order) == CHAPTERS
    for before, chapter, after in zip([None, *order], order, [*order[1:], None], strict=False):
        neighbours = [page.name for page in (before, INDEX, after) if page]
        first_line = links(chapter)[0].line
        assert [link.target for link in links(chapter) if link.line == first_line] == neighbours, chapter.name


def test_every_setting_is_explained() -> None:
    text = (INDEX.parent / "settings.md").read_text(encoding="utf-8")
    fields = [
        field.name for kind in (TrainingConfig, GenerationSettings) for field in dataclasses.fields(kind)
    ]
    assert [name for name in fields if f"`{name}`" not in text] == []
    controls = [say("en", f"train_{field.name}") for field in dataclasses.fields(TrainingConfig)]
    assert [name for name in controls if name not in text] == []
