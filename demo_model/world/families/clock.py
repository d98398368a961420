"""Clocks: a pale face with two hands in a thick coloured case."""

from __future__ import annotations

import math

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family

_FACES: dict[str, paint.Rgb] = {"white": (1.0, 1.0, 1.0), "cream": (1.0, 0.94, 0.76), "sky": (0.8, 0.92, 1.0)}


def sample(rng: np.random.Generator) -> Factors:
    """Sample a clock from the whole factor space."""
    return {
        **paint.sample_look(rng),
        "case": paint.pick(rng, ("round", "square", "hexagon", "flower")),
        "radius": rng.uniform(0.32, 0.37),
        "rim": rng.uniform(0.26, 0.4),
        "face": paint.pick(rng, tuple(_FACES)),
        "hour": int(rng.integers(0, 12)),
        "minute": int(rng.integers(0, 12)) * 5,
        "hand_width": rng.uniform(0.035, 0.05),
        "ticks": paint.pick(rng, ("four", "twelve")),
        "top": paint.pick(rng, ("none", "bells", "handle")),
        "feet": paint.pick(rng, ("none", "legs", "stand")),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw feet, top, case, face, ticks and hands."""
    second, radius = paint.rgb(f, "second"), float(f["radius"])
    cy = (0.945 if f["feet"] == "none" else 0.9) - radius
    if f["feet"] == "legs":
        for side in (-1, 1):
            leg = paint.polyline([(0.5 + side * 0.5 * radius, 0.8), (0.5 + side * 0.8 * radius, 0.905)])
            paint.draw_limb(canvas, leg, second, 0.085)
    elif f["feet"] == "stand":
        stand = [
            (0.5 - 0.55 * radius, 0.8),
            (0.5 + 0.55 * radius, 0.8),
            (0.5 + radius, 0.94),
            (0.5 - radius, 0.94),
        ]
        paint.draw_solid(canvas, paint.polygon(stand), second)
    if f["top"] == "bells":
        canvas.drawPath(
            paint.arc(0.5, cy - radius, 0.5 * radius, 0.1, 180, 180), paint.pen(paint.darker(second), 0.04)
        )
        for side in (-1, 1):
            bell = paint.ellipse(0.5 + side * 0.68 * radius, cy - 0.88 * radius, 0.12, 0.11)
            paint.draw_solid(canvas, bell, second)
    elif f["top"] == "handle":
        handle = paint.arc(0.5, cy - 0.92 * radius, 0.14, 0.13, 180, 180)
        paint.draw_limb(canvas, handle, second, 0.075)
    paint.draw_patterned(canvas, _case(str(f["case"]), cy, radius), f)
    face = radius * (1.0 - float(f["rim"]))
    paint.draw_solid(canvas, paint.ellipse(0.5, cy, face, face), _FACES[str(f["face"])])
    count = 4 if f["ticks"] == "four" else 12
    for i in range(count):
        x, y = _on_dial(i / count, 0.8 * face, cy)
        canvas.drawPath(paint.ellipse(x, y, 0.022, 0.022), paint.fill(paint.darker(second, 0.6)))
    minute = int(f["minute"]) / 60
    width = float(f["hand_width"])
    for turn, length in (((int(f["hour"]) + minute) / 12, 0.5), (minute, 0.78)):
        hand = paint.polyline([(0.5, cy), _on_dial(turn, length * face, cy)])
        canvas.drawPath(hand, paint.pen(paint.INK, width))
    canvas.drawPath(paint.ellipse(0.5, cy, 0.03, 0.03), paint.fill((0.9, 0.2, 0.2)))


def _case(case: str, cy: float, radius: float) -> skia.Path:
    if case == "square":
        return paint.box(0.5 - radius, cy - radius, 0.5 + radius, cy + radius, 0.08)
    if case == "hexagon":
        return paint.polygon([_on_dial((i + 0.5) / 6, 1.1 * radius, cy) for i in range(6)])
    if case == "flower":
        turns = [i / 96 for i in range(96)]
        return paint.polygon(
            [_on_dial(t, radius * (0.92 + 0.08 * math.cos(16 * math.pi * t)), cy) for t in turns]
        )
    return paint.ellipse(0.5, cy, radius, radius)


def _on_dial(turn: float, radius: float, cy: float) -> paint.Point:
    angle = 2 * math.pi * turn
    return 0.5 + radius * math.sin(angle), cy - radius * math.cos(angle)


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the clock by case, top or feet."""
    details = [] if f["top"] == "none" else ["bells" if f["top"] == "bells" else "a handle"]
    if f["feet"] != "none":
        details.append("legs" if f["feet"] == "legs" else "a stand")
    return paint.noun_phrase("clock", f, rng, [str(f["case"])], details)


def is_held_out(f: Factors) -> bool:
    """Select square clocks in yellow to green."""
    return f["case"] == "square" and paint.has_hue(f, 0.13, 0.4)


def is_development(f: Factors) -> bool:
    """Select hexagonal clocks in blue to purple."""
    return f["case"] == "hexagon" and paint.has_hue(f, 0.58, 0.82)


CLOCK = Family("clock", sample, draw, describe, is_held_out, is_development)
