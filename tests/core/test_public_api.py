"""The names at the top of the package: each leads to its own module, and costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ti_core

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ti_core.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ti_core, name).__name__ == name
    assert name in dir(ti_core)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        ti_core.nonsense  # noqa: B018


def test_the_package_is_imported_without_torch() -> None:
    program = "import sys, ti_core; assert 'torch' not in sys.modules and 'PIL' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
