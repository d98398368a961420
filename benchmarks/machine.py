"""Describe the machine on which a benchmark runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from ti_core.model.precision import best_device, fastest_dtype


def describe_machine() -> str:
    """Return one line: processor, cores, accelerator, precision, operating system and versions."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    precision = str(fastest_dtype(best_device())).removeprefix("torch.")
    return (
        f"{processor}, {os.cpu_count()} cores ({torch.get_num_threads()} used), {accelerator}, {precision}, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}"
    )
