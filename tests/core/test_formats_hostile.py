"""No hostile file does any harm: each ends in one sentence, quickly and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.hostile_files import HARM, HOSTILE, write_hostile
from helpers.japanese import in_japanese

from ti_core.errors import ConceptError
from ti_core.words.formats import read_embeddings

SECONDS = 2.0  # of CPU time; on an ordinary machine no file takes half a second
MEGABYTES = 100

MEASURE = """
import json, resource, sys
from pathlib import Path
from ti_core.errors import ConceptError
from ti_core.words.formats import read_embeddings

def refused(file):
    try:
        read_embeddings(Path(file))
    except ConceptError:
        return
    raise AssertionError(file)

good, *hostile = sys.argv[1:]
read_embeddings(Path(good))
unit = 2**20 if sys.platform == "darwin" else 2**10
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
before, grown = peak(), {}
for file in hostile:
    start = peak()
    refused(file)
    grown[file] = peak() - start
print(json.dumps(grown))
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_one_sentence_and_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = write_hostile(name, tmp_path / "files")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    start = time.process_time()
    with pytest.raises(ConceptError, match=HOSTILE[name][2]) as caught:
        read_embeddings(file)
    assert time.process_time() - start < SECONDS
    message = str(caught.value)
    assert (
        message.startswith(f"{file.name} holds no usable embedding. ")
        and message.endswith(".")
        and len(message) < 300
    )
    assert in_japanese(caught.value)
    assert not (work / HARM).exists() and list(work.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process's peak memory this way")
def test_hostile_files_take_little_memory(tmp_path: Path) -> None:
    import torch

    good = tmp_path / "good.pt"
    torch.save({"<our-cat>": torch.ones(1, 768)}, good)
    files = [str(write_hostile(name, tmp_path / str(number))) for number, name in enumerate(HOSTILE)]
    command = [sys.executable, "-c", MEASURE, str(good), *files]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    grown = json.loads(result.stdout)
    greedy = {name: size for name, size in zip(HOSTILE, grown.values(), strict=True) if size > MEGABYTES}
    assert not greedy
    assert sum(grown.values()) < 2 * MEGABYTES
