"""Mugs: a cup with one handle, seen a little from above."""

from __future__ import annotations

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family

_DRINKS: dict[str, paint.Rgb] = {
    "coffee": (0.3, 0.17, 0.1),
    "milk": (0.98, 0.96, 0.9),
    "juice": (1.0, 0.6, 0.1),
}


def sample(rng: np.random.Generator) -> Factors:
    """Sample a mug from the whole factor space."""
    return {
        **paint.sample_look(rng),
        "width": rng.uniform(0.46, 0.6),
        "height": rng.uniform(0.54, 0.74),
        "taper": rng.uniform(-0.12, 0.22),
        "handle": paint.pick(rng, ("round", "square", "ear")),
        "handle_size": rng.uniform(0.18, 0.26),
        "handle_side": paint.pick(rng, ("left", "right")),
        "handle_colour": paint.pick(rng, ("main", "second")),
        "drink": paint.pick(rng, tuple(_DRINKS)),
        "steam": int(rng.integers(0, 2)),
        "face": paint.pick(rng, ("none", "none", "smile")),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw handle, body, drink, steam and face; the canvas is mirrored for a handle on the left."""
    with skia.AutoCanvasRestore(canvas):
        if f["handle_side"] == "left":
            canvas.translate(1.0, 0.0)
            canvas.scale(-1.0, 1.0)
        _draw_right_handed(canvas, f)


def _draw_right_handed(canvas: skia.Canvas, f: Factors) -> None:
    main = paint.rgb(f, "main")
    half, height, reach = float(f["width"]) / 2, float(f["height"]), float(f["handle_size"])
    centre = 0.5 - 0.42 * reach
    top, foot, depth = 0.94 - height, half * (1.0 - float(f["taper"])), 0.07
    right = centre + (half + foot) / 2
    upper, lower = top + 0.2 * height, top + 0.75 * height
    handle = skia.Path()
    handle.moveTo(right - 0.03, upper)
    if f["handle"] == "square":
        handle.lineTo(right + reach - 0.05, upper)
        handle.lineTo(right + reach - 0.05, lower)
        handle.lineTo(right - 0.03, lower)
    elif f["handle"] == "ear":
        handle.cubicTo(
            right + 1.3 * reach, upper - 0.12, right + 1.1 * reach, lower - 0.05, right - 0.04, lower
        )
    else:
        handle.cubicTo(right + 1.1 * reach, upper, right + 1.1 * reach, lower, right - 0.03, lower)
    paint.draw_limb(canvas, handle, paint.rgb(f, str(f["handle_colour"])), 0.1)

    body = skia.Path()
    body.moveTo(centre - half, top)
    body.lineTo(centre - foot, 0.9)
    body.quadTo(centre, 0.98, centre + foot, 0.9)
    body.lineTo(centre + half, top)
    body.close()
    paint.draw_patterned(canvas, body, f)
    paint.draw_solid(canvas, paint.ellipse(centre, top, half, depth), paint.lighter(main, 0.35))
    drink = _DRINKS[str(f["drink"])]
    canvas.drawPath(paint.ellipse(centre, top + 0.012, 0.82 * half, 0.66 * depth), paint.fill(drink))
    if f["steam"]:
        for x in (centre - 0.3 * half, centre + 0.3 * half):
            wave = skia.Path()
            wave.moveTo(x, top - 0.02)
            wave.cubicTo(x - 0.08, top - 0.08, x + 0.08, top - 0.1, x, top - 0.17)
            canvas.drawPath(wave, paint.pen((0.8, 0.85, 0.9), 0.04))
    if f["face"] == "smile":
        y = top + 0.45 * height
        for side in (-1, 1):
            paint.draw_eye(canvas, centre + side * 0.4 * half, y, 0.06)
        smile = paint.curve((centre - 0.09, y + 0.1), (centre, y + 0.2), (centre + 0.09, y + 0.1))
        canvas.drawPath(smile, paint.pen(paint.INK, 0.035))


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the mug by height, drink, steam, handle or face."""
    shape = ["tall"] if float(f["height"]) > 0.68 else ["short"] if float(f["height"]) < 0.6 else []
    details = [str(f["drink"])]
    if f["steam"]:
        details.append("steam")
    if f["handle"] == "square":
        details.append("a square handle")
    if f["face"] == "smile":
        details.append("a smile")
    return paint.noun_phrase("mug", f, rng, shape, details)


def is_held_out(f: Factors) -> bool:
    """Select blue mugs with a square handle."""
    return f["handle"] == "square" and paint.has_hue(f, 0.53, 0.71)


def is_development(f: Factors) -> bool:
    """Select orange to yellow mugs with an ear-shaped handle."""
    return f["handle"] == "ear" and paint.has_hue(f, 0.04, 0.22)


MUG = Family("mug", sample, draw, describe, is_held_out, is_development)
