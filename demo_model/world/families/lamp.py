"""Table lamps: a shade on a stem, lit or not."""

from __future__ import annotations

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family


def sample(rng: np.random.Generator) -> Factors:
    """Sample a lamp from the whole factor space."""
    return {
        **paint.sample_look(rng),
        "shade": paint.pick(rng, ("cone", "dome", "drum", "bell")),
        "shade_width": rng.uniform(0.52, 0.78),
        "shade_height": rng.uniform(0.28, 0.4),
        "base": paint.pick(rng, ("disc", "ball", "vase", "tripod")),
        "base_width": rng.uniform(0.26, 0.42),
        "stem_width": rng.uniform(0.05, 0.08),
        "top": rng.uniform(0.06, 0.16),
        "lit": int(rng.integers(0, 2)),
        "chain": paint.pick(rng, ("none", "left", "right")),
        "trim": int(rng.integers(0, 2)),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw light, stem, base, bulb, chain and shade."""
    second = paint.rgb(f, "second")
    half, top = float(f["shade_width"]) / 2, float(f["top"])
    rim = top + float(f["shade_height"])
    if f["lit"]:
        light = [(0.5 - half, rim), (0.5 + half, rim), (0.5 + 1.12 * half, 0.88), (0.5 - 1.12 * half, 0.88)]
        canvas.drawPath(paint.polygon(light), paint.fill(paint.YELLOW, 0.55))
    stem = float(f["stem_width"]) / 2
    paint.draw_solid(canvas, paint.box(0.5 - stem, rim - 0.05, 0.5 + stem, 0.9, 0.01), second)
    _draw_base(canvas, str(f["base"]), float(f["base_width"]) / 2, rim, second)
    bulb = paint.YELLOW if f["lit"] else (0.85, 0.87, 0.9)
    paint.draw_solid(canvas, paint.ellipse(0.5, rim + 0.01, 0.075, 0.075), bulb)
    if f["chain"] != "none":
        x = 0.5 + (0.55 if f["chain"] == "right" else -0.55) * half
        canvas.drawPath(paint.polyline([(x, rim), (x, rim + 0.14)]), paint.pen(paint.INK, 0.022))
        paint.draw_solid(canvas, paint.ellipse(x, rim + 0.16, 0.04, 0.04), second)
    paint.draw_patterned(canvas, _shade(str(f["shade"]), half, top, rim), f)
    if f["trim"]:
        canvas.drawPath(paint.polyline([(0.5 - half, rim), (0.5 + half, rim)]), paint.pen(second, 0.05))


def _shade(shade: str, half: float, top: float, rim: float) -> skia.Path:
    if shade == "drum":
        return paint.polygon(
            [(0.5 - 0.85 * half, top), (0.5 + 0.85 * half, top), (0.5 + half, rim), (0.5 - half, rim)]
        )
    if shade == "cone":
        return paint.polygon(
            [(0.5 - 0.35 * half, top), (0.5 + 0.35 * half, top), (0.5 + half, rim), (0.5 - half, rim)]
        )
    path = skia.Path()
    path.moveTo(0.5 - half, rim)
    if shade == "dome":
        path.cubicTo(0.5 - half, top - 0.1, 0.5 + half, top - 0.1, 0.5 + half, rim)
    else:
        path.quadTo(0.5 - 0.42 * half, rim - 0.02, 0.5 - 0.38 * half, top)
        path.lineTo(0.5 + 0.38 * half, top)
        path.quadTo(0.5 + 0.42 * half, rim - 0.02, 0.5 + half, rim)
    path.close()
    return path


def _draw_base(canvas: skia.Canvas, base: str, half: float, rim: float, colour: paint.Rgb) -> None:
    room = 0.95 - rim
    if base == "tripod":
        for x in (0.5 - half, 0.5 + half):
            leg = paint.polyline([(0.5, rim + 0.3 * room), (x, 0.91)])
            paint.draw_limb(canvas, leg, colour, 0.075)
        return
    paint.draw_solid(canvas, paint.box(0.5 - half, 0.875, 0.5 + half, 0.945), colour)
    if base == "ball":
        radius = min(0.3 * room, 0.13)
        paint.draw_solid(canvas, paint.ellipse(0.5, 0.885 - radius, radius, radius), colour)
    elif base == "vase":
        tall = 0.34 * room
        paint.draw_solid(canvas, paint.blob(0.5, 0.885 - tall, 0.8 * half, tall, taper=-0.35), colour)


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the lamp by its light, shade, base or chain."""
    shade = ["round"] if f["shade"] == "dome" else ["pointed"] if f["shade"] == "cone" else []
    details = ["the light on" if f["lit"] else "the light off"]
    if f["base"] == "tripod":
        details.append("legs")
    if f["chain"] != "none":
        details.append("a chain")
    return paint.noun_phrase("lamp", f, rng, shade, details)


def is_held_out(f: Factors) -> bool:
    """Select domed lamps in pink to orange."""
    return f["shade"] == "dome" and (paint.has_hue(f, 0.0, 0.1) or paint.has_hue(f, 0.86, 1.0))


def is_development(f: Factors) -> bool:
    """Select teal to blue lamps on a tripod that are not domed."""
    return f["base"] == "tripod" and f["shade"] != "dome" and paint.has_hue(f, 0.43, 0.71)


LAMP = Family("lamp", sample, draw, describe, is_held_out, is_development)
