"""The notebook for Colab, executed unchanged except for the fields that a person fills in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from helpers.serving import ROOT, free_port
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from ti_core.words.folder import load_concept

pytestmark = pytest.mark.slow

NEEDED = ("app.py", "ui", "ti_core", "assets", "notebooks", "requirements.txt")
PATIENCE = 300  # seconds for a cell, on a busy machine


class Notebook:
    """The notebook's code cells by name, in their own kernel."""

    def __init__(self, client: NotebookClient):
        self._client = client

    def fill_in(self, name: str, **values: object) -> None:
        """Set the fields of a cell's form to other values."""
        cell = self._cell(name)
        for field, value in values.items():
            cell.source, count = re.subn(rf"(?m)^{field} = [^#\n]*", f"{field} = {value!r}  ", cell.source)
            assert count == 1

    def run(self, name: str) -> list[NotebookNode]:
        """Execute a cell and return its outputs. Raises :class:`CellExecutionError` if the cell fails."""
        cell = self._cell(name)
        self._client.execute_cell(cell, self._client.nb.cells.index(cell))
        return cell.outputs

    def ask(self, code: str) -> str:
        """Return what a line of code prints in the kernel."""
        cell = nbformat.v4.new_code_cell(code)
        self._client.nb.cells.append(cell)
        self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        return printed(cell.outputs)

    def _cell(self, name: str) -> NotebookNode:
        [cell] = [cell for cell in self._client.nb.cells if cell.id == name]
        return cell


@contextmanager
def notebook(folder: Path) -> Iterator[Notebook]:
    """Open the notebook in a fresh kernel with a folder as its working directory."""
    book = nbformat.read(ROOT / "notebooks" / "one_word_colab.ipynb", as_version=4)
    nbformat.validate(book)
    client = NotebookClient(book, timeout=PATIENCE, resources={"metadata": {"path": str(folder)}})
    with client.setup_kernel():
        yield Notebook(client)


def printed(outputs: list[NotebookNode]) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find only installed packages, and let no service create a tunnel."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a copy of the program, into which the page and the word are written."""
    for name in NEEDED:
        source, target = ROOT / name, tmp_path / "checkout" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return tmp_path / "checkout"


def test_every_cell_does_what_it_says(checkout: Path) -> None:
    before = version("torch")
    with notebook(checkout / "notebooks") as book:
        assert f"with torch {before}" in printed(book.run("install"))
        assert f"torch=={before}\n" in book.ask("print(constraints.read_text())")
        assert version("torch") == before

        said = printed(book.run("launch"))
        assert "Could not create share link." in said
        [address] = re.findall(r"local URL: +(http://127\.0\.0\.1:\d+)", said)
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            assert b"One Word" in answer.read()
        with pytest.raises(AppError, match="keeps your words apart from other people's"):
            Client(address, verbose=False).predict(api_name="/words")
        book.ask("page.terminate(); page.wait()")

        book.fill_in("learn", STEPS=2, COUNT=1)
        outputs = book.run("learn")
        assert "step 2 of 2" in printed(outputs)
        shown = [output for output in outputs if output.output_type == "display_data"]
        assert ["image/png" in output.data for output in shown] == [True]

        book.fill_in("learn", PICTURES="assets/examples/cat")
        with pytest.raises(CellExecutionError, match=r"0\.png is another picture"):
            book.run("learn")
    concept = load_concept(checkout / "runs" / "our-style")
    assert (concept.token, concept.training["steps"]) == ("<our-style>", 2)


def test_elsewhere_it_asks_for_the_repository_and_clones_it(tmp_path: Path) -> None:
    repository, folder = tmp_path / "repository", tmp_path / "content"
    (repository / "ti_core").mkdir(parents=True)
    folder.mkdir()
    (repository / "ti_core" / "__init__.py").touch()
    (repository / "requirements.txt").write_text("torch>=2.8\n")
    git = ["git", "-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-C", str(repository)]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "All"]):
        subprocess.run([*git, *arguments], check=True)
    with notebook(folder) as book:
        with pytest.raises(CellExecutionError, match="into REPOSITORY, and run this cell again"):
            book.run("install")
        book.fill_in("install", REPOSITORY=repository.as_uri())
        assert f"with torch {version('torch')}" in printed(book.run("install"))
        assert book.ask("print(Path.cwd())").strip() == str(folder / "one-word")
