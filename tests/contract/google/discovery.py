"""Google's own descriptions of its services: every request to a fake is held against them.

The documents (Discovery format, v1) come with the ``google-api-python-client`` wheel. A path, method, parameter or
field that they do not have is a ``Wrong`` request: a fake that takes what the real service refuses proves nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from tests.contract.loopback import Wrong

Document = dict[str, Any]
SYSTEM = {"$alt", "alt", "fields", "key", "prettyPrint", "quotaUser", "userProject", "uploadType", "upload_id"}
"""Parameters that every method takes (https://cloud.google.com/apis/docs/system-parameters)."""
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}
_AS_TEXT = ("int64", "uint64")


@dataclass(frozen=True)
class Operation:
    """A method of a service, and what a request filled into its path."""

    id: str
    """Such as ``aiplatform.projects.locations.pipelineJobs.create``."""
    path: dict[str, str]
    about: Document


class Discovery:
    """One service's description."""

    def __init__(self, name: str) -> None:
        """``name`` is a document's, such as ``aiplatform.v1``. Raises FileNotFoundError."""
        source = files("googleapiclient") / "discovery_cache" / "documents" / f"{name}.json"
        document: Document = json.loads(source.read_text())
        self.name, self.schemas = name, document["schemas"]
        self._common = set(document.get("parameters", {})) | SYSTEM
        self._methods = [
            (about["httpMethod"], _pattern(path), about)
            for about in _methods(document)
            for path in (document["servicePath"] + about.get("flatPath", about["path"]), *_media(document, about))
        ]
        # A resumable upload goes on at the address that its first request was answered with: PUT a part, DELETE all.
        self._methods += [
            (verb, _pattern(path), {**about, "parameters": {**about["parameters"], "upload_id": {}}})
            for about in _methods(document)
            for path in _media(document, about)
            if "resumable" in about.get("mediaUpload", {}).get("protocols", {})
            for verb in ("PUT", "DELETE")
        ]

    def operation(self, method: str, path: str, query: Mapping[str, str]) -> Operation:
        """What a request asks for. Raises Wrong for what the service does not have."""
        for verb, pattern, about in self._methods:
            found = pattern.fullmatch(path)
            if found and verb == method:
                unknown = set(query) - set(about.get("parameters", {})) - self._common
                if unknown:
                    raise Wrong(f"{about['id']}: there is no parameter {', '.join(sorted(unknown))}")
                return Operation(about["id"], found.groupdict(), about)
        raise Wrong(f"{self.name} has no {method} {path}")

    def check(self, operation: Operation, body: Any, query: Mapping[str, str]) -> None:
        """Holds a request's body against its schema. Raises Wrong with the place of the fault."""
        request = operation.about.get("request")
        if request is None:
            if body not in (None, {}):
                raise Wrong(f"{operation.id}: takes no body")
            return
        numbers = "enum-encoding=int" in query.get("$alt", "")
        for complaint in self.complaints({"$ref": request["$ref"]}, body, operation.id, numbers=numbers):
            raise Wrong(complaint)

    def complaints(self, schema: Document, value: Any, at: str, *, numbers: bool = False) -> Iterator[str]:
        """What of a value does not fit a schema; ``numbers`` allows an enum's numbers in the place of its names."""
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"]]
        kind = schema.get("type", "any")
        if kind == "any" or value is None:
            return
        if not _is(kind, value, schema, numbers=numbers):
            yield f"{at}: {str(value)[:60]!r} is no {schema.get('format', kind)}"
        elif kind == "object":
            fields, others = schema.get("properties", {}), schema.get("additionalProperties")
            for name, inner in value.items():
                if name in fields:
                    yield from self.complaints(fields[name], inner, f"{at}.{name}", numbers=numbers)
                elif others is not None:
                    yield from self.complaints(others, inner, f"{at}.{name}", numbers=numbers)
                else:
                    yield f"{at}: there is no field {name}"
        elif kind == "array":
            for number, inner in enumerate(value):
                yield from self.complaints(schema["items"], inner, f"{at}[{number}]", numbers=numbers)
        elif "enum" in schema and isinstance(value, str) and value not in schema["enum"]:
            yield f"{at}: {value!r} is none of {', '.join(schema['enum'])}"


@lru_cache
def discovery(name: str) -> Discovery:
    """A service's description, read once."""
    return Discovery(name)


def _is(kind: str, value: Any, schema: Document, *, numbers: bool) -> bool:
    if kind == "string" and "enum" in schema and numbers and type(value) is int:
        return 0 <= value < len(schema["enum"])
    if kind == "string" and schema.get("format") in _AS_TEXT:  # JSON has no whole numbers of that size
        return type(value) is int or (isinstance(value, str) and re.fullmatch(r"-?\d+", value) is not None)
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _methods(node: Document) -> Iterator[Document]:
    yield from node.get("methods", {}).values()
    for inner in node.get("resources", {}).values():
        yield from _methods(inner)


def _media(document: Document, about: Document) -> Iterator[str]:
    """Where a method takes or gives media; from the server's root, and not from the service's path."""
    for protocol in about.get("mediaUpload", {}).get("protocols", {}).values():
        yield protocol["path"]
    if about.get("useMediaDownloadService"):
        yield f"download/{document['servicePath']}{about.get('flatPath', about['path'])}"


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{\+?(\w+)\}", "/" + path.lstrip("/"))
    made = "".join(f"(?P<{part}>[^/:]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
    return re.compile(made)
