"""Vertex AI Model Registry: uploads, versions, aliases and evaluations, as far as Sluice uses them.

Names come back with the project's number; an upload is an operation, done at once unless ``slow`` says how often it is
looked at first. It does not imitate: that a container or a folder is looked at, deployments and what they keep from
being deleted, filters other than ours, rights on models, the schema that an evaluation's metrics may name, how long a
deleted name stays taken, and states of a model while its first version is on its way (it is not there until then).
That a folder wants a container is what Google's own client says, and no description of the service does.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.contract.google.server import ApiError, Request

NUMBER = "123456789"
TYPE = "type.googleapis.com/google.cloud.aiplatform.v1."
ALIAS = re.compile(r"-?[a-z][a-zA-Z0-9-]{0,126}[a-zA-Z0-9]")
Document = dict[str, Any]


@dataclass
class Upload:
    """An upload under way for so many looks at it, and the version that came of it."""

    name: str
    model: Document
    looks: int
    version: int = 0


class ModelRegistry:
    """The fake; mount it on a ``Server``. ``models`` are the versions by the model's id and their number."""

    documents = ("aiplatform.v1",)

    def __init__(self) -> None:
        self.models: dict[str, dict[int, Document]] = {}
        self.evaluations: dict[str, list[Document]] = {}
        self.slow = 0
        """How often the operations of the next uploads say that they are under way."""
        self.broken: Document = {}
        """What the operations of uploads end with instead (google.rpc.Status)."""
        self._last: dict[str, int] = {}
        self._uploads: dict[str, Upload] = {}
        self._made = 0

    def answer(self, request: Request) -> Any:
        """What an operation gives. Raises ApiError."""
        kind, verb = request.operation.id.split(".")[-2:]
        place, parent = unquote(request.path.removeprefix("/v1/")), request.names.get("modelsId", "")
        if kind == "operations":
            return self._listed_operations(parent) if verb == "list" else self._operation(place)
        if kind == "evaluations":
            return self._import(parent, request) if verb == "import" else self._listed_evaluations(parent, request)
        if verb in ("upload", "list"):
            return self._upload(place.removesuffix(":upload"), request) if verb == "upload" else self._list(request)
        made = {
            "get": self._get,
            "listVersions": self._list_versions,
            "mergeVersionAliases": self._merge,
            "deleteVersion": self._delete,
        }
        if verb not in made:
            raise ApiError(501, f"the fake of the Model Registry does not have {request.operation.id}")
        return made[verb](parent, request)

    def _upload(self, place: str, request: Request) -> Document:
        model, body = copy.deepcopy(request.body["model"]), request.body
        _check(model)
        name = body.get("parentModel", "").rpartition("/")[2] or body.get("modelId", "")
        if body.get("parentModel"):
            self._versions(name)
        elif not re.fullmatch(r"[a-z_][a-z0-9_-]{0,62}", name):
            raise ApiError(400, f"The model id {name!r} is not valid.")
        elif name in self.models or self._busy(name):
            raise ApiError(409, f"Model {name} already exists.")
        self._made += 1
        operation = f"{_numbered(place.removesuffix('/models'))}/models/{name}/operations/{self._made}"
        self._uploads[operation] = Upload(name, model, looks=self.slow)
        return self._shown_operation(operation)

    def _operation(self, place: str) -> Document:
        if place not in self._uploads:
            raise ApiError(404, f"Operation {place} not found.")
        self._uploads[place].looks -= 1
        return self._shown_operation(place)

    def _shown_operation(self, place: str) -> Document:
        upload = self._uploads[place]
        metadata = {"@type": f"{TYPE}UploadModelOperationMetadata", "genericMetadata": {"createTime": self._moment()}}
        if upload.looks > 0:
            return {"name": place, "metadata": metadata}
        if self.broken:
            return {"name": place, "metadata": metadata, "done": True, "error": self.broken}
        if not upload.version:
            upload.version = self._commit(upload.name, upload.model)
        model = place.rpartition("/operations/")[0]
        response = {"@type": f"{TYPE}UploadModelResponse", "model": model, "modelVersionId": str(upload.version)}
        return {"name": place, "metadata": metadata, "done": True, "response": response}

    def _listed_operations(self, name: str) -> Document:
        return {"operations": [self._operation(place) for place, one in self._uploads.items() if one.name == name]}

    def _busy(self, name: str) -> bool:
        return any(one.name == name and not one.version for one in self._uploads.values())

    def _commit(self, name: str, model: Document) -> int:
        number = self._last[name] = self._last.get(name, 0) + 1
        first = not self.models.get(name)
        self.models.setdefault(name, {})[number] = {
            **model,
            "versionId": str(number),
            "versionAliases": [*model.get("versionAliases", ()), *(["default"] if first else [])],
            "versionCreateTime": self._moment(),
        }
        return number

    def _get(self, name: str, request: Request) -> Document:
        return self._shown(*self._found(name), request)

    def _list(self, request: Request) -> Document:
        found = re.fullmatch(r'labels\.([\w-]+)(:\*|="([\w-]*)")', request.query.get("filter", ""))
        if not found:
            raise ApiError(400, f"the fake does not know the filter {request.query.get('filter')}")
        label, _, value = found.groups()
        chosen = []
        for name in self.models:
            held = self._found(name)[2].get("labels", {}).get(label)
            if held is not None and value in (None, held):
                chosen.append(self._shown(*self._found(name), request))
        return _page(chosen, "models", request)

    def _list_versions(self, name: str, request: Request) -> Document:
        shown = [self._shown(name, number, one, request) for number, one in self._versions(name).items()]
        return _page([{**one, "name": f"{one['name']}@{one['versionId']}"} for one in shown], "models", request)

    def _merge(self, name: str, request: Request) -> Document:
        name, number, version = self._found(name, exact=True)
        for alias in request.body["versionAliases"]:
            if not ALIAS.fullmatch(alias):
                raise ApiError(400, f"Version alias {alias!r} is not valid.")
            if alias == "-default":
                raise ApiError(400, "A model must have exactly one default version.")
            for number_of, other in self.models[name].items():
                if number_of == number or not alias.startswith("-"):
                    other["versionAliases"] = [one for one in other["versionAliases"] if one != alias.lstrip("-")]
            if not alias.startswith("-"):
                version["versionAliases"].append(alias)
        return self._shown(name, number, version, request)

    def _delete(self, name: str, request: Request) -> Document:
        name, number, version = self._found(name, exact=True)
        if "default" in version["versionAliases"]:
            raise ApiError(400, f"Version {number} of {name} is its default and cannot be deleted.")
        del self.models[name][number]
        return {
            "name": f"{_numbered(unquote(request.path).removeprefix('/v1/').partition('@')[0])}/operations/1",
            "metadata": {"@type": f"{TYPE}DeleteOperationMetadata"},
            "done": True,
            "response": {"@type": "type.googleapis.com/google.protobuf.Empty"},
        }

    def _import(self, name: str, request: Request) -> Document:
        name, number, _ = self._found(name)
        kept = self.evaluations.setdefault(f"{name}@{number}", [])
        place = _numbered(unquote(request.path).removeprefix("/v1/").removesuffix(":import"))
        kept.append({**request.body["modelEvaluation"], "name": f"{place}/{len(kept) + 1}"})
        return kept[-1]

    def _listed_evaluations(self, name: str, request: Request) -> Document:
        name, number, _ = self._found(name)
        return _page(self.evaluations.get(f"{name}@{number}", []), "modelEvaluations", request)

    def _versions(self, name: str) -> dict[int, Document]:
        if not self.models.get(name):
            raise ApiError(404, f"The Model {name} does not exist.")
        return self.models[name]

    def _found(self, asked: str, *, exact: bool = False) -> tuple[str, int, Document]:
        """The version that ``NAME``, ``NAME@ALIAS`` or ``NAME@NUMBER`` means."""
        name, _, which = asked.partition("@")
        versions = self._versions(name)
        if exact and not which.isdigit():
            raise ApiError(400, f"{asked}: a version id must be included.")
        for number, version in versions.items():
            if which == str(number) or (not which.isdigit() and (which or "default") in version["versionAliases"]):
                return name, number, version
        raise ApiError(404, f"The Model {asked} does not exist.")

    def _shown(self, name: str, number: int, version: Document, request: Request) -> Document:
        parent = _numbered(request.path.removeprefix("/v1/").partition("/models")[0])
        return {**version, "name": f"{parent}/models/{name}", "createTime": version["versionCreateTime"]}

    def _moment(self) -> str:
        self._made += 1
        return f"2026-01-31T09:00:{self._made // 1000000:02d}.{self._made % 1000000:06d}Z"


def _check(model: Document) -> None:
    if not model.get("displayName"):
        raise ApiError(400, "display_name is required.")
    for name, value in model.get("labels", {}).items():
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", name) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
            raise ApiError(400, f"The label {name}={value} is not valid.")
    folder, image = model.get("artifactUri", ""), model.get("containerSpec", {}).get("imageUri")
    if folder and (not image or not folder.startswith("gs://")):
        raise ApiError(400, "artifact_uri must be on gs:// and needs a container_spec.")


def _numbered(place: str) -> str:
    return re.sub(r"^projects/[^/]+", f"projects/{NUMBER}", place)


def _page(found: list[Document], field: str, request: Request) -> Document:
    size, start = int(request.query.get("pageSize", 0)) or 50, int(request.query.get("pageToken", 0) or 0)
    more = {"nextPageToken": str(start + size)} if len(found) > start + size else {}
    return {field: found[start : start + size], **more}
