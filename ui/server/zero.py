"""Whether this is a ZeroGPU Space, and how its GPU is borrowed. Import this before anything touches CUDA."""

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
WORK_SECONDS = 35  # after which no other step or picture is begun: the rest is for the last one, and to start

borrow: Borrow | None = None
"""None elsewhere, where the device is there all the time."""
if ON_ZERO_GPU:
    import spaces  # type: ignore[import-not-found]

    borrow = spaces.GPU(duration=LENT_SECONDS)
