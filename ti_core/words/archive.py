"""Concepts and embedding files in .zip archives. Every archive is untrusted: it is checked, then unpacked."""

from __future__ import annotations

import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from ti_core.errors import ConceptError
from ti_core.files import write_whole
from ti_core.messages import renamed
from ti_core.pictures.decode import MAX_PICTURE_PIXELS
from ti_core.words.concept import EMBEDDING_FILES, Concept
from ti_core.words.folder import MAX_FILE_BYTES, PICTURE_PATTERN, load_concept, picture_files
from ti_core.words.formats import SUFFIXES
from ti_core.words.formats.contents import SHOWN_LENGTH, zip_directory_bytes
from ti_core.words.formats.embedding import check_facts
from ti_core.words.gallery import GALLERY_FILE, gallery_files

MAX_TEXT_BYTES = 2**20
MAX_PICTURE_BYTES = 16 * 2**20
MAX_UNPACKED_BYTES = 128 * 2**20
MAX_ARCHIVE_FILES = 256
MAX_DIRECTORY_BYTES = 64 * 2**10  # of an archive's central directory, its list of files
FILE_LIMITS = {  # largest size in bytes of each file of a concept, except pictures
    **dict.fromkeys(EMBEDDING_FILES, MAX_FILE_BYTES),
    **dict.fromkeys(
        ("concept.json", "token_identifier.txt", "type_of_concept.txt", "README.md"), MAX_TEXT_BYTES
    ),
}
# What zipfile and zlib raise for a damaged archive; zipfile uses most fields without checking them.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError, ValueError, RuntimeError)


def pack_concept(folder: Path, token: str, path: Path) -> None:
    """Write a concept's folder as a .zip archive that :func:`unpack_concept` reads.

    Raises :class:`ConceptError` if :func:`unpack_concept` would refuse it or it cannot be written.
    """
    files = {name: folder / name for name in FILE_LIMITS if (folder / name).is_file()}
    files |= {picture.relative_to(folder).as_posix(): picture for picture in _pictures_in(folder)}
    _check_files({name: file.stat().st_size for name, file in files.items()}, token)

    def write(partial: Path) -> None:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for name, file in files.items():
                archive.write(file, f"{token[1:-1]}/{name}")

    try:
        write_whole(path, write)
    except OSError as error:
        raise ConceptError(
            "{token} could not be written to {folder}: {error}", token=token, folder=path, error=error
        ) from error


def unpack(path: Path, parent: Path) -> Path:
    """Unpack a .zip archive of a concept or of embedding files into a new folder in ``parent``; return it.

    A ``path`` that is a folder or any other file is returned unchanged.
    Raises :class:`ConceptError` if the archive holds something else, is damaged or is too large.
    """
    names = archive_names(path) if path.is_file() else None
    if names is None:
        return path
    folder = parent / (path.stem if re.fullmatch(r"\w[\w .-]*", path.stem) else "archive")
    if has_concept(names):
        unpack_concept(path, folder)
    else:
        _unpack_embeddings(path, folder)
    return folder


def unpack_concept(path: Path, folder: Path) -> Concept:
    """Check an archive of one concept, unpack it into a new ``folder`` and load the concept.

    Raises :class:`ConceptError` if the archive holds something else, is damaged or is too large.
    """
    with _opened(path) as archive:
        _extract(archive, _members(archive, path.name), folder)
    with shown_as(path.name, folder):
        concept = load_concept(folder)
        _check_untrusted(concept, folder)
    return concept


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive after checking the length of its central directory, which zipfile reads in one go."""
    try:
        with path.open("rb") as file:
            length = zip_directory_bytes(file)
            if length is None:
                raise ConceptError(
                    "{name} is not a .zip archive: choose one that was exported as such.", name=path.name
                )
            if length > MAX_DIRECTORY_BYTES:
                raise ConceptError(
                    "{name} holds too many files to be one concept: choose another.", name=path.name
                )
            with zipfile.ZipFile(file) as archive:
                yield archive
    except ZIP_ERRORS as error:
        raise ConceptError("{name} is damaged: export the concept again.", name=path.name) from error
    except OSError as error:
        raise ConceptError("{name} cannot be unpacked: {error}", name=path.name, error=error) from error


@contextmanager
def shown_as(shown: str, folder: Path) -> Iterator[None]:
    """Replace the path of ``folder`` by ``shown``, which the user knows, in errors about its contents."""
    try:
        yield
    except ConceptError as error:
        reason = renamed(error.message, str(folder), shown)
        raise ConceptError("{name} holds no usable concept. {reason}", name=shown, reason=reason) from error


def archive_names(path: Path) -> set[str] | None:
    """Return the names in a .zip archive; None if it is a file of torch.save, or neither a .zip nor named so.

    Raises :class:`ConceptError` if the file cannot be read or is a damaged archive.
    """
    try:
        with path.open("rb") as file:
            is_archive = file.read(4) in (b"PK\3\4", b"PK\5\6")
    except OSError as error:
        raise ConceptError("{name} cannot be read: {error}", name=path.name, error=error) from error
    if not is_archive and path.suffix.lower() != ".zip":
        return None
    with _opened(path) as archive:
        names = set(archive.namelist())
    return None if any(name.endswith("/data.pkl") for name in names) else names


def has_concept(names: set[str]) -> bool:
    """Whether an archive with these file names holds a concept in the native format."""
    return any(name.rpartition("/")[2] == "concept.json" for name in names)


def _unpack_embeddings(path: Path, folder: Path) -> None:
    """Unpack the embedding files of an archive, and the text files next to them, into a new ``folder``."""
    with _opened(path) as archive:
        members = {}
        for info in archive.infolist():
            _check_member(info, path.name)
            name = info.filename.rpartition("/")[2]
            if Path(name).suffix.lower() not in (*SUFFIXES, ".txt", ".md") or _is_macos_metadata(
                info.filename
            ):
                continue
            if name in members:
                raise ConceptError(
                    "{name} holds two files of one name: export the concept again.", name=path.name
                )
            members[name] = info
        limits = {name: MAX_PICTURE_BYTES if name.endswith(".png") else MAX_FILE_BYTES for name in members}
        _check_sizes({name: info.file_size for name, info in members.items()}, limits, path.name)
        _extract(archive, members, folder)


def _extract(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, info in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, (folder / name).open("xb") as target:
            shutil.copyfileobj(source, target)  # zipfile never yields more than the size checked before


def _members(archive: zipfile.ZipFile, shown: str) -> dict[str, zipfile.ZipInfo]:
    """Check a concept archive; return its files by their path in the native folder.

    ``shown`` is what errors call the archive.
    """
    infos = [info for info in archive.infolist() if not _is_macos_metadata(info.filename)]
    for info in infos:
        _check_member(info, shown)
    files = [info for info in infos if not info.is_dir()]
    names = {info.filename for info in files}
    if len(names) < len(files):
        raise ConceptError("{name} holds two files of one name: export the concept again.", name=shown)
    prefix = ""
    if "concept.json" not in names:
        folders = {name.partition("/")[0] for name in names}
        prefix = f"{folders.pop()}/" if len(folders) == 1 else ""
    if f"{prefix}concept.json" not in names:
        raise ConceptError(
            "{name} holds no concept: it has no concept.json, or more than one folder.", name=shown
        )
    members = {info.filename.removeprefix(prefix): info for info in files}
    _check_files({name: info.file_size for name, info in members.items()}, shown)
    return members


def _is_macos_metadata(name: str) -> bool:
    """Whether a name belongs to the metadata that macOS adds to its archives."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"


