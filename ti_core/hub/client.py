"""Requests to the Hub with bounded waiting, and errors that say what went wrong in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub import HfApi, constants, get_session, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from ti_core.errors import (
    ConceptError,
    ConfigError,
    HubBusyError,
    HubConflictError,
    HubError,
    HubLoginError,
    HubNotFoundError,
    HubPermissionError,
    HubUnreachableError,
)
from ti_core.words.formats.contents import SHOWN_LENGTH

TIME_OUT = 30.0  # seconds without a byte from the Hub; the client library sets no time-out itself
MAX_PICTURE_BYTES = 8 * 2**20
NAME = r"(?!.*(--|\.\.))[A-Za-z0-9_][\w.-]{0,94}(?<![.-])"
REPO_ID = re.compile(rf"(?:{NAME}/)?{NAME}", re.ASCII)

# What the client raises: the base classes of its HTTP errors, whichever HTTP library it uses, and whatever it
# raises when it parses an answer that is not the Hub's, such as the login page of a hotel's network.
FAILURES: tuple[type[Exception], ...] = (
    *HfHubHTTPError.__bases__,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,  # wraps any error of an upload
)


def _limit_waiting() -> None:
    """Give every request of the client a time-out, and stop its endless retries after a refusal."""
    client = get_session()
    hooks = client.event_hooks
    if _set_time_out not in hooks["request"]:
        client.event_hooks = {
            "request": [*hooks["request"], _set_time_out],
            "response": [*hooks["response"], _give_up_on_refusal],
        }


def _set_time_out(request: Any) -> None:
    given = request.extensions.get("timeout", {})  # a time-out that was set is kept
    parts = ("connect", "read", "write", "pool")
    request.extensions["timeout"] = {part: given.get(part) or TIME_OUT for part in parts}


def _give_up_on_refusal(response: Any) -> None:
    """Raise at once for a refused POST.

    The client would repeat some requests for ever after a 409, and wait for as long as a 429 says.
    """
    if response.request.method == "POST" and response.status_code in (409, 429):
        response.read()
        hf_raise_for_status(response)


def page_address(repo_id: str) -> str:
    """Return the address of a repository's page."""
    return f"{constants.ENDPOINT}/{repo_id}"


def check_name(repo_id: str) -> None:
    """Raise :class:`ConfigError` if this cannot be the name of a repository."""
    if not REPO_ID.fullmatch(repo_id) or repo_id.endswith(".git"):
        raise ConfigError(
            "“{name}” cannot be a repository: write it as owner/name, with letters, digits, hyphens and "
            "dots.",
            name=repo_id[:SHOWN_LENGTH],
        )


def find_repository(api: HfApi, repo_id: str, revision: str | None = None) -> ModelInfo | None:
    """Look up a repository, with the sizes and digests of its files; None if it does not exist or is hidden.

    Raises :class:`HubNotFoundError` if only the revision does not exist, and other :class:`HubError`.
    """
    try:
        with hub_errors(repo_id):
            return api.model_info(repo_id, revision=revision, files_metadata=True)
    except HubNotFoundError as error:
        if isinstance(error.__cause__, RepositoryNotFoundError):
            return None
        raise


def size_of(repository: ModelInfo, path: str) -> int:
    """Return the size in bytes of a file in a repository."""
    return next(entry.size or 0 for entry in repository.siblings or () if entry.rfilename == path)


def download(api: HfApi, repository: ModelInfo, path: str, limit: int) -> bytes:
    """Download a file at the commit that ``repository`` was read at.

    Raises :class:`ConceptError` if the file has more than ``limit`` bytes, and :class:`HubError`.
    """
    if size_of(repository, path) > limit:
        raise ConceptError(
            "{file} in {name} is too large for a word: do not use it.",
            file=path[:SHOWN_LENGTH],
            name=repository.id,
        )
    address = hf_hub_url(repository.id, path, revision=repository.sha, endpoint=api.endpoint)
    content = bytearray()
    with (
        hub_errors(repository.id),
        get_session().stream("GET", address, headers=build_hf_headers(token=api.token)) as response,
    ):
        hf_raise_for_status(response)
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > limit:
                break
    if len(content) > limit:
        raise ConceptError(
            "{file} in {name} is larger than it says: do not use it.",
            file=path[:SHOWN_LENGTH],
            name=repository.id,
        )
    return bytes(content)


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn every failure of a request into a :class:`HubError` about ``what`` that never quotes the token."""
    _limit_waiting()
    try:
        yield
    except FAILURES as error:
        raise _as_hub_error(error, what) from error


def _as_hub_error(error: BaseException, what: str) -> HubError:
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return _as_hub_error(error.__cause__, what)
    if isinstance(error, OfflineModeIsEnabled):
        return HubUnreachableError("The Hub is not asked, for HF_HUB_OFFLINE is set: unset it to go online.")
    if isinstance(error, GatedRepoError):
        return HubPermissionError(
            "{name} asks for its conditions to be accepted: do so at {address}, then log in.",
            name=what,
            address=page_address(what),
        )
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return HubNotFoundError("There is no such revision of {name}: check it, or leave it out.", name=what)
    if not isinstance(error, HfHubHTTPError):
        return HubUnreachableError("The Hub did not answer: check the connection, then try again.")
    status, headers = error.response.status_code, error.response.headers
    if status == 401:
        return HubLoginError("The Hub does not accept the login, it may have expired: log in again.")
    if status == 403:
        return HubPermissionError(
            "The Hub does not let this login do that with {name}: use another token.", name=what
        )
    if status in (409, 412):
        return HubConflictError(
            "{name} was changed by someone meanwhile: look at it, then try again.", name=what
        )
    if status == 429:
        seconds = headers.get("retry-after", "")
        if seconds.isdecimal():
            return HubBusyError(
                "The Hub was asked too often: wait {seconds} seconds, then try again.", seconds=seconds
            )
        return HubBusyError("The Hub was asked too often: wait a few minutes, then try again.")
    if status >= 500:
        return HubUnreachableError(
            "The Hub has a problem of its own ({status}): try again later.", status=status
        )
    return HubError(
        "The Hub refused what it was asked about {name} ({status}): check the name.", name=what, status=status
    )
