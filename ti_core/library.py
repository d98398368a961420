"""A person's concepts: a folder of native concept folders (see :mod:`ti_core.concept`).

    our-cat/             a concept, its folder called as its token is
    .deleted/            the concepts deleted last, 000007-our-cat: deleting can be undone

Nothing is kept in memory, so several programs may use one library at a time; a lock file orders them. A
folder is built under a hidden name and then renamed: a concept is there as a whole or not at all. Concepts
travel as .zip archives of one folder, and what is unpacked is checked first, whoever packed it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout
from PIL import Image

from ti_core.card import concept_card
from ti_core.concept import (
    EMBEDDING_FILES,
    MAX_FILE_BYTES,
    BaseModel,
    Concept,
    load_concept,
    save_concept,
)
from ti_core.errors import ConceptError
from ti_core.files import replace_file, write_text_whole, write_whole
from ti_core.formats import SUFFIXES, Layout, read_embeddings, to_concept, write_embedding
from ti_core.formats.contents import SHOWN_LENGTH, zip_directory_bytes
from ti_core.formats.embedding import check_facts
from ti_core.images import MAX_PIXELS, open_picture
from ti_core.prompts import MAX_NAME_LENGTH, TOKEN_PATTERN, token_for_name

DELETED_KEPT = 10
LOCK_TIMEOUT = 30.0  # seconds
LOCK_POLL = 0.01  # seconds
# Windows makes no folder of such a name: it gets an underscore, which is in no token.
RESERVED_NAMES = {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)} | {
    "con",
    "prn",
    "aux",
    "nul",
}

PICTURE_PATTERN = re.compile(r"concept_images/[0-9]{1,4}\.png")
MAX_TEXT_BYTES = 2**20
MAX_PICTURE_BYTES = 16 * 2**20
MAX_UNPACKED_BYTES = 128 * 2**20
MAX_ARCHIVE_FILES = 256
MAX_DIRECTORY_BYTES = 64 * 2**10  # of an archive's list of its files
LIMITS = {  # bytes of each file of a concept that is no picture
    **dict.fromkeys(EMBEDDING_FILES, MAX_FILE_BYTES),
    **dict.fromkeys(
        ("concept.json", "token_identifier.txt", "type_of_concept.txt", "README.md"), MAX_TEXT_BYTES
    ),
}
# What zipfile and zlib raise for damaged archives: most fields are used before they are checked.
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError, ValueError, RuntimeError)


@dataclass(frozen=True)
class Entry:
    """A concept in a library. ``added`` is in seconds since the epoch."""

    folder: Path
    concept: Concept
    added: float
    thumbnail: Path | None  # its first picture


@dataclass(frozen=True)
class Imported:
    """A word that came in: what wrote its file, and whether only its width told the base model."""

    entry: Entry
    source: str
    guessed: bool = False
    remarks: tuple[str, ...] = ()


class Library:
    """The concepts in the folder ``root``, which is made when the first is added.

    Every method raises :class:`ConceptError` if the folder cannot be read or written.
    """

    def __init__(self, root: Path):
        self.root = root

    def entries(self) -> tuple[list[Entry], list[ConceptError]]:
        """The concepts, newest first, and an error for each that cannot be read."""
        entries, errors = [], []
        with self._reading():
            for folder in self._folders():
                try:
                    entries.append(_read(folder))
                except ConceptError as error:
                    if folder.is_dir():  # else another program has removed it meanwhile
                        errors.append(error)
        return sorted(entries, key=lambda entry: entry.added, reverse=True), errors

    def find(self, token: str) -> Entry:
        """Raises :class:`ConceptError` naming the closest if there is none of this token."""
        with self._reading():
            return _read(self._existing(token))

    def add(self, concept: Concept, pictures: Sequence[Image.Image] = (), *, replace: bool = False) -> Entry:
        """Keep a concept, with its training pictures. One that is replaced goes where deleted ones go.

        Raises :class:`ConceptError` if the token is taken and not to be replaced.
        """
        with self._building() as built:
            save_concept(concept, built, pictures)
            with self._changing():
                if not replace:
                    self._check_free(concept.token)
                return self._place(built, concept.token)

    def rename(self, token: str, name: str) -> Entry:
        """Give a concept another name; its vectors, pictures and facts stay as they are.

        Raises :class:`TokenNameError` if ``name`` cannot become a token, :class:`ConceptError` if the token
        is taken.
        """
        new_token = token_for_name(name)
        with self._changing():
            entry = _read(self._existing(token))
            if new_token == token:
                return entry
            self._check_free(new_token)
            with self._building() as built:
                shutil.copytree(entry.folder, built)
                _write_over(dataclasses.replace(entry.concept, token=new_token), built)
                os.utime(built / "concept.json", (entry.added, entry.added))
                renamed = self._place(built, new_token)
                try:
                    replace_file(entry.folder, built)  # away, with the hidden folder
                except OSError:
                    replace_file(renamed.folder, built)
                    raise
                return renamed

    def delete(self, token: str) -> None:
        """Remove a concept, also one that is damaged; :meth:`restore` brings it back."""
        with self._changing():
            self._discard(self._existing(token))

    def restore(self, token: str) -> Entry:
        """Bring back the concept of this token that was deleted last.

        Raises :class:`ConceptError` if there is none, or the token is taken meanwhile.
        """
        with self._changing():
            folder = self._folder(token)
            found = [deleted for _, name, deleted in self._deleted() if name == folder.name]
            if not found:
                raise ConceptError(f"No deleted concept {token} is kept: import it, or learn the word again.")
            self._check_free(token)
            replace_file(found[-1], folder)
            return _read(folder)

    def import_archive(self, path: Path) -> Entry:
        """Add the concept in a .zip archive, at its root or in its only folder.

        Raises :class:`ConceptError` if the archive holds anything but one sound concept of bearable size,
        or if the token is taken.
        """
        with self._building() as built:
            concept = _unpack_concept(path, built)
            with _shown_as(path.name, built):
                _write_over(concept, built)
            with self._changing():
                self._check_free(concept.token)
                return self._place(built, concept.token)

    def import_file(self, path: Path, base: BaseModel | None = None) -> list[Imported]:
        """Add the words in a file of any program, or in a .zip archive of such files or from here.

        Told by content. ``base`` is the model they are for, as in :func:`~ti_core.formats.to_concept`. Raises
        :class:`ConceptError` saying what the file is instead, or that a token is taken, and as that function.
        """
        names = _names_in(path)
        if names is None:
            return self._import_embeddings(path, base)
        if _hold_concept(names):
            return [Imported(self.import_archive(path), "One Word")]
        with self._building() as built:
            return self._import_embeddings(unpack(path, built), base)

    def _import_embeddings(self, path: Path, base: BaseModel | None) -> list[Imported]:
        embeddings = read_embeddings(path)
        concepts = [to_concept(embedding, base=base) for embedding in embeddings]
        tokens = [concept.token for concept in concepts]
        for token in tokens:  # all or none
            if tokens.count(token) > 1:
                raise ConceptError(f"{path.name} holds {token} more than once: give its words other names.")
        with self._reading():
            for token in tokens:
                self._check_free(token)
        return [
            Imported(
                self.add(concept),
                embedding.source,
                base is None and embedding.base_is_guessed,
                embedding.remarks,
            )
            for embedding, concept in zip(embeddings, concepts, strict=True)
        ]

    def export_file(self, token: str, layout: Layout, folder: Path) -> list[Path]:
        """Write a concept to a folder as another program wants it; returns the files.

        Raises :class:`ConceptError`, also if the layout cannot hold the concept.
        """
        entry = self.find(token)
        pictures = [open_picture(file, alpha="flatten")[0] for file in picture_files(entry.folder)]
        return write_embedding(entry.concept, folder, layout, pictures)

    def export_archive(self, token: str, path: Path) -> Path:
        """Write a concept as a .zip archive, the twin of :meth:`import_archive`; returns ``path``."""
        with self._reading():
            folder = _read(self._existing(token)).folder
            files = {name: folder / name for name in LIMITS if (folder / name).is_file()}
            files |= {f"concept_images/{picture.name}": picture for picture in picture_files(folder)}
            _check_files({name: file.stat().st_size for name, file in files.items()}, token)

            def write(partial: Path) -> None:
                with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
                    for name, file in files.items():
                        archive.write(file, f"{token[1:-1]}/{name}")

            try:
                write_whole(path, write)
            except OSError as error:
                raise ConceptError(f"{token} could not be written to {path}: {error}") from error
        return path

    def free_token(self, name: str) -> str:
        """The token for a name, with -2, -3, … after it if it is taken. Raises :class:`TokenNameError`."""
        token, number = token_for_name(name), 1
        slug = token[1:-1]
        with self._disk_errors():
            while self._folder(token).exists():
                number += 1
                ending = f"-{number}"
                token = f"<{slug[: MAX_NAME_LENGTH - len(ending)].rstrip('-')}{ending}>"
        return token

    # --- folders ------------------------------------------------------------------------------------------

    def _folder(self, token: str) -> Path:
        """Where a concept of this token is, or would be."""
        if not TOKEN_PATTERN.fullmatch(token):
            raise self._unknown(token)
        return self.root / _folder_name(token)

    def _folders(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return sorted(path for path in self.root.iterdir() if path.name[0] != "." and path.is_dir())

    def _existing(self, token: str) -> Path:
        folder = self._folder(token)
        if not folder.is_dir():
            raise self._unknown(token)
        return folder

    def _unknown(self, token: str) -> ConceptError:
        token = token[:SHOWN_LENGTH]
        known = [f"<{folder.name.rstrip('_')}>" for folder in self._folders()]
        closest = get_close_matches(token.casefold(), known, n=2)
        advice = f"Did you mean {' or '.join(closest)}?" if closest else "Choose one that is listed there."
        return ConceptError(f"There is no concept {token} in the library. {advice}")

    def _check_free(self, token: str) -> None:
        if self._folder(token).exists():
            raise ConceptError(
                f"There is a concept {token} in the library already: choose another name, or delete it first."
            )

    def _place(self, built: Path, token: str) -> Entry:
        """Move a finished folder to its token's place; one that is there goes where deleted ones go."""
        folder = self._folder(token)
        previous = self._discard(folder) if folder.exists() else None
        try:
            replace_file(built, folder)
        except OSError:
            if previous is not None:
                replace_file(previous, folder)
            raise
        return _read(folder)

    def _discard(self, folder: Path) -> Path:
        """Move a folder to the deleted ones, of which only the newest are kept; where it is now."""
        number = max((number for number, _, _ in self._deleted()), default=0) + 1
        target = self.root / ".deleted" / f"{number:06d}-{folder.name}"
        target.parent.mkdir(exist_ok=True)
        replace_file(folder, target)
        for _, _, old in self._deleted()[:-DELETED_KEPT]:
            shutil.rmtree(old, ignore_errors=True)  # on Windows one in use stays until the next time
        return target

    def _deleted(self) -> list[tuple[int, str, Path]]:
        """Number, folder name and place of each deleted concept, oldest first."""
        parts = [(path, *path.name.partition("-")) for path in (self.root / ".deleted").glob("*-*")]
        return sorted((int(number), name, path) for path, number, _, name in parts if number.isdecimal())

    # --- access -------------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Hold the lock, if there is anything to lock."""
        if not self.root.is_dir():
            yield
            return
        with self._changing():
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the library's lock: against other threads, objects and programs."""
        with self._disk_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock")
            try:
                lock.acquire(timeout=LOCK_TIMEOUT, poll_interval=LOCK_POLL)
            except Timeout as error:
                raise ConceptError(f"The library in {self.root} is in use elsewhere: try again.") from error
            try:
                yield
            finally:
                lock.release()

    @contextmanager
    def _building(self) -> Iterator[Path]:
        """A place, not made yet, for a folder that is being built; what is left there is removed."""
        with self._disk_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=self.root, prefix=".new-", ignore_cleanup_errors=True) as folder:
                yield Path(folder) / "concept"

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, shutil.Error) as error:
            raise ConceptError(f"The library in {self.root} cannot be used: {error}") from error


