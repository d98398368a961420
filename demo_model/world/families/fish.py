"""Fish, seen from the side."""

from __future__ import annotations

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family


def sample(rng: np.random.Generator) -> Factors:
    """Sample a fish from the whole factor space."""
    return {
        **paint.sample_look(rng),
        "length": rng.uniform(0.56, 0.66),
        "height": rng.uniform(0.36, 0.6),
        "snout": rng.uniform(0.3, 0.55),
        "facing": paint.pick(rng, ("left", "right")),
        "tail": paint.pick(rng, ("fork", "fan", "moon")),
        "tail_size": rng.uniform(0.24, 0.32),
        "back_fin": paint.pick(rng, ("none", "round", "spiky")),
        "belly_fin": int(rng.integers(0, 2)),
        "fin_size": rng.uniform(0.12, 0.18),
        "eye_size": rng.uniform(0.06, 0.09),
        "mouth": paint.pick(rng, ("smile", "lips")),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw fins and tail, body, side fin and face; the canvas is mirrored for a fish that looks left."""
    with skia.AutoCanvasRestore(canvas):
        if f["facing"] == "left":
            canvas.translate(1.0, 0.0)
            canvas.scale(-1.0, 1.0)
        _draw_facing_right(canvas, f)


def _draw_facing_right(canvas: skia.Canvas, f: Factors) -> None:
    second = paint.rgb(f, "second")
    half, tall, fin = float(f["length"]) / 2, float(f["height"]) / 2, float(f["fin_size"])
    cx = 0.96 - half
    cy = 0.94 - max(tall + (0.45 * fin if f["belly_fin"] else 0.0), 0.9 * float(f["tail_size"]))
    _draw_tail(canvas, f, cx - 0.85 * half, cy)
    if f["back_fin"] == "round":
        back = paint.ellipse(cx - 0.05, cy - 0.85 * tall, 0.55 * half, fin)
        paint.draw_solid(canvas, back, second)
    elif f["back_fin"] == "spiky":
        low, high = cy - 0.6 * tall, cy - 0.9 * tall - fin
        spikes = [(cx + 0.5 * half, low)]
        for i in range(3):
            spikes += [(cx + (0.15 - 0.4 * i) * half, high), (cx + (0.05 - 0.4 * i) * half, low - 0.2 * tall)]
        paint.draw_solid(canvas, paint.polygon([*spikes, (cx - 0.7 * half, low)]), second)
    if f["belly_fin"]:
        belly = [
            (cx + 0.2 * half, cy + 0.7 * tall),
            (cx - 0.35 * half, cy + tall + 0.45 * fin),
            (cx - 0.3 * half, cy + 0.6 * tall),
        ]
        paint.draw_solid(canvas, paint.polygon(belly), second)

    body = skia.Path()
    bulge = float(f["snout"]) * half
    body.moveTo(cx + half, cy)
    body.cubicTo(cx + half, cy - 0.6 * tall, cx + bulge, cy - tall, cx, cy - tall)
    body.cubicTo(cx - 0.5 * half, cy - tall, cx - 0.8 * half, cy - 0.4 * tall, cx - half, cy)
    body.cubicTo(cx - 0.8 * half, cy + 0.4 * tall, cx - 0.5 * half, cy + tall, cx, cy + tall)
    body.cubicTo(cx + bulge, cy + tall, cx + half, cy + 0.6 * tall, cx + half, cy)
    paint.draw_patterned(canvas, body, f)

    side = [(cx + 0.12 * half, cy + 0.05), (cx - 0.32 * half, cy - 0.03), (cx - 0.28 * half, cy + 0.16)]
    paint.draw_solid(canvas, paint.smooth(side), second)
    paint.draw_eye(canvas, cx + 0.55 * half, cy - 0.25 * tall, float(f["eye_size"]), 0.6)
    if f["mouth"] == "lips":
        for dy in (-0.03, 0.03):
            paint.draw_solid(
                canvas, paint.ellipse(cx + 0.9 * half, cy + 0.08 + dy, 0.035, 0.035), (0.95, 0.3, 0.4), 0.012
            )
    else:
        smile = paint.curve(
            (cx + 0.9 * half, cy + 0.25 * tall),
            (cx + 0.7 * half, cy + 0.5 * tall),
            (cx + 0.5 * half, cy + 0.33 * tall),
        )
        canvas.drawPath(smile, paint.pen(paint.INK, 0.03))


def _draw_tail(canvas: skia.Canvas, f: Factors, root: float, cy: float) -> None:
    end, spread = 0.05, float(f["tail_size"]) * 0.8
    tail = skia.Path()
    tail.moveTo(root + 0.05, cy)
    if f["tail"] == "fork":
        tail.lineTo(end, cy - spread)
        tail.lineTo(end + 0.1, cy)
        tail.lineTo(end, cy + spread)
    elif f["tail"] == "fan":
        tail.lineTo(end + 0.06, cy - spread)
        tail.quadTo(end - 0.04, cy, end + 0.06, cy + spread)
    else:
        tail.quadTo(end + 0.12, cy - 0.3 * spread, end, cy - 1.1 * spread)
        tail.quadTo(end + 0.2, cy, end, cy + 1.1 * spread)
        tail.quadTo(end + 0.12, cy + 0.3 * spread, root + 0.05, cy)
    tail.close()
    paint.draw_solid(canvas, tail, paint.rgb(f, "second"))


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the fish by girth, back fin or lips."""
    shape = ["round"] if float(f["height"]) > 0.52 else ["slim"] if float(f["height"]) < 0.42 else []
    details = [f"a {paint.colour_word(f, 'second')} tail"]
    if f["back_fin"] != "none":
        details.append(f"a {f['back_fin']} fin")
    if f["mouth"] == "lips":
        details.append("lips")
    return paint.noun_phrase("fish", f, rng, shape, details)


def is_held_out(f: Factors) -> bool:
    """Select spiky fish in orange to yellow."""
    return f["back_fin"] == "spiky" and paint.has_hue(f, 0.04, 0.22)


def is_development(f: Factors) -> bool:
    """Select purple to pink fish with a round fin."""
    return f["back_fin"] == "round" and paint.has_hue(f, 0.74, 0.92)


FISH = Family("fish", sample, draw, describe, is_held_out, is_development)
