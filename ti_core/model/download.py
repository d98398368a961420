"""Download base models from the Hugging Face Hub: only the files needed, resumable, and cancellable.

:func:`fetch_model` returns the folder or file to load a model from. Earlier downloads are reused, even
without a connection. The client library discards a file that was cut off; so this module downloads large
files itself, into the client's cache, and resumes them. Which files are needed is chosen in
:mod:`ti_core.model.repository_files`; weights are downloaded in half precision if the model runs in half
precision and its repository offers them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock
from huggingface_hub import (
    HfApi,
    constants,
    get_hf_file_metadata,
    get_session,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from ti_core.errors import Cancelled, ModelError
from ti_core.model.families import read_family
from ti_core.model.repository_files import (
    HALF_VARIANT,
    INDEX,
    choose_variant,
    has_configurations,
    is_whole,
    no_index,
    pipeline_files,
    read_index,
)
from ti_core.model.sources import ModelSource

PARTIAL_CONTENT = 206  # HTTP status of a response that begins in the middle of a file
TIMEOUT = 20.0  # seconds to wait for a response of the Hub
WRITE_SIZE = 2**16  # bytes per write; a connection that breaks loses at most this much
MIN_RESUMABLE_SIZE = 10_000_000  # bytes; smaller files are simply downloaded again

OnFetch = Callable[[int, int], None]
"""Called with the bytes that are on this machine and the bytes in total."""
ShouldStop = Callable[[], bool]
"""Returns whether the download is to be stopped."""


@dataclass(frozen=True)
class _ProgressReporter:
    """Reports the progress of one download, and stops it on request. ``total`` is in bytes."""

    total: int
    on_progress: OnFetch | None
    should_stop: ShouldStop | None

    def report(self, done: int) -> None:
        """Report that ``done`` bytes are here. Raises :class:`Cancelled` if the download is to stop."""
        if self.should_stop is not None and self.should_stop():
            raise Cancelled("The download was stopped; it goes on from there when the model is loaded again.")
        if self.on_progress is not None:
            self.on_progress(min(done, self.total), self.total)


def fetch_model(
    source: ModelSource,
    on_progress: OnFetch | None = None,
    should_stop: ShouldStop | None = None,
    *,
    half: bool = False,
) -> tuple[Path, str | None]:
    """Download what is missing of a model; return its folder or file, and the variant of its weights.

    If the source names no variant, weights that are on this machine are preferred. Otherwise the full weights
    are downloaded, or with ``half`` those in half precision, if the repository has them. A model of the wrong
    kind is refused before its weights are downloaded. Raises :class:`ModelError`, and :class:`Cancelled` once
    ``should_stop`` returns true; finished files and the beginnings of large ones are kept.
    """
    if source.path is not None:
        return source.path, source.variant
    with _hub_errors_explained(source):
        known, here = _cached_files(source)
        sizes = _list_files(source, is_present)
        if sizes is None:
            return _cached_folder(source), choose_variant(source, here, here, known, half)
        if INDEX not in sizes:
            raise no_index(source, sizes)
        folder = _fetch_small(source, INDEX).parent
        index = read_index(folder, source)
        variant = choose_variant(source, sizes.keys(), here, index, half)
        configurations, weights = pipeline_files(sizes, index, replace(source, variant=variant))
        reporter = _ProgressReporter(
            sum(sizes[name] for name in (*configurations, *weights)), on_progress, should_stop
        )
        done = 0
        for name in configurations:
            reporter.report(done)
            _fetch_small(source, name)
            done += sizes[name]
        read_family(folder, str(source))
        for name in weights:
            reporter.report(done)
            if sizes[name] < MIN_RESUMABLE_SIZE:
                _fetch_small(source, name)
            else:
                _fetch_large(source, name, sizes[name], reporter, done)
            done += sizes[name]
        reporter.report(done)
        return folder, variant


def fetch_configuration(repository: str) -> Path:
    """Download only a pipeline's configuration and tokenizers, a few megabytes; return their folder.

    Raises :class:`ModelError`.
    """
    source = ModelSource(repository=repository)
    with _hub_errors_explained(source):
        sizes = _list_files(source, _has_configurations)
        if sizes is None:
            return _cached_folder(source)
        folder = _fetch_small(source, INDEX).parent
        configurations, _ = pipeline_files(sizes, read_index(folder, source), source)
        for name in configurations:
            _fetch_small(source, name)
        return folder


def is_present(source: ModelSource) -> bool:
    """Whether a model can be loaded without a download: every part in its index has weights here."""
    if source.path is not None:
        return True
    index, here = _cached_files(source)
    variants = (source.variant,) if source.variant else (None, HALF_VARIANT)
    return any(is_whole(here, index, variant) for variant in variants)


def _list_files(source: ModelSource, is_here: Callable[[ModelSource], bool]) -> dict[str, int] | None:
    """The bytes of every file of a repository; None if the Hub is unreachable but ``is_here`` is true."""
    try:
        info = HfApi().model_info(
            source.repository, revision=source.revision, timeout=TIMEOUT, files_metadata=True
        )
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except (OSError, OfflineModeIsEnabled) as error:
        if is_here(source) and _may_be_offline(error):
            return None
        raise
    except Exception as error:  # the HTTP library's errors; the library depends on the client's version
        if is_here(source):
            return None
        raise _unreachable(source, error) from error
    return {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or ()}


def _may_be_offline(error: Exception) -> bool:
    response = getattr(error, "response", None)
    return response is None or response.status_code >= 500


def _cached_files(source: ModelSource) -> tuple[dict[str, Any], set[str]]:
    """The index of a repository and the files of its parts, as far as they are in the cache."""
    found = try_to_load_from_cache(source.repository, INDEX, revision=source.revision)
    if not isinstance(found, str):
        return {}, set()
    folder = Path(found).parent
    names = {path.relative_to(folder).as_posix() for path in folder.glob("*/*") if path.is_file()}
    try:
        return read_index(folder, source), names
    except ModelError:  # raised again when the model is loaded
        return {}, names


def _has_configurations(source: ModelSource) -> bool:
    """Whether the configuration or tokenizer of every part is in the cache."""
    index, here = _cached_files(source)
    return has_configurations(here, index)


def _cached_folder(source: ModelSource) -> Path:
    index = hf_hub_download(source.repository, INDEX, revision=source.revision, local_files_only=True)
    return Path(index).parent


def _fetch_small(source: ModelSource, name: str) -> Path:
    return Path(hf_hub_download(source.repository, name, revision=source.revision, etag_timeout=TIMEOUT))


def _fetch_large(source: ModelSource, name: str, size: int, reporter: _ProgressReporter, before: int) -> None:
    """Download a file into the cache's blobs folder, where the client finds it.

    ``before`` is the bytes of the files that came before, for the progress report.
    """
    url = hf_hub_url(source.repository, name, revision=source.revision)
    metadata = get_hf_file_metadata(url, timeout=TIMEOUT)
    if metadata.commit_hash is not None and isinstance(
        try_to_load_from_cache(source.repository, name, revision=metadata.commit_hash), str
    ):
        return
    headers = build_hf_headers()
    if urlsplit(metadata.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)
    folder = Path(constants.HF_HUB_CACHE) / constants.REPO_ID_SEPARATOR.join(
        ("models", *source.repository.split("/"))
    )
    blob = folder / "blobs" / str(metadata.etag)
    part = blob.with_name(f"{blob.name}.part")
    blob.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{part}.lock"):
        if not blob.is_file():
            _download(metadata.location, part, headers, metadata.size or size, reporter, before)
            _check_content(part, str(metadata.etag), source, name)
            part.replace(blob)
    _fetch_small(source, name)


def _download(
    url: str, part: Path, headers: dict[str, str], size: int, reporter: _ProgressReporter, before: int
) -> None:
    """Download the missing rest of a file, whose beginning is in ``part``.

    A connection that breaks is reopened as long as each one transfers something.
    """
    part.touch()
    if part.stat().st_size > size:
        part.unlink()
        part.touch()
    while (here := part.stat().st_size) < size:
        try:
            _append(url, part, headers, reporter, before)
        except Exception as error:
            if not _is_broken_connection(error) or part.stat().st_size == here:
                raise


def _append(url: str, part: Path, headers: dict[str, str], reporter: _ProgressReporter, before: int) -> None:
    """Append to ``part`` what one connection transfers of the rest."""
    with part.open("ab") as file:
        here = file.tell()
        asked = {**headers, "Range": f"bytes={here}-", "Accept-Encoding": "identity"}
        with get_session().stream(
            "GET", url, headers=asked, timeout=TIMEOUT, follow_redirects=True
        ) as response:
            hf_raise_for_status(response)
            if response.status_code != PARTIAL_CONTENT:  # the server sends the whole file instead
                file.truncate(here := 0)
            for chunk in response.iter_bytes(WRITE_SIZE):
                here += file.write(chunk)
                reporter.report(before + here)


def _is_broken_connection(error: Exception) -> bool:
    """Whether an HTTP library raised the error; which library depends on the client's version."""
    return type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "requests")


