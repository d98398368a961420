"""Robots: a head and a body of plates, with arms, and legs or wheels."""

from __future__ import annotations

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family


def sample(rng: np.random.Generator) -> Factors:
    """Sample a robot from the whole factor space."""
    return {
        **paint.sample_look(rng),
        "head": paint.pick(rng, ("box", "dome", "bucket")),
        "head_width": rng.uniform(0.32, 0.46),
        "head_height": rng.uniform(0.23, 0.3),
        "head_colour": paint.pick(rng, ("main", "second")),
        "body_width": rng.uniform(0.36, 0.5),
        "body_taper": rng.uniform(-0.15, 0.2),
        "antennae": int(rng.integers(0, 3)),
        "eyes": paint.pick(rng, ("round", "square", "visor")),
        "arms": paint.pick(rng, ("up", "down", "out")),
        "base": paint.pick(rng, ("legs", "wheels", "tracks")),
        "chest": paint.pick(rng, ("none", "heart", "screen", "buttons")),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw antennae, arms, base, neck, body, chest and head."""
    second = paint.rgb(f, "second")
    top = 0.17
    chin = top + float(f["head_height"])
    shoulder, hip = chin + 0.04, 0.8
    half, head = float(f["body_width"]) / 2, float(f["head_width"]) / 2
    count = int(f["antennae"])
    for i in range(count):
        x = 0.5 + (2 * i - (count - 1)) * 0.55 * head
        canvas.drawPath(paint.polyline([(x, top + 0.04), (x, 0.1)]), paint.pen(paint.INK, 0.035))
        paint.draw_solid(canvas, paint.ellipse(x, 0.09, 0.05, 0.05), second)
    hand = {"up": -0.14, "down": 0.22, "out": 0.04}[str(f["arms"])]
    for side in (-1, 1):
        bend, tip = 0.5 + side * (half + 0.11), (0.5 + side * (half + 0.14), shoulder + 0.08 + hand)
        arm = paint.polyline([(0.5 + side * 0.8 * half, shoulder + 0.08), (bend, shoulder + 0.08), tip])
        paint.draw_limb(canvas, arm, (0.66, 0.69, 0.74), 0.075)
        paint.draw_solid(canvas, paint.ellipse(*tip, 0.06, 0.06), second)
    _draw_base(canvas, str(f["base"]), half, hip, second)
    canvas.drawRect(skia.Rect(0.45, chin - 0.02, 0.55, shoulder + 0.02), paint.fill((0.45, 0.47, 0.52)))
    foot = half * (1.0 - float(f["body_taper"]))
    body = [(0.5 - half, shoulder), (0.5 + half, shoulder), (0.5 + foot, hip), (0.5 - foot, hip)]
    paint.draw_patterned(canvas, paint.polygon(body), f)
    _draw_chest(canvas, str(f["chest"]), (shoulder + hip) / 2)
    skull = _head(str(f["head"]), head, top, chin)
    paint.draw_solid(canvas, skull, paint.lighter(paint.rgb(f, str(f["head_colour"])), 0.15))
    _draw_face(canvas, str(f["eyes"]), head, top, chin)


def _head(kind: str, half: float, top: float, chin: float) -> skia.Path:
    if kind == "box":
        return paint.box(0.5 - half, top, 0.5 + half, chin, 0.03)
    if kind == "bucket":
        return paint.polygon(
            [(0.5 - 0.72 * half, top), (0.5 + 0.72 * half, top), (0.5 + half, chin), (0.5 - half, chin)]
        )
    dome = skia.Path()
    dome.moveTo(0.5 - half, chin)
    dome.cubicTo(0.5 - half, top - 0.08, 0.5 + half, top - 0.08, 0.5 + half, chin)
    dome.close()
    return dome


def _draw_face(canvas: skia.Canvas, eyes: str, half: float, top: float, chin: float) -> None:
    y = top + 0.42 * (chin - top)
    if eyes == "visor":
        canvas.drawPath(
            paint.box(0.5 - 0.68 * half, y - 0.05, 0.5 + 0.68 * half, y + 0.05), paint.fill(paint.INK)
        )
    for x in (0.5 - 0.38 * half, 0.5 + 0.38 * half):
        if eyes == "round":
            paint.draw_eye(canvas, x, y, 0.05)
        elif eyes == "square":
            paint.draw_solid(
                canvas, paint.box(x - 0.045, y - 0.045, x + 0.045, y + 0.045, 0.005), paint.YELLOW
            )
        else:
            canvas.drawPath(paint.ellipse(x, y, 0.03, 0.03), paint.fill((0.3, 1.0, 0.9)))
    mouth = chin - 0.06
    canvas.drawPath(
        paint.polyline([(0.5 - 0.4 * half, mouth), (0.5 + 0.4 * half, mouth)]), paint.pen(paint.INK, 0.035)
    )


def _draw_chest(canvas: skia.Canvas, chest: str, y: float) -> None:
    if chest == "screen":
        paint.draw_solid(canvas, paint.box(0.4, y - 0.08, 0.6, y + 0.06), (0.55, 0.9, 1.0))
    elif chest == "buttons":
        for x, colour in ((0.41, (0.95, 0.25, 0.25)), (0.5, paint.YELLOW), (0.59, (0.3, 0.8, 0.35))):
            paint.draw_solid(canvas, paint.ellipse(x, y, 0.04, 0.04), colour, outline=0.015)
    elif chest == "heart":
        heart = skia.Path()
        heart.moveTo(0.5, y + 0.09)
        heart.cubicTo(0.3, y - 0.04, 0.42, y - 0.14, 0.5, y - 0.04)
        heart.cubicTo(0.58, y - 0.14, 0.7, y - 0.04, 0.5, y + 0.09)
        paint.draw_solid(canvas, heart, (0.95, 0.2, 0.3))


def _draw_base(canvas: skia.Canvas, base: str, half: float, hip: float, colour: paint.Rgb) -> None:
    if base == "tracks":
        paint.draw_solid(
            canvas, paint.box(0.5 - half - 0.06, hip - 0.01, 0.5 + half + 0.06, 0.94, 0.07), colour
        )
        for i in (-1, 0, 1):
            canvas.drawPath(
                paint.ellipse(0.5 + 0.75 * half * i, 0.865, 0.04, 0.04), paint.fill(paint.darker(colour))
            )
        return
    for x in (0.5 - 0.55 * half, 0.5 + 0.55 * half):
        if base == "wheels":
            paint.draw_solid(canvas, paint.ellipse(x, 0.85, 0.092, 0.092), paint.darker(colour, 0.6))
            canvas.drawPath(paint.ellipse(x, 0.85, 0.04, 0.04), paint.fill(colour))
        else:
            paint.draw_solid(
                canvas, paint.box(x - 0.045, hip - 0.02, x + 0.045, 0.9, 0.01), (0.66, 0.69, 0.74)
            )
            paint.draw_solid(canvas, paint.box(x - 0.08, 0.875, x + 0.08, 0.945), colour)


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the robot by antennae, base, eyes or chest."""
    details = [str(f["base"])]
    if f["antennae"]:
        details.append("one antenna" if f["antennae"] == 1 else "two antennae")
    if f["eyes"] != "round":
        details.append("square eyes" if f["eyes"] == "square" else "a visor")
    if f["chest"] != "none":
        details.append("buttons" if f["chest"] == "buttons" else f"a {f['chest']}")
    return paint.noun_phrase("robot", f, rng, (), details)


def is_held_out(f: Factors) -> bool:
    """Select teal to blue robots on wheels."""
    return f["base"] == "wheels" and paint.has_hue(f, 0.45, 0.62)


def is_development(f: Factors) -> bool:
    """Select red to orange robots on tracks."""
    return f["base"] == "tracks" and paint.has_hue(f, 0.0, 0.17)


ROBOT = Family("robot", sample, draw, describe, is_held_out, is_development)
