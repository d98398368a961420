"""Ten families of things drawn by code; each factor space is far larger than any training set."""

from __future__ import annotations

from demo_model.world.families.bag import BAG
from demo_model.world.families.cat import CAT
from demo_model.world.families.clock import CLOCK
from demo_model.world.families.family import Factors, Family
from demo_model.world.families.fish import FISH
from demo_model.world.families.house import HOUSE
from demo_model.world.families.lamp import LAMP
from demo_model.world.families.monster import MONSTER
from demo_model.world.families.mug import MUG
from demo_model.world.families.robot import ROBOT
from demo_model.world.families.teapot import TEAPOT

FAMILIES: dict[str, Family] = {
    family.name: family for family in (MONSTER, MUG, TEAPOT, LAMP, CLOCK, ROBOT, FISH, HOUSE, BAG, CAT)
}

__all__ = ["FAMILIES", "Factors", "Family"]
