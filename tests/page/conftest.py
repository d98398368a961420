"""For the tests of the page: a model that is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from ui.server.model_keeper import ModelKeeper


@pytest.fixture(scope="module")
def models(tiny_sd1: Path) -> ModelKeeper:
    """Load a tiny model of the family of Stable Diffusion 1."""
    keeper = ModelKeeper()
    keeper.load(str(tiny_sd1))
    keeper.wait()
    return keeper
