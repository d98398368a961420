"""An endless world of captioned pictures, made from parametric families, emoji nouns, scenes and styles."""

from demo_model.world.concepts import DEVELOPMENT, HELD_OUT, Concept, concept_pictures
from demo_model.world.families import FAMILIES
from demo_model.world.nouns import (
    DEVELOPMENT_NOUNS,
    HELD_OUT_NOUNS,
    TRAINING_NOUNS,
    EmojiFontMissingError,
    Noun,
)
from demo_model.world.picture import (
    FULL_MIX,
    MIDDLE_MIX,
    NOUN_MIX,
    SIMPLE_MIX,
    Mix,
    Picture,
    Placement,
    Plan,
    compose,
    draw_plan,
    draw_thing,
    plan_picture,
    sample_picture,
    sample_plan,
    training_captions,
)
from demo_model.world.scenes import EMPTY_SCENES, PLAIN_BACKGROUNDS, SCENES, Scene
from demo_model.world.styles import (
    DEVELOPMENT_STYLES,
    HELD_OUT_STYLES,
    NAMED_STYLES,
    NamedStyle,
    ParametricStyle,
    Style,
)
from demo_model.world.things import FamilyThing, NounThing, Thing

__all__ = [
    "DEVELOPMENT",
    "DEVELOPMENT_NOUNS",
    "DEVELOPMENT_STYLES",
    "EMPTY_SCENES",
    "FULL_MIX",
    "MIDDLE_MIX",
    "NOUN_MIX",
    "SIMPLE_MIX",
    "Mix",
    "FAMILIES",
    "HELD_OUT",
    "HELD_OUT_NOUNS",
    "HELD_OUT_STYLES",
    "NAMED_STYLES",
    "PLAIN_BACKGROUNDS",
    "SCENES",
    "TRAINING_NOUNS",
    "Concept",
    "EmojiFontMissingError",
    "FamilyThing",
    "NamedStyle",
    "Noun",
    "NounThing",
    "ParametricStyle",
    "Picture",
    "Placement",
    "Plan",
    "Scene",
    "Style",
    "Thing",
    "compose",
    "concept_pictures",
    "draw_plan",
    "draw_thing",
    "plan_picture",
    "sample_picture",
    "sample_plan",
    "training_captions",
]