def _read(folder: Path) -> Entry:
    """Raises :class:`ConceptError` if the folder holds no sound concept, or one of another name."""
    with _shown_as(folder.name, folder):
        concept = load_concept(folder)
        if folder.name != _folder_name(concept.token):
            raise ConceptError(f"It is {concept.token}, so the folder must be called as it is.")
        try:
            added = (folder / "concept.json").stat().st_mtime
            return Entry(folder, concept, added, next(iter(picture_files(folder)), None))
        except OSError as error:
            raise ConceptError(f"It cannot be read: {error}") from error


@contextmanager
def _shown_as(shown: str, folder: Path) -> Iterator[None]:
    """Call a folder in the errors about what is in it as the person knows it."""
    try:
        yield
    except ConceptError as error:
        reason = str(error).replace(str(folder), shown)
        raise ConceptError(f"{shown} holds no usable concept. {reason}") from error


def _folder_name(token: str) -> str:
    name = token[1:-1]
    return f"{name}_" if name in RESERVED_NAMES else name


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a concept folder in the order of their numbers."""
    images = folder / "concept_images"
    names = os.listdir(images) if images.is_dir() else []
    ours = (name for name in names if PICTURE_PATTERN.fullmatch(f"concept_images/{name}"))
    return [images / name for name in sorted(ours, key=lambda name: int(name.removesuffix(".png")))]


def _write_over(concept: Concept, folder: Path) -> None:
    """Save a concept over the one in ``folder``, whose pictures stay."""
    try:
        save_concept(concept, folder)
        write_text_whole(folder / "README.md", concept_card(concept, len(picture_files(folder))))
    except (ValueError, TypeError) as error:  # facts that were read as JSON, but are not sound text
        raise ConceptError(f"The facts about {concept.token} are damaged: {error}") from error


# --- archives ---------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive whose list of files is of bearable length, for zipfile reads all of it at once."""
    try:
        with path.open("rb") as file:
            length = zip_directory_bytes(file)
            if length is None:
                raise ConceptError(
                    f"{path.name} is not a .zip archive: choose one that was exported as such."
                )
            if length > MAX_DIRECTORY_BYTES:
                raise ConceptError(f"{path.name} holds too many files to be one concept: choose another.")
            with zipfile.ZipFile(file) as archive:
                yield archive
    except DAMAGED as error:
        raise ConceptError(f"{path.name} is damaged: export the concept again.") from error
    except OSError as error:
        raise ConceptError(f"{path.name} cannot be unpacked: {error}") from error


