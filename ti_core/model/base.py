"""Which frozen model a concept belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ti_core.model.families import Family


@dataclass(frozen=True)
class BaseModel:
    """The frozen model a concept belongs to.

    ``widths`` is the embedding width d of each text encoder, ``{"clip_l": 768}``; ``fingerprint``
    tells two versions of a model of the same id apart by their vocabulary table.
    """

    id: str
    family: Family
    widths: Mapping[str, int]
    fingerprint: str = ""

    def fits(self, other: BaseModel) -> bool:
        """Whether vectors of one work in the other: same family and widths, not two versions of one id."""
        if self.family != other.family or dict(self.widths) != dict(other.widths):
            return False
        if self.id != other.id or not (self.fingerprint and other.fingerprint):
            return True
        return self.fingerprint == other.fingerprint
