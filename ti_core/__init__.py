"""The core of One Word: textual inversion for frozen text-to-image diffusion models.

Nothing here knows a page or a terminal: work is done by plain functions that yield facts
(snapshots, pictures with their recipe) and raise the errors of :mod:`ti_core.errors`.
"""

__version__ = "1.0.0"