def unpack(path: Path, parent: Path) -> Path:
    """The folder in ``parent`` to which a .zip archive of a concept or of embedding files is unpacked.

    Any other file is its own place, and so is a folder. Raises :class:`ConceptError` for an archive of
    anything else, or of unbearable size.
    """
    names = _names_in(path) if path.is_file() else None
    if names is None:
        return path
    folder = parent / (path.stem if re.fullmatch(r"\w[\w .-]*", path.stem) else "archive")
    if _hold_concept(names):
        _unpack_concept(path, folder)
    else:
        _unpack_embeddings(path, folder)
    return folder


def _names_in(path: Path) -> set[str] | None:
    """The files in an archive; None for a file that is no archive, nor called one, or is one of torch's."""
    try:
        with path.open("rb") as file:
            is_archive = file.read(4) in (b"PK\3\4", b"PK\5\6")
    except OSError as error:
        raise ConceptError(f"{path.name} cannot be read: {error}") from error
    if not is_archive and path.suffix.lower() != ".zip":
        return None
    with _opened(path) as archive:
        names = set(archive.namelist())
    return None if any(name.endswith("/data.pkl") for name in names) else names


def _hold_concept(names: set[str]) -> bool:
    return any(name.rpartition("/")[2] == "concept.json" for name in names)


