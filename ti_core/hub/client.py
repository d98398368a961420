"""The way to the Hub and back: one patient client, and one sentence for whatever goes wrong with it."""

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

TIME_OUT = 30.0  # seconds without a byte from the Hub; its client has none of its own
MAX_PICTURE_BYTES = 8 * 2**20
NAME = r"(?!.*(--|\.\.))[A-Za-z0-9_][\w.-]{0,94}(?<![.-])"
REPO_ID = re.compile(rf"(?:{NAME}/)?{NAME}", re.ASCII)

# What the client raises: the errors of its HTTP library, which has had two names, and the system's; and for
# answers that are none of the Hub's, such as a hotel's page to log in, whatever reading them raises.
FAILURES: tuple[type[Exception], ...] = (
    *HfHubHTTPError.__bases__,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,  # around any error of an upload
)


def _be_patient() -> None:
    """Give the client a time-out for every request, and an end to its patience with refusals."""
    client = get_session()
    hooks = client.event_hooks
    if _set_time_out not in hooks["request"]:
        client.event_hooks = {
            "request": [*hooks["request"], _set_time_out],
            "response": [*hooks["response"], _give_up_on_refusal],
        }


def _set_time_out(request: Any) -> None:
    given = request.extensions.get("timeout", {})
    parts = ("connect", "read", "write", "pool")
    request.extensions["timeout"] = {part: given.get(part) or TIME_OUT for part in parts}


def _give_up_on_refusal(response: Any) -> None:
    """Some requests are sent again for ever on a 409, and for as long as a 429 asks to wait: be told now."""
    if response.request.method == "POST" and response.status_code in (409, 429):
        response.read()
        hf_raise_for_status(response)


def page_address(repo_id: str) -> str:
    """Where a repository is read by people."""
    return f"{constants.ENDPOINT}/{repo_id}"


def check_name(repo_id: str) -> None:
    """Raises :class:`ConfigError` for what cannot be the name of a repository."""
    if not REPO_ID.fullmatch(repo_id) or repo_id.endswith(".git"):
        raise ConfigError(
            "“{name}” cannot be a repository: write it as owner/name, with letters, digits, hyphens and "
            "dots.",
            name=repo_id[:SHOWN_LENGTH],
        )


def look(api: HfApi, repo_id: str, revision: str | None = None) -> ModelInfo | None:
    """A repository as it is now, with sizes and digests of its files; None if there is none to be seen."""
    try:
        with asking(repo_id):
            return api.model_info(repo_id, revision=revision, files_metadata=True)
    except HubNotFoundError as error:
        if isinstance(error.__cause__, RepositoryNotFoundError):
            return None
        raise


def size_of(there: ModelInfo, path: str) -> int:
    """Bytes of a file that the repository has."""
    return next(entry.size or 0 for entry in there.siblings or () if entry.rfilename == path)


def download(api: HfApi, there: ModelInfo, path: str, limit: int) -> bytes:
    """A file's content at the commit that was seen, if it has no more bytes than ``limit``."""
    if size_of(there, path) > limit:
        raise ConceptError(
            "{file} in {name} is too large for a word: do not use it.",
            file=path[:SHOWN_LENGTH],
            name=there.id,
        )
    address = hf_hub_url(there.id, path, revision=there.sha, endpoint=api.endpoint)
    content = bytearray()
    with (
        asking(there.id),
        get_session().stream("GET", address, headers=build_hf_headers(token=api.token)) as response,
    ):
        hf_raise_for_status(response)
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > limit:
                break
    if len(content) > limit:
        raise ConceptError(
            "{file} in {name} is larger than it says: do not use it.", file=path[:SHOWN_LENGTH], name=there.id
        )
    return bytes(content)


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn whatever goes wrong with the Hub into one sentence about ``what``, in which no token stands."""
    _be_patient()
    try:
        yield
    except FAILURES as error:
        raise _told(error, what) from error


def _told(error: BaseException, what: str) -> HubError:
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return _told(error.__cause__, what)
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
