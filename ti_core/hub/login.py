"""Look up whose access token it is and what it permits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi

from ti_core.errors import HubLoginError, HubPermissionError
from ti_core.hub.client import hub_errors, page_address

TOKEN = re.compile(r"[!-~]+")  # printable ASCII, which an HTTP header can hold


@dataclass(frozen=True)
class Account:
    """The user who is logged in, and the organisations to which they may write."""

    id: str
    name: str
    organizations: tuple[str, ...]


def account(token: str | None) -> Account:
    """Return the owner of a token. Raises :class:`HubLoginError` if it is missing or not accepted."""
    me = who_am_i(token)
    organizations = [entry["name"] for entry in me.get("orgs", ()) if entry.get("roleInOrg") != "read"]
    return Account(str(me.get("id", "")), me["name"], tuple(organizations))


def who_am_i(token: str | None) -> dict[str, Any]:
    """Return the Hub's raw description of the token and its owner.

    Raises :class:`HubLoginError` if the token is missing or not accepted.
    """
    if not token:
        raise HubLoginError("Nobody is logged in to Hugging Face: run `hf auth login` in a terminal first.")
    if not TOKEN.fullmatch(token):  # otherwise the HTTP library would quote it in its error
        raise HubLoginError("The login cannot be read: run `hf auth login` in a terminal again.")
    with hub_errors("the Hub"):
        me: dict[str, Any] = HfApi(token=token).whoami()
        return {**me, "name": str(me["name"])}


def check_permission(me: Mapping[str, Any], repo_id: str, *, new: bool, create_pr: bool) -> None:
    """Raise :class:`HubPermissionError` if the token is known not to permit a push.

    ``me`` is the answer of :func:`who_am_i`; a login on a Space does not say what its token permits.
    """
    owner = repo_id.partition("/")[0]
    access = (me.get("auth") or {}).get("accessToken") or {}
    if access.get("role") == "read":
        raise HubPermissionError(
            "The login may only read: make a token that may write at {address}, and log in with it.",
            address=page_address("settings/tokens"),
        )
    roles = {entry["name"]: entry.get("roleInOrg") for entry in me.get("orgs", ())}
    if create_pr:
        return
    if owner != me["name"] and roles.get(owner, "read") == "read":
        raise HubPermissionError(
            "{name} may not publish under {owner}: choose {own}.",
            name=me["name"],
            owner=owner,
            own=f"{me['name']}/{repo_id.partition('/')[2]}",
        )
    if access.get("role") == "fineGrained" and not _is_scoped(access.get("fineGrained", {}), repo_id, new):
        raise HubPermissionError(
            "The token may not write to {name}: allow it to write to the repositories of {owner} at "
            "{address}.",
            name=repo_id,
            owner=owner,
            address=page_address("settings/tokens"),
        )


def _is_scoped(scopes: Mapping[str, Any], repo_id: str, new: bool) -> bool:
    """Whether a fine-grained token may write to a repository; a new one needs a scope for its owner."""
    entities = {repo_id.partition("/")[0]} | (set() if new else {repo_id})
    return any(
        scope.get("entity", {}).get("name") in entities and "repo.write" in scope.get("permissions", ())
        for scope in scopes.get("scoped", ())
    )
