"""Base models from the Hugging Face Hub: only the files that are needed, resumed, and stopped when asked.

`fetch_model` gives the folder or file that a model is loaded from. What was downloaded before is used again,
also without a connection. The client library drops a file that was cut off, so the large ones are downloaded
here, into the client's own cache, and go on where they were. The weights are fetched in half precision where
the model is computed in it and its repository has them so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
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
from ti_core.model.sources import ModelSource

INDEX = "model_index.json"
PARTIAL_CONTENT = 206  # the status of an answer that begins in the middle of a file
TIMEOUT = 20.0  # seconds, for an answer of the Hub
PIECE = 2**16  # bytes that are written at a time; what a connection brings of one before it breaks is lost
SMALL = 10_000_000  # bytes: what is less is not worth resuming
LARGEST_CONFIGURATION = 20_000_000  # bytes: no configuration or tokenizer comes near
HALF = "fp16"  # the usual name of the weights in half precision
UNUSED_PARTS = frozenset({"image_encoder"})
PARTS_WITHOUT_WEIGHTS = frozenset({"tokenizer", "tokenizer_2", "scheduler", "feature_extractor"})
CONFIGURATION = re.compile(r"[^/]+/(?!.*\.index\.)[^/]+\.(json|txt|model)")
WEIGHTS = re.compile(
    r"[^/]+/(model|pytorch_model|diffusion_pytorch_model)"
    r"(?P<variant>\.[\w-]+?)?(-\d+-of-(?P<count>\d+))?(?P<late>\.[\w-]+)?\.(?P<format>safetensors|bin)"
)

Kind = tuple[str | None, str, int]
"""Of a part's weights: the variant, the format, and how many numbered files they are, 0 for one alone."""
OnFetch = Callable[[int, int], None]
"""Takes how many bytes are here, and of how many."""
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class _Order:
    """What one download reports to."""

    total: int
    on_progress: OnFetch | None
    should_stop: ShouldStop | None

    def report(self, done: int) -> None:
        """Raises :class:`Cancelled` if the download is to stop."""
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
    """The folder or file of a model, and which variant of its weights; what is missing is downloaded first.

    If the source asks for no variant, weights that are here already are taken, else the full ones, or with
    ``half`` those in half precision, as far as the repository has them. A model of the wrong kind is refused
    before its weights are downloaded. Raises :class:`ModelError`, and :class:`Cancelled` once ``should_stop``
    says so; what was downloaded until then is kept.
    """
    if source.path is not None:
        return source.path, source.variant
    with _told_plainly(source):
        known, here = _downloaded(source)
        sizes = _list_files(source, is_present)
        if sizes is None:
            return _cached(source), _choose_variant(source, here, here, known, half)
        if INDEX not in sizes:
            raise _no_index(source, sizes)
        folder = _fetch_small(source, INDEX).parent
        index = _read_index(folder, source)
        variant = _choose_variant(source, sizes.keys(), here, index, half)
        configurations, weights = pipeline_files(sizes, index, replace(source, variant=variant))
        order = _Order(sum(sizes[name] for name in (*configurations, *weights)), on_progress, should_stop)
        done = 0
        for name in configurations:
            order.report(done)
            _fetch_small(source, name)
            done += sizes[name]
        read_family(folder, str(source))
        for name in weights:
            order.report(done)
            if sizes[name] < SMALL:
                _fetch_small(source, name)
            else:
                _fetch_large(source, name, sizes[name], order, done)
            done += sizes[name]
        order.report(done)
        return folder, variant


def fetch_configuration(repository: str) -> Path:
    """The folder of a pipeline's configuration and tokenizers alone, a few megabytes. Raises as above."""
    source = ModelSource(repository=repository)
    with _told_plainly(source):
        sizes = _list_files(source, _is_configured)
        if sizes is None:
            return _cached(source)
        folder = _fetch_small(source, INDEX).parent
        configurations, _ = pipeline_files(sizes, _read_index(folder, source), source)
        for name in configurations:
            _fetch_small(source, name)
        return folder


def is_present(source: ModelSource) -> bool:
    """Whether a model can be loaded without downloading it: every part of its index has its weights."""
    if source.path is not None:
        return True
    index, here = _downloaded(source)
    variants = (source.variant,) if source.variant else (None, HALF)
    return any(_is_whole(here, index, variant) for variant in variants)


