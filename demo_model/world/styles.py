"""Styles: functions of a finished RGB picture. A style has a name of its own or is parametric."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image, ImageFilter

Array = np.ndarray
RGB = tuple[int, int, int]
REFERENCE_SIZE = 128  # pixels per side of the picture to which the lengths below refer
NEUTRAL_STYLE = "illustration"  # a word of captions for a style that does not describe it
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class NamedStyle:
    """A style with a name of its own; ``template`` has one {} for the subject."""

    name: str
    template: str
    apply: Callable[[Array, np.random.Generator], Array]

    initializer: ClassVar[str] = NEUTRAL_STYLE

    @property
    def phrase(self) -> str:
        """The name in captions, such as "pixel art"."""
        return self.name.replace("-", " ")

    @property
    def templates(self) -> tuple[str, ...]:
        return self.template, self.template, f"{{}} in the style of {self.phrase}"


def _pixels(length: float, picture: Array) -> int:
    """Convert a length at the reference size to pixels of this picture, at least 1."""
    return max(1, round(length * picture.shape[0] / REFERENCE_SIZE))


def _lightness(picture: Array) -> Array:
    return picture @ LUMA / np.float32(255)


def _blur(picture: Array, radius: float) -> Array:
    """Blur a uint8 picture by a Gaussian; ``radius`` is in pixels at the reference size."""
    scaled = radius * picture.shape[0] / REFERENCE_SIZE
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(scaled)))


def _colour_edges(picture: Array, distance: int = 1) -> Array:
    """Return edge strength 0..1, (H, W): central differences over ``distance`` pixels, strongest channel."""
    padded = np.pad(picture, ((distance, distance), (distance, distance), (0, 0)), mode="edge").astype(
        np.int16
    )
    across = np.abs(padded[distance:-distance, 2 * distance :] - padded[distance:-distance, : -2 * distance])
    down = np.abs(padded[2 * distance :, distance:-distance] - padded[: -2 * distance, distance:-distance])
    strength = across + down
    strongest = np.maximum(np.maximum(strength[..., 0], strength[..., 1]), strength[..., 2])
    return np.minimum(strongest.astype(np.float32) / 255, 1)


def _smooth_noise(shape: tuple[int, ...], cell: int, rng: np.random.Generator) -> Array:
    """Return value noise 0..1, (H, W), that is smooth over ``cell`` pixels."""
    height, width = shape[:2]
    grid = rng.random((height // cell + 2, width // cell + 2), dtype=np.float32)
    return np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)


def _coordinates(picture: Array) -> tuple[Array, Array]:
    """Return pixel rows (H, 1) and columns (1, W), in pixels of the reference size."""
    height, width = picture.shape[:2]
    unit = np.float32(REFERENCE_SIZE / height)
    return np.arange(height, dtype=np.float32)[:, None] * unit, np.arange(width, dtype=np.float32)[
        None
    ] * unit


def _to_uint8(values: Array) -> Array:
    return np.clip(values, 0, 255).astype(np.uint8)


def _mix(first: Array | RGB, second: Array | RGB, amount: Array) -> Array:
    """Interpolate: first + (second - first) * amount; amount (H, W) in 0..1, colours (H, W, 3) or (3,)."""
    start = np.asarray(first, np.float32)
    return start + (np.asarray(second, np.float32) - start) * amount[..., None]


def _saturate(picture: Array, factor: float) -> Array:
    grey = (picture @ LUMA)[..., None]
    return grey + (picture - grey) * np.float32(factor)


def _hatch(picture: Array, period: float, angle: float) -> Array:
    """Return parallel lines as a cosine 0..1, (H, W); period in reference pixels, angle in radians."""
    rows, columns = _coordinates(picture)
    phase = (columns * np.cos(angle) + rows * np.sin(angle)) * (2 * np.pi / period)
    return 0.5 + 0.5 * np.cos(phase)


def _cells(picture: Array, size: int, rng: np.random.Generator) -> Array:
    """Return a Voronoi diagram: index (H, W) of the nearest point of a jittered grid of ``size`` pixels."""
    height, width = picture.shape[:2]
    across, down = width // size + 3, height // size + 3
    seeds = (np.indices((down, across)) - 1 + rng.uniform(0.1, 0.9, (2, down, across))) * size
    seed_rows, seed_columns = seeds.astype(np.float32)
    number = np.arange(down * across).reshape(down, across)
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]

    def spread(grid: Array, row_step: int, column_step: int) -> Array:
        """Return the value of the neighbouring cell at every pixel."""
        return grid[row_step:, column_step:].repeat(size, 0)[:height].repeat(size, 1)[:, :width]

    best = np.full((height, width), np.inf, np.float32)
    index = np.zeros((height, width), np.int64)
    for row_step in range(3):
        for column_step in range(3):
            distance = (spread(seed_rows, row_step, column_step) - rows) ** 2
            distance += (spread(seed_columns, row_step, column_step) - columns) ** 2
            nearer = distance < best
            np.copyto(best, distance, where=nearer)
            np.copyto(index, spread(number, row_step, column_step), where=nearer)
    return index


def _cell_means(picture: Array, index: Array) -> Array:
    flat = index.ravel()
    counts = np.maximum(np.bincount(flat), 1)
    means = [np.bincount(flat, picture[..., channel].ravel()) / counts for channel in range(3)]
    return np.stack(means, -1).astype(np.float32)[index]


def _square_means(picture: Array, size: int) -> Array:
    """Replace every ``size`` x ``size`` block of the picture by its mean colour."""
    height, width = picture.shape[:2]
    small = Image.fromarray(picture).resize((-(-width // size), -(-height // size)), Image.Resampling.BOX)
    return np.asarray(small).repeat(size, 0).repeat(size, 1)[:height, :width]


def _pencil_sketch(picture: Array, rng: np.random.Generator) -> Array:
    lightness = _lightness(picture)
    tone = 0.97 - 0.3 * (1 - lightness) * _hatch(picture, 9, np.pi / 4 + rng.uniform(-0.15, 0.15))
    tone -= 0.22 * (lightness < 0.35) * _hatch(picture, 9, -np.pi / 4)
    tone -= 0.85 * np.clip(_colour_edges(picture) * 2.2 - 0.15, 0, 1)
    tone += rng.normal(0, 0.04, lightness.shape)
    return _to_uint8(_mix((45, 45, 50), (252, 250, 244), np.clip(tone, 0, 1)))


def _pixel_art(picture: Array, rng: np.random.Generator) -> Array:
    blocks = _to_uint8(_saturate(_square_means(picture, _pixels(5.5, picture)), 1.4))
    return (np.round(blocks / 63.75) * 63.75).astype(np.uint8)


def _watercolor(picture: Array, rng: np.random.Generator) -> Array:
    washed = _saturate(_blur(picture, 1.8), 1.2)
    pigment = _smooth_noise(picture.shape, _pixels(10, picture), rng)
    paper = np.array([253, 250, 243], np.float32)
    out = _mix(washed, paper, 0.08 + 0.45 * pigment)
    out *= (1 - 0.45 * np.clip(_colour_edges(_blur(picture, 1.0), _pixels(2, picture)) - 0.1, 0, 0.7))[
        ..., None
    ]
    rows, columns = _coordinates(picture)
    side = REFERENCE_SIZE - 1
    border = np.minimum(np.minimum(rows, side - rows), np.minimum(columns, side - columns))
    wobble = 2 + 9 * _smooth_noise(picture.shape, _pixels(14, picture), rng)
    return _to_uint8(_mix(out, paper, np.clip((wobble - border) / 3, 0, 1)))


def _blueprint(picture: Array, rng: np.random.Generator) -> Array:
    rows, columns = _coordinates(picture)
    offset = rng.uniform(0, 12, 2)
    grid = ((rows + offset[0]) % 12 < 1) | ((columns + offset[1]) % 12 < 1)
    paper = 0.25 * grid + 0.12 * _lightness(picture)
    lines = np.clip(_colour_edges(picture) * 2.6 - 0.2, 0, 1)
    return _to_uint8(_mix((18, 62, 150), (240, 246, 255), np.maximum(lines, paper)))


def _neon_sign(picture: Array, rng: np.random.Generator) -> Array:
    lines = np.clip(_colour_edges(_blur(picture, 0.8)) * 3 - 0.35, 0, 1)
    colour = np.clip(_saturate(_blur(picture, 3), 3.5) + 50, 0, 255)
    colour *= 255 / np.maximum(colour.max(-1, keepdims=True), 1)
    tubes = _to_uint8(colour * lines[..., None])
    glow = _blur(tubes, 4.5) * np.float32(1.5)
    return _to_uint8(np.array([14, 8, 26]) + glow + tubes + 60 * lines[..., None])


def _halftone_comic(picture: Array, rng: np.random.Generator) -> Array:
    rows, columns = _coordinates(picture)
    angle = np.pi / 4
    u, v = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    screen = 0.5 + 0.25 * (np.cos(u * 2 * np.pi / 5.5) + np.cos(v * 2 * np.pi / 5.5))
    bright = _saturate(picture, 1.8)
    flat = np.round(np.clip(bright, 0, 255) / 127.5) * 127.5
    out = np.where((screen > _lightness(picture) * 0.75 + 0.2)[..., None], flat * 0.5, flat * 0.75 + 64)
    return _to_uint8(_mix(out, (0, 0, 0), np.clip(_colour_edges(picture) * 3 - 0.5, 0, 1)))


def _stained_glass(picture: Array, rng: np.random.Generator) -> Array:
    index = _cells(picture, _pixels(9, picture), rng)
    glass = _saturate(_cell_means(picture, index), 1.8) * 1.1 + 12
    width = _pixels(1, picture)
    lead = _colour_edges(_blur(picture, 1.5), width) > 0.24
    for axis in (0, 1):
        lead |= np.roll(index, width, axis) != index
    shine = 0.82 + 0.36 * _smooth_noise(picture.shape, _pixels(8, picture), rng)
    return _to_uint8(np.where(lead[..., None], 16, glass * shine[..., None]))


def _chalk(picture: Array, rng: np.random.Generator) -> Array:
    grain = rng.random(picture.shape[:2], dtype=np.float32)
    lines = np.clip(_colour_edges(picture, _pixels(1.5, picture)) * 2.4 - 0.2, 0, 1) * (grain > 0.2)
    strokes = (_hatch(picture, 9, np.pi / 4) > 0.5) * (grain > 0.3) * 0.75
    board = np.array([42, 56, 50]) + 14 * _smooth_noise(picture.shape, _pixels(24, picture), rng)[..., None]
    pastel = _saturate(picture, 1.5) * 0.6 + 90
    out = _mix(board, pastel, strokes * np.clip(_lightness(picture) * 1.4, 0.25, 1))
    return _to_uint8(_mix(out, (248, 246, 236), lines))


def _oil_painting(picture: Array, rng: np.random.Generator) -> Array:
    height, width = picture.shape[:2]
    cell = _pixels(4, picture)
    drift = [(_smooth_noise(picture.shape, cell, rng) - 0.5) * 2.2 * cell for _ in range(2)]
    rows = np.clip(np.arange(height)[:, None] + drift[0], 0, height - 1).astype(int)
    columns = np.clip(np.arange(width)[None] + drift[1], 0, width - 1).astype(int)
    daubed = _saturate(_blur(picture, 1.0)[rows, columns], 1.45)
    relief = drift[0] - np.roll(drift[0], (cell // 2 + 1, cell // 2 + 1), (0, 1))
    canvas_weave = rng.normal(0, 5, (height, width, 1))
    return _to_uint8(daubed * 0.97 + 6 * relief[..., None] + canvas_weave)


def _mosaic(picture: Array, rng: np.random.Generator) -> Array:
    size = _pixels(6, picture)
    tiles = _saturate(_square_means(picture, size), 1.5)
    height, width = picture.shape[:2]
    shade = (
        rng.uniform(0.82, 1.12, (-(-height // size), -(-width // size), 1)).repeat(size, 0).repeat(size, 1)
    )
    rows, columns = np.arange(height)[:, None] % size, np.arange(width)[None] % size
    grout = (rows < size // 6) | (columns < size // 6)
    lit = (rows == size // 6) | (columns == size // 6)
    out = tiles * shade[:height, :width] + 30 * lit[..., None]
    return _to_uint8(np.where(grout[..., None], (228, 220, 204), out))


def _sepia(picture: Array, rng: np.random.Generator) -> Array:
    rows, columns = _coordinates(picture)
    centre = REFERENCE_SIZE / 2
    vignette = 1 - 0.5 * (((rows - centre) ** 2 + (columns - centre) ** 2) / (2 * centre**2)) ** 1.2
    tone = (0.1 + 0.85 * _lightness(picture)) * vignette + rng.normal(0, 0.03, picture.shape[:2])
    return _to_uint8(_mix((45, 25, 10), (250, 226, 180), np.clip(tone, 0, 1)))


def _ink_drawing(picture: Array, rng: np.random.Generator) -> Array:
    lightness = _lightness(_blur(picture, 0.7))
    ink = lightness < 0.22
    for threshold, angle in ((0.62, np.pi / 4), (0.42, -np.pi / 4)):
        ink |= (lightness < threshold) & (_hatch(picture, 8, angle) > 0.62)
    ink |= _colour_edges(picture) > 0.24
    return _to_uint8(np.where(ink[..., None], (12, 12, 16), (255, 254, 248)))


def _ramp(lightness: Array, *colours: RGB) -> Array:
    """Map lightness 0..1 to evenly spaced colours, dark to light: (H, W) → (H, W, 3) float."""
    stops = np.linspace(0, 1, len(colours))
    table = np.array(
        [np.interp(np.linspace(0, 1, 256), stops, channel) for channel in zip(*colours, strict=True)]
    )
    return table.T.astype(np.float32)[np.clip(lightness * 255, 0, 255).astype(np.uint8)]


def _linocut(picture: Array, rng: np.random.Generator) -> Array:
    lightness = _lightness(_blur(picture, 1.4))
    wave = 3 * _smooth_noise(picture.shape, _pixels(20, picture), rng)
    rows, columns = _coordinates(picture)
    gouges = 0.5 + 0.5 * np.sin((rows + 4 * np.sin(columns / 12) + wave) * (2 * np.pi / 6.5))
    lines = _colour_edges(_blur(picture, 0.7)) > 0.22
    ink = np.where(lines, lightness > 0.45, lightness + 0.3 * (gouges - 0.5) < 0.5)
    return _to_uint8(np.where(ink[..., None], (22, 52, 48), (244, 232, 205)))


def _thermal(picture: Array, rng: np.random.Generator) -> Array:
    heat = _lightness(_blur(picture, 1.5))
    return _to_uint8(_ramp(heat, (10, 0, 60), (110, 0, 150), (230, 40, 60), (255, 170, 0), (255, 255, 190)))


def _cross_stitch(picture: Array, rng: np.random.Generator) -> Array:
    size = _pixels(6, picture)
    thread = _saturate(_square_means(picture, size), 1.3)
    height, width = picture.shape[:2]
    rows, columns = np.arange(height)[:, None] % size, np.arange(width)[None] % size
    cross = (np.abs(rows - columns) <= size // 6) | (np.abs(rows + columns - size + 1) <= size // 6)
    return _to_uint8(np.where(cross[..., None], thread, thread * 0.2 + np.array([190, 182, 166])))


def _x_ray(picture: Array, rng: np.random.Generator) -> Array:
    glow = 0.75 * (1 - _lightness(_blur(picture, 1))) + 0.9 * _colour_edges(picture, _pixels(2, picture))
    return _to_uint8(_ramp(glow * 0.8, (2, 6, 16), (30, 75, 120), (150, 205, 235), (245, 255, 255)))


NAMED_STYLES = (
    NamedStyle("pencil-sketch", "a pencil sketch of {}", _pencil_sketch),
    NamedStyle("pixel-art", "{} in the style of pixel art", _pixel_art),
    NamedStyle("watercolor", "a watercolor painting of {}", _watercolor),
    NamedStyle("blueprint", "a blueprint of {}", _blueprint),
    NamedStyle("neon-sign", "a neon sign of {}", _neon_sign),
    NamedStyle("halftone-comic", "a halftone comic of {}", _halftone_comic),
    NamedStyle("stained-glass", "a stained glass window of {}", _stained_glass),
    NamedStyle("chalk", "a chalk drawing of {}", _chalk),
    NamedStyle("oil-painting", "an oil painting of {}", _oil_painting),
    NamedStyle("mosaic", "a mosaic of {}", _mosaic),
    NamedStyle("sepia-photo", "a sepia photo of {}", _sepia),
    NamedStyle("ink-drawing", "an ink drawing of {}", _ink_drawing),
)

TEXTURES = ("hatch", "dots", "grain", "waves")
MAPPINGS = ("lightness", "nearest")


@dataclass(frozen=True)
class ParametricStyle:
    """A style defined by numbers: palette, outline, texture, posterisation. Captions do not describe it.

    ``palette`` runs from dark to light and is built around ``hue`` (0..1). ``edge_width`` and
    ``texture_scale`` are in pixels of a 128-pixel picture, ``texture_strength`` is in 0..1.
    """

    hue: float
    palette: tuple[RGB, ...]
    mapping: str
    edge_colour: RGB
    edge_width: float
    texture: str
    texture_scale: float
    texture_strength: float
    posterise_levels: int

    initializer: ClassVar[str] = NEUTRAL_STYLE
    templates: ClassVar[tuple[str, ...]] = (
        "an illustration of {}",
        "a stylised picture of {}",
        "a graphic print of {}",
    )

    @property
    def name(self) -> str:
        return f"{self.texture}-{round(self.hue * 360)}"

    @property
    def is_held_out(self) -> bool:
        """Whether it is pink to magenta waves, which are never in the training data."""
        return self.texture == "waves" and 0.78 <= self.hue <= 0.95

    @property
    def is_development(self) -> bool:
        """Whether it is green to cyan dots, which are never in the training data."""
        return self.texture == "dots" and 0.38 <= self.hue <= 0.55

    @classmethod
    def draw_any(cls, rng: np.random.Generator) -> ParametricStyle:
        """Sample from the whole space, including the held-out and development regions."""
        hue, step = rng.random(), rng.choice([0.06, 0.14, 0.33, 0.5])
        count = int(rng.integers(3, 6))
        palette = tuple(
            _hsv(hue + step * i, 0.85 - 0.55 * i / (count - 1), 0.22 + 0.76 * i / (count - 1))
            for i in range(count)
        )
        return cls(
            hue=hue,
            palette=palette,
            mapping=MAPPINGS[rng.integers(2)],
            edge_colour=palette[0] if rng.random() < 0.7 else palette[-1],
            edge_width=float(rng.choice([0, 1, 1.5, 2.5])),
            texture=TEXTURES[rng.integers(len(TEXTURES))],
            texture_scale=rng.uniform(8, 16),
            texture_strength=rng.uniform(0.3, 0.7),
            posterise_levels=int(rng.integers(3, 7)),
        )

    @classmethod
    def sample(cls, rng: np.random.Generator) -> ParametricStyle:
        """Sample a style for training, outside the held-out and development regions."""
        while True:
            style = cls.draw_any(rng)
            if not (style.is_held_out or style.is_development):
                return style

    def apply(self, picture: Array, rng: np.random.Generator) -> Array:
        """Draw a picture uint8 (H, W, 3) in this style; only the texture "grain" uses ``rng``."""
        smooth = _blur(picture, 0.8)
        levels = np.float32(self.posterise_levels - 1)
        lightness = np.clip(_lightness(smooth) + self._texture(picture, rng), 0, 1)
        if self.mapping == "lightness":
            out = _ramp(np.round(lightness * levels) / levels, *self.palette)
        else:
            shaded = smooth + 255 * (lightness - _lightness(smooth))[..., None]
            colours = np.array(self.palette, np.float32)
            posterised = np.round(np.clip(shaded / 255, 0, 1) * levels) / levels * 255
            nearest = np.argmin((colours**2).sum(-1) - 2 * posterised @ colours.T, -1)
            out = colours[nearest]
        if self.edge_width:
            lines = np.clip(_colour_edges(smooth, _pixels(self.edge_width, picture)) * 3 - 0.5, 0, 1)
            out = _mix(out, self.edge_colour, lines)
        return _to_uint8(out)

    def _texture(self, picture: Array, rng: np.random.Generator) -> Array:
        """Return the change of lightness (H, W) that the texture makes."""
        rows, columns = _coordinates(picture)
        turn = np.float32(2 * np.pi / self.texture_scale)
        if self.texture == "hatch":
            pattern = np.cos((rows + columns) * turn)
        elif self.texture == "dots":
            pattern = np.cos(rows * turn) * np.cos(columns * turn) * 1.4
        elif self.texture == "waves":
            pattern = np.cos((rows + 4 * np.sin(columns * turn / 3)) * turn)
        else:
            pattern = 2 * _smooth_noise(picture.shape, _pixels(self.texture_scale / 3, picture), rng) - 1
        return 0.5 * self.texture_strength * pattern


Style = NamedStyle | ParametricStyle


def _hsv(hue: float, saturation: float, value: float) -> RGB:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _first_parametric(is_wanted: Callable[[ParametricStyle], bool], seed: int) -> ParametricStyle:
    """Return the first style, sampled from ``seed``, that is wanted."""
    rng = np.random.default_rng(seed)
    while True:
        style = ParametricStyle.draw_any(rng)
        if is_wanted(style):
            return style


HELD_OUT_STYLES: tuple[Style, ...] = (
    NamedStyle("linocut", "a linocut of {}", _linocut),
    NamedStyle("thermal-image", "a thermal image of {}", _thermal),
    _first_parametric(lambda style: style.is_held_out, seed=3),
    _first_parametric(lambda style: style.is_held_out, seed=4),
)

DEVELOPMENT_STYLES: tuple[Style, ...] = (
    NamedStyle("cross-stitch", "a cross stitch of {}", _cross_stitch),
    NamedStyle("x-ray", "an x-ray of {}", _x_ray),
    _first_parametric(lambda style: style.is_development, seed=1),
)


def sample_named_style(rng: np.random.Generator) -> NamedStyle:
    return NAMED_STYLES[rng.integers(len(NAMED_STYLES))]
