"""For every test: no network, a fair share of the cores, and the quick ones first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from helpers.hub_server import HubServer

    from ti_core.model.backbone import Backbone
    from ti_core.model.families import Family

# Before any test imports huggingface_hub, which reads it at import.
os.environ["HF_HUB_OFFLINE"] = "1"

# Before torch is imported: tests that run side by side share the cores, and a thread that waits for the
# others at the end of an operation sleeps; it would spin, on a core that another test could use.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests marked slow last, each group in its own order."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def _tiny(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from helpers.tiny_models import save_tiny_model  # loads diffusers, which the tests of the rest do without

    return save_tiny_model(family, tmp_path_factory.mktemp("models") / f"tiny-{family}")


@pytest.fixture(scope="session")
def tiny_sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _tiny("sd1", tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_sd2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _tiny("sd2", tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _tiny("sdxl", tmp_path_factory)


@pytest.fixture(scope="session")
def backbones(tiny_sd1: Path, tiny_sd2: Path, tiny_sdxl: Path) -> dict[Family, Backbone]:
    """One tiny model of each family on the CPU in float32, with its folder's name as its id."""
    import torch

    from ti_core.model.backbone import Backbone

    folders: dict[Family, Path] = {"sd1": tiny_sd1, "sd2": tiny_sd2, "sdxl": tiny_sdxl}
    return {
        family: Backbone.load(str(folder), device="cpu", dtype=torch.float32)
        for family, folder in folders.items()
    }


class NoWaiting:
    """What the Hub's client uses of the module ``time``."""

    @staticmethod
    def sleep(seconds: float) -> None:
        """Try again at once."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub on this machine that the client in this process talks to."""
    from helpers.hub_server import serve_hub
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    with serve_hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(
            constants._HF_DEFAULT_ENDPOINT, server.address
        )
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(_http, "time", NoWaiting)
        yield server
