"""Whose a token is, and what it may do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi

from ti_core.errors import HubLoginError, HubPermissionError
from ti_core.hub.client import asking, page_address

TOKEN = re.compile(r"[!-~]+")  # of what a header can hold


@dataclass(frozen=True)
class Account:
    """Who is logged in: a person, and the organisations that they may write to."""

    id: str
    name: str
    organizations: tuple[str, ...]


def account(token: str | None) -> Account:
    """Who a token belongs to. Raises :class:`HubLoginError` if there is none or it is not accepted."""
    me = who_am_i(token)
    organizations = [entry["name"] for entry in me.get("orgs", ()) if entry.get("roleInOrg") != "read"]
    return Account(str(me.get("id", "")), me["name"], tuple(organizations))


def who_am_i(token: str | None) -> dict[str, Any]:
    """The Hub's own answer. Raises :class:`HubLoginError` if there is no token or it is not accepted."""
    if not token:
        raise HubLoginError("Nobody is logged in to Hugging Face: run `hf auth login` in a terminal first.")
    if not TOKEN.fullmatch(token):  # the HTTP library would quote it in its own error
        raise HubLoginError("The login cannot be read: run `hf auth login` in a terminal again.")
    with asking("the Hub"):
        me: dict[str, Any] = HfApi(token=token).whoami()
        return {**me, "name": str(me["name"])}


def check_right(me: Mapping[str, Any], repo_id: str, *, new: bool, create_pr: bool) -> None:
    """Refuse what the token cannot do, as far as the Hub tells; a login on a Space tells nothing."""
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
    """Whether a fine-grained token may write to a repository, or to all of its owner's, new ones too."""
    entities = {repo_id.partition("/")[0]} | (set() if new else {repo_id})
    return any(
        scope.get("entity", {}).get("name") in entities and "repo.write" in scope.get("permissions", ())
        for scope in scopes.get("scoped", ())
    )
