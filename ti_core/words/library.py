"""The user's library of concepts: a folder of native concept folders (see :mod:`ti_core.words.folder`).

    our-cat/             a concept, in a folder named after its token
    .deleted/            the concepts deleted last, such as 000007-our-cat, so that deleting can be undone

Nothing is cached in memory, so several programs may use one library at a time; a lock file serialises their
access. A folder is built under a hidden name and then renamed, so a concept is never half there.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout
from PIL import Image

from ti_core.errors import ConceptError
from ti_core.files import replace_file
from ti_core.messages import Said, either
from ti_core.model.base import BaseModel
from ti_core.pictures.decode import open_picture
from ti_core.prompts.names import MAX_NAME_LENGTH, TOKEN_PATTERN, token_for_name
from ti_core.words.archive import archive_names, has_concept, pack_concept, shown_as, unpack, unpack_concept
from ti_core.words.concept import Concept
from ti_core.words.folder import load_concept, picture_files, save_concept
from ti_core.words.formats import Layout, read_embeddings, to_concepts, write_embedding
from ti_core.words.formats.contents import SHOWN_LENGTH

DELETED_KEPT = 10  # concepts
LOCK_TIMEOUT = 30.0  # seconds
LOCK_POLL = 0.01  # seconds
# Windows allows no folder of these names, so an underscore is appended; no token contains one.
RESERVED_NAMES = {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)} | {
    "con",
    "prn",
    "aux",
    "nul",
}


@dataclass(frozen=True)
class Entry:
    """A concept in a library; ``added`` is a time in seconds since the epoch."""

    folder: Path
    concept: Concept
    added: float
    thumbnail: Path | None  # its first training picture


@dataclass(frozen=True)
class Imported:
    """An imported word.

    ``source`` names the program that wrote its file; ``guessed`` is true if the base model was inferred from
    nothing but the width of the vectors.
    """

    entry: Entry
    source: str
    guessed: bool = False
    remarks: tuple[Said, ...] = ()


class Library:
    """The concepts in the folder ``root``, which is created when the first one is added.

    Every method raises :class:`ConceptError` if the folder cannot be read or written.
    """

    def __init__(self, root: Path):
        self.root = root

    def entries(self) -> tuple[list[Entry], list[ConceptError]]:
        """Return the concepts, newest first, and an error for each one that cannot be read."""
        entries, errors = [], []
        with self._reading():
            for folder in self._folders():
                try:
                    entries.append(_read(folder))
                except ConceptError as error:
                    if folder.is_dir():  # otherwise another program has just removed it
                        errors.append(error)
        return sorted(entries, key=lambda entry: entry.added, reverse=True), errors

    def find(self, token: str) -> Entry:
        """Return the concept with this token. Raises :class:`ConceptError`, suggesting the closest tokens."""
        with self._reading():
            return _read(self._existing(token))

    def add(self, concept: Concept, pictures: Sequence[Image.Image] = (), *, replace: bool = False) -> Entry:
        """Add a concept and its training pictures.

        With ``replace``, a concept of the same token is deleted first and can be restored; otherwise
        :class:`ConceptError` is raised if the token is taken.
        """
        with self._building() as built:
            save_concept(concept, built, pictures)
            with self._changing():
                if not replace:
                    self._check_free(concept.token)
                return self._place(built, concept.token)

    def rename(self, token: str, name: str) -> Entry:
        """Give a concept another name; its vectors, pictures and facts stay as they are.

        Raises :class:`TokenNameError` if ``name`` cannot become a token, and :class:`ConceptError` if the
        new token is taken.
        """
        new_token = token_for_name(name)
        with self._changing():
            entry = _read(self._existing(token))
            if new_token == token:
                return entry
            self._check_free(new_token)
            with self._building() as built:
                shutil.copytree(entry.folder, built)
                _overwrite(dataclasses.replace(entry.concept, token=new_token), built)
                os.utime(built / "concept.json", (entry.added, entry.added))
                renamed = self._place(built, new_token)
                try:
                    replace_file(entry.folder, built)  # the old folder is removed with the hidden one
                except OSError:
                    replace_file(renamed.folder, built)
                    raise
                return renamed

    def delete(self, token: str) -> None:
        """Remove a concept, even a damaged one; :meth:`restore` brings it back."""
        with self._changing():
            self._discard(self._existing(token))

    def restore(self, token: str) -> Entry:
        """Bring back the most recently deleted concept with this token.

        Raises :class:`ConceptError` if there is none, or if the token has been taken since.
        """
        with self._changing():
            folder = self._folder(token)
            found = [deleted for _, name, deleted in self._deleted() if name == folder.name]
            if not found:
                raise ConceptError(
                    "No deleted concept {token} is kept: import it, or learn the word again.", token=token
                )
            self._check_free(token)
            replace_file(found[-1], folder)
            return _read(folder)

    def import_archive(self, path: Path) -> Entry:
        """Add the concept in a .zip archive, which holds it at its root or in its only folder.

        Raises :class:`ConceptError` if the archive holds anything but one intact concept, is too large, or
        the token is taken.
        """
        with self._building() as built:
            concept = unpack_concept(path, built)
            with shown_as(path.name, built):
                _overwrite(concept, built)
            with self._changing():
                self._check_free(concept.token)
                return self._place(built, concept.token)

    def import_file(self, path: Path, base: BaseModel | None = None) -> list[Imported]:
        """Add the words in an embedding file of any program, or in a .zip archive of a concept or such files.

        The format is detected from the content. ``base`` is the model that the words are for, if the user
        said so. Raises :class:`ConceptError` if the file is something else, saying what, or if a token is
        taken, and the errors of :func:`~ti_core.words.formats.to_concepts`.
        """
        names = archive_names(path)
        if names is None:
            return self._import_embeddings(path, base)
        if has_concept(names):
            return [Imported(self.import_archive(path), "One Word")]
        with self._building() as built:
            return self._import_embeddings(unpack(path, built), base)

    def _import_embeddings(self, path: Path, base: BaseModel | None) -> list[Imported]:
        embeddings = read_embeddings(path)
        concepts = to_concepts(embeddings, path.name, base=base)
        with self._reading():
            for concept in concepts:  # check all before adding any
                self._check_free(concept.token)
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
        """Write a concept to ``folder`` in another program's layout; return the files written.

        Raises :class:`ConceptError`, also if the layout cannot hold the concept.
        """
        entry = self.find(token)
        pictures = [open_picture(file, alpha="flatten")[0] for file in picture_files(entry.folder)]
        return write_embedding(entry.concept, folder, layout, pictures)

    def export_archive(self, token: str, path: Path) -> Path:
        """Write a concept as a .zip archive that :meth:`import_archive` reads; return ``path``."""
        with self._reading():
            folder = _read(self._existing(token)).folder
            pack_concept(folder, token, path)
        return path

    def free_token(self, name: str) -> str:
        """Return a free token for a name, with -2, -3, … appended if the token itself is taken.

        Raises :class:`TokenNameError` if the name cannot become a token.
        """
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
        """Return the folder of the concept with this token, whether or not it exists."""
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
        if closest:
            return ConceptError(
                "There is no concept {token} in the library. Did you mean {closest}?",
                token=token,
                closest=either(closest),
            )
        return ConceptError(
            "There is no concept {token} in the library. Choose one that is listed there.", token=token
        )

    def _check_free(self, token: str) -> None:
        if self._folder(token).exists():
            raise ConceptError(
                "There is a concept {token} in the library already: choose another name, or rename or "
                "delete that one first.",
                token=token,
            )

    def _place(self, built: Path, token: str) -> Entry:
        """Move a finished folder to its place in the library, deleting a previous one of the same token."""
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
        """Move a folder to ``.deleted``, which keeps only the newest; return its new path."""
        number = max((number for number, _, _ in self._deleted()), default=0) + 1
        target = self.root / ".deleted" / f"{number:06d}-{folder.name}"
        target.parent.mkdir(exist_ok=True)
        replace_file(folder, target)
        for _, _, old in self._deleted()[:-DELETED_KEPT]:
            shutil.rmtree(old, ignore_errors=True)  # Windows keeps a folder in use; retried at the next call
        return target

    def _deleted(self) -> list[tuple[int, str, Path]]:
        """Return the number, folder name and path of each deleted concept, oldest first."""
        parts = [(path, *path.name.partition("-")) for path in (self.root / ".deleted").glob("*-*")]
        return sorted((int(number), name, path) for path, number, _, name in parts if number.isdecimal())

    # --- access -------------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Hold the lock, unless the library does not exist yet: reading must not create it."""
        if not self.root.is_dir():
            yield
            return
        with self._changing():
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the library's lock against other threads, Library objects and programs."""
        with self._disk_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock")
            try:
                lock.acquire(timeout=LOCK_TIMEOUT, poll_interval=LOCK_POLL)
            except Timeout as error:
                raise ConceptError(
                    "The library in {folder} is in use elsewhere: try again.", folder=self.root
                ) from error
            try:
                yield
            finally:
                lock.release()

    @contextmanager
    def _building(self) -> Iterator[Path]:
        """Yield a hidden path at which to build a concept's folder; whatever is left there is removed."""
        with self._disk_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=self.root, prefix=".new-", ignore_cleanup_errors=True) as folder:
                yield Path(folder) / "concept"

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, shutil.Error) as error:
            raise ConceptError(
                "The library in {folder} cannot be used: {error}", folder=self.root, error=error
            ) from error


def _read(folder: Path) -> Entry:
    """Read a library entry.

    Raises :class:`ConceptError` if the folder holds no intact concept or is not named after its token.
    """
    with shown_as(folder.name, folder):
        concept = load_concept(folder)
        if folder.name != _folder_name(concept.token):
            raise ConceptError("It is {token}, so the folder must be called as it is.", token=concept.token)
        try:
            added = (folder / "concept.json").stat().st_mtime
            return Entry(folder, concept, added, next(iter(picture_files(folder)), None))
        except OSError as error:
            raise ConceptError("It cannot be read: {error}", error=error) from error


def _folder_name(token: str) -> str:
    name = token[1:-1]
    return f"{name}_" if name in RESERVED_NAMES else name


def _overwrite(concept: Concept, folder: Path) -> None:
    """Save a concept over the one in ``folder``, whose pictures are kept."""
    try:
        save_concept(concept, folder)
    except (ValueError, TypeError) as error:  # facts that were read from JSON but cannot be written as UTF-8
        raise ConceptError(
            "The facts about {token} are damaged: {error}", token=concept.token, error=error
        ) from error
