"""A Hugging Face hub on loopback, for the real client library.

It imitates what reading a model at a commit needs: ``/api/models/{id}/revision/{commit}`` with file sizes and LFS
digests, HEAD and GET of ``/{id}/resolve/{commit}/{file}`` with ETag, commit and ranges, the error headers for what is
missing or gated, and bearer tokens.

It does not imitate: redirects to a content network and signed addresses, Xet storage, rate limits, branches and tags
(only commits are known), uploading, data sets, pagination, and the hub's habit of answering 401 with a login page.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_INFO = re.compile(r"/api/models/(?P<id>.+?)/revision/(?P<commit>[^/?]+)")
_FILE = re.compile(r"/(?P<id>[^/]+/[^/]+)/resolve/(?P<commit>[^/]+)/(?P<name>[^?]+)")


@dataclass
class FakeHub:
    """What the hub holds, and what it was asked for."""

    address: str = ""
    models: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, str] = field(default_factory=dict)  # model: the token that opens it
    gated: set[str] = field(default_factory=set)
    down: bool = False
    corrupt: set[str] = field(default_factory=set)  # files whose bytes are not those that the commit names
    requests: Counter[str] = field(default_factory=Counter)

    def publish(self, model: str, commit: str, files: dict[str, bytes]) -> None:
        """Puts a model at a commit."""
        self.models[model, commit] = dict(files)


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    """A hub that answers until the block ends."""
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

        def _answer(self, body: bool) -> None:
            hub.requests[f"{self.command} {self.path.split('?')[0]}"] += 1
            named = _INFO.match(self.path) or _FILE.match(self.path)
            if hub.down or not named:
                self._send(500 if hub.down else 404, b"{}", {}, body)
                return
            refusal = self._refusal(named["id"], named["commit"])
            if refusal:
                status, code = refusal
                self._send(status, b'{"error": "no"}', {"X-Error-Code": code} if code else {}, body)
            elif "name" in named.groupdict():
                self._send_file(named["id"], named["commit"], named["name"], body)
            else:
                self._send_info(named["id"], named["commit"], body)

        def _refusal(self, model: str, commit: str) -> tuple[int, str] | None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if model not in {name for name, _ in hub.models}:
                return (404 if token else 401), "RepoNotFound"
            if model in hub.private and token != hub.private[model]:
                return (403, "") if token else (401, "RepoNotFound")
            if model in hub.gated:
                return 403, "GatedRepo"
            if (model, commit) not in hub.models:
                return 404, "RevisionNotFound"
            return None

        def _send_info(self, model: str, commit: str, body: bool) -> None:
            files = [_sibling(name, data) for name, data in sorted(hub.models[model, commit].items())]
            info = {"id": model, "modelId": model, "sha": commit, "private": model in hub.private, "tags": []}
            info |= {"siblings": files, "cardData": {"license": "apache-2.0"}}
            self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"}, body)

        def _send_file(self, model: str, commit: str, name: str, body: bool) -> None:
            data = hub.models[model, commit].get(name)
            headers = {"X-Repo-Commit": commit}
            if data is None:
                self._send(404, b"", headers | {"X-Error-Code": "EntryNotFound"}, body)
                return
            headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()}"'
            if name in hub.corrupt:
                data = bytes(reversed(data))
            begin = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if begin:
                headers["Content-Range"] = f"bytes {begin[1]}-{len(data) - 1}/{len(data)}"
                data = data[int(begin[1]) :]
            self._send(206 if begin else 200, data, headers, body)

        def _send(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(data))}).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

    return Handler


def _sibling(name: str, data: bytes) -> dict[str, Any]:
    file: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": hashlib.sha1(data).hexdigest()}
    if name.endswith((".safetensors", ".bin")):
        file["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return file
