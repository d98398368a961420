"""Read and write embedding files of other programs; their format is detected from the content.

:func:`read_embeddings` reads the words in a file or folder. :func:`to_concept` turns one of them into a
concept, :func:`to_concepts` all of them. :func:`write_embedding` writes a concept for another program.
"""

from ti_core.words.formats.embedding import Embedding, find_base_model, to_concept, to_concepts
from ti_core.words.formats.reading import SUFFIXES, read_embeddings
from ti_core.words.formats.writing import FILE_SUFFIXES, LAYOUTS, Layout, layouts_for, write_embedding

__all__ = [
    "FILE_SUFFIXES",
    "LAYOUTS",
    "SUFFIXES",
    "Embedding",
    "Layout",
    "find_base_model",
    "layouts_for",
    "read_embeddings",
    "to_concept",
    "to_concepts",
    "write_embedding",
]
