"""Ctrl-C at moments that no person could hit every time."""

from __future__ import annotations

import runpy
import sys

import pytest


def interrupted_import(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run ``python -m ti_core`` with a Ctrl-C while it imports its command line; return the exit code."""

    class CtrlC:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "ti_core.cli":
                raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["ti_core", *arguments])
    monkeypatch.setattr(sys, "meta_path", [CtrlC(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "ti_core.cli")
    monkeypatch.delitem(sys.modules, "ti_core.__main__", raising=False)
    with pytest.raises(SystemExit) as exit_info:
        runpy.run_module("ti_core", run_name="__main__")
    return exit_info.value.code
