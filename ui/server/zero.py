"""Detect a ZeroGPU Space and borrow its GPU. Import this module before anything touches CUDA."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

Borrow = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes a function run in a forked process to which a GPU is lent.

Its arguments and its result are pickled, and it is killed when the GPU has to be given back.
"""

ON_ZERO_GPU = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")  # as spaces itself reads it
LENT_SECONDS = 45
WORK_SECONDS = 35  # no step or picture begins after this; the rest is for startup and the last one

borrow: Borrow | None = None
"""None outside ZeroGPU, where the device is always available."""
if ON_ZERO_GPU:
    import spaces  # type: ignore[import-not-found]

    borrow = spaces.GPU(duration=LENT_SECONDS)
