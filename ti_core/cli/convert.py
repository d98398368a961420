"""``convert``: read an embedding file of any program and write it for another."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ti_core.cli.terminal import JsonOption, reporting, say
from ti_core.errors import ConfigError
from ti_core.messages import series, template

if TYPE_CHECKING:
    from PIL import Image

    from ti_core.words.concept import Concept
    from ti_core.words.formats import Embedding, Layout

LAYOUTS_HELP = template(
    "native, diffusers, diffusers-bin, a1111-pt, a1111-safetensors, a1111-png, sdxl or kohya."
)


def convert_command(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="An embedding file of any program, or a folder or .zip of some."),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="The folder to write to; for a format of one file also that, as in cat.pt."
        ),
    ],
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
        from ti_core.words.formats import find_base_model, to_concepts

        layout = _layout(to)
        is_file = _is_file(out, layout)
        asked = find_base_model(base) if base else None
        embeddings, pictures = _read(source)
        if token and len(embeddings) > 1:
            raise ConfigError(
                "{name} holds {words} words: leave out --token.", name=source.name, words=len(embeddings)
            )
        if is_file and len(embeddings) > 1:
            raise ConfigError(
                "{name} holds {words} words: give a folder as OUT.", name=source.name, words=len(embeddings)
            )
        concepts = to_concepts(embeddings, source.name, token=token, base=asked)
        places = [out / concept.name if len(concepts) > 1 else out for concept in concepts]
        words: list[dict[str, Any]] = []
        for embedding, concept, place in zip(embeddings, concepts, places, strict=True):
            guessed = asked is None and embedding.base_is_guessed
            for remark in embedding.remarks:
                say(remark)
            if guessed:
                say(
                    "{name} names no base model: {model} is a guess by the vectors' width.",
                    name=source.name,
                    model=concept.base.id,
                )
            files = _write(concept, place, layout, pictures, is_file=is_file)
            words.append(
                {
                    "token": concept.token,
                    "vectors": concept.num_vectors,
                    "source": embedding.source,
                    "model": concept.base.id,
                    "family": concept.base.family,
                    "guessed": guessed,
                    "remarks": list(map(str, embedding.remarks)),
                    "files": [str(file) for file in files],
                }
            )
            report.lines += [str(file) for file in files]
        report.facts["words"] = words


def _layout(name: str) -> Layout:
    from ti_core.words.formats import LAYOUTS

    for layout in LAYOUTS:
        if layout == name:
            return layout
    raise ConfigError(
        "There is no format called {name}: choose {layouts}.", name=name, layouts=series(LAYOUTS)
    )


def _is_file(out: Path, layout: Layout) -> bool:
    """Whether OUT names the file to write rather than a folder; an existing folder always counts as a folder.

    Raises :class:`ConfigError` if it is the name of an embedding file of another format.
    """
    from ti_core.words.formats import FILE_SUFFIXES, SUFFIXES

    suffix, own = out.suffix.lower(), FILE_SUFFIXES.get(layout)
    if out.is_dir() or suffix not in SUFFIXES:
        return False
    if own is None:
        raise ConfigError(
            "{layout} is no single file: give a folder in place of {name}.", layout=layout, name=out.name
        )
    if suffix != own:
        raise ConfigError(
            "{layout} is a {own} file: call it {stem}{own}, or give a folder.",
            layout=layout,
            own=own,
            stem=out.stem,
        )
    return True


def _read(source: Path) -> tuple[list[Embedding], list[Image.Image]]:
    """Read the words in a file, folder or .zip archive, and the training pictures of a native folder."""
    from ti_core.pictures.decode import open_picture
    from ti_core.words.archive import unpack
    from ti_core.words.folder import picture_files
    from ti_core.words.formats import read_embeddings

    with TemporaryDirectory() as temporary:
        place = unpack(source, Path(temporary))
        embeddings = read_embeddings(place)
        return embeddings, [open_picture(file, alpha="flatten")[0] for file in picture_files(place)]


def _write(
    concept: Concept, place: Path, layout: Layout, pictures: list[Image.Image], *, is_file: bool
) -> list[Path]:
    """Write files like :func:`write_embedding`, but write nothing if one of them already exists."""
    from ti_core.words.formats import write_embedding

    with TemporaryDirectory() as temporary:
        written = write_embedding(concept, Path(temporary), layout, pictures)
        files = {file: place if is_file else place / file.relative_to(temporary) for file in written}
        taken = next((file for file in files.values() if file.exists()), None)
        if taken is not None:
            raise ConfigError("{file} is there already: choose another OUT.", file=taken)
        try:
            for file, target in files.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
        except OSError as error:
            raise ConfigError(
                "{token} cannot be written to {place}: {error}", token=concept.token, place=place, error=error
            ) from error
    return list(files.values())
