"""Draw the example pictures that ship with the program: ``python -m demo_model.examples``.

They show development concepts, on which the embedded model was never trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from demo_model.world import DEVELOPMENT, concept_pictures

EXAMPLES = {"monster-37": "monster", "teapot-41": "teapot", "cat-43": "cat", "x-ray": "x-ray"}
"""Maps the name of a development concept to its folder's name."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("assets/examples"))
    options = parser.parse_args()
    for concept in DEVELOPMENT:
        if concept.name not in EXAMPLES:
            continue
        folder = options.out / EXAMPLES[concept.name]
        folder.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(concept_pictures(concept, 4, size=512)):
            Image.fromarray(picture.pixels).save(folder / f"{number}.png", optimize=True)
        print(folder)


if __name__ == "__main__":
    main()
