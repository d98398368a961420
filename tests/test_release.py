"""All files that describe a release agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ti_core import __version__

ROOT = Path(__file__).resolve().parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_changelog_tells_of_this_version() -> None:
    versions = re.findall(r"(?m)^## (\S+)", read("CHANGELOG.md"))
    assert versions[:2] == ["Unreleased", __version__]


def test_the_citation_is_of_this_version() -> None:
    citation: dict[str, Any] = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == __version__
    assert f"## {__version__} - {citation['date-released']}\n" in read("CHANGELOG.md")


def test_every_version_of_python_that_is_named_is_tested() -> None:
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', read("pyproject.toml"))
    workflow: dict[str, Any] = yaml.safe_load(read(".github/workflows/checks.yml"))
    assert workflow["jobs"]["quick"]["strategy"]["matrix"]["python"] == named
    assert f'requires-python = ">={named[0]}"' in read("pyproject.toml")
