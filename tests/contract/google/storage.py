"""A fake of Cloud Storage's JSON API: objects get, list, insert (multipart and resumable), delete, compose and rewrite.

Preconditions on generations hold, and every answer about an object has its generation and its CRC32C and MD5. It does
not imitate: buckets' own methods but for looking, batches, XML and gRPC, versions, holds, retention, encryption, ACLs,
the limit of one change a second of one object, and listings' delays elsewhere. ``stop_after`` cuts uploads.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import google_crc32c
from aiohttp import web

from tests.contract.google.discovery import discovery
from tests.contract.google.server import ApiError, Request
from tests.contract.loopback import Wrong

ABSENT = "The specified bucket does not exist."


@dataclass
class Object:
    """An object's bytes and what is said of it."""

    bucket: str
    name: str
    data: bytes
    generation: int
    given: dict[str, Any] = field(default_factory=dict)
    updated: str = field(default_factory=lambda: datetime.now(UTC).isoformat().replace("+00:00", "Z"))

    def resource(self) -> dict[str, Any]:
        """The object as the API says it."""
        return {
            **self.given,
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "bucket": self.bucket,
            "name": self.name,
            "generation": str(self.generation),
            "metageneration": "1",
            "size": str(len(self.data)),
            "updated": self.updated,
            "timeCreated": self.updated,
            "storageClass": "STANDARD",
            **self.sums(),
        }

    def sums(self) -> dict[str, str]:
        """CRC32C (big-endian) and MD5 in base64, as Google writes them."""
        crc = google_crc32c.value(self.data).to_bytes(4, "big")
        md5 = hashlib.md5(self.data, usedforsecurity=False).digest()
        return {"crc32c": base64.b64encode(crc).decode(), "md5Hash": base64.b64encode(md5).decode()}


@dataclass
class _Upload:
    """A resumable upload that is on its way."""

    bucket: str
    resource: dict[str, Any]
    query: dict[str, str]
    data: bytearray = field(default_factory=bytearray)


