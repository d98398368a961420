"""The files that come with the program are found, wherever it lies."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ti_core import resources


@pytest.mark.parametrize("installed", [False, True], ids=["checkout", "installed"])
def test_they_lie_beside_the_package_in_a_checkout_and_inside_it_when_installed(
    installed: bool, tmp_path: Path
) -> None:
    package = tmp_path / "ti_core"
    home = package if installed else tmp_path
    (home / "assets").mkdir(parents=True)
    package.mkdir(exist_ok=True)
    shutil.copy(resources.__file__, package)
    program = "from ti_core.resources import ASSETS, LOCALES; print(ASSETS, LOCALES, sep='\\n')"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {program}", str(tmp_path)]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [Path(line) for line in found.stdout.splitlines()] == [home / "assets", home / "locale"]


def test_they_are_here() -> None:
    assert (resources.ASSETS / "toybox" / "model_index.json").is_file()
    assert list(resources.LOCALES.glob("*/LC_MESSAGES/*.po"))
