"""Drawing helpers that the families share: colours and their words, patterns, paths, and outlined shapes.

Lengths are fractions of the unit square, angles are in radians, colour components are in [0, 1].
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import numpy as np
import skia

from demo_model.world.families.family import Factors

Rgb = tuple[float, float, float]
Point = tuple[float, float]

OUTLINE = 0.022
INK: Rgb = (0.13, 0.11, 0.16)
WHITE: Rgb = (1.0, 1.0, 1.0)
YELLOW: Rgb = (1.0, 0.86, 0.25)

PATTERN_WORDS = {
    "stripes": "striped",
    "dots": "spotted",
    "checks": "checked",
    "zigzag": "zigzag",
    "patches": "patchy",
}
PATTERNS = ("plain", *PATTERN_WORDS)
NUMBER_WORDS = {1: "one", 2: "two", 3: "three", 4: "four"}

_HUE_WORDS = (
    (0.035, "red"),
    (0.11, "orange"),
    (0.19, "yellow"),
    (0.43, "green"),
    (0.53, "teal"),
    (0.71, "blue"),
    (0.84, "purple"),
    (0.955, "pink"),
    (1.0, "red"),
)
_FUR_ANGLES = np.linspace(0.0, 2 * math.pi, 72, endpoint=False)
_ANGLES = _FUR_ANGLES[::3]
_NEUTRAL_SHARE = 0.12
_NAME_ONLY_SHARE = 0.35
_TWO_FACTS_SHARE = 0.3


# ---- sampling ----


def pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    """Return one of ``options``, all equally likely."""
    return options[int(rng.integers(len(options)))]


def sample_look(rng: np.random.Generator, patterns: Sequence[str] = PATTERNS) -> Factors:
    """Sample ten factors: HSV of a main and a clearly lighter or darker second colour, and a pattern."""
    main = _sample_hsv(rng)
    second = _sample_hsv(rng)
    while abs(_luminance(main) - _luminance(second)) < 0.22:
        second = _sample_hsv(rng)
    return {
        "main_hue": main[0],
        "main_sat": main[1],
        "main_val": main[2],
        "second_hue": second[0],
        "second_sat": second[1],
        "second_val": second[2],
        "pattern": pick(rng, patterns),
        "pattern_scale": rng.uniform(0.16, 0.26),
        "pattern_angle": rng.uniform(-0.6, 0.6),
        "pattern_phase": rng.uniform(0.0, 1.0),
    }


def _sample_hsv(rng: np.random.Generator) -> Rgb:
    hue = rng.uniform(0.0, 1.0)
    if rng.random() < _NEUTRAL_SHARE:
        return hue, rng.uniform(0.0, 0.08), rng.uniform(0.2, 1.0)
    return hue, rng.uniform(0.6, 0.95), rng.uniform(0.6, 1.0)


def _luminance(hsv: Rgb) -> float:
    red, green, blue = colorsys.hsv_to_rgb(*hsv)
    return 0.3 * red + 0.59 * green + 0.11 * blue


# ---- colours ----


def rgb(factors: Factors, role: str) -> Rgb:
    """Return the colour of ``role``, "main" or "second"."""
    return colorsys.hsv_to_rgb(*(float(factors[f"{role}_{part}"]) for part in ("hue", "sat", "val")))


def mix(colour: Rgb, other: Rgb, amount: float) -> Rgb:
    """Move ``colour`` towards ``other`` by ``amount`` in [0, 1]."""
    red, green, blue = (a + (b - a) * amount for a, b in zip(colour, other, strict=True))
    return red, green, blue


def darker(colour: Rgb, amount: float = 0.5) -> Rgb:
    """Move ``colour`` towards the ink by ``amount``."""
    return mix(colour, INK, amount)


def lighter(colour: Rgb, amount: float = 0.5) -> Rgb:
    """Move ``colour`` towards white by ``amount``."""
    return mix(colour, WHITE, amount)


def has_hue(factors: Factors, low: float, high: float, role: str = "main") -> bool:
    """Whether the hue of ``role`` lies in [low, high)."""
    return low <= float(factors[f"{role}_hue"]) < high


def fill(colour: Rgb, alpha: float = 1.0) -> skia.Paint:
    """Return an anti-aliased filling paint."""
    return skia.Paint(Color4f=skia.Color4f(*colour, alpha), AntiAlias=True)


def pen(colour: Rgb, width: float) -> skia.Paint:
    """Return an anti-aliased stroking paint with round ends and joins."""
    return skia.Paint(
        Color4f=skia.Color4f(*colour, 1.0),
        AntiAlias=True,
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=width,
        StrokeCap=skia.Paint.kRound_Cap,
        StrokeJoin=skia.Paint.kRound_Join,
    )


# ---- words ----


def colour_word(factors: Factors, role: str = "main") -> str:
    """Return a plain word, one of twelve, for the colour of ``role``."""
    hue, sat, val = (float(factors[f"{role}_{part}"]) for part in ("hue", "sat", "val"))
    if sat < 0.2:
        return "white" if val > 0.88 else "black" if val < 0.38 else "grey"
    word = next(word for limit, word in _HUE_WORDS if hue <= limit)
    return "brown" if word == "orange" and val < 0.75 else word


def noun_phrase(
    name: str,
    factors: Factors,
    rng: np.random.Generator,
    adjectives: Sequence[str] = (),
    details: Sequence[str] = (),
) -> str:
    """Return ``name`` alone or with one or two facts: a colour, a pattern, an adjective, or "with" a detail.

    The adjectives are in the order shape, pattern, colour. Colours and patterns are named more often than
    the other facts.
    """
    if rng.random() < _NAME_ONLY_SHARE:
        return name
    pattern = PATTERN_WORDS.get(str(factors["pattern"]))
    before = [*adjectives, *([pattern] if pattern else []), colour_word(factors)]
    facts = [*before, *details]
    weights = np.ones(len(facts))
    weights[len(adjectives) : len(before)] = 2.0
    count = 2 if rng.random() < _TWO_FACTS_SHARE else 1
    chosen = sorted(int(i) for i in rng.choice(len(facts), count, replace=False, p=weights / weights.sum()))
    words = [facts[i] for i in chosen if i < len(before)] + [name]
    extras = [facts[i] for i in chosen if i >= len(before)]
    return " ".join(words) + (" with " + " and ".join(extras) if extras else "")


# ---- paths ----


def ellipse(cx: float, cy: float, rx: float, ry: float) -> skia.Path:
    """Return an ellipse around (cx, cy)."""
    path = skia.Path()
    path.addOval(skia.Rect(cx - rx, cy - ry, cx + rx, cy + ry))
    return path


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.03) -> skia.Path:
    """Return a rectangle with round corners."""
    path = skia.Path()
    path.addRoundRect(skia.Rect(left, top, right, bottom), radius, radius)
    return path


def polygon(points: Sequence[Point]) -> skia.Path:
    """Return a closed polygon."""
    return skia.Path.Polygon([skia.Point(x, y) for x, y in points], True)


def polyline(points: Sequence[Point]) -> skia.Path:
    """Return an open chain of straight lines."""
    return skia.Path.Polygon([skia.Point(x, y) for x, y in points], False)


def curve(start: Point, control: Point, end: Point) -> skia.Path:
    """Return a quadratic Bézier curve."""
    path = skia.Path()
    path.moveTo(*start)
    path.quadTo(*control, *end)
    return path


def arc(cx: float, cy: float, rx: float, ry: float, start: float, sweep: float) -> skia.Path:
    """Return an open arc of an ellipse; ``start`` and ``sweep`` in degrees, clockwise from the right."""
    path = skia.Path()
    path.addArc(skia.Rect(cx - rx, cy - ry, cx + rx, cy + ry), start, sweep)
    return path


def smooth(points: Sequence[Point]) -> skia.Path:
    """Return a closed Catmull-Rom spline through ``points``."""
    at = np.asarray(points)
    after = np.roll(at, -1, axis=0)
    slope = (after - np.roll(at, 1, axis=0)) / 6
    path = skia.Path()
    path.moveTo(*points[0])
    for knots in np.hstack([at + slope, after - np.roll(slope, -1, axis=0), after]).tolist():
        path.cubicTo(*knots)
    path.close()
    return path


def blob(
    cx: float,
    cy: float,
    rx: float,
    ry: float,
    taper: float = 0.0,
    squareness: float = 2.0,
    fur: float = 0.0,
) -> skia.Path:
    """Return a superellipse of exponent ``squareness``, with tufts of depth ``fur``.

    It is wider below if ``taper`` is positive.
    """
    angles = _FUR_ANGLES if fur else _ANGLES
    cos, sin = np.cos(angles), np.sin(angles)
    tufts = 1.0 - fur * (1.0 - np.abs(np.sin(9 * angles)))
    xs = cx + rx * tufts * np.sign(cos) * np.abs(cos) ** (2 / squareness) * (1.0 + taper * sin)
    ys = cy + ry * tufts * np.sign(sin) * np.abs(sin) ** (2 / squareness)
    points = list(zip(xs.tolist(), ys.tolist(), strict=True))
    return polygon(points) if fur else smooth(points)


# ---- drawing ----


def draw_solid(canvas: skia.Canvas, path: skia.Path, colour: Rgb, outline: float = OUTLINE) -> None:
    """Fill ``path`` and outline it in a darker tone."""
    canvas.drawPath(path, fill(colour))
    canvas.drawPath(path, pen(darker(colour), outline))


def draw_patterned(canvas: skia.Canvas, path: skia.Path, factors: Factors) -> None:
    """Fill ``path`` with the main colour, draw the pattern over it in the second one, and outline it."""
    main = rgb(factors, "main")
    canvas.drawPath(path, fill(main))
    if factors["pattern"] != "plain":
        with skia.AutoCanvasRestore(canvas):
            canvas.clipPath(path, skia.ClipOp.kIntersect, True)
            _draw_pattern(canvas, path.getBounds(), factors)
    canvas.drawPath(path, pen(darker(main), OUTLINE))


def _draw_pattern(canvas: skia.Canvas, bounds: skia.Rect, factors: Factors) -> None:
    pattern, period = factors["pattern"], float(factors["pattern_scale"])
    paint = fill(rgb(factors, "second"))
    reach = math.hypot(bounds.width(), bounds.height()) / 2
    steps = range(-math.ceil(reach / period) - 1, math.ceil(reach / period) + 1)
    shift = float(factors["pattern_phase"]) * period
    canvas.translate(bounds.centerX(), bounds.centerY())
    marks = skia.Path()
    if pattern == "patches":
        phase = float(factors["pattern_phase"])
        for i in range(5):
            angle = 2 * math.pi * (phase + 0.382 * i)
            x = 0.42 * bounds.width() * math.cos(angle)
            y = 0.42 * bounds.height() * math.sin(angle)
            size = period * (0.45 + 0.25 * math.sin(7 * phase + 2 * i))
            marks.addPath(blob(x, y, 1.25 * size, size, taper=0.25))
        canvas.drawPath(marks, paint)
        return
    canvas.rotate(math.degrees(float(factors["pattern_angle"])))
    if pattern == "stripes":
        for i in steps:
            marks.addRect(skia.Rect.MakeXYWH(-reach, i * period + shift, 2 * reach, 0.48 * period))
    elif pattern == "dots":
        for i in steps:
            for j in steps:
                marks.addCircle(
                    (j + 0.5 * (i % 2)) * period + shift, i * 0.87 * period + shift, 0.27 * period
                )
    elif pattern == "checks":
        half = 0.5 * period
        for i in range(2 * steps.start, 2 * steps.stop):
            for j in steps:
                marks.addRect(
                    skia.Rect.MakeXYWH(j * period + half * (i % 2) + shift, i * half + shift, half, half)
                )
    elif pattern == "zigzag":
        count = math.ceil(4 * reach / period) + 1
        for i in steps:
            y = i * period + shift
            points = [(-reach + 0.5 * j * period, y + 0.3 * period * (j % 2)) for j in range(count)]
            marks.addPath(polyline(points))
        paint = pen(rgb(factors, "second"), 0.36 * period)
    canvas.drawPath(marks, paint)


def draw_limb(canvas: skia.Canvas, path: skia.Path, colour: Rgb, width: float) -> None:
    """Stroke an open ``path`` as a tube: ``colour`` with a darker outline, ``width`` overall."""
    canvas.drawPath(path, pen(darker(colour), width))
    canvas.drawPath(path, pen(colour, width - 1.6 * OUTLINE))


def draw_eye(canvas: skia.Canvas, x: float, y: float, radius: float, gaze: float = 0.0) -> None:
    """Draw a white eye with a black pupil, which ``gaze`` in [-1, 1] moves left or right."""
    draw_solid(canvas, ellipse(x, y, radius, radius), WHITE, outline=0.018)
    canvas.drawPath(ellipse(x + 0.35 * gaze * radius, y, 0.52 * radius, 0.52 * radius), fill(INK))
