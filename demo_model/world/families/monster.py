"""Furry or smooth monsters: a blob on feet with one to four eyes."""

from __future__ import annotations

import numpy as np
import skia

from demo_model.world.families import paint
from demo_model.world.families.family import Factors, Family

_TAPER = {"round": 0.0, "egg": -0.22, "pear": 0.24, "block": 0.0}
_EYES = {
    1: (1.7, [(0.0, 0.0)]),
    2: (1.2, [(-1.05, 0.0), (1.05, 0.0)]),
    3: (0.95, [(-1.25, 0.5), (1.25, 0.5), (0.0, -1.0)]),
    4: (0.85, [(-1.1, 1.0), (1.1, 1.0), (-1.1, -1.1), (1.1, -1.1)]),
}


def sample(rng: np.random.Generator) -> Factors:
    """Sample a monster from the whole factor space."""
    return {
        **paint.sample_look(rng),
        "shape": paint.pick(rng, tuple(_TAPER)),
        "edge": paint.pick(rng, ("smooth", "furry")),
        "width": rng.uniform(0.52, 0.64),
        "height": rng.uniform(0.6, 0.7),
        "eyes": int(rng.integers(1, 5)),
        "eye_size": rng.uniform(0.07, 0.09),
        "gaze": rng.uniform(-1.0, 1.0),
        "topper": paint.pick(rng, ("none", "horns", "antennae", "spikes")),
        "topper_size": rng.uniform(0.11, 0.18),
        "mouth": paint.pick(rng, ("smile", "teeth", "open")),
        "arms": paint.pick(rng, ("none", "up", "down")),
        "feet": int(rng.integers(2, 4)),
    }


def draw(canvas: skia.Canvas, f: Factors) -> None:
    """Draw from back to front: arms, topper, feet, body, face."""
    main, second = paint.rgb(f, "main"), paint.rgb(f, "second")
    half, height = float(f["width"]) / 2, float(f["height"])
    top = 0.91 - height
    if f["arms"] != "none":
        rise = -0.2 if f["arms"] == "up" else 0.16
        for side in (-1, 1):
            shoulder, hand = 0.5 + side * 0.7 * half, 0.5 + side * (half + 0.1)
            elbow = (hand, top + 0.6 * height)
            arm = paint.curve((shoulder, top + 0.55 * height), elbow, (hand, top + 0.55 * height + rise))
            paint.draw_limb(canvas, arm, main, 0.095)
    _draw_topper(canvas, f, top, half)
    count = int(f["feet"])
    for i in range(count):
        x = 0.5 + (i - (count - 1) / 2) * 1.3 * half / (count - 1)
        paint.draw_solid(canvas, paint.ellipse(x, 0.895, 0.09, 0.055), second)
    body = paint.blob(
        0.5,
        0.91 - height / 2,
        half,
        height / 2,
        taper=_TAPER[str(f["shape"])],
        squareness=4.0 if f["shape"] == "block" else 2.3,
        fur=0.1 if f["edge"] == "furry" else 0.0,
    )
    paint.draw_patterned(canvas, body, f)
    factor, places = _EYES[int(f["eyes"])]
    radius = factor * float(f["eye_size"])
    for x, y in places:
        paint.draw_eye(canvas, 0.5 + x * radius, top + 0.36 * height + y * radius, radius, float(f["gaze"]))
    _draw_mouth(canvas, str(f["mouth"]), top + 0.7 * height, 0.5 * half)


def _draw_topper(canvas: skia.Canvas, f: Factors, top: float, half: float) -> None:
    second, size = paint.rgb(f, "second"), float(f["topper_size"])
    if f["topper"] == "horns":
        for side in (-1, 1):
            base, tip = 0.5 + side * 0.5 * half, 0.5 + side * 0.95 * half
            horn = [(base - 0.075, top + 0.12), (tip, top - size + 0.03), (base + 0.075, top + 0.12)]
            paint.draw_solid(canvas, paint.polygon(horn), second)
    elif f["topper"] == "antennae":
        for side in (-1, 1):
            root, bulb = 0.5 + side * 0.2 * half, (0.5 + side * 0.65 * half, top - size + 0.06)
            stalk = paint.curve((root, top + 0.06), (root, bulb[1]), bulb)
            canvas.drawPath(stalk, paint.pen(paint.darker(paint.rgb(f, "main")), 0.04))
            paint.draw_solid(canvas, paint.ellipse(*bulb, 0.055, 0.055), second)
    elif f["topper"] == "spikes":
        for i in (-1, 0, 1):
            x = 0.5 + 0.5 * half * i
            spike = [(x - 0.075, top + 0.1), (x + 0.05 * i, top - 0.7 * size), (x + 0.075, top + 0.1)]
            paint.draw_solid(canvas, paint.polygon(spike), second)


def _draw_mouth(canvas: skia.Canvas, mouth: str, y: float, reach: float) -> None:
    if mouth == "smile":
        smile = paint.curve((0.5 - reach, y - 0.03), (0.5, y + 0.12), (0.5 + reach, y - 0.03))
        canvas.drawPath(smile, paint.pen(paint.INK, 0.035))
    elif mouth == "open":
        paint.draw_solid(canvas, paint.ellipse(0.5, y + 0.01, 0.6 * reach, 0.07), (0.6, 0.12, 0.2))
    else:
        canvas.drawPath(paint.box(0.5 - reach, y - 0.035, 0.5 + reach, y + 0.06), paint.fill(paint.INK))
        for i in range(3):
            x = 0.5 + reach * (2 * i - 2) / 3
            tooth = [(x - 0.28 * reach, y - 0.035), (x + 0.28 * reach, y - 0.035), (x, y + 0.05)]
            canvas.drawPath(paint.polygon(tooth), paint.fill(paint.WHITE))


def describe(f: Factors, rng: np.random.Generator) -> str:
    """Name the monster by coat, eyes or what grows on its head."""
    eyes = int(f["eyes"])
    details = ["one eye" if eyes == 1 else f"{paint.NUMBER_WORDS[eyes]} eyes"]
    if f["topper"] != "none":
        details.append(str(f["topper"]))
    if f["mouth"] == "teeth":
        details.append("teeth")
    return paint.noun_phrase("monster", f, rng, ["furry"] if f["edge"] == "furry" else [], details)


def is_held_out(f: Factors) -> bool:
    """Select purple to pink monsters with three eyes."""
    return f["eyes"] == 3 and paint.has_hue(f, 0.72, 0.95)


def is_development(f: Factors) -> bool:
    """Select green monsters with one eye."""
    return f["eyes"] == 1 and paint.has_hue(f, 0.22, 0.45)


MONSTER = Family("monster", sample, draw, describe, is_held_out, is_development)
