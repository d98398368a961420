"""Files that a browser may fetch: always copies, because the homes themselves are never served."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from ti_core.words.formats import Layout
from ti_core.words.library import Library


def serve_copy(path: Path) -> str:
    """Copy a file from a home to a folder that the page may serve; return the copy's path."""
    return str(save_file_to_cache(path, get_upload_folder()))


def export_word(library: Library, token: str, layout: Layout = "native") -> str:
    """Write a word as a file of this or another program; several files are packed into one archive.

    Raises the errors of :meth:`Library.export_file` and :meth:`Library.export_archive`.
    """
    name = token.strip("<>")
    with tempfile.TemporaryDirectory() as folder:
        if layout == "native":
            return serve_copy(library.export_archive(token, Path(folder) / f"{name}.zip"))
        files = library.export_file(token, layout, Path(folder) / name)
        if len(files) == 1:
            return serve_copy(files[0])
        archive = shutil.make_archive(str(Path(folder) / f"{name}-{layout}"), "zip", folder, name)
        return serve_copy(Path(archive))
