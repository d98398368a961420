"""A small local Hugging Face Hub for the real client. It answers the requests that we make, and can fail.

``hub.fail("POST", "/commit/", 503)`` makes matching requests fail. ``hub.repositories`` is the Hub's state,
and ``hub.requests`` lists the requests that it has received.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LFS_SUFFIXES = (".bin", ".safetensors", ".pt", ".png")
TOKENS = {"hf_ann": "ann", "hf_ben": "ben"}
ATTRIBUTES = {".gitattributes": b"*.bin filter=lfs\n"}


def sha_of(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


@dataclass
class Repository:
    """A model repository; only its newest commit can be requested."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(ATTRIBUTES))
    private: bool = False
    gated: bool = False
    commits: int = 1
    downloads: int = 0
    tags: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    """False sizes in bytes that the Hub claims, by file."""
    pull_requests: list[dict[str, bytes]] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return sha_of(f"commit {self.commits}")


@dataclass
class Fault:
    """A failure of the next ``times`` requests whose method is ``method`` and whose path contains ``path``.

    With ``after``, the request is carried out and only its answer is lost. Without a status, the connection
    is cut. The answer is delayed until the event ``wait`` is set.
    """

    method: str
    path: str
    status: int | None
    headers: Mapping[str, str]
    body: str
    after: bool
    times: int
    wait: threading.Event | None = None


