"""Cats, sitting and facing the viewer."""

from __future__ import annotations

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family

_PINK: paint.Rgb = (1.0, 0.62, 0.68)
_EYES: dict[str, paint.Rgb] = {
    "green": (0.45, 0.85, 0.35),
    "yellow": (1.0, 0.85, 0.25),
    "blue": (0.4, 0.75, 1.0),
}


def sample(rng: np.random.Generator) -> Factors:
    """Sample a cat from the whole factor space."""
    return {
        **paint.sample_look(rng, ("plain", "stripes", "dots", "patches")),
        "head_width": rng.uniform(0.42, 0.54),
        "head_height": rng.uniform(0.32, 0.38),
        "body_width": rng.uniform(0.4, 0.54),
        "body_taper": rng.uniform(0.05, 0.3),
        "ears": paint.pick(rng, ("pointed", "round", "folded")),
        "ear_size": rng.uniform(0.13, 0.18),
        "tail": paint.pick(rng, ("up", "curled", "low")),
        "tail_side": paint.pick(rng, ("left", "right")),
        "eyes": paint.pick(rng, ("open", "open", "sleepy")),
        "eye_colour": paint.pick(rng, tuple(_EYES)),
        "chest": paint.pick(rng, ("main", "white")),
        "collar": paint.pick(rng, ("none", "plain", "bell")),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw tail, body, chest, paws, collar, ears and head; the canvas is mirrored for a tail on the left."""
    with skia.AutoCanvasRestore(canvas):
        if f["tail_side"] == "left":
            canvas.translate(1.0, 0.0)
            canvas.scale(-1.0, 1.0)
        _draw_tail_right(canvas, f)


def _draw_tail_right(canvas: skia.Canvas, f: Factors) -> None:
    main, second = paint.rgb(f, "main"), paint.rgb(f, "second")
    half, head, tall = float(f["body_width"]) / 2, float(f["head_width"]) / 2, float(f["head_height"]) / 2
    cx, cy, hip = 0.46, 0.22 + tall, 0.46 + 0.7 * half
    chin = cy + tall
    tail = skia.Path()
    tail.moveTo(hip, 0.86)
    if f["tail"] == "up":
        tail.cubicTo(0.98, 0.9, 0.72, 0.6, 0.9, 0.45)
    elif f["tail"] == "curled":
        tail.cubicTo(0.98, 0.92, 0.95, 0.5, 0.82, 0.58)
    else:
        tail.quadTo(0.84, 0.9, 0.9, 0.8)
    paint.draw_limb(canvas, tail, main, 0.1)
    body = paint.blob(cx, (chin + 0.84) / 2, half, (0.99 - chin) / 2 + 0.025, float(f["body_taper"]), 2.5)
    paint.draw_patterned(canvas, body, f)
    pale = paint.lighter(main, 0.35) if f["chest"] == "main" else paint.WHITE
    canvas.drawPath(paint.ellipse(cx, 0.5 * chin + 0.4, 0.4 * half, 0.14), paint.fill(pale))
    for side in (-1, 1):
        paint.draw_solid(canvas, paint.ellipse(cx + side * 0.4 * half, 0.89, 0.08, 0.052), pale)

    if f["collar"] != "none":
        collar = paint.curve(
            (cx - 0.6 * head, chin - 0.01), (cx, chin + 0.08), (cx + 0.6 * head, chin - 0.01)
        )
        canvas.drawPath(collar, paint.pen(second, 0.06))
        if f["collar"] == "bell":
            paint.draw_solid(canvas, paint.ellipse(cx, chin + 0.06, 0.045, 0.045), paint.YELLOW)
    if f["ears"] != "folded":
        _draw_ears(canvas, f, cx, cy, main)
    paint.draw_patterned(canvas, paint.blob(cx, cy, head, tall, 0.1, 2.4), f)
    if f["ears"] == "folded":
        _draw_folded_ears(canvas, f, cx, cy)
    _draw_face(canvas, f, cx, cy, pale)


def _draw_ears(canvas: skia.Canvas, f: Factors, cx: float, cy: float, main: paint.Rgb) -> None:
    head, tall, size = float(f["head_width"]) / 2, float(f["head_height"]) / 2, float(f["ear_size"])
    for side in (-1, 1):
        x, low = cx + side * 0.58 * head, cy - 0.5 * tall
        peak = (x + side * 0.35 * head, cy - tall - size + 0.04)
        if f["ears"] == "round":
            paint.draw_solid(canvas, paint.ellipse(x, cy - 0.8 * tall, 0.55 * size, 0.7 * size), main)
            canvas.drawPath(paint.ellipse(x, cy - 0.85 * tall, 0.28 * size, 0.4 * size), paint.fill(_PINK))
            continue
        ear = [(x - 0.1, low - 0.02), peak, (x + 0.1, low - 0.02)]
        paint.draw_solid(canvas, paint.polygon(ear), main)
        inner = [(px + 0.38 * (x + side * 0.02 - px), py + 0.38 * (low - py)) for px, py in ear]
        canvas.drawPath(paint.polygon(inner), paint.fill(_PINK))


def _draw_folded_ears(canvas: skia.Canvas, f: Factors, cx: float, cy: float) -> None:
    head, tall, size = float(f["head_width"]) / 2, float(f["head_height"]) / 2, float(f["ear_size"])
    for side in (-1, 1):
        x, top = cx + side * 0.6 * head, cy - tall
        ear = [
            (x - side * 0.13, top + 0.01),
            (x + side * 0.02, top - 0.4 * size),
            (x + side * 0.13, top + 0.25 * tall),
            (x + side * 0.04, top + 0.55 * size),
        ]
        paint.draw_solid(canvas, paint.smooth(ear), paint.darker(paint.rgb(f, "main"), 0.25))


def _draw_face(canvas: skia.Canvas, f: Factors, cx: float, cy: float, pale: paint.Rgb) -> None:
    head, tall = float(f["head_width"]) / 2, float(f["head_height"]) / 2
    for side in (-1, 1):
        x, y = cx + side * 0.44 * head, cy - 0.08 * tall
        if f["eyes"] == "sleepy":
            canvas.drawPath(paint.arc(x, y - 0.02, 0.05, 0.04, 0, 180), paint.pen(paint.INK, 0.032))
        else:
            paint.draw_solid(canvas, paint.ellipse(x, y, 0.055, 0.06), _EYES[str(f["eye_colour"])])
            canvas.drawPath(paint.ellipse(x, y, 0.02, 0.048), paint.fill(paint.INK))
    muzzle = cy + 0.52 * tall
    canvas.drawPath(paint.ellipse(cx, muzzle, 0.1, 0.065), paint.fill(pale))
    nose = [(cx - 0.04, muzzle - 0.045), (cx + 0.04, muzzle - 0.045), (cx, muzzle + 0.005)]
    canvas.drawPath(paint.polygon(nose), paint.fill((0.9, 0.35, 0.45)))
    lines = skia.Path()
    for side in (-1, 1):
        lines.addPath(paint.arc(cx + side * 0.03, muzzle + 0.01, 0.03, 0.025, 0, 180))
        for dy in (-0.02, 0.04):
            start = (cx + side * 0.6 * head, muzzle + 0.3 * dy)
            lines.addPath(paint.polyline([start, (cx + side * (head + 0.1), muzzle - 0.03 + 1.4 * dy)]))
    canvas.drawPath(lines, paint.pen(paint.INK, 0.016))


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the cat by coat, eyes, ears or collar."""
    details = [f"{f['ears']} ears"]
    if f["eyes"] == "open":
        details.append(f"{f['eye_colour']} eyes")
    if f["collar"] != "none":
        details.append("a collar")
    if f["chest"] == "white":
        details.append("white paws")
    return paint.noun_phrase("cat", f, rng, ["sleepy"] if f["eyes"] == "sleepy" else [], details)


def is_held_out(f: Factors) -> bool:
    """Select orange to yellow cats with folded ears."""
    return f["ears"] == "folded" and paint.has_hue(f, 0.03, 0.2)


def is_development(f: Factors) -> bool:
    """Select blue cats with round ears."""
    return f["ears"] == "round" and paint.has_hue(f, 0.53, 0.71)


CAT = Family("cat", sample, draw, describe, is_held_out, is_development)