def _unpack_concept(path: Path, folder: Path) -> Concept:
    """Write the files of the one concept in an archive to a new ``folder``, after checking them all."""
    with _opened(path) as archive:
        _extract(archive, _members(archive, path.name), folder)
    with _shown_as(path.name, folder):
        concept = load_concept(folder)
        _check_foreign(concept, folder)
    return concept


def _unpack_embeddings(path: Path, folder: Path) -> None:
    """Write the embedding files in an archive, and the texts beside them, to a new ``folder``."""
    with _opened(path) as archive:
        members = {}
        for info in archive.infolist():
            _check_member(info, path.name)
            name = info.filename.rpartition("/")[2]
            if Path(name).suffix.lower() not in (*SUFFIXES, ".txt", ".md") or _is_of_the_system(
                info.filename
            ):
                continue
            if name in members:
                raise ConceptError(f"{path.name} holds two files of one name: export the concept again.")
            members[name] = info
        limits = {name: MAX_PICTURE_BYTES if name.endswith(".png") else MAX_FILE_BYTES for name in members}
        _check_sizes({name: info.file_size for name, info in members.items()}, limits, path.name)
        _extract(archive, members, folder)


def _extract(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, info in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, (folder / name).open("xb") as target:
            shutil.copyfileobj(source, target)  # zipfile stops at the size that was checked


def _members(archive: zipfile.ZipFile, shown: str) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by their names in the native folder, all checked; ``shown`` names the archive."""
    infos = [info for info in archive.infolist() if not _is_of_the_system(info.filename)]
    for info in infos:
        _check_member(info, shown)
    files = [info for info in infos if not info.is_dir()]
    names = {info.filename for info in files}
    if len(names) < len(files):
        raise ConceptError(f"{shown} holds two files of one name: export the concept again.")
    prefix = ""
    if "concept.json" not in names:
        folders = {name.partition("/")[0] for name in names}
        prefix = f"{folders.pop()}/" if len(folders) == 1 else ""
    if f"{prefix}concept.json" not in names:
        raise ConceptError(f"{shown} holds no concept: it has no concept.json, or more than one folder.")
    members = {info.filename.removeprefix(prefix): info for info in files}
    _check_files({name: info.file_size for name, info in members.items()}, shown)
    return members


def _is_of_the_system(name: str) -> bool:
    """What macOS adds to the archives it makes."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"


def _check_member(info: zipfile.ZipInfo, shown: str) -> None:
    """Refuse what is no plain file or folder inside the archive's own folder."""
    name = repr(info.filename[:SHOWN_LENGTH])
    parts = info.filename.removesuffix("/").split("/")
    if {"", ".", ".."} & set(parts) or re.search(r"[\\:\0]", info.orig_filename):
        raise ConceptError(f"{shown} holds {name}, which would be unpacked somewhere else: do not use it.")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ConceptError(f"{shown} holds {name}, which is a link or no plain file: export it again.")
    if info.flag_bits & 1:
        raise ConceptError(f"{shown} is locked with a password: export it again without one.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ConceptError(f"{shown} is packed in an unusual way: make an ordinary .zip of the folder.")


def _check_files(sizes: Mapping[str, int], shown: str) -> None:
    """Refuse files that the native format does not have, and too many or too large ones."""
    limits = {}
    for name in sizes:
        limit = MAX_PICTURE_BYTES if PICTURE_PATTERN.fullmatch(name) else LIMITS.get(name)
        if limit is None:
            raise ConceptError(f"{shown} holds {name[:SHOWN_LENGTH]!r}, which is no part of a concept.")
        limits[name] = limit
    _check_sizes(sizes, limits, shown)


def _check_sizes(sizes: Mapping[str, int], limits: Mapping[str, int], shown: str) -> None:
    if len(sizes) > MAX_ARCHIVE_FILES:
        raise ConceptError(f"{shown} has {len(sizes)} files: a concept has at most {MAX_ARCHIVE_FILES}.")
    for name, size in sizes.items():
        if size > limits[name]:
            raise ConceptError(
                f"{name} in {shown} is larger than {limits[name] // 2**20} MiB: make it smaller."
            )
    if sum(sizes.values()) > MAX_UNPACKED_BYTES:
        raise ConceptError(f"{shown} is larger than {MAX_UNPACKED_BYTES // 2**20} MiB: use fewer pictures.")


def _check_foreign(concept: Concept, folder: Path) -> None:
    """Refuse damaged facts, and pictures that are no PNG of bearable size; none is decoded."""
    check_facts(concept)
    for file in picture_files(folder):
        try:
            with Image.open(file, formats=["PNG"]) as picture:
                width, height = picture.size
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ConceptError(f"{file} is no readable PNG picture: leave it out.") from error
        if width * height > MAX_PIXELS:
            raise ConceptError(f"{file} has {width} × {height} pixels, which is too large: leave it out.")
