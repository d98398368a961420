"""Measure wall-clock seconds of commands, including start-up: ``python -m benchmarks.commands``.

Learns a word with the defaults from the four pictures of the example monster, draws four pictures with it,
and starts the page, each in a new process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from ti_core.resources import ASSETS
from ui.launch import FIRST_PORT, free_port

APP = Path(__file__).resolve().parent.parent / "app.py"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        concept = str(Path(folder) / "our-monster")
        pictures = str(ASSETS / "examples" / "monster")
        seconds, facts = run("train", pictures, "--name", "our-monster", "--out", concept)
        print(f"train, four pictures      {seconds:6.1f} s  {facts['steps']} steps, {facts['stopped']}")
        prompt = "a photo of <our-monster> on the beach"
        seconds, _ = run("generate", prompt, "--concept", concept, "--out", folder)
        print(f"generate, four pictures   {seconds:6.1f} s")
        print(f"app.py until it answers   {start_page(Path(folder) / 'data'):6.1f} s")


def run(*arguments: str) -> tuple[float, dict[str, Any]]:
    """Run one command in a new process; return its seconds and the JSON object that it prints."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "ti_core", *arguments, "--json"]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return time.perf_counter() - start, json.loads(result.stdout.splitlines()[-1])


def start_page(data: Path) -> float:
    """Start ``app.py`` with a new data folder; return the seconds until its page is served."""
    port = str(free_port("127.0.0.1", FIRST_PORT))
    start = time.perf_counter()
    command = [sys.executable, str(APP), "--port", port, "--data", str(data)]
    page = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                    answer.read()
                return time.perf_counter() - start
            except urllib.error.URLError:
                if page.poll() is not None:
                    raise
                time.sleep(0.05)
    finally:
        page.terminate()
        page.wait()


if __name__ == "__main__":
    main()
