"""Learn the words that ship with the program from the example pictures: ``python -m demo_model.words``.

Training uses the defaults of the page and the command line, except that the initializer is the thing's own
word. Run this again whenever the embedded model changes.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from demo_model.examples import EXAMPLES
from demo_model.world import DEVELOPMENT
from ti_core.config import TrainingConfig
from ti_core.model.backbone import Backbone
from ti_core.pictures.folders import load_pictures
from ti_core.resources import ASSETS
from ti_core.training.runs import create_run, train_runs
from ti_core.words.folder import save_concept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ASSETS / "words")
    options = parser.parse_args()
    backbone = Backbone.load()
    with tempfile.TemporaryDirectory() as runs:
        for example in DEVELOPMENT:
            if example.name not in EXAMPLES:
                continue
            name = EXAMPLES[example.name]
            pictures, _ = load_pictures([ASSETS / "examples" / name], backbone.resolution)
            config = TrainingConfig(f"toy-{name}", kind=example.kind, initializer=example.initializer)
            run = create_run(Path(runs) / name, backbone, config, pictures)
            for _ in train_runs(backbone, [run]):
                pass
            folder = options.out / f"toy-{name}"
            shutil.rmtree(folder, ignore_errors=True)
            save_concept(run.concept(), folder, [picture.image for picture in pictures])
            print(folder, run.concept().training["steps"], "steps", flush=True)


if __name__ == "__main__":
    main()