def pipeline_files(
    sizes: Mapping[str, int], index: Mapping[str, Any], source: ModelSource
) -> tuple[list[str], list[str]]:
    """Of a repository's files, those that a pipeline is loaded from: configurations, and one set of weights.

    For each part the variant that was asked for, and safetensors, are preferred. Raises :class:`ModelError`
    if no part has that variant.
    """
    configurations, weights, variants = [INDEX], [], set()
    for part in _parts(index):
        names = [name for name in sizes if name.startswith(f"{part}/")]
        configurations += [
            name for name in names if CONFIGURATION.fullmatch(name) and sizes[name] <= LARGEST_CONFIGURATION
        ]
        found = _weights_of(part, names)
        variants |= {variant for variant, _, _ in found if variant}
        kind = _kind_to_load(found, source.variant)
        if kind is not None:
            weights += found[kind]
            configurations += _indexes(names, kind)
    if source.variant and source.variant not in variants:
        known = ", ".join(sorted(variants)) or "none"
        raise ModelError(
            "{repository} has no variant {variant}: leave it out, or choose another ({known}).",
            repository=source.repository,
            variant=source.variant,
            known=known,
        )
    return configurations, weights


def _parts(index: Mapping[str, Any]) -> list[str]:
    """The parts of a pipeline that are used."""
    return [
        part
        for part, entry in index.items()
        if isinstance(entry, list) and entry and entry[-1] is not None and part not in UNUSED_PARTS
    ]


def _weights_of(part: str, names: Iterable[str]) -> dict[Kind, list[str]]:
    """The files of a part's weights, of each kind that is there as a whole."""
    found: dict[Kind, list[str]] = {}
    for name in sorted(names):
        match = WEIGHTS.fullmatch(name)
        if match and name.startswith(f"{part}/"):
            variant = (match["variant"] or match["late"] or "").removeprefix(".") or None
            found.setdefault((variant, match["format"], int(match["count"] or 0)), []).append(name)
    return {kind: files for kind, files in found.items() if len(files) >= kind[2]}


def _kind_to_load(kinds: Iterable[Kind], variant: str | None) -> Kind | None:
    """The variant before the full weights, safetensors before pickles, one file before several."""
    usable = [kind for kind in kinds if kind[0] in (variant, None)]
    return min(usable, key=lambda kind: (kind[0] != variant, kind[1] != "safetensors", kind[2]), default=None)


def _is_whole(names: Set[str], index: Mapping[str, Any], variant: str | None) -> bool:
    """Whether every part has weights to load, and any of them this variant."""
    parts = [part for part in _parts(index) if part not in PARTS_WITHOUT_WEIGHTS]
    kinds = [_kind_to_load(_weights_of(part, names), variant) for part in parts]
    return all(kinds) and any(kind[0] == variant for kind in kinds if kind)


def _choose_variant(
    source: ModelSource, names: Set[str], here: Set[str], index: Mapping[str, Any], half: bool
) -> str | None:
    """The variant asked for, else one that is ``here`` already, else the one that ``half`` prefers."""
    if source.variant:
        return source.variant
    preferred = (HALF, None) if half else (None, HALF)
    return next(
        (
            variant
            for offered in (names & here, names)
            for variant in preferred
            if _is_whole(offered, index, variant)
        ),
        None,
    )


def _indexes(names: Iterable[str], kind: Kind) -> list[str]:
    """The list of the files that weights in several files are split into."""
    variant, form, count = kind
    ending = re.compile(rf".*\.{form}\.index(\.{variant})?\.json" if variant else rf".*\.{form}\.index\.json")
    return [name for name in names if count and ending.fullmatch(name)]


def _list_files(source: ModelSource, is_here: Callable[[ModelSource], bool]) -> dict[str, int] | None:
    """The size of every file of a repository, None if the Hub cannot be asked but what is needed is here."""
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
    except Exception as error:  # the HTTP library's own, which differs between versions of the client
        if is_here(source):
            return None
        raise _unreachable(source, error) from error
    return {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or ()}


