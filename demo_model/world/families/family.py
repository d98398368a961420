"""What one family of drawn things is: how to sample, draw, name and split it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import skia

Factors = dict[str, float | int | str]


@dataclass(frozen=True)
class Family:
    """A kind of thing with a factor space; `is_held_out` and `is_development` are disjoint regions of it.

    `draw` paints inside the unit square (y down), about 0.9 of it, standing on y = 0.95; the rest stays
    transparent. `describe` is a noun phrase without article that names one or two factors, or only the
    family. Neither region is drawn in training: the first is measured only, the second serves for tuning.
    """

    name: str
    sample: Callable[[np.random.Generator], Factors]
    draw: Callable[[skia.Canvas, Factors], None]
    describe: Callable[[Factors, np.random.Generator], str]
    is_held_out: Callable[[Factors], bool]
    is_development: Callable[[Factors], bool]
