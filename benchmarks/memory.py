"""Measure peak memory of training and drawing: ``python -m benchmarks.memory``.

There is one figure for each model family and memory setting. Each is measured in a new process on a model
with random weights: a training step with one row, or a drawing of one picture, at the family's resolution. On
CUDA the figure is the peak that torch allocated, on a CPU the peak resident memory of the process beyond its
imports. The models are tiny unless ``--full`` is given.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch
from PIL import Image

from benchmarks.machine import describe_machine
from benchmarks.random_models import random_model
from ti_core.config import TrainingConfig
from ti_core.drawing.generate import generate
from ti_core.drawing.settings import GenerationSettings
from ti_core.model.backbone import Backbone
from ti_core.model.families import FAMILIES, Family
from ti_core.model.memory import LEVELS
from ti_core.pictures.prepare import Picture
from ti_core.training.preparation import prepare
from ti_core.training.step import train_step

WORKS = ("training", "drawing")
GIGABYTE = 1e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--full", action="store_true", help="each family at its own size")
    parser.add_argument("--measure", nargs=3, metavar=("FAMILY", "WORK", "SETTING"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        family, work, level = options.measure
        print(measure(family, work, level, options.full))
        return
    print(describe_machine())
    size = "full size" if options.full else "tiny models"
    print(f"\n{size}, one row or picture, peak memory in GB")
    print(f"{'':<16}" + "".join(f"{level:>10}" for level in LEVELS))
    for family in options.families:
        for work in WORKS:
            print(f"{family:<6}{work:<10}", end="", flush=True)
            reasons = []
            for level in LEVELS:
                gigabytes, reason = measure_in_process(family, work, level, options.full)
                print(f"{gigabytes:>10}", end="", flush=True)
                reasons += [f"{family}, {work}, {level}: {reason}"] if reason else []
            print()
            for line in reasons:
                print(line, file=sys.stderr)


def measure_in_process(family: str, work: str, level: str, full: bool) -> tuple[str, str]:
    """Run :func:`measure` in a new process; return gigabytes and "", or a dash and why it failed."""
    command = [sys.executable, "-m", "benchmarks.memory", "--measure", family, work, level]
    done = subprocess.run([*command, *(["--full"] if full else [])], capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return "-", last[0]
    return f"{float(done.stdout.split()[-1]) / GIGABYTE:.2f}", ""


def measure(family: Family, work: str, level: str, full: bool) -> float:
    """Return the peak bytes of one kind of work, including the model's weights."""
    before = psutil.Process().memory_info().rss
    backbone = random_model(family, full=full)
    while backbone.memory.level != level:
        backbone.memory.fall_back()
    if work == "training":
        train(backbone)
    else:
        list(generate(backbone, GenerationSettings("a cat", count=1, steps=2)))
    if backbone.device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return float(peak_of_process() - before)


def train(backbone: Backbone) -> None:
    """Encode a picture and run two training steps."""
    size = (backbone.resolution, backbone.resolution)
    picture = Picture("blank", Image.new("RGB", size, "gray"), None, None, size, ())
    config = TrainingConfig(token="<measured-word>", initializer="cat", batch_size=1)
    state = prepare(backbone, [picture], config)
    for _ in range(2):
        train_step(backbone, [state])


def peak_of_process() -> float:
    """Return the peak resident memory of this process in bytes."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":  # where ru_maxrss would include the parent process's memory
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        [kilobytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(kilobytes) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
