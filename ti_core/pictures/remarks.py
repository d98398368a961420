"""Check a set of pictures for problems before a word is learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from PIL import Image

from ti_core.pictures.prepare import Picture

_NEAR_DUPLICATE_BITS = 5  # of 64: hashes that differ in no more bits count as the same picture
_BORDER_GRID, _BORDER_CELLS = (
    32,
    4,
)  # a picture is reduced to so many cells a side; so many at its edges count
_SAME_BORDER = 16.0  # of 255: borders whose mean difference is below it look the same


def find_near_duplicates(pictures: Sequence[Picture]) -> list[tuple[int, int]]:
    """Return index pairs (i < j) of pictures that look almost the same, by the distance of their dHash."""
    hashes = [_difference_hash(picture.image) for picture in pictures]
    return [
        (i, j)
        for i, j in combinations(range(len(hashes)), 2)
        if np.count_nonzero(hashes[i] != hashes[j]) <= _NEAR_DUPLICATE_BITS
    ]


def share_background(pictures: Sequence[Picture]) -> bool:
    """Tell whether the borders of all pictures look the same: a word would learn that background too.

    The outer eighth of each picture is compared, at 32 x 32 pixels. One picture alone shares with none.
    """
    if len(pictures) < 2:
        return False
    borders = [_border(picture.image) for picture in pictures]
    return all(float(np.abs(one - other).mean()) < _SAME_BORDER for one, other in combinations(borders, 2))


def _border(image: Image.Image) -> np.ndarray:
    """Return the cells along the edges of a picture that is reduced to a grid, (cells, 3) float32."""
    border = np.ones((_BORDER_GRID, _BORDER_GRID), bool)
    border[_BORDER_CELLS:-_BORDER_CELLS, _BORDER_CELLS:-_BORDER_CELLS] = False
    small = image.resize((_BORDER_GRID, _BORDER_GRID), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)[border]


def _difference_hash(image: Image.Image) -> np.ndarray:
    """Return the dHash, (64,) bool: whether each cell of an 8 x 8 grid is darker than its right neighbour."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return (grey[:, 1:] > grey[:, :-1]).ravel()
