"""Nouns: more than 350 everyday things, drawn as glyphs of the Noto Color Emoji font."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import skia
from PIL import Image, ImageDraw, ImageFont

FONT_ENVIRONMENT_VARIABLE = "NOTO_COLOR_EMOJI"
FONT_PATHS = (
    Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf"),
    Path("/opt/homebrew/share/fonts/NotoColorEmoji.ttf"),
    Path.home() / ".local/share/fonts/NotoColorEmoji.ttf",
    Path.home() / "Library/Fonts/NotoColorEmoji.ttf",
)
STRIKE_SIZE = 109  # the font's only bitmap size; its glyphs are 136 x 128 pixels
GLYPH_EXTENT = 0.9  # longer side, as a share of the unit square
GROUND = 0.95  # y of the ground on which every thing stands in its unit square

TINTS = {
    "red": (230, 50, 45),
    "orange": (250, 140, 30),
    "yellow": (250, 215, 40),
    "green": (60, 175, 75),
    "blue": (50, 105, 225),
    "purple": (145, 70, 195),
    "pink": (250, 125, 180),
    "brown": (145, 95, 55),
    "grey": (150, 150, 155),
}


class EmojiFontMissingError(FileNotFoundError):
    """The Noto Color Emoji font was not found."""


@dataclass(frozen=True)
class Noun:
    """A named glyph; ``kind`` is its class word: animal, food, vehicle or thing."""

    name: str
    glyph: str
    kind: str


def _nouns(kinds: dict[str, dict[str, str]]) -> Iterator[Noun]:
    for kind, glyphs in kinds.items():
        for name, glyph in glyphs.items():
            yield Noun(name, glyph, kind)


TRAINING_NOUNS = tuple(
    _nouns(
        {
            "animal": {
                "octopus": "🐙", "crab": "🦀", "lobster": "🦞", "squid": "🦑", "butterfly": "🦋",
                "bee": "🐝", "ladybug": "🐞", "caterpillar": "🐛", "spider": "🕷", "scorpion": "🦂",
                "turtle": "🐢", "snake": "🐍", "lizard": "🦎", "dinosaur": "🦖", "whale": "🐳",
                "dolphin": "🐬", "shark": "🦈", "pufferfish": "🐡", "penguin": "🐧", "rooster": "🐓",
                "chick": "🐤", "duck": "🦆", "owl": "🦉", "swan": "🦢", "peacock": "🦚",
                "elephant": "🐘", "rhinoceros": "🦏", "hippopotamus": "🦛", "camel": "🐫",
                "kangaroo": "🦘", "rabbit": "🐇", "pig": "🐖", "cow": "🐄", "sheep": "🐑",
                "horse": "🐎", "tiger": "🐅", "zebra": "🦓", "panda": "🐼", "koala": "🐨",
                "fox": "🦊", "frog": "🐸", "lion": "🦁", "unicorn": "🦄", "monkey": "🐒", "dog": "🐕",
                "gorilla": "🦍", "orangutan": "🦧", "wolf": "🐺", "raccoon": "🦝", "boar": "🐗",
                "deer": "🦌", "bison": "🦬", "ox": "🐂", "water buffalo": "🐃", "ram": "🐏",
                "goat": "🐐", "llama": "🦙", "mammoth": "🦣", "mouse": "🐁", "rat": "🐀",
                "hamster": "🐹", "chipmunk": "🐿", "beaver": "🦫", "bat": "🦇", "bear": "🐻",
                "sloth": "🦥", "otter": "🦦", "skunk": "🦨", "badger": "🦡", "turkey": "🦃",
                "dove": "🕊", "eagle": "🦅", "dodo": "🦤", "seal": "🦭", "crocodile": "🐊",
                "dragon": "🐉", "ant": "🐜", "beetle": "🪲", "cricket": "🦗", "mosquito": "🦟",
                "leopard": "🐆", "poodle": "🐩", "dromedary": "🐪", "shrimp": "🦐", "hen": "🐔",
                "hatching chick": "🐣",
            },
            "food": {
                "red apple": "🍎", "green apple": "🍏", "banana": "🍌", "bunch of grapes": "🍇",
                "pineapple": "🍍", "lemon": "🍋", "tangerine": "🍊", "pear": "🍐", "peach": "🍑",
                "coconut": "🥥", "eggplant": "🍆", "carrot": "🥕", "ear of corn": "🌽",
                "broccoli": "🥦", "mushroom": "🍄", "pretzel": "🥨", "slice of pizza": "🍕",
                "hot dog": "🌭", "taco": "🌮", "doughnut": "🍩", "cookie": "🍪",
                "birthday cake": "🎂", "ice cream": "🍦", "croissant": "🥐", "lollipop": "🍭",
                "piece of cheese": "🧀",
                "handful of blueberries": "🫐", "pair of cherries": "🍒", "kiwi": "🥝",
                "tomato": "🍅", "mango": "🥭", "melon": "🍈", "olive": "🫒", "potato": "🥔",
                "hot pepper": "🌶", "bell pepper": "🫑", "cucumber": "🥒", "lettuce": "🥬",
                "bulb of garlic": "🧄", "onion": "🧅", "peanut": "🥜", "chestnut": "🌰",
                "loaf of bread": "🍞", "baguette": "🥖", "bagel": "🥯", "stack of pancakes": "🥞",
                "waffle": "🧇", "chicken leg": "🍗", "piece of meat": "🍖", "steak": "🥩",
                "slice of bacon": "🥓", "box of fries": "🍟", "sandwich": "🥪", "burrito": "🌯",
                "fried egg": "🍳", "egg": "🥚", "bowl of salad": "🥗", "box of popcorn": "🍿",
                "piece of butter": "🧈", "lunch box": "🍱", "rice cracker": "🍘",
                "rice ball": "🍙", "bowl of rice": "🍚", "plate of curry": "🍛",
                "bowl of noodles": "🍜", "plate of spaghetti": "🍝", "piece of sushi": "🍣",
                "dumpling": "🥟", "bowl of shaved ice": "🍧", "slice of cake": "🍰", "pie": "🥧",
                "bar of chocolate": "🍫", "piece of candy": "🍬", "pudding": "🍮",
                "pot of honey": "🍯", "glass of milk": "🥛", "glass of wine": "🍷",
                "cocktail": "🍸", "glass of beer": "🍺", "bottle of champagne": "🍾",
                "bubble tea": "🧋", "stick of dumplings": "🍡",
            },
            "vehicle": {
                "rocket": "🚀", "helicopter": "🚁", "bicycle": "🚲", "fire engine": "🚒",
                "bus": "🚌", "car": "🚗", "motor scooter": "🛵", "flying saucer": "🛸",
                "taxi": "🚕", "ambulance": "🚑", "speedboat": "🚤", "police car": "🚓",
                "tram": "🚊", "minibus": "🚐", "truck": "🚚", "lorry": "🚛", "jeep": "🚙",
                "racing car": "🏎", "motorcycle": "🏍", "kick scooter": "🛴", "skateboard": "🛹",
                "roller skate": "🛼", "bullet train": "🚅", "train": "🚆", "ship": "🚢",
                "canoe": "🛶", "airplane": "✈", "satellite": "🛰", "pickup truck": "🛻",
                "rickshaw": "🛺", "sled": "🛷",
            },
            "thing": {
                "trumpet": "🎺", "drum": "🥁", "accordion": "🪗", "umbrella": "☂", "balloon": "🎈",
                "gift": "🎁", "crown": "👑", "key": "🔑", "hammer": "🔨", "microscope": "🔬",
                "light bulb": "💡", "candle": "🕯", "television": "📺", "camera": "📷",
                "telephone": "☎", "sofa": "🛋", "chair": "🪑", "door": "🚪", "sunflower": "🌻",
                "tulip": "🌷", "fir tree": "🌲", "palm tree": "🌴", "soccer ball": "⚽",
                "basketball": "🏀", "magnet": "🧲", "anchor": "⚓", "bell": "🔔", "trophy": "🏆",
                "top hat": "🎩", "boot": "👢", "sneaker": "👟", "dress": "👗", "pumpkin": "🎃",
                "ghost": "👻", "shopping cart": "🛒", "bucket": "🪣",
                "banjo": "🪕", "saxophone": "🎷", "piano keyboard": "🎹", "microphone": "🎤",
                "pair of headphones": "🎧", "radio": "📻", "megaphone": "📣", "battery": "🔋",
                "plug": "🔌", "laptop": "💻", "printer": "🖨", "floppy disk": "💾", "book": "📕",
                "pile of books": "📚", "newspaper": "📰", "scroll": "📜", "coin": "🪙", "gem": "💎",
                "envelope": "✉", "parcel": "📦", "mailbox": "📫", "pencil": "✏",
                "paintbrush": "🖌", "crayon": "🖍", "briefcase": "💼", "calendar": "📅",
                "pushpin": "📌", "paperclip": "📎", "ruler": "📏", "pair of scissors": "✂",
                "padlock": "🔒", "axe": "🪓", "pickaxe": "⛏", "saw": "🪚", "wrench": "🔧",
                "screwdriver": "🪛", "gear": "⚙", "pair of scales": "⚖", "toolbox": "🧰",
                "ladder": "🪜", "test tube": "🧪", "syringe": "💉", "pill": "💊", "mirror": "🪞",
                "bed": "🛏", "bathtub": "🛁", "razor": "🪒", "broom": "🧹", "basket": "🧺",
                "toothbrush": "🪥", "sponge": "🧽", "fire extinguisher": "🧯", "stone head": "🗿",
                "crystal ball": "🔮", "bomb": "💣", "boomerang": "🪃", "bow and arrow": "🏹",
                "shield": "🛡", "dagger": "🗡", "kite": "🪁", "yo-yo": "🪀", "puzzle piece": "🧩",
                "die": "🎲", "game controller": "🎮", "joystick": "🕹", "pawn": "♟",
                "dart board": "🎯", "football": "🏈", "baseball": "⚾", "tennis ball": "🎾",
                "volleyball": "🏐", "boxing glove": "🥊", "ice skate": "⛸", "curling stone": "🥌",
                "medal": "🏅", "painter's palette": "🎨", "spool of thread": "🧵",
                "ball of yarn": "🧶", "pair of glasses": "👓", "pair of goggles": "🥽",
                "necktie": "👔", "shirt": "👕", "pair of jeans": "👖", "scarf": "🧣",
                "pair of gloves": "🧤", "coat": "🧥", "pair of socks": "🧦", "kimono": "👘",
                "swimsuit": "🩱", "blouse": "👚", "backpack": "🎒", "high heel": "👠",
                "sandal": "👡", "sun hat": "👒", "graduation cap": "🎓", "helmet": "🪖",
                "ring": "💍", "lipstick": "💄", "rose": "🌹", "cherry blossom": "🌸",
                "hibiscus": "🌺", "bouquet": "💐", "seedling": "🌱", "potted plant": "🪴",
                "round tree": "🌳", "clover": "🍀", "maple leaf": "🍁", "log": "🪵", "rock": "🪨",
                "snowflake": "❄", "star": "⭐", "crescent moon": "🌙", "cloud": "☁",
                "globe": "🌍", "ringed planet": "🪐", "volcano": "🌋", "tent": "⛺", "castle": "🏰",
                "church": "⛪", "fountain": "⛲", "ferris wheel": "🎡", "carousel horse": "🎠",
                "tower": "🗼", "traffic light": "🚦", "fuel pump": "⛽", "barrel": "🛢",
                "hourglass": "⌛", "compass": "🧭", "firecracker": "🧨", "pinata": "🪅",
                "nesting doll": "🪆", "paper lantern": "🏮", "vase": "🏺", "knife": "🔪",
                "spoon": "🥄", "alien": "👽", "skull": "💀", "goblin": "👺", "heart": "❤",
                "brain": "🧠", "tooth": "🦷", "bone": "🦴", "eye": "👁",
            },
        }
    )
)  # fmt: skip

DEVELOPMENT_NOUNS = tuple(
    _nouns(
        {
            "animal": {"hedgehog": "🦔", "parrot": "🦜"},
            "food": {"watermelon": "🍉", "cupcake": "🧁"},
            "vehicle": {"tractor": "🚜"},
            "thing": {"violin": "🎻", "cactus": "🌵", "snowman": "⛄"},
        }
    )
)

HELD_OUT_NOUNS = tuple(
    _nouns(
        {
            "animal": {"giraffe": "🦒", "flamingo": "🦩", "long-necked dinosaur": "🦕", "snail": "🐌"},
            "food": {"strawberry": "🍓", "hamburger": "🍔", "avocado": "🥑"},
            "vehicle": {"sailboat": "⛵", "locomotive": "🚂"},
            "thing": {"guitar": "🎸", "telescope": "🔭", "teddy bear": "🧸"},
        }
    )
)


def find_font() -> Path:
    """Find NotoColorEmoji.ttf: the file that NOTO_COLOR_EMOJI names if set, else one in the usual places.

    Raises :class:`EmojiFontMissingError` if there is none.
    """
    named = os.environ.get(FONT_ENVIRONMENT_VARIABLE)
    for path in (Path(named),) if named else FONT_PATHS:
        if path.is_file():
            return path
    raise EmojiFontMissingError(
        f"No Noto Color Emoji font was found{f' at {named}' if named else ''}: install the Debian package "
        f"fonts-noto-color-emoji, or set {FONT_ENVIRONMENT_VARIABLE} to the path of NotoColorEmoji.ttf."
    )


@cache
def _load_font(path: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), STRIKE_SIZE)


@cache
def glyph_pixels(glyph: str) -> np.ndarray:
    """Return one glyph as RGBA uint8 (H, W, 4), cropped to its ink, alpha not premultiplied."""
    picture = Image.new("RGBA", (144, 144))
    ImageDraw.Draw(picture).text((4, 0), glyph, font=_load_font(find_font()), embedded_color=True)
    return np.array(picture.crop(picture.getbbox()))


@cache
def _glyph_image(glyph: str) -> skia.Image:
    return skia.Image.fromarray(glyph_pixels(glyph), colorType=skia.kRGBA_8888_ColorType)


@cache
def _tint_filter(tint: str) -> skia.ColorFilter:
    """Return a colour filter that keeps lightness and replaces hue: black → black, middle grey → the tint."""
    rows = [[weight * channel / 255 for weight in (0.45, 0.9, 0.2)] + [0, 0.06] for channel in TINTS[tint]]
    return skia.ColorFilters.Matrix([value for row in rows for value in row] + [0, 0, 0, 1, 0])


def draw_noun(canvas: skia.Canvas, noun: Noun, tint: str | None = None) -> None:
    """Draw a noun in the unit square, standing on y = 0.95, centred in x; ``tint`` is a key of ``TINTS``."""
    image = _glyph_image(noun.glyph)
    scale = GLYPH_EXTENT / max(image.width(), image.height())
    width, height = image.width() * scale, image.height() * scale
    paint = skia.Paint(AntiAlias=True)
    if tint is not None:
        paint.setColorFilter(_tint_filter(tint))
    sampling = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)
    place = skia.Rect.MakeXYWH((1 - width) / 2, GROUND - height, width, height)
    canvas.drawImageRect(image, place, sampling, paint)