def _may_be_offline(error: Exception) -> bool:
    response = getattr(error, "response", None)
    return response is None or response.status_code >= 500


def _downloaded(source: ModelSource) -> tuple[dict[str, Any], set[str]]:
    """A repository's index and the files of its parts, as far as they are here."""
    found = try_to_load_from_cache(source.repository, INDEX, revision=source.revision)
    if not isinstance(found, str):
        return {}, set()
    folder = Path(found).parent
    names = {path.relative_to(folder).as_posix() for path in folder.glob("*/*") if path.is_file()}
    try:
        return _read_index(folder, source), names
    except ModelError:  # which is told when the model is loaded
        return {}, names


def _is_configured(source: ModelSource) -> bool:
    """Whether every part has its configuration or its tokenizer here."""
    index, here = _downloaded(source)
    configured = {name.split("/")[0] for name in here if CONFIGURATION.fullmatch(name)}
    return bool(index) and configured.issuperset(_parts(index))


def _cached(source: ModelSource) -> Path:
    index = hf_hub_download(source.repository, INDEX, revision=source.revision, local_files_only=True)
    return Path(index).parent


def _fetch_small(source: ModelSource, name: str) -> Path:
    return Path(hf_hub_download(source.repository, name, revision=source.revision, etag_timeout=TIMEOUT))


def _fetch_large(source: ModelSource, name: str, size: int, order: _Order, before: int) -> None:
    """Download a file into the cache's folder of contents, and let the client find it there."""
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
            _download(metadata.location, part, headers, metadata.size or size, order, before)
            _check_content(part, str(metadata.etag), source, name)
            part.replace(blob)
    _fetch_small(source, name)


def _download(url: str, part: Path, headers: dict[str, str], size: int, order: _Order, before: int) -> None:
    """Download what is missing of a file; ``part`` holds its beginning.

    A connection that breaks is opened anew as long as each one brings something.
    """
    part.touch()
    if part.stat().st_size > size:
        part.unlink()
        part.touch()
    while (here := part.stat().st_size) < size:
        try:
            _append(url, part, headers, order, before)
        except Exception as error:
            if not _is_broken_connection(error) or part.stat().st_size == here:
                raise


def _append(url: str, part: Path, headers: dict[str, str], order: _Order, before: int) -> None:
    """Add to a file what one connection brings of the rest."""
    with part.open("ab") as file:
        here = file.tell()
        asked = {**headers, "Range": f"bytes={here}-", "Accept-Encoding": "identity"}
        with get_session().stream(
            "GET", url, headers=asked, timeout=TIMEOUT, follow_redirects=True
        ) as response:
            hf_raise_for_status(response)
            if response.status_code != PARTIAL_CONTENT:  # the whole file, whatever was asked for
                file.truncate(here := 0)
            for chunk in response.iter_bytes(PIECE):
                here += file.write(chunk)
                order.report(before + here)


def _is_broken_connection(error: Exception) -> bool:
    """Whether an error is the HTTP library's own, which differs between versions of the client."""
    return type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "requests")


def _check_content(part: Path, etag: str, source: ModelSource, name: str) -> None:
    """A large file's name in the cache is its SHA-256."""
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


def _read_index(folder: Path, source: ModelSource) -> dict[str, Any]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            "{source} has a damaged model_index.json: choose another model.", source=source
        ) from error
    if not isinstance(index, dict):
        raise ModelError("{source} has a damaged model_index.json: choose another model.", source=source)
    return index


def _no_index(source: ModelSource, names: Iterable[str]) -> ModelError:
    files = [name for name in names if "/" not in name and name.endswith((".safetensors", ".ckpt"))]
    if files:
        return ModelError(
            "{repository} holds no diffusers model, but checkpoint files: download {file} from "
            "https://huggingface.co/{repository} and choose that file.",
            repository=source.repository,
            file=files[0],
        )
    return ModelError(
        "{repository} holds no diffusers model: it has no model_index.json. Choose another repository.",
        repository=source.repository,
    )


def _unreachable(source: ModelSource, error: Exception) -> ModelError:
    _, here = _downloaded(source)
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
def _told_plainly(source: ModelSource) -> Iterator[None]:
    """Turn what the client raises into a sentence with the next step."""
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
