"""Scenes: places and plain backgrounds for things, drawn in the unit square (y down)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import skia

Colour = tuple[float, float, float]  # red, green, blue in 0..255


@dataclass(frozen=True)
class Scene:
    """A background. ``phrase`` names it in captions; without ``has_ground``, things float."""

    phrase: str
    draw: Callable[[skia.Canvas, np.random.Generator], None]
    has_ground: bool = True


def _vary(colour: Colour, rng: np.random.Generator, amount: float = 10) -> Colour:
    red, green, blue = np.clip(np.add(colour, rng.uniform(-amount, amount, 3)), 0, 255)
    return float(red), float(green), float(blue)


def _argb(colour: Colour, opacity: float = 1.0) -> int:
    red, green, blue = (int(channel) for channel in colour)
    return skia.Color(red, green, blue, int(255 * opacity))


def _fill(colour: Colour, opacity: float = 1.0) -> skia.Paint:
    return skia.Paint(Color=_argb(colour, opacity), AntiAlias=True)


def _stroke(colour: Colour, width: float, opacity: float = 1.0) -> skia.Paint:
    return skia.Paint(
        Color=_argb(colour, opacity), AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeWidth=width
    )


def _box(
    canvas: skia.Canvas, left: float, top: float, right: float, bottom: float, paint: skia.Paint
) -> None:
    canvas.drawRect(skia.Rect.MakeLTRB(left, top, right, bottom), paint)


def _oval(
    canvas: skia.Canvas, x: float, y: float, half_width: float, half_height: float, paint: skia.Paint
) -> None:
    canvas.drawOval(
        skia.Rect.MakeLTRB(x - half_width, y - half_height, x + half_width, y + half_height), paint
    )


def _polygon(canvas: skia.Canvas, points: list[tuple[float, float]], paint: skia.Paint) -> None:
    canvas.drawPath(skia.Path.Polygon([skia.Point(x, y) for x, y in points], True), paint)


def _gradient(canvas: skia.Canvas, top: float, bottom: float, *colours: Colour) -> None:
    """Fill the band from ``top`` to ``bottom`` with a gradient through evenly spaced colours."""
    shader = skia.GradientShader.MakeLinear(
        [skia.Point(0, top), skia.Point(0, bottom)], [_argb(colour) for colour in colours]
    )
    _box(canvas, 0, top, 1, bottom, skia.Paint(Shader=shader))


def _hills(
    canvas: skia.Canvas, rng: np.random.Generator, y: float, height: float, colour: Colour, count: int = 3
) -> None:
    """Draw hilly ground from about ``y`` down to the lower edge."""
    for position in np.linspace(0.0, 1.0, count):
        x = position + rng.uniform(-0.1, 0.1)
        _oval(canvas, x, y + height, rng.uniform(0.4, 0.6), height * rng.uniform(0.9, 1.2), _fill(colour))
    _box(canvas, 0, y + height * 0.7, 1, 1, _fill(colour))


def _cloud(canvas: skia.Canvas, x: float, y: float, size: float, colour: Colour = (255, 255, 255)) -> None:
    paint = _fill(colour, 0.9)
    _oval(canvas, x, y, size, size * 0.4, paint)
    _oval(canvas, x - size * 0.3, y - size * 0.25, size * 0.45, size * 0.4, paint)
    _oval(canvas, x + size * 0.3, y - size * 0.15, size * 0.4, size * 0.32, paint)


def _stars(canvas: skia.Canvas, rng: np.random.Generator, count: int, bottom: float) -> None:
    paint = _fill((255, 255, 225))
    for x, y, radius in rng.uniform((0, 0, 0.005), (1, bottom, 0.013), (count, 3)):
        canvas.drawCircle(x, y, radius, paint)


def _side(rng: np.random.Generator) -> float:
    """Return an x near the left or the right edge, so that the middle stays free."""
    return float(rng.choice([rng.uniform(0.06, 0.2), rng.uniform(0.8, 0.94)]))


def _beach(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    sea, sand = rng.uniform(0.36, 0.46), rng.uniform(0.6, 0.68)
    _gradient(canvas, 0, sea, _vary((110, 195, 250), rng), _vary((190, 230, 252), rng))
    canvas.drawCircle(_side(rng), rng.uniform(0.1, 0.18), 0.085, _fill((255, 225, 70)))
    _gradient(canvas, sea, sand, _vary((25, 110, 190), rng), _vary((50, 185, 205), rng))
    _box(canvas, 0, sand, 1, 1, _fill(_vary((242, 214, 150), rng)))
    for x in np.linspace(0, 1, 5):
        _oval(canvas, x + rng.uniform(-0.05, 0.05), sand, 0.16, 0.022, _fill((255, 255, 255)))


def _snow(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    ground = rng.uniform(0.56, 0.66)
    _gradient(canvas, 0, ground + 0.1, _vary((150, 180, 215), rng), _vary((205, 222, 240), rng))
    for x in (rng.uniform(0.04, 0.14), rng.uniform(0.84, 0.96)):
        height = rng.uniform(0.3, 0.42)
        for level in (0.0, 0.3, 0.6):
            top, half = ground - height * (1 - level * 0.8), 0.05 + 0.07 * level
            _polygon(
                canvas, [(x, top), (x - half, top + 0.14), (x + half, top + 0.14)], _fill((60, 105, 100))
            )
            _polygon(
                canvas,
                [(x, top), (x - half / 2, top + 0.07), (x + half / 2, top + 0.07)],
                _fill((245, 250, 255)),
            )
    _hills(canvas, rng, ground, 0.12, (246, 249, 255))
    for x, y, radius in rng.uniform((0, 0, 0.008), (1, 1, 0.018), (36, 3)):
        canvas.drawCircle(x, y, radius, _fill((255, 255, 255)))


def _night(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    ground = rng.uniform(0.66, 0.74)
    _gradient(canvas, 0, ground + 0.1, _vary((8, 12, 45), rng, 6), _vary((40, 50, 110), rng))
    _stars(canvas, rng, 26, ground)
    x, y = _side(rng), rng.uniform(0.12, 0.2)
    canvas.drawCircle(x, y, 0.1, _fill((250, 245, 205)))
    canvas.drawCircle(x + 0.045, y - 0.025, 0.085, _fill((16, 20, 60)))
    _hills(canvas, rng, ground, 0.1, _vary((18, 30, 42), rng, 5))


def _forest(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    ground = rng.uniform(0.66, 0.74)
    _gradient(canvas, 0, ground, _vary((120, 175, 110), rng), _vary((190, 220, 150), rng))
    for x in np.linspace(0.02, 0.98, 7) + rng.uniform(-0.04, 0.04, 7):
        width = rng.uniform(0.025, 0.045)
        _box(canvas, x - width, 0, x + width, ground + 0.03, _fill(_vary((95, 65, 40), rng, 14)))
    for x in np.linspace(0, 1, 6) + rng.uniform(-0.06, 0.06, 6):
        _oval(
            canvas,
            x,
            rng.uniform(0, 0.1),
            0.17,
            rng.uniform(0.12, 0.18),
            _fill(_vary((35, 110, 45), rng, 16)),
        )
    _box(canvas, 0, ground, 1, 1, _fill(_vary((75, 125, 50), rng)))
    for x in (rng.uniform(0, 0.1), rng.uniform(0.9, 1)):
        _oval(canvas, x, ground + 0.02, 0.15, 0.1, _fill(_vary((30, 95, 40), rng)))


def _desert(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    ground = rng.uniform(0.54, 0.62)
    _gradient(canvas, 0, ground + 0.12, _vary((245, 195, 110), rng), _vary((255, 232, 175), rng))
    canvas.drawCircle(_side(rng), rng.uniform(0.12, 0.2), 0.1, _fill((255, 250, 215)))
    _hills(canvas, rng, ground, 0.12, _vary((222, 145, 75), rng), 2)
    for x in (rng.uniform(0.06, 0.14), rng.uniform(0.86, 0.94)):
        top, paint = rng.uniform(0.34, 0.44), skia.Paint(_stroke((50, 125, 65), 0.05))
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        canvas.drawLine(x, top, x, ground + 0.12, paint)
        canvas.drawLine(x, top + 0.16, x + 0.07, top + 0.16, paint)
        canvas.drawLine(x + 0.07, top + 0.16, x + 0.07, top + 0.07, paint)
    _hills(canvas, rng, rng.uniform(0.76, 0.82), 0.12, _vary((238, 170, 95), rng), 2)


def _under_water(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    _gradient(canvas, 0, 1, _vary((90, 210, 225), rng), _vary((15, 110, 180), rng), _vary((5, 60, 125), rng))
    for x in rng.uniform(0.05, 0.9, 3):
        _polygon(
            canvas, [(x, 0), (x + 0.09, 0), (x - 0.05, 0.8), (x - 0.25, 0.8)], _fill((255, 255, 255), 0.13)
        )
    _hills(canvas, rng, 0.88, 0.06, _vary((215, 195, 130), rng))
    for x in (*rng.uniform(0.02, 0.2, 2), *rng.uniform(0.8, 0.98, 2)):
        path, y = skia.Path(), 0.95
        path.moveTo(x, y)
        for sway in (0.05, -0.05, 0.05, -0.05):
            path.quadTo(x + sway, y - 0.06, x, y - 0.12)
            y -= 0.12
        canvas.drawPath(path, _stroke(_vary((40, 160, 85), rng, 20), 0.035))
    for x, y, radius in rng.uniform((0, 0.05, 0.012), (1, 0.8, 0.03), (10, 3)):
        canvas.drawCircle(x, y, radius, _stroke((225, 250, 255), 0.01, 0.9))


def _city(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    _gradient(canvas, 0, 0.75, _vary((150, 190, 225), rng), _vary((220, 230, 240), rng))
    window = _fill((255, 235, 150))
    x = -rng.uniform(0, 0.1)
    walls = ((115, 120, 140), (150, 110, 95), (90, 100, 125))
    while x < 1:
        width, top = rng.uniform(0.16, 0.24), rng.uniform(0.1, 0.42)
        _box(canvas, x, top, x + width, 0.75, _fill(_vary(walls[rng.integers(3)], rng)))
        for row in np.arange(top + 0.05, 0.68, 0.1):
            for column in (0.22, 0.62):
                _box(canvas, x + width * column, row, x + width * (column + 0.2), row + 0.05, window)
        x += width + 0.012
    _box(canvas, 0, 0.75, 1, 0.8, _fill((185, 185, 185)))
    _box(canvas, 0, 0.8, 1, 1, _fill((80, 82, 88)))
    for left in np.arange(rng.uniform(-0.2, 0), 1, 0.26):
        _box(canvas, left, 0.955, left + 0.14, 0.975, _fill((245, 245, 245)))


def _table(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    edge, tile = rng.uniform(0.64, 0.72), 0.155
    _box(canvas, 0, 0, 1, edge, _fill(_vary((232, 240, 238), rng, 8)))
    joint, (left, top) = _stroke((180, 200, 200), 0.012), rng.uniform(-tile, 0, 2)
    for offset in np.arange(0, 1 + 2 * tile, tile):
        canvas.drawLine(left + offset, 0, left + offset, edge, joint)
        if top + offset < edge:
            canvas.drawLine(0, top + offset, 1, top + offset, joint)
    wood = _vary((185, 115, 60), rng, 14)
    _box(canvas, 0, edge, 1, 1, _fill(wood))
    _box(canvas, 0, edge, 1, edge + 0.025, _fill((225, 165, 105)))
    for y in np.linspace(edge + 0.08, 0.98, 4) + rng.uniform(-0.01, 0.01, 4):
        canvas.drawLine(0, y, 1, y + rng.uniform(-0.01, 0.01), _stroke((135, 78, 38), 0.01, 0.7))


def _flowers(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    ground = rng.uniform(0.44, 0.54)
    _gradient(canvas, 0, ground + 0.1, _vary((125, 200, 250), rng), _vary((215, 240, 252), rng))
    _cloud(canvas, _side(rng), rng.uniform(0.12, 0.2), 0.14)
    _hills(canvas, rng, ground, 0.08, _vary((95, 185, 70), rng))
    petals = ((235, 60, 75), (255, 210, 50), (240, 120, 200), (255, 255, 255), (155, 90, 215))
    heart = _fill((255, 170, 30))
    for y in np.linspace(ground + 0.1, 0.97, 4):
        size = 0.016 + 0.022 * (y - ground)
        for x in np.linspace(0, 1, 7) + rng.uniform(-0.06, 0.06, 7):
            petal = _stroke(petals[rng.integers(len(petals))], 2 * size)
            petal.setStrokeCap(skia.Paint.kRound_Cap)
            corners = ((x - size, y), (x + size, y), (x, y - size), (x, y + size))
            canvas.drawPoints(
                skia.Canvas.kPoints_PointMode, [skia.Point(*corner) for corner in corners], petal
            )
            canvas.drawCircle(x, y, size * 0.7, heart)


def _space(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    _gradient(canvas, 0, 1, _vary((8, 4, 22), rng, 4), _vary((50, 18, 78), rng), _vary((12, 8, 36), rng, 6))
    _stars(canvas, rng, 48, 1)
    x, y, radius = _side(rng), rng.uniform(0.14, 0.26), rng.uniform(0.1, 0.13)
    canvas.drawCircle(x, y, radius, _fill(_vary((225, 140, 80), rng, 25)))
    canvas.save()
    canvas.rotate(rng.uniform(-25, 25), x, y)
    _oval(canvas, x, y, radius * 1.7, radius * 0.4, _stroke((250, 225, 170), 0.022))
    canvas.restore()
    canvas.drawCircle(_side(rng), rng.uniform(0.78, 0.9), 0.06, _fill(_vary((85, 145, 220), rng, 25)))


def _moon(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    ground = rng.uniform(0.56, 0.64)
    _box(canvas, 0, 0, 1, 1, _fill((6, 6, 14)))
    _stars(canvas, rng, 24, ground)
    x, y = _side(rng), rng.uniform(0.14, 0.22)
    canvas.drawCircle(x, y, 0.1, _fill((55, 125, 220)))
    _oval(canvas, x - 0.025, y - 0.02, 0.045, 0.035, _fill((80, 175, 90)))
    _oval(canvas, x + 0.04, y + 0.04, 0.03, 0.025, _fill((80, 175, 90)))
    _hills(canvas, rng, ground, 0.08, _vary((172, 172, 176), rng, 8))
    for x in np.linspace(0.05, 0.95, 6) + rng.uniform(-0.05, 0.05, 6):
        y = rng.uniform(ground + 0.12, 0.97)
        _oval(canvas, x, y, 0.085, 0.03, _fill((120, 120, 126)))
        _oval(canvas, x, y + 0.008, 0.07, 0.02, _fill((142, 142, 148)))


def _room(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    floor = rng.uniform(0.68, 0.76)
    wall = ((225, 200, 175), (180, 210, 190), (235, 190, 190), (190, 200, 225))[rng.integers(4)]
    _box(canvas, 0, 0, 1, floor, _fill(_vary(wall, rng)))
    _box(canvas, 0, floor, 1, 1, _fill(_vary((160, 105, 65), rng)))
    _box(canvas, 0, floor - 0.035, 1, floor, _fill((250, 248, 242)))
    for x in np.linspace(-0.3, 1.3, 9):
        canvas.drawLine(0.5 + (x - 0.5) * 0.7, floor, x, 1, _stroke((120, 75, 45), 0.008))
    left = rng.choice([rng.uniform(0.03, 0.08), rng.uniform(0.64, 0.7)])
    _box(canvas, left, 0.1, left + 0.28, 0.46, _fill((255, 255, 255)))
    _box(canvas, left + 0.025, 0.125, left + 0.255, 0.435, _fill((150, 210, 250)))
    _box(canvas, left + 0.13, 0.12, left + 0.15, 0.44, _fill((255, 255, 255)))
    _box(canvas, left + 0.02, 0.27, left + 0.26, 0.29, _fill((255, 255, 255)))
    _oval(canvas, 0.5, 0.9, 0.44, 0.085, _fill(_vary((175, 60, 65), rng, 25)))


def _sunset(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    ground = rng.uniform(0.6, 0.68)
    _gradient(
        canvas, 0, ground, _vary((85, 45, 125), rng), _vary((235, 85, 90), rng), _vary((255, 190, 70), rng)
    )
    x = rng.choice([rng.uniform(0.14, 0.3), rng.uniform(0.7, 0.86)])
    canvas.drawCircle(x, ground - 0.02, 0.15, _fill((255, 240, 130)))
    _gradient(canvas, ground, 1, _vary((120, 45, 85), rng), _vary((45, 20, 60), rng))
    for step, y in enumerate(np.linspace(ground + 0.03, 0.9, 4)):
        _box(
            canvas, x - 0.14 + 0.025 * step, y, x + 0.14 - 0.025 * step, y + 0.02, _fill((255, 190, 90), 0.8)
        )


def _mountains(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    ground = rng.uniform(0.62, 0.7)
    _gradient(canvas, 0, ground, _vary((95, 165, 235), rng), _vary((205, 230, 250), rng))
    for x, top in zip((0.1, 0.9, 0.5), rng.uniform((0.08, 0.08, 0.22), (0.2, 0.2, 0.32)), strict=True):
        x += rng.uniform(-0.08, 0.08)
        half = (ground - top) * 0.75
        rock = _fill(_vary((105, 110, 135), rng))
        _polygon(canvas, [(x, top), (x - half, ground), (x + half, ground)], rock)
        reach, fall = half * 0.32, (ground - top) * 0.32
        snow = [(x, top), (x - reach, top + fall), (x, top + 0.75 * fall), (x + reach, top + fall)]
        _polygon(canvas, snow, _fill((250, 252, 255)))
    _box(canvas, 0, ground, 1, 1, _fill(_vary((110, 165, 80), rng)))


def _plain(colour: Colour, canvas: skia.Canvas, rng: np.random.Generator) -> None:
    _box(canvas, 0, 0, 1, 1, _fill(_vary(colour, rng)))


def _white(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    _box(canvas, 0, 0, 1, 1, _fill((255, 255, 255)))


def _soft(canvas: skia.Canvas, rng: np.random.Generator) -> None:
    tone = _vary((225, 225, 225), rng, 22)
    _gradient(canvas, 0, 1, tone, _vary(tone, rng, 18))


SCENES = (
    Scene("on the beach", _beach),
    Scene("in the snow", _snow),
    Scene("at night", _night),
    Scene("in the forest", _forest),
    Scene("in the desert", _desert),
    Scene("under water", _under_water, has_ground=False),
    Scene("in the city", _city),
    Scene("on a table", _table),
    Scene("in a field of flowers", _flowers),
    Scene("in space", _space, has_ground=False),
    Scene("on the moon", _moon),
    Scene("in a room", _room),
    Scene("at sunset", _sunset),
    Scene("in the mountains", _mountains),
)

BACKGROUND_COLOURS: dict[str, Colour] = {
    "red": (215, 50, 50),
    "orange": (245, 145, 45),
    "yellow": (250, 220, 75),
    "green": (75, 170, 85),
    "blue": (60, 110, 215),
    "purple": (135, 75, 185),
    "pink": (248, 160, 195),
    "brown": (140, 95, 60),
    "grey": (150, 150, 152),
    "black": (18, 18, 20),
}
PLAIN_BACKGROUNDS = tuple(
    Scene(
        f"on {'an' if name == 'orange' else 'a'} {name} background", partial(_plain, colour), has_ground=False
    )
    for name, colour in BACKGROUND_COLOURS.items()
)
EMPTY_SCENES = (Scene("", _white, has_ground=False), Scene("", _soft, has_ground=False))
