"""Bags: a soft body under an open arch of handles."""

from __future__ import annotations

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family

_GOLD: paint.Rgb = (0.96, 0.78, 0.3)


def sample(rng: np.random.Generator) -> Factors:
    """Sample a bag from the whole factor space."""
    return {
        **paint.sample_look(rng),
        "shape": paint.pick(rng, ("box", "sack", "half_moon")),
        "width": rng.uniform(0.6, 0.84),
        "height": rng.uniform(0.42, 0.58),
        "flare": rng.uniform(-0.15, 0.2),
        "handle": paint.pick(rng, ("long", "short")),
        "handle_width": rng.uniform(0.055, 0.08),
        "handle_spread": rng.uniform(0.35, 0.6),
        "closing": paint.pick(rng, ("none", "flap", "zip")),
        "clasp": paint.pick(rng, ("round", "square")),
        "pocket": int(rng.integers(0, 2)),
        "tassel": paint.pick(rng, ("none", "left", "right")),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw handle, body, pocket, flap or zip, clasp and tassel."""
    second = paint.rgb(f, "second")
    half, height = float(f["width"]) / 2, float(f["height"])
    top = 0.94 - height
    rise = min(top - 0.07, 0.36) if f["handle"] == "long" else 0.17
    handle = paint.arc(0.5, top + 0.04, float(f["handle_spread"]) * half + 0.04, rise + 0.04, 180, 180)
    paint.draw_limb(canvas, handle, second, float(f["handle_width"]) + 0.03)
    paint.draw_patterned(canvas, _body(f, half, top), f)
    if f["pocket"]:
        paint.draw_solid(
            canvas, paint.box(0.5 - 0.4 * half, 0.74, 0.5 + 0.4 * half, 0.89), paint.lighter(second, 0.25)
        )
    if f["closing"] == "flap":
        shoulder = half * (0.66 if f["shape"] == "sack" else 0.88)
        flap = skia.Path()
        flap.moveTo(0.5 - shoulder, top)
        flap.cubicTo(
            0.5 - shoulder, top + 0.5 * height, 0.5 + shoulder, top + 0.5 * height, 0.5 + shoulder, top
        )
        flap.close()
        paint.draw_solid(canvas, flap, second)
        _draw_clasp(canvas, str(f["clasp"]), top + 0.37 * height)
    elif f["closing"] == "zip":
        reach = half * (0.5 if f["shape"] == "sack" else 0.75)
        canvas.drawPath(
            paint.polyline([(0.5 - reach, top + 0.09), (0.5 + reach, top + 0.09)]), paint.pen(_GOLD, 0.04)
        )
        _draw_clasp(canvas, str(f["clasp"]), top + 0.12)
    if f["tassel"] != "none":
        x = 0.5 + (0.62 if f["tassel"] == "right" else -0.62) * half
        tassel = [(x, top + 0.05), (x + 0.06, top + 0.24), (x - 0.06, top + 0.24)]
        paint.draw_solid(canvas, paint.polygon(tassel), (0.95, 0.35, 0.3))


def _body(f: Factors, half: float, top: float) -> skia.Path:
    mouth = half * (1.0 - max(float(f["flare"]), 0.0))
    foot = half * (1.0 + min(float(f["flare"]), 0.0))
    body = skia.Path()
    if f["shape"] == "box":
        return paint.polygon([(0.5 - mouth, top), (0.5 + mouth, top), (0.5 + foot, 0.94), (0.5 - foot, 0.94)])
    if f["shape"] == "half_moon":
        body.moveTo(0.5 - half, top)
        pull = top + (0.94 - top) / 0.75
        body.cubicTo(0.5 - half, pull, 0.5 + half, pull, 0.5 + half, top)
    else:
        body.moveTo(0.5 - 0.7 * mouth, top)
        body.cubicTo(0.5 - 0.85 * half, top + 0.1, 0.5 - 1.25 * half, 0.94, 0.5 - 0.6 * half, 0.94)
        body.lineTo(0.5 + 0.6 * half, 0.94)
        body.cubicTo(0.5 + 1.25 * half, 0.94, 0.5 + 0.85 * half, top + 0.1, 0.5 + 0.7 * mouth, top)
    body.close()
    return body


def _draw_clasp(canvas: skia.Canvas, clasp: str, y: float) -> None:
    path = (
        paint.ellipse(0.5, y, 0.05, 0.05)
        if clasp == "round"
        else paint.box(0.45, y - 0.045, 0.55, y + 0.045, 0.01)
    )
    paint.draw_solid(canvas, path, _GOLD)


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the bag by handle, flap, pocket or tassel."""
    details = [f"a {f['handle']} handle"]
    if f["closing"] != "none":
        details.append(f"a {f['closing']}")
    if f["pocket"]:
        details.append("a pocket")
    if f["tassel"] != "none":
        details.append("a tassel")
    return paint.noun_phrase("bag", f, rng, ["round"] if f["shape"] == "half_moon" else [], details)


def is_held_out(f: Factors) -> bool:
    """Select pink to red bags with a flap."""
    return f["closing"] == "flap" and paint.has_hue(f, 0.82, 1.0)


def is_development(f: Factors) -> bool:
    """Select green bags with a zip."""
    return f["closing"] == "zip" and paint.has_hue(f, 0.25, 0.43)


BAG = Family("bag", sample, draw, describe, is_held_out, is_development)
