"""Vertex AI's metadata store as far as experiments need it: contexts that are read, made and given children.

It is mounted in front of the ``Vertex`` whose jobs get contexts. It does not imitate: that a job's context comes by
itself (a test says when, with ``begin``), artifacts, executions, schemas, lineage, more than ten parents, cycles, and
stores other than ``default``.
"""

from __future__ import annotations

import re
from typing import Any

from tests.contract.google.server import ApiError, Request
from tests.contract.google.vertex import Vertex

STORE = "projects/123456789/locations/europe-west4/metadataStores/default"
Document = dict[str, Any]


class Metadata:
    """The fake; ``contexts`` are by their id, ``children`` those that a context was given."""

    documents = ("aiplatform.v1",)

    def __init__(self, vertex: Vertex) -> None:
        self.vertex = vertex
        self.contexts: dict[str, Document] = {}
        self.children: dict[str, list[str]] = {}

    def begin(self, run: str) -> str:
        """Makes the context of a job, as Vertex AI does some time after the job; its name."""
        context = self._made(f"lifecycle-{run}", {"schemaTitle": "system.PipelineRun", "displayName": run})
        self.vertex.job(run).setdefault("jobDetail", {})["pipelineRunContext"] = context
        return str(context["name"])

    def answer(self, request: Request) -> Any:
        """What an operation gives. Raises ApiError."""
        kind, verb = request.operation.id.split(".")[-2:]
        if kind != "contexts":
            return self.vertex.answer(request)
        if verb == "create":
            return self._create(request.query.get("contextId", ""), request.body)
        name = request.names["contextsId"]
        if name not in self.contexts:
            raise ApiError(404, f"Context {name} not found.")
        if verb == "get":
            return self.contexts[name]
        if verb != "addContextChildren":
            raise ApiError(501, f"the fake of the metadata store does not have {request.operation.id}")
        kept = self.children.setdefault(name, [])
        for child in request.body["childContexts"]:
            if child.rpartition("/")[2] not in self.contexts:
                raise ApiError(404, f"Context {child} not found.")
            kept += [] if child in kept else [child]
        return {}

    def _create(self, name: str, body: Document) -> Document:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{3,127}", name):
            raise ApiError(400, f"The context id {name!r} is not valid.")
        if not body.get("schemaTitle") or not body.get("schemaVersion"):
            raise ApiError(400, "schema_title and schema_version are required.")
        if name in self.contexts:
            raise ApiError(409, f"Context {name} already exists.")
        return self._made(name, body)

    def _made(self, name: str, body: Document) -> Document:
        self.contexts[name] = {**body, "name": f"{STORE}/contexts/{name}"}
        return self.contexts[name]
