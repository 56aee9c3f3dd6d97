"""A server that behaves like the Hugging Face Hub where datasets and models are pushed, loaded and downloaded."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = (".parquet", ".safetensors")
"""Endings of files that are kept with Git LFS."""

REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"


@dataclass
class Hub:
    """The repositories of one server: files by path, today's and those of the revisions that it was asked for."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    commits: list[dict[str, list[str]]] = field(default_factory=list)
    refuse: str | None = None
    """A path that commits may not hold."""
    cdn: str = ""
    """Where large files lie: another host, to which ``resolve`` sends."""
    past: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    """Files by repository and revision."""
    renamed: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    """What goes wrong with a file, or with a repository's description, one a request, then it behaves: a status with
    an error code, ``cut N`` bytes into the content, ``stall N``."""
    requests: list[tuple[str, str, str | None, int]] = field(default_factory=list)
    """(method, path, Range, status) of every answer."""
    served: dict[str, bytes] = field(default_factory=dict)
    """What is sent in the place of a large file's content, by its sha256."""
    stalled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    """Ends what stalls."""

    def publish(self, repo: str, files: dict[str, bytes]) -> str:
        """Make these the files of a repository and return the revision."""
        self.files[repo] = dict(files)
        return self.remember(repo)

    def remember(self, repo: str) -> str:
        sha = self.sha(repo)
        self.past[repo, sha] = self.files[repo]
        return sha

    def downloaded(self, ending: str = ".parquet") -> list[str]:
        """The large files whose content was sent, by path, in order."""
        found = [path.split("file=")[-1] for method, path, _, _ in self.requests if method == "GET" and "/cdn/" in path]
        return [name for name in found if name.endswith(ending)]

    def at(self, repo: str, revision: str) -> dict[str, bytes] | None:
        """The files of a revision, None if there is no such one."""
        return self.files[repo] if revision == "main" else self.past.get((repo, revision))

    def sha(self, repo: str) -> str:
        """The revision: a hash of what is there."""
        held = sorted((name, hashlib.sha1(data).hexdigest()) for name, data in self.files[repo].items())
        return hashlib.sha1(json.dumps(held).encode()).hexdigest()

    def entry(self, name: str, data: bytes) -> dict[str, object]:
        """A file as the tree lists it."""
        found: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": _git(data)}
        if name.endswith(LARGE):
            oid = hashlib.sha256(data).hexdigest()
            found["lfs"] = {"oid": oid, "size": len(data), "sha256": oid, "pointerSize": 130}
        return found


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def serve(token: str = "hf_test") -> Iterator[Hub]:
    """Serve an empty Hub that knows one user, `user`, by a token."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self, status: int, body: object = b"", **headers: str) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            hub.requests.append((self.command, self.path, self.headers.get("Range"), status))
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "HEAD":
                return
            fault, _, value = self.fault.partition(" ")
            if fault not in ("cut", "stall"):
                self.wfile.write(data)
                return
            with contextlib.suppress(OSError):
                self.wfile.write(data[: int(value)])
                self.wfile.flush()
                if fault == "stall":
                    hub.stalled.set()
                    hub.go_on.wait(60)
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        fault = ""

        def broken(self, name: str) -> bool:
            """Whether a fault was asked for that answers instead of the content."""
            faults = hub.faults.get(name, [])
            self.fault = faults.pop(0) if faults else ""
            if not self.fault[:3].isdigit():
                return False
            status, _, code = self.fault.partition(" ")
            self.answer(int(status), {"error": code or "refused"}, **({"X_Error_Code": code} if code else {}))
            return True

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(urlsplit(self.path).path)
            self.fault = ""
            for old, new in hub.renamed.items():
                if f"/datasets/{old}" in path:
                    self.answer(307, b"", Location=self.path.replace(f"/datasets/{old}", f"/datasets/{new}"))
                    return
            for method, pattern, act in routes:
                found = re.fullmatch(pattern, path)
                if self.command in method and found:
                    known = found.groupdict()
                    repo = known.get("repo")
                    allowed = self.headers.get("Authorization") == f"Bearer {token}"
                    if (
                        not path.startswith(("/lfs/", "/cdn/"))
                        and not allowed
                        and (self.command == "POST" or hub.private.get(repo or ""))
                    ):
                        self.answer(401, {"error": "Invalid credentials"}, X_Error_Message="Invalid credentials")
                    elif repo is not None and repo not in hub.files:
                        self.answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
                    else:
                        act(self, body, **known)
                    return
            self.answer(404, {"error": f"no such page: {path}"}, X_Error_Code="EntryNotFound")

        do_GET = do_HEAD = do_POST = do_PUT = handle_one

    def create(page: Handler, body: bytes) -> None:
        said = json.loads(body)
        repo = f"{said.get('organization') or 'user'}/{said['name']}"
        status = 409 if repo in hub.files else 200
        hub.files.setdefault(repo, {".gitattributes": b"*.parquet filter=lfs\n"})
        hub.private.setdefault(repo, bool(said.get("private")) or said.get("visibility") == "private")
        page.answer(status, {"url": f"{hub.url}/datasets/{repo}", "name": repo, "id": repo})

    def info(page: Handler, body: bytes, repo: str, revision: str = "main") -> None:
        if page.broken(repo):
            return
        hub.remember(repo)
        files = hub.at(repo, revision)
        if files is None:
            page.answer(404, {"error": "no such revision"}, X_Error_Code="RevisionNotFound")
            return
        listed = [{"rfilename": name} for name in sorted(files)]
        if "blobs=true" in page.path.lower():
            for entry in listed:
                held = hub.entry(entry["rfilename"], files[entry["rfilename"]])
                entry |= {"size": held["size"], "blobId": held["oid"]} | ({"lfs": held["lfs"]} if "lfs" in held else {})
        said = {
            "id": repo,
            "sha": hub.sha(repo),
            "private": hub.private.get(repo, False),
            "siblings": listed,
            "tags": [],
        }
        page.answer(200, {**said, "author": "user", "disabled": False, "gated": False, "downloads": 0, "likes": 0})

    def tree(page: Handler, body: bytes, repo: str, revision: str, folder: str | None = None) -> None:
        prefix = f"{folder}/" if folder else ""
        inside = {name: data for name, data in hub.files[repo].items() if name.startswith(prefix)}
        if not inside:
            page.answer(404, {"error": "no such folder"}, X_Error_Code="EntryNotFound")
            return
        found = [hub.entry(name, data) for name, data in sorted(inside.items())]
        folders = sorted({name[: -len(name.split("/")[-1]) - 1] for name in inside} - {"", folder})
        found += [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in folders]
        if "recursive=True" not in page.path and "recursive=true" not in page.path:
            found = [f for f in found if "/" not in str(f["path"])[len(prefix) :]]
        page.answer(200, found)

    def paths_info(page: Handler, body: bytes, repo: str, revision: str) -> None:
        if body.startswith(b"{"):
            paths = json.loads(body)["paths"]
        else:
            paths = [unquote(pair.split(b"=", 1)[1].decode()) for pair in body.split(b"&") if pair.startswith(b"paths")]
        found: list[dict[str, object]] = []
        for path in [paths] if isinstance(paths, str) else paths:
            if path in hub.files[repo]:
                found.append(hub.entry(path, hub.files[repo][path]))
            elif any(name.startswith(f"{path}/") for name in hub.files[repo]):
                found.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
        page.answer(200, found)

    def validate(page: Handler, body: bytes) -> None:
        page.answer(200, {"errors": [], "warnings": []})

    def preupload(page: Handler, body: bytes, repo: str, revision: str) -> None:
        files = [
            {
                "path": f["path"],
                "uploadMode": "lfs" if f["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for f in json.loads(body)["files"]
        ]
        page.answer(200, {"files": files})

    def batch(page: Handler, body: bytes, repo: str) -> None:
        objects = [
            {**o, "actions": {"upload": {"href": f"{hub.url}/lfs/{o['oid']}"}}} for o in json.loads(body)["objects"]
        ]
        page.answer(200, {"transfer": "basic", "objects": objects}, Content_Type="application/vnd.git-lfs+json")

    def store(page: Handler, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        hub.blobs[oid] = body
        page.answer(200)

    def commit(page: Handler, body: bytes, repo: str, revision: str) -> None:
        done: dict[str, list[str]] = {}
        fresh = dict(hub.files[repo])
        for line in map(json.loads, body.decode().splitlines()):
            value = line["value"]
            done.setdefault(line["key"], []).append(value.get("path", value.get("summary")))
            if line["key"] == "file":
                fresh[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                fresh[value["path"]] = hub.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del fresh[value["path"]]
        if hub.refuse in fresh:
            page.answer(400, {"error": f"{hub.refuse} is not allowed"}, X_Error_Message=f"{hub.refuse} is not allowed")
            return
        hub.files[repo] = fresh
        hub.commits.append(done)
        sha = hub.sha(repo)
        page.answer(200, {"success": True, "commitOid": sha, "commitUrl": f"{hub.url}/datasets/{repo}/commit/{sha}"})

    def resolve(page: Handler, body: bytes, repo: str, revision: str, name: str) -> None:
        sha = hub.remember(repo) if revision == "main" else revision
        files = hub.at(repo, revision)
        if files is None:
            page.answer(404, b"", X_Error_Code="RevisionNotFound")
        elif name not in files:
            page.answer(404, b"", X_Error_Code="EntryNotFound", X_Repo_Commit=sha)
        elif name.endswith(
            (".parquet", ".safetensors")
        ):  # as the real one: what decides is in the headers, the content elsewhere
            if page.command == "HEAD" and page.broken(f"HEAD {name}"):
                return
            oid = hashlib.sha256(files[name]).hexdigest()
            hub.blobs.setdefault(oid, files[name])
            size = str(hub.entry(name, files[name])["lfs"]["size"])  # type: ignore[index]
            page.answer(
                302, b"", Location=f"{hub.cdn}/cdn/{oid}?file={name}", X_Repo_Commit=sha, X_Linked_ETag=f'"{oid}"',
                X_Linked_Size=size, Accept_Ranges="bytes", ETag=f'"{_git(files[name])}"',
            )  # fmt: skip
        else:
            content(page, files[name], _git(files[name]), X_Repo_Commit=sha)

    def cdn(page: Handler, body: bytes, oid: str) -> None:
        if not page.broken(page.path.split("file=")[-1]):
            content(page, hub.served.get(oid, hub.blobs[oid]), oid)

    def content(page: Handler, data: bytes, tag: str, **headers: str) -> None:
        headers |= {"ETag": f'"{tag}"', "Accept_Ranges": "bytes", "Content_Type": "application/octet-stream"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", page.headers.get("Range") or "")
        if asked:
            start, end = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
            headers["Content_Range"] = f"bytes {start}-{end}/{len(data)}"
            page.answer(206, data[start : end + 1], **headers)
        else:
            page.answer(200, data, **headers)

    revision = r"(?P<revision>[^/]+)"
    routes = [
        ("POST", r"/api/repos/create", create),
        ("POST", r"/api/validate-yaml", validate),
        ("GET HEAD", rf"/api/(?:datasets|models)/{REPO}", info),
        ("GET HEAD", rf"/api/(?:datasets|models)/{REPO}/revision/{revision}", info),
        ("GET", rf"/api/(?:datasets|models)/{REPO}/tree/{revision}(?:/(?P<folder>.+))?", tree),
        ("POST", rf"/api/(?:datasets|models)/{REPO}/paths-info/{revision}", paths_info),
        ("POST", rf"/api/(?:datasets|models)/{REPO}/preupload/{revision}", preupload),
        ("POST", rf"/api/(?:datasets|models)/{REPO}/commit/{revision}", commit),
        ("POST", rf"/(?:datasets/)?{REPO}\.git/info/lfs/objects/batch", batch),
        ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", store),
        ("GET HEAD", r"/cdn/(?P<oid>[0-9a-f]{64})", cdn),
        ("GET HEAD", rf"/(?:datasets/)?{REPO}/resolve/{revision}/(?P<name>.+)", resolve),
    ]
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    hub.url, hub.cdn = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        for server in servers:
            server.shutdown()
            server.server_close()
