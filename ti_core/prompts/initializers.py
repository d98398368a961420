"""Candidate initializer words: common words, most of them a single token."""

from __future__ import annotations

_OBJECT_WORDS = """
cat dog kitten puppy bird fish horse cow pig sheep goat rabbit mouse bear lion tiger elephant monkey fox wolf
deer duck chicken owl penguin frog turtle snake lizard dragon dinosaur butterfly bee spider snail
toy doll monster robot puppet figurine statue sculpture mask alien ghost
person man woman boy girl baby face hand
mug cup teapot kettle bottle glass bowl plate vase jar pot pan spoon knife fork basket bucket box
lamp lantern candle clock watch mirror chair table sofa bed desk shelf cabinet pillow blanket rug curtain
bag backpack purse suitcase wallet umbrella shoe boot sandal sneaker hat cap helmet glasses scarf glove
shirt jacket coat dress sweater sock ring necklace
phone camera laptop keyboard radio television headphones guitar piano violin drum trumpet
car truck bus train bicycle motorcycle boat ship airplane rocket scooter
house building castle tower church bridge tent barn door window
plant flower tree cactus mushroom leaf rose fruit apple banana orange lemon pumpkin
cake bread cookie pizza sandwich burger
book pen pencil brush key coin ball balloon kite drone hammer chess
"""
_STYLE_WORDS = """
painting sketch drawing watercolor illustration photo cartoon engraving mosaic comic print pixel ink chalk
neon poster pastel charcoal pencil crayon fresco collage woodcut etching mural graffiti anime origami
embroidery tapestry pottery calligraphy silhouette abstract vintage minimal impressionist cubist gothic
baroque
"""
# Each is a common lower-case word, so most tokenizers have a single token for it.
OBJECT_WORDS: tuple[str, ...] = tuple(_OBJECT_WORDS.split())
STYLE_WORDS: tuple[str, ...] = tuple(_STYLE_WORDS.split())
