"""The program as a new user gets it: the wheel in an empty environment, used from another folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
import venv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from gradio_client import Client
from helpers.serving import ROOT, answering, free_port

from ti_core import __version__
from ti_core.drawing.recipe import read_recipe
from ti_core.resources import ASSETS
from ti_core.words.folder import load_concept

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(os.name == "nt", reason="there is no sending Ctrl-C to one process on Windows"),
]


@dataclass(frozen=True)
class Installed:
    """The wheel, and the environment into which it was installed."""

    wheel: Path
    programs: Path
    """The folder of the environment's programs."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of a person who has activated the environment."""
        mine = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))
        }
        return {**mine, "PATH": os.pathsep.join([str(self.programs), mine["PATH"]])}

    def run(self, command: Sequence[str], folder: Path) -> str:
        """Run a command and return its stdout. Raises :class:`AssertionError` if it fails."""
        done = subprocess.run(command, cwd=folder, env=self.variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    """Install the wheel; the environment exceeds a gigabyte, so it is removed at once and has no pip."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / ".venv"  # hidden, as usual: Gradio does not serve hidden files
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", name, str(ROOT)], check=True)
        [wheel] = Path(name).glob("*.whl")
        venv.create(home, symlinks=True)
        # Without compiling, which halves the time: most modules are never imported.
        into = ["--python", str(home / "bin" / "python"), "install", "--no-compile"]
        subprocess.run([*pip, *into, "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True)
        yield Installed(wheel, home / "bin")


def test_the_wheel_holds_every_file_that_the_program_reads(installed: Installed) -> None:
    folders = {"ti_core": "ti_core", "ui": "ui", "assets": "ti_core/assets", "locale": "ti_core/locale"}
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    expected = set()
    for file in listing:
        top, _, rest = file.partition("/")
        if not file.startswith("assets/readme/"):
            expected.add(f"{folders[top]}/{rest}")
    files = {file for file in zipfile.ZipFile(installed.wheel).namelist() if ".dist-info/" not in file}
    assert files == expected


def test_the_command_tells_its_version_and_what_it_can_do(installed: Installed, tmp_path: Path) -> None:
    assert installed.run(["one-word", "--version"], tmp_path) == f"one-word {__version__}\n"
    text = installed.run(["one-word", "--help"], tmp_path)
    assert text.startswith("Usage: one-word ")
    assert {"train", "generate", "page"} <= {line.split()[0] for line in text.splitlines() if line.strip()}


def test_a_word_is_learned_and_drawn(installed: Installed, tmp_path: Path) -> None:
    """Ctrl-C stops the training; running the command that it prints finishes the training."""
    pictures = shutil.copytree(ASSETS / "examples" / "cat", tmp_path / "pictures")
    words = ["one-word", "train", "pictures", "--name", "our-cat", "--init", "cat", "--stop", "never"]
    command = [*words, "--steps", "12", "--batch-size", "1"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=installed.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stderr:
            if line.startswith("Learning <our-cat>: step"):
                process.send_signal(signal.SIGINT)
                break
        printed, rest = process.communicate(timeout=120)
    assert process.returncode == 1, rest
    resume = printed.splitlines()[-1]
    assert resume.startswith("one-word train ") and resume.endswith(" --resume")
    facts = json.loads(installed.run(["sh", "-c", f"{resume} --json"], tmp_path).splitlines()[-1])
    assert (facts["token"], facts["steps"]) == ("<our-cat>", 12)
    assert load_concept(tmp_path / "runs" / "our-cat").training["steps"] == 12
    assert len(list(pictures.iterdir())) == 4

    prompt = "a photo of <our-cat> in the snow"
    drawing = ["generate", prompt, "--concept", "runs/our-cat", "--steps", "5", "--count", "1", "--json"]
    facts = json.loads(installed.run(["one-word", *drawing], tmp_path).splitlines()[-1])
    [file] = facts["files"]
    assert read_recipe(tmp_path / file).prompt == prompt


def test_the_page_is_served_and_draws(installed: Installed, tmp_path: Path) -> None:
    """The page serves its script and the example pictures, and saves drawings in the working directory."""
    port = free_port()
    command = [str(installed.programs / "one-word"), "page", "--port", str(port)]
    with answering(command, port, tmp_path, tmp_path / "page.log", installed.variables) as address:
        with urllib.request.urlopen(address) as answer:
            page = answer.read().decode()
        assert (ROOT / "ui" / "page.js").read_text(encoding="utf-8") in page
        [assets] = installed.programs.parent.glob("lib/*/site-packages/ti_core/assets")
        picture = assets / "examples" / "cat" / "0.png"
        with urllib.request.urlopen(f"{address}/gradio_api/file={picture}") as answer:
            assert answer.read() == picture.read_bytes()
        Client(address, verbose=False).predict("a cat", count=1, steps=2, api_name="/generate")
    [kept] = (tmp_path / "outputs" / "page").rglob("*.png")
    assert read_recipe(kept).prompt == "a cat"
