"""The identity of the frozen model that a concept belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ti_core.model.families import Family


@dataclass(frozen=True)
class BaseModel:
    """The frozen model a concept belongs to.

    ``widths`` is the embedding width d of each text encoder, ``{"clip_l": 768}``. ``fingerprint`` is computed
    from the embedding tables; it distinguishes two versions of a model with the same id.
    """

    id: str
    family: Family
    widths: Mapping[str, int]
    fingerprint: str = ""

    def fits(self, other: BaseModel) -> bool:
        """Whether vectors learned on one model work on the other.

        Both must have the same family and widths, and must not be two versions of a model with the same id.
        """
        if self.family != other.family or dict(self.widths) != dict(other.widths):
            return False
        if self.id != other.id or not (self.fingerprint and other.fingerprint):
            return True
        return self.fingerprint == other.fingerprint