def _check_content(part: Path, etag: str, source: ModelSource, name: str) -> None:
    """Check a downloaded file against its ETag, if that is a SHA-256 hash, as it is for large files.

    If the file is damaged, deletes it and raises :class:`ModelError`.
    """
    if not re.fullmatch("[0-9a-f]{64}", etag):
        return
    with part.open("rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(1 << 22):
            digest.update(piece)
    if digest.hexdigest() != etag:
        part.unlink()
        raise ModelError(
            "{name} of {repository} was damaged on its way: load the model again.",
            name=name,
            repository=source.repository,
        )


def _unreachable(source: ModelSource, error: Exception) -> ModelError:
    _, here = _cached_files(source)
    if here:
        return ModelError(
            "{repository} is not completely downloaded, and the Hugging Face Hub cannot be reached "
            "({reason}): connect to the internet and load it again.",
            repository=source.repository,
            reason=type(error).__name__,
        )
    return ModelError(
        "{repository} is not on this computer, and the Hugging Face Hub cannot be reached ({reason}): "
        "connect to the internet and try again, or choose a model folder.",
        repository=source.repository,
        reason=type(error).__name__,
    )


@contextmanager
def _hub_errors_explained(source: ModelSource) -> Iterator[None]:
    """Turn the client's errors into :class:`ModelError`, with a sentence that says what to do next."""
    repository = source.repository
    try:
        yield
    except (ModelError, Cancelled):
        raise
    except GatedRepoError as error:
        raise ModelError(
            "{repository} is given only to those who accepted its licence: log in with `hf auth login`, "
            "accept the licence at https://huggingface.co/{repository} and try again.",
            repository=repository,
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            "{repository} has no revision {revision}: leave it out, or choose one that is listed at "
            "https://huggingface.co/{repository}.",
            repository=repository,
            revision=source.revision,
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            "There is no model {repository} on the Hugging Face Hub, or it is private: check the name, or "
            "log in with `hf auth login`.",
            repository=repository,
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise _unreachable(source, error) from error
    except EntryNotFoundError as error:
        raise ModelError(
            "A file of {repository} is missing on the Hugging Face Hub: choose another model.",
            repository=repository,
        ) from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "none")
        if status in (401, 403):
            raise ModelError(
                "The Hugging Face Hub does not give you {repository}: log in with `hf auth login`, and look "
                "at https://huggingface.co/{repository}.",
                repository=repository,
            ) from error
        raise ModelError(
            "The Hugging Face Hub cannot give {repository} now (status {status}): try again later; what was "
            "downloaded is kept.",
            repository=repository,
            status=status,
        ) from error
    except HFValidationError as error:
        raise ModelError(
            "{repository} cannot be the name of a model: give owner/name.", repository=repository
        ) from error
    except OSError as error:
        raise ModelError(
            "The download of {repository} did not finish ({reason}): see that there is room on the disk, "
            "and try again; what was downloaded is kept.",
            repository=repository,
            reason=error.strerror or type(error).__name__,
        ) from error
    except Exception as error:
        if _is_broken_connection(error):
            raise ModelError(
                "The connection to the Hugging Face Hub broke off ({reason}): try again; what was "
                "downloaded of {repository} is kept.",
                reason=type(error).__name__,
                repository=repository,
            ) from error
        raise