class HubServer:
    """The state of the Hub; :attr:`address` is the client's endpoint."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[tuple[str, str]] = []
        self.tokens_seen: list[str | None] = []
        self.accounts: dict[str, dict[str, Any]] = {
            token: {
                "type": "user",
                "id": f"id-of-{name}",
                "name": name,
                "orgs": [],
                "auth": {"type": "access_token", "accessToken": {"displayName": "t", "role": "write"}},
            }
            for token, name in TOKENS.items()
        }
        self.uploads: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        self.address = ""

    def fail(
        self,
        method: str,
        path: str,
        status: int | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: str = "",
        after: bool = False,
        times: int = 1_000,
        wait: threading.Event | None = None,
    ) -> None:
        self.faults.append(Fault(method, path, status, headers or {}, body, after, times, wait))

    def add(self, repo_id: str, files: Mapping[str, bytes], **facts: Any) -> Repository:
        repository = Repository({**ATTRIBUTES, **files}, **facts)
        self.repositories[repo_id] = repository
        return repository

    def count_requests(self, method: str, path: str) -> int:
        """Return the number of requests with this method whose path contains ``path``."""
        return sum(seen == method and path in where for seen, where in self.requests)

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.method == method and fault.path in path and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None


class HttpError(Exception):
    """Ends a request with an error status."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Handler(BaseHTTPRequestHandler):
    """Handles one request; ``server.hub`` is the Hub's state."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    @property
    def hub(self) -> HubServer:
        return self.server.hub  # type: ignore[attr-defined,no-any-return]

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.hub.requests.append((self.command, self.path))
        self.hub.tokens_seen.append(self.token)
        fault = self.hub.fault_for(self.command, self.path)
        if fault is not None and not fault.after:
            self._fail(fault)
            return
        try:
            status, headers, content = self._route()
        except HttpError as error:
            headers = {"X-Error-Code": error.code, "X-Error-Message": error.message}
            status, content = error.status, json.dumps({"error": error.message}).encode()
        if fault is not None:
            self._fail(fault)
            return
        self._send(status, headers, content)

    def _fail(self, fault: Fault) -> None:
        if fault.wait is not None:
            fault.wait.wait(30)
        if fault.status is None:
            self.close_connection = True
            return
        body = fault.body.replace("AUTHORIZATION", self.headers.get("Authorization") or "")
        self._send(fault.status, dict(fault.headers), body.encode())

    def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    # --- the API --------------------------------------------------------------------------------------

    def _route(self) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        if self.token is not None and self.token not in self.hub.accounts:
            raise HttpError(401, message="Invalid credentials in Authorization header")
        if path == "/api/whoami-v2":
            return self._json(self._account())
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._json(self._create(json.loads(self.body)))
        if path == "/api/models":
            return self._json(self._list(query))
        if path.startswith("/upload/"):
            self.hub.uploads[path.removeprefix("/upload/")] = self.body
            return self._json({})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._json(self._lfs_batch(json.loads(self.body)))
        if "/resolve/" in path:
            repo_id, rest = path[1:].split("/resolve/")
            return self._file(repo_id, rest.partition("/")[2])
        name = path.removeprefix("/api/models/").split("/")
        repo_id, action = "/".join(name[:2]), name[2] if len(name) > 2 else ""
        if action == "preupload":
            return self._json(self._preupload(repo_id))
        if action == "commit":
            return self._json(self._commit(repo_id, bool(query.get("create_pr"))))
        return self._json(self._info(repo_id, name[3] if action == "revision" else "main"))

    def _json(self, values: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "application/json"}, json.dumps(values).encode()

    def _account(self) -> dict[str, Any]:
        if self.token is None:
            raise HttpError(401, message="Invalid username or password.")
        return self.hub.accounts[self.token]

    def _seen(self, repo_id: str) -> Repository:
        """Return a repository, or answer 404 if it does not exist or is hidden from this token."""
        repository = self.hub.repositories.get(repo_id)
        owner = repo_id.partition("/")[0]
        if repository is None or (repository.private and not self._is_owner(owner)):
            raise HttpError(404, "RepoNotFound", "Repository not found")
        return repository

    def _is_owner(self, owner: str) -> bool:
        if self.token is None:
            return False
        me = self._account()
        return owner in (me["name"], *(org["name"] for org in me["orgs"]))

    def _create(self, values: Mapping[str, Any]) -> dict[str, Any]:
        me = self._account()
        owner = values.get("organization") or me["name"]
        if not self._is_owner(owner):
            raise HttpError(403, message="You don't have the rights to create a model under this namespace")
        repo_id = f"{owner}/{values['name']}"
        if repo_id in self.hub.repositories:
            raise HttpError(409, message="You already created this model repo")
        self.hub.repositories[repo_id] = Repository(private=values.get("visibility") == "private")
        return {"url": f"{self.hub.address}/{repo_id}"}

    def _info(self, repo_id: str, revision: str) -> dict[str, Any]:
        repository = self._seen(repo_id)
        if revision not in ("main", repository.sha):
            raise HttpError(404, "RevisionNotFound", "Invalid rev id")
        return self._described(repo_id, repository)

    def _described(self, repo_id: str, repository: Repository) -> dict[str, Any]:
        siblings = []
        for name, content in repository.files.items():
            oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            size = repository.sizes.get(name, len(content))
            sibling: dict[str, Any] = {"rfilename": name, "size": size, "blobId": oid}
            if name.endswith(LFS_SUFFIXES):
                digest = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"sha256": digest, "size": size, "pointerSize": 130}
            siblings.append(sibling)
        return {
            "id": repo_id,
            "modelId": repo_id,
            "sha": repository.sha,
            "private": repository.private,
            "gated": "auto" if repository.gated else False,
            "downloads": repository.downloads,
            "likes": 1,
            "tags": list(repository.tags),
            "cardData": repository.card,
            "siblings": siblings,
        }

    def _preupload(self, repo_id: str) -> dict[str, Any]:
        self._may_write(repo_id)
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LFS_SUFFIXES) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(self.body)["files"]
            ]
        }

    def _may_write(self, repo_id: str, create_pr: bool = True) -> Repository:
        repository = self._seen(repo_id)
        if not create_pr and not self._is_owner(repo_id.partition("/")[0]):
            raise HttpError(403, message="Forbidden: you must use a write token to upload to a repository.")
        return repository

    def _lfs_batch(self, values: Mapping[str, Any]) -> dict[str, Any]:
        objects = []
        for entry in values["objects"]:
            actions = {"upload": {"href": f"{self.hub.address}/upload/{entry['oid']}"}}
            known = entry["oid"] in self.hub.uploads
            objects.append({**entry, "authenticated": True, **({} if known else {"actions": actions})})
        return {"transfer": "basic", "objects": objects}

    def _commit(self, repo_id: str, create_pr: bool) -> dict[str, Any]:
        """Apply a commit completely or not at all."""
        repository = self._may_write(repo_id, create_pr)
        files = dict(repository.files)
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header" and value.get("parentCommit") not in (None, repository.sha):
                raise HttpError(412, message="A commit has happened since. Please refresh and try again.")
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
            if entry["key"] == "deletedFile":
                del files[value["path"]]
        answer = {"success": True, "commitUrl": f"{self.hub.address}/{repo_id}/commit/x"}
        if create_pr:
            repository.pull_requests.append(files)
            number = len(repository.pull_requests)
            url = f"{self.hub.address}/{repo_id}/discussions/{number}"
            return {**answer, "commitOid": sha_of(f"pr {number}"), "pullRequestUrl": url}
        repository.files = files
        repository.commits += 1
        return {**answer, "commitOid": repository.sha}

    def _list(self, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        def fits(repo_id: str, repository: Repository) -> bool:
            author, name = repo_id.split("/")
            return (
                not repository.private
                and query.get("author", [author])[0] == author
                and query.get("search", [""])[0].casefold() in repo_id.casefold()
                and set(query.get("filter", ())) <= set(repository.tags)
            )

        found = [entry for entry in self.hub.repositories.items() if fits(*entry)]
        found.sort(key=lambda entry: entry[1].downloads, reverse=True)
        return [self._described(*entry) for entry in found[: int(query.get("limit", ["1000"])[0])]]

    def _file(self, repo_id: str, path: str) -> tuple[int, dict[str, str], bytes]:
        repository = self._seen(repo_id)
        if repository.gated:
            raise HttpError(403, "GatedRepo", "Access to this model is restricted.")
        if path not in repository.files:
            raise HttpError(404, "EntryNotFound", "Entry not found")
        content = repository.files[path]
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        return 200, {"ETag": etag, "X-Repo-Commit": repository.sha}, content


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    """Run a Hub in a thread of this process."""
    hub = HubServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.hub = hub  # type: ignore[attr-defined]
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