class Storage:
    """The service. ``objects`` by bucket and name; ``stop_after`` takes that many bytes of a part and answers 503."""

    documents = ("storage.v1",)

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, Object]] = {bucket: {} for bucket in buckets}
        self.uploads: dict[str, _Upload] = {}
        self.stop_after: list[int] = []
        self._last = int(datetime.now(UTC).timestamp() * 1_000_000)
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Any:
        """What an operation gives. Raises ApiError."""
        name = request.operation.id.removeprefix("storage.").replace(".", "_")
        method = getattr(self, f"_{name}", None)
        if method is None:
            raise ApiError(501, f"the fake of Cloud Storage does not have {request.operation.id}")
        return method(request)

    def _bucket(self, name: str) -> dict[str, Object]:
        if name not in self.buckets:
            raise ApiError(404, ABSENT)
        return self.buckets[name]

    def _found(self, request: Request, bucket: str, name: str) -> Object:
        found = self._bucket(bucket).get(name)
        if found is None or request.query.get("generation", str(found.generation)) != str(found.generation):
            raise ApiError(404, f"No such object: {bucket}/{name}")
        return found

    def _put(self, bucket: str, resource: dict[str, Any], data: bytes, query: dict[str, str]) -> Object:
        name = resource.get("name") or query.get("name")
        if not name:
            raise ApiError(400, "Required object name is missing")
        there = self._bucket(bucket).get(name)
        match = query.get("ifGenerationMatch")
        if match is not None and int(match) != (there.generation if there else 0):
            raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")
        self._last += 1
        given = {key: value for key, value in resource.items() if key not in ("name", "md5Hash", "crc32c")}
        made = Object(bucket, name, data, self._last, given)
        for key, value in made.sums().items():
            if resource.get(key, value) != value:
                raise ApiError(400, f"Provided {key} does not match calculated {key}")
        self.buckets[bucket][name] = made
        return made

    def _buckets_get(self, request: Request) -> Any:
        self._bucket(request.names["bucket"])
        return {"kind": "storage#bucket", "name": request.names["bucket"], "location": "EU", "metageneration": "1"}

    def _objects_get(self, request: Request) -> Any:
        found = self._found(request, request.names["bucket"], request.names["object"])
        if request.query.get("alt") != "media":
            return found.resource()
        sums = found.sums()
        headers = {
            "X-Goog-Generation": str(found.generation),
            "X-Goog-Hash": f"crc32c={sums['crc32c']},md5={sums['md5Hash']}",
            "Content-Type": found.given.get("contentType", "application/octet-stream"),
        }
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", _header(request, "Range"))
        if not asked:
            return web.Response(body=found.data, headers=headers)
        start, size = int(asked[1]), len(found.data)
        if start >= size:
            raise ApiError(416, "The requested range cannot be satisfied.")
        end = min(int(asked[2] or size - 1), size - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        return web.Response(status=206, body=found.data[start : end + 1], headers=headers)

    def _objects_list(self, request: Request) -> Any:
        query, prefix = request.query, request.query.get("prefix", "")
        names = sorted(name for name in self._bucket(request.names["bucket"]) if name.startswith(prefix))
        items: list[dict[str, Any]] = []
        prefixes: set[str] = set()
        delimiter, after = query.get("delimiter", ""), query.get("pageToken", "")
        names = [name for name in names if name > after]
        limit, token = min(int(query.get("maxResults", 1000)), 1000), ""
        for number, name in enumerate(names):
            if number == limit:
                token = names[number - 1]
                break
            rest = name.removeprefix(prefix)
            if delimiter and delimiter in rest:
                prefixes.add(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                items.append(self.buckets[request.names["bucket"]][name].resource())
        answer: dict[str, Any] = {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}
        return {**answer, "nextPageToken": token} if token else answer

    def _objects_delete(self, request: Request) -> Any:
        self._found(request, request.names["bucket"], request.names["object"])
        del self.buckets[request.names["bucket"]][request.names["object"]]
        return web.Response(status=204)

    def _objects_compose(self, request: Request) -> Any:
        bucket, body = request.names["destinationBucket"], request.body
        parts = [self._found(request, bucket, one["name"]).data for one in body["sourceObjects"]]
        resource = {**body.get("destination", {}), "name": request.names["destinationObject"]}
        return self._put(bucket, resource, b"".join(parts), request.query).resource()

    def _objects_rewrite(self, request: Request) -> Any:
        names = request.names
        found = self._found(request, names["sourceBucket"], names["sourceObject"])
        resource = {**found.given, **(request.body or {}), "name": names["destinationObject"]}
        made = self._put(names["destinationBucket"], resource, found.data, request.query)
        size = str(len(found.data))
        return {"done": True, "objectSize": size, "totalBytesRewritten": size, "resource": made.resource()}

    def _objects_insert(self, request: Request) -> Any:
        bucket, kind = request.names["bucket"], request.query.get("uploadType")
        if "upload_id" in request.query:
            return self._go_on(request, request.query["upload_id"])
        self._bucket(bucket)
        if kind == "resumable":
            token = uuid4().hex
            resource = _checked(request.body)
            self.uploads[token] = _Upload(bucket, resource, request.query)
            host = _header(request, "Host")
            place = f"http://{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={token}"
            return web.Response(headers={"Location": place})
        if kind == "multipart":
            resource, data = _parts(_header(request, "Content-Type"), request.body)
            return self._put(bucket, _checked(resource), data, request.query).resource()
        if kind == "media":
            return self._put(bucket, {}, request.body, request.query).resource()
        raise Wrong(f"storage.objects.insert: uploadType {kind!r} is none")

    def _go_on(self, request: Request, token: str) -> Any:
        upload = self.uploads.get(token)
        if upload is None:
            raise ApiError(404, "there is no such upload")
        if not _header(request, "Content-Range"):  # the DELETE of an upload; the service answers 499
            del self.uploads[token]
            return web.Response(status=499)
        asked = re.fullmatch(r"bytes (\*|(\d+)-(\d+))/(\*|\d+)", _header(request, "Content-Range"))
        if not asked:
            raise Wrong(f"storage.objects.insert: Content-Range {_header(request, 'Content-Range')!r} is none")
        if asked[2] is not None:
            start, body = int(asked[2]), request.body or b""
            if start > len(upload.data):
                raise ApiError(400, "Invalid request: a part is missing before this one")
            if self.stop_after:
                upload.data[start:] = body[: self.stop_after.pop(0) // 262144 * 262144]
                raise ApiError(503, "the fake was told to cut this part")
            upload.data[start:] = body
        if asked[4] == "*" or int(asked[4]) != len(upload.data):
            headers = {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
            return web.Response(status=308, headers=headers)
        del self.uploads[token]
        return self._put(upload.bucket, upload.resource, bytes(upload.data), upload.query).resource()


def _header(request: Request, name: str) -> str:
    return next((value for key, value in request.headers.items() if key.lower() == name.lower()), "")


def _checked(resource: Any) -> dict[str, Any]:
    """An object's metadata. Raises Wrong for a field that the description does not have."""
    if isinstance(resource, bytes):
        resource = json.loads(resource or b"{}")
    for complaint in discovery("storage.v1").complaints({"$ref": "Object"}, resource, "storage.objects.insert"):
        raise Wrong(complaint)
    return dict(resource or {})


def _parts(kind: str, body: bytes) -> tuple[bytes, bytes]:
    """Metadata and media of a multipart/related body (RFC 2387); lone line feeds are taken, as the service does."""
    found = re.search(r"boundary=\"?([^\";]+)", kind)
    if not found or not kind.startswith("multipart/related"):
        raise Wrong(f"storage.objects.insert: Content-Type {kind!r} is no multipart/related with a boundary")
    mark = re.escape(b"--" + found[1].encode())
    line = rb"(?P<line>\r?\n)"  # as the first line ends, all do: media may end in either itself
    pattern = rb"(?s)%s%s.*?(?P=line){2}(.*?)(?P=line)%s(?P=line).*?(?P=line){2}(.*)(?P=line)%s--\s*"
    pattern %= (mark, line, mark, mark)
    parts = re.fullmatch(pattern, body)
    if not parts:
        raise Wrong("storage.objects.insert: the body is not metadata and media between the boundary that it names")
    return parts[2], parts[3]