def _check_member(info: zipfile.ZipInfo, shown: str) -> None:
    """Raise :class:`ConceptError` unless a member is a plain file or folder that stays inside the target."""
    name = repr(info.filename[:SHOWN_LENGTH])
    parts = info.filename.removesuffix("/").split("/")
    if {"", ".", ".."} & set(parts) or re.search(r"[\\:\0]", info.orig_filename):
        raise ConceptError(
            "{name} holds {file}, which would be unpacked somewhere else: do not use it.",
            name=shown,
            file=name,
        )
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ConceptError(
            "{name} holds {file}, which is a link or no plain file: export it again.", name=shown, file=name
        )
    if info.flag_bits & 1:
        raise ConceptError("{name} is locked with a password: export it again without one.", name=shown)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ConceptError(
            "{name} is packed in an unusual way: make an ordinary .zip of the folder.", name=shown
        )


def _check_files(sizes: Mapping[str, int], shown: str) -> None:
    """Raise :class:`ConceptError` for files that are not in the native format, or too many, or too large."""
    limits = {}
    for name in sizes:
        is_picture = PICTURE_PATTERN.fullmatch(name) or GALLERY_FILE.fullmatch(name)
        limit = MAX_PICTURE_BYTES if is_picture else FILE_LIMITS.get(name)
        if limit is None:
            raise ConceptError(
                "{name} holds {file!r}, which is no part of a concept.", name=shown, file=name[:SHOWN_LENGTH]
            )
        limits[name] = limit
    _check_sizes(sizes, limits, shown)


def _check_sizes(sizes: Mapping[str, int], limits: Mapping[str, int], shown: str) -> None:
    if len(sizes) > MAX_ARCHIVE_FILES:
        raise ConceptError(
            "{name} has {files} files: a concept has at most {most}.",
            name=shown,
            files=len(sizes),
            most=MAX_ARCHIVE_FILES,
        )
    for name, size in sizes.items():
        if size > limits[name]:
            raise ConceptError(
                "{file} in {name} is larger than {limit} MiB: make it smaller.",
                file=name,
                name=shown,
                limit=limits[name] // 2**20,
            )
    if sum(sizes.values()) > MAX_UNPACKED_BYTES:
        raise ConceptError(
            "{name} is larger than {limit} MiB: use fewer pictures.",
            name=shown,
            limit=MAX_UNPACKED_BYTES // 2**20,
        )


def _pictures_in(folder: Path) -> list[Path]:
    """Return the training pictures of a concept's folder, then its gallery."""
    return picture_files(folder) + gallery_files(folder)


def _check_untrusted(concept: Concept, folder: Path) -> None:
    """Raise :class:`ConceptError` for damaged facts, or a picture that is no PNG or has too many pixels.

    Only the header of each picture is read.
    """
    check_facts(concept)
    for file in _pictures_in(folder):
        try:
            with Image.open(file, formats=["PNG"]) as picture:
                width, height = picture.size
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ConceptError("{file} is no readable PNG picture: leave it out.", file=file) from error
        if width * height > MAX_PICTURE_PIXELS:
            raise ConceptError(
                "{file} has {width} × {height} pixels, which is too large: leave it out.",
                file=file,
                width=width,
                height=height,
            )
