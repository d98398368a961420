"""What is worth saying about a set of pictures before a word is learned from them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from PIL import Image

from ti_core.pictures.prepare import Picture

_NEAR_DUPLICATE_BITS = 5  # of the 64 of a difference hash


def find_near_duplicates(pictures: Sequence[Picture]) -> list[tuple[int, int]]:
    """Index pairs (i < j) of pictures that look almost the same, by the distance of their 64-bit dHash."""
    hashes = [_difference_hash(picture.image) for picture in pictures]
    return [
        (i, j)
        for i, j in combinations(range(len(hashes)), 2)
        if np.count_nonzero(hashes[i] != hashes[j]) <= _NEAR_DUPLICATE_BITS
    ]


def _difference_hash(image: Image.Image) -> np.ndarray:
    """dHash: is each cell of an 8 x 8 grid darker than its right neighbour? (64,) bool."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return (grey[:, 1:] > grey[:, :-1]).ravel()
