"""Houses: walls with a door and windows under a coloured roof."""

from __future__ import annotations

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family

_PANE: paint.Rgb = (0.68, 0.9, 1.0)


def sample(rng: np.random.Generator) -> Factors:
    """Sample a house from the whole factor space."""
    return {
        **paint.sample_look(rng),
        "width": rng.uniform(0.52, 0.72),
        "wall_height": rng.uniform(0.4, 0.52),
        "roof": paint.pick(rng, ("pointed", "flat", "round", "slanted")),
        "roof_height": rng.uniform(0.24, 0.33),
        "chimney": paint.pick(rng, ("none", "left", "right")),
        "smoke": int(rng.integers(0, 2)),
        "door": paint.pick(rng, ("arched", "square")),
        "door_place": paint.pick(rng, ("left", "middle", "right")),
        "windows": paint.pick(rng, ("square", "round")),
        "window_size": rng.uniform(0.11, 0.15),
        "lit": int(rng.integers(0, 2)),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw chimney and smoke, walls, roof, windows and door."""
    second = paint.rgb(f, "second")
    half, eaves = float(f["width"]) / 2, 0.945 - float(f["wall_height"])
    ridge = eaves - float(f["roof_height"])
    if f["chimney"] != "none":
        x = 0.5 + (0.62 if f["chimney"] == "right" else -0.62) * half
        paint.draw_solid(canvas, paint.box(x - 0.06, ridge - 0.01, x + 0.06, eaves, 0.01), (0.68, 0.35, 0.28))
        if f["smoke"]:
            for dx, dy, radius in ((0.0, 0.04, 0.04), (0.03, 0.09, 0.05)):
                canvas.drawPath(
                    paint.ellipse(x + dx, max(ridge - dy, 0.08), radius, radius),
                    paint.fill((0.83, 0.85, 0.9)),
                )
    walls = paint.box(0.5 - half, eaves, 0.5 + half, 0.94, 0.01)
    paint.draw_patterned(canvas, walls, f)
    paint.draw_solid(canvas, _roof(str(f["roof"]), half, ridge, eaves + 0.02), second)

    place = {"left": -1, "middle": 0, "right": 1}[str(f["door_place"])]
    door_x, door_half = 0.5 + 0.52 * half * place, 0.075
    door = paint.box(door_x - door_half, 0.72, door_x + door_half, 0.94, 0.005)
    if f["door"] == "arched":
        door = skia.Path()
        door.moveTo(door_x - door_half, 0.94)
        door.lineTo(door_x - door_half, 0.76)
        door.cubicTo(door_x - door_half, 0.66, door_x + door_half, 0.66, door_x + door_half, 0.76)
        door.lineTo(door_x + door_half, 0.94)
        door.close()
    paint.draw_solid(canvas, door, paint.darker(second, 0.35))
    canvas.drawPath(paint.ellipse(door_x + 0.035, 0.84, 0.02, 0.02), paint.fill(paint.YELLOW))
    size = float(f["window_size"]) / 2
    for i in (-1, 0, 1):
        if i != place:
            _draw_window(canvas, f, 0.5 + 0.6 * half * i, max(eaves + 0.05 + size, 0.73 - size), size)


def _draw_window(canvas: skia.Canvas, f: Factors, x: float, y: float, size: float) -> None:
    glass = paint.YELLOW if f["lit"] else _PANE
    if f["windows"] == "round":
        pane = paint.ellipse(x, y, size, size)
    else:
        pane = paint.box(x - size, y - size, x + size, y + size, 0.005)
    canvas.drawPath(pane, paint.pen(paint.WHITE, 0.05))
    paint.draw_solid(canvas, pane, glass, outline=0.018)


def _roof(roof: str, half: float, ridge: float, eaves: float) -> skia.Path:
    left, right = 0.5 - half - 0.07, 0.5 + half + 0.07
    if roof == "pointed":
        return paint.polygon([(left, eaves), (0.5, ridge), (right, eaves)])
    if roof == "flat":
        return paint.polygon(
            [
                (left, eaves),
                (0.5 - 0.6 * half, ridge + 0.06),
                (0.5 + 0.6 * half, ridge + 0.06),
                (right, eaves),
            ]
        )
    if roof == "slanted":
        return paint.polygon([(left, eaves), (0.5 - 0.85 * half, ridge), (right, eaves)])
    dome = skia.Path()
    dome.moveTo(left, eaves)
    dome.cubicTo(left + 0.04, ridge - 0.07, right - 0.04, ridge - 0.07, right, eaves)
    dome.close()
    return dome


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the house by roof, windows, door or chimney."""
    details = [f"a {f['roof']} roof", f"a {paint.colour_word(f, 'second')} roof", f"{f['windows']} windows"]
    if f["chimney"] != "none":
        details.append("a chimney")
    return paint.noun_phrase("house", f, rng, (), details)


def is_held_out(f: Factors) -> bool:
    """Select round-roofed houses in blue to purple."""
    return f["roof"] == "round" and paint.has_hue(f, 0.56, 0.82)


def is_development(f: Factors) -> bool:
    """Select slant-roofed houses in red to yellow."""
    return f["roof"] == "slanted" and paint.has_hue(f, 0.0, 0.2)


HOUSE = Family("house", sample, draw, describe, is_held_out, is_development)
