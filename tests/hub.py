"""A server that behaves like the Hugging Face Hub, as far as pushing and loading one dataset goes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"


@dataclass
class Hub:
    """The repositories of one server: files by path, one revision."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    commits: list[dict[str, list[str]]] = field(default_factory=list)
    refuse: str | None = None
    """A path that commits may not hold."""

    def sha(self, repo: str) -> str:
        """The revision: a hash of what is there."""
        held = sorted((name, hashlib.sha1(data).hexdigest()) for name, data in self.files[repo].items())
        return hashlib.sha1(json.dumps(held).encode()).hexdigest()

    def entry(self, name: str, data: bytes) -> dict[str, object]:
        """A file as the tree lists it."""
        found: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": _git(data)}
        if name.endswith(".parquet"):
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
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(urlsplit(self.path).path)
            for method, pattern, act in routes:
                found = re.fullmatch(pattern, path)
                if self.command in method and found:
                    known = found.groupdict()
                    repo = known.get("repo")
                    allowed = self.headers.get("Authorization") == f"Bearer {token}"
                    if "/lfs/" not in path and not allowed and (self.command == "POST" or hub.private.get(repo or "")):
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
        listed = [{"rfilename": name} for name in sorted(hub.files[repo])]
        said = {"id": repo, "sha": hub.sha(repo), "private": hub.private[repo], "siblings": listed, "tags": []}
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
                "uploadMode": "lfs" if f["path"].endswith(".parquet") else "regular",
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
        data = hub.files[repo].get(name)
        if data is None:
            page.answer(404, b"", X_Error_Code="EntryNotFound", X_Repo_Commit=hub.sha(repo))
            return
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X_Repo_Commit": hub.sha(repo),
            "Accept_Ranges": "bytes",
        }
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
        ("GET HEAD", rf"/api/datasets/{REPO}", info),
        ("GET HEAD", rf"/api/datasets/{REPO}/revision/{revision}", info),
        ("GET", rf"/api/datasets/{REPO}/tree/{revision}(?:/(?P<folder>.+))?", tree),
        ("POST", rf"/api/datasets/{REPO}/paths-info/{revision}", paths_info),
        ("POST", rf"/api/datasets/{REPO}/preupload/{revision}", preupload),
        ("POST", rf"/api/datasets/{REPO}/commit/{revision}", commit),
        ("POST", rf"/datasets/{REPO}\.git/info/lfs/objects/batch", batch),
        ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", store),
        ("GET HEAD", rf"/datasets/{REPO}/resolve/{revision}/(?P<name>.+)", resolve),
    ]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
