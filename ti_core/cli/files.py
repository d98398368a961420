"""``convert``: read an embedding file of any program, and write it for another."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ti_core.cli.terminal import JsonOption, reporting, say
from ti_core.errors import ConfigError

if TYPE_CHECKING:
    from PIL import Image

    from ti_core.concept import Concept
    from ti_core.formats import Layout

LAYOUTS_HELP = "native, diffusers, diffusers-bin, a1111-pt, a1111-safetensors, a1111-png, sdxl or kohya."


def convert_command(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="An embedding file of any program, or a folder that holds some."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write to.")],
    to: Annotated[str, typer.Option(help=LAYOUTS_HELP)],
    token: Annotated[
        str | None, typer.Option(help="The word's name.", show_default="as in the file, else the file's own")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="The base model: a preset (see `models`), or its family, sd1, sd2 or sdxl.",
            show_default="as in the file, else guessed by the width of the vectors",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read an embedding file of any program, and write it for another."""
    with reporting(as_json) as report:
        from ti_core.formats import base_called, read_embeddings, to_concept

        layout = _layout(to)
        asked = base_called(base) if base else None
        embeddings = read_embeddings(source)
        if token and len(embeddings) > 1:
            raise ConfigError(f"{source.name} holds {len(embeddings)} words: leave out --token.")
        concepts = [to_concept(embedding, token=token, base=asked) for embedding in embeddings]
        folders = [out / concept.name if len(concepts) > 1 else out for concept in concepts]
        pictures = _pictures(source)
        words: list[dict[str, Any]] = []
        for embedding, concept, folder in zip(embeddings, concepts, folders, strict=True):
            guessed = asked is None and embedding.base_is_guessed
            for remark in embedding.remarks:
                say(remark)
            if guessed:
                say(f"{source.name} names no base model: {concept.base.id} is a guess by the vectors' width.")
            files = _write(concept, folder, layout, pictures)
            words.append(
                {
                    "token": concept.token,
                    "vectors": concept.num_vectors,
                    "source": embedding.source,
                    "model": concept.base.id,
                    "family": concept.base.family,
                    "guessed": guessed,
                    "remarks": list(embedding.remarks),
                    "files": [str(file) for file in files],
                }
            )
            report.lines += [str(file) for file in files]
        report.facts["words"] = words


def _layout(name: str) -> Layout:
    from ti_core.formats import LAYOUTS

    for layout in LAYOUTS:
        if layout == name:
            return layout
    raise ConfigError(f"There is no format called {name}: choose {', '.join(LAYOUTS)}.")


def _pictures(source: Path) -> list[Image.Image]:
    """The training pictures of a concept folder."""
    from ti_core.images import open_picture
    from ti_core.library import picture_files

    return [open_picture(file, alpha="flatten")[0] for file in picture_files(source)]


def _write(concept: Concept, folder: Path, layout: Layout, pictures: list[Image.Image]) -> list[Path]:
    """As :func:`write_embedding`, but a file that is there stays, and then none is written."""
    from ti_core.formats import write_embedding

    with TemporaryDirectory() as temporary:
        written = write_embedding(concept, Path(temporary), layout, pictures)
        files = {file: folder / file.relative_to(temporary) for file in written}
        taken = next((file for file in files.values() if file.exists()), None)
        if taken is not None:
            raise ConfigError(f"{taken} is there already: choose another OUT.")
        try:
            for file, target in files.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
        except OSError as error:
            raise ConfigError(f"{concept.token} cannot be written to {folder}: {error}") from error
    return list(files.values())
