"""Check a set of pictures for problems before a word is learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from PIL import Image

from ti_core.pictures.prepare import Picture

_NEAR_DUPLICATE_BITS = 5  # of 64: hashes that differ in no more bits count as the same picture


def find_near_duplicates(pictures: Sequence[Picture]) -> list[tuple[int, int]]:
    """Return index pairs (i < j) of pictures that look almost the same, by the distance of their dHash."""
    hashes = [_difference_hash(picture.image) for picture in pictures]
    return [
        (i, j)
        for i, j in combinations(range(len(hashes)), 2)
        if np.count_nonzero(hashes[i] != hashes[j]) <= _NEAR_DUPLICATE_BITS
    ]


def _difference_hash(image: Image.Image) -> np.ndarray:
    """Return the dHash, (64,) bool: whether each cell of an 8 x 8 grid is darker than its right neighbour."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return (grey[:, 1:] > grey[:, :-1]).ravel()
