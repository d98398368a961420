"""Embedding files of every program that has them: read by what is in them, and written.

:func:`read_embeddings` gives the words in a file or folder, :func:`to_concept` makes one a concept,
:func:`to_concepts` all of them, and :func:`write_embedding` writes a concept for another program.
"""

from ti_core.words.formats.embedding import Embedding, base_called, to_concept, to_concepts
from ti_core.words.formats.reading import SUFFIXES, read_embeddings
from ti_core.words.formats.writing import FILE_SUFFIXES, LAYOUTS, Layout, layouts_for, write_embedding

__all__ = [
    "FILE_SUFFIXES",
    "LAYOUTS",
    "SUFFIXES",
    "Embedding",
    "Layout",
    "base_called",
    "layouts_for",
    "read_embeddings",
    "to_concept",
    "to_concepts",
    "write_embedding",
]
