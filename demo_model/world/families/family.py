"""A family of drawn things: how to sample, draw, describe and split it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import skia

Factors = dict[str, float | int | str]


@dataclass(frozen=True)
class Family:
    """A kind of thing with a space of factors, from which every member is drawn.

    ``draw`` fills about 0.9 of the unit square (y down), standing on y = 0.95; the rest stays transparent.
    ``describe`` returns a noun phrase without an article that names one or two factors, or only the family.
    ``is_held_out`` and ``is_development`` define disjoint regions of the factor space that are never in the
    training data: the first is for measuring only, the second for tuning.
    """

    name: str
    sample: Callable[[np.random.Generator], Factors]
    draw: Callable[[skia.Canvas, Factors], None]
    describe: Callable[[Factors, np.random.Generator], str]
    is_held_out: Callable[[Factors], bool]
    is_development: Callable[[Factors], bool]
