"""Teapots: a round belly between a spout and a handle, under a lid."""

from __future__ import annotations

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family


def sample(rng: np.random.Generator) -> Factors:
    """Sample a teapot from the whole factor space."""
    return {
        **paint.sample_look(rng),
        "width": rng.uniform(0.42, 0.5),
        "height": rng.uniform(0.4, 0.52),
        "taper": rng.uniform(-0.2, 0.25),
        "squareness": rng.uniform(2.0, 3.4),
        "spout": paint.pick(rng, ("long", "short")),
        "spout_side": paint.pick(rng, ("left", "right")),
        "handle": paint.pick(rng, ("side", "top")),
        "handle_size": rng.uniform(0.14, 0.2),
        "knob": paint.pick(rng, ("ball", "cone", "heart")),
        "lid_colour": paint.pick(rng, ("main", "second")),
        "foot": paint.pick(rng, ("ring", "legs")),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw handle, spout, foot, belly and lid; the canvas is mirrored for a spout on the left."""
    with skia.AutoCanvasRestore(canvas):
        if f["spout_side"] == "left":
            canvas.translate(1.0, 0.0)
            canvas.scale(-1.0, 1.0)
        left, right = _reach(f)
        canvas.translate((left - right) / 2, 0.0)
        _draw_right_handed(canvas, f)


def _reach(f: Factors) -> tuple[float, float]:
    """Return how far the handle and the spout extend from the belly."""
    handle = 0.8 * float(f["handle_size"]) if f["handle"] == "side" else 0.0
    return handle, 0.2 if f["spout"] == "long" else 0.12


def _draw_right_handed(canvas: skia.Canvas, f: Factors) -> None:
    main, second = paint.rgb(f, "main"), paint.rgb(f, "second")
    half, tall, size = float(f["width"]) / 2, float(f["height"]) / 2, float(f["handle_size"])
    cy = 0.9 - tall
    if f["handle"] == "side":
        handle = skia.Path()
        handle.moveTo(0.5 - 0.8 * half, cy - 0.55 * tall)
        handle.cubicTo(
            0.5 - half - 1.4 * size,
            cy - tall,
            0.46 - half - size,
            cy + tall,
            0.5 - 0.8 * half,
            cy + 0.45 * tall,
        )
    else:
        handle = paint.arc(0.5, cy - 0.5 * tall, 0.85 * half, tall * 0.5 + size + 0.12, 180, 180)
    paint.draw_limb(canvas, handle, second, 0.085)

    reach = 0.5 + half + _reach(f)[1]
    lip = cy - (1.0 * tall if f["spout"] == "long" else 0.5 * tall)
    spout = skia.Path()
    spout.moveTo(0.5 + 0.6 * half, cy + 0.65 * tall)
    spout.cubicTo(reach - 0.02, cy + 0.6 * tall, reach - 0.1, lip + 0.1, reach, lip)
    spout.lineTo(reach - 0.1, lip - 0.04)
    spout.cubicTo(reach - 0.16, lip + 0.06, reach - 0.16, cy, 0.5 + 0.6 * half, cy - 0.1 * tall)
    spout.close()
    paint.draw_solid(canvas, spout, main)

    if f["foot"] == "ring":
        paint.draw_solid(canvas, paint.box(0.5 - 0.5 * half, 0.86, 0.5 + 0.5 * half, 0.945), second)
    else:
        for side in (-1, 1):
            paint.draw_solid(canvas, paint.ellipse(0.5 + side * 0.5 * half, 0.89, 0.055, 0.055), second)
    belly = paint.blob(0.5, cy, half, tall, float(f["taper"]), float(f["squareness"]))
    paint.draw_patterned(canvas, belly, f)

    lid = skia.Path()
    lid_half, rim = 0.55 * half, cy - 0.86 * tall
    lid.moveTo(0.5 - lid_half, rim)
    lid.cubicTo(0.5 - lid_half, rim - 0.12, 0.5 + lid_half, rim - 0.12, 0.5 + lid_half, rim)
    lid.close()
    paint.draw_solid(canvas, lid, paint.lighter(paint.rgb(f, str(f["lid_colour"])), 0.2))
    _draw_knob(canvas, str(f["knob"]), rim - 0.12, second)


def _draw_knob(canvas: skia.Canvas, knob: str, y: float, colour: paint.Rgb) -> None:
    if knob == "ball":
        path = paint.ellipse(0.5, y, 0.05, 0.05)
    elif knob == "cone":
        path = paint.polygon([(0.435, y + 0.05), (0.5, y - 0.08), (0.565, y + 0.05)])
    else:
        path = skia.Path()
        path.moveTo(0.5, y + 0.06)
        path.cubicTo(0.38, y - 0.02, 0.44, y - 0.1, 0.5, y - 0.03)
        path.cubicTo(0.56, y - 0.1, 0.62, y - 0.02, 0.5, y + 0.06)
    paint.draw_solid(canvas, path, colour)


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the teapot by spout, handle or knob."""
    details = [f"a {f['spout']} spout", f"a {f['handle']} handle"]
    if f["knob"] == "heart":
        details.append("a heart")
    return paint.noun_phrase("teapot", f, rng, (), details)


def is_held_out(f: Factors) -> bool:
    """Select green teapots with a top handle and a long spout."""
    return f["handle"] == "top" and f["spout"] == "long" and paint.has_hue(f, 0.2, 0.43)


def is_development(f: Factors) -> bool:
    """Select purple to pink teapots with a side handle and a short spout."""
    return f["handle"] == "side" and f["spout"] == "short" and paint.has_hue(f, 0.72, 0.95)


TEAPOT = Family("teapot", sample, draw, describe, is_held_out, is_development)
