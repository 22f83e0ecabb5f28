"""Vertex AI Model Registry: ``vertex://PROJECT/REGION``, through Google's own client, over REST.

A version's labels are what the console searches by; they are shorter than a digest, so all of it is in the version's
description, a line each, and people may write beside it. With ``?image=NAME@sha256:…``, the container that is to serve,
a version names the model's folder for Vertex AI to deploy from; Google's client takes no folder without a container.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC
from functools import cached_property
from typing import Any

from components.core.errors import Conflict, Failed, InvalidInput, Unreachable
from components.core.google_clients import rest_options
from components.core.google_errors import Absent, Caller
from components.core.google_operations import LOOK_SECONDS, SECONDS, await_end, operations_of
from components.core.manifest import Manifest
from components.release.registries.registry import Evaluation, Version

ENDPOINT = "sluice-endpoint"
"""The label of a registered model, of its default version, that says which endpoint its versions are for."""
FIELDS = ("digest", "content_digest", "key", "base", "recipe_digest", "data_digest")
"""The fields of a version in its description, ``sluice.<field>: …`` each; the digests are labels too."""
LABEL_LENGTH = 63
DEFAULT = "default"
"""The alias that Vertex AI itself gives to one version of each model."""
FAKE = "VERTEX_EMULATOR_HOST"
"""The variable that names a fake's address; none but this machine's own is taken."""
PAGE = 100
CALL_SECONDS = 60.0
"""How long one call may take."""
_ADDRESS = re.compile(
    r"vertex://(?P<project>[a-z][a-z0-9-]{4,28}[a-z0-9])/(?P<region>[a-z]+-[a-z]+\d+)"
    r"(\?image=(?P<image>[^\s@&]+@sha256:[0-9a-f]{64}))?"
)
_LINE = re.compile(r"^sluice\.(\w+): (.+)$", re.MULTILINE)


class VertexRegistry:
    """The registry of one project and region. Nothing is opened before it is used."""

    def __init__(self, address: str) -> None:
        """Raises InvalidInput for an address that is none."""
        found = _ADDRESS.fullmatch(address)
        if not found:
            raise InvalidInput(
                f"registry {address!r}: is no place; write vertex://PROJECT/REGION, and ?image=NAME@sha256:<64 digits>"
                " behind it to name the container that serves"
            )
        self.address = address
        self.caller = Caller("Vertex AI Model Registry", found["project"], found["region"])
        self.seconds = CALL_SECONDS
        self._region, self._image = found["region"], found["image"] or ""
        self._parent = f"projects/{found['project']}/locations/{found['region']}"

    def register(self, name: str, endpoint: str, model: Manifest, source: str) -> Version:
        """The version of ``name`` that is this model by digest; a new one unless it is there already."""
        wanted = self._wanted(name, endpoint, model, source)
        asked = f"register {name}"

        def work() -> Version:
            found = self._of_digest(name, endpoint, model.digest)
            if not found and self._awaited(name):  # one whose answer was lost may be on its way still
                found = self._of_digest(name, endpoint, model.digest)
            if not found:
                self._upload(name, wanted)
                found = self._of_digest(name, endpoint, model.digest)
            if not found:
                raise Failed(f"registry {self.address}: {name}: was uploaded and is not listed; look in the console")
            # Of two who registered it at once the first one stays.
            first, *others = found
            for other in others:
                self._delete(other)
            return first

        return self.caller.again(asked, work)

    def versions(self, endpoint: str = "") -> Sequence[Version]:
        """All versions of the names that are for an endpoint (of all, where it is empty), the oldest first."""
        chosen = f'labels.{ENDPOINT}="{endpoint}"' if endpoint else f"labels.{ENDPOINT}:*"

        def work() -> list[Version]:
            request = {"parent": self._parent, "filter": chosen, "page_size": PAGE}
            models = [*self._client.list_models(request, timeout=self.seconds)]
            return [one for model in models for one in self._of_name(_id(model.name), dict(model.labels)[ENDPOINT])]

        found = self.caller.again("list the versions", work)
        return sorted(found, key=lambda version: (version.name, version.version))

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Lets an alias mean this version; Vertex AI takes it from any other one."""
        self.caller.again(f"set {name}@{alias}", lambda: self._merge(self._name(name, version), alias))

    def delete_alias(self, name: str, alias: str) -> None:
        """Removes an alias; one that is not there is no error."""

        def work() -> None:
            held = self._model(f"{name}@{alias}")
            if held is not None:
                self._merge(self._name(name, int(held.version_id)), f"-{alias}")

        with suppress(Absent):  # the version went meanwhile, and its aliases with it
            self.caller.again(f"remove {name}@{alias}", work)

    def evaluate(self, name: str, version: int, evaluation: Evaluation) -> None:
        """Imports what a gate found as an evaluation of the version, unless one of that evidence is there."""
        place, display = self._name(name, version), f"gate {evaluation.evidence}"
        made = {
            "display_name": display,
            "metrics": dict(evaluation.figures),
            "metadata": {"evidence": evaluation.evidence, "policy": evaluation.policy},
        }

        def work() -> None:
            there = self._client.list_model_evaluations({"parent": place, "page_size": PAGE}, timeout=self.seconds)
            if not any(one.display_name == display for one in there):
                request = {"parent": place, "model_evaluation": made}
                self._client.import_model_evaluation(request, timeout=self.seconds)

        self.caller.again(f"import the evaluation of {name}/{version}", work)

    def _of_digest(self, name: str, endpoint: str, digest: str) -> list[Version]:
        """The versions that are this model, the oldest first. Raises InvalidInput where the name is not ours."""
        model = self._model(name)
        if model is None:
            return []
        owner = dict(model.labels).get(ENDPOINT, "")
        if owner != endpoint:
            held = f"holds the models of the endpoint {owner}" if owner else "was not made by Sluice"
            raise InvalidInput(
                f"registry {self.address}: the registered model {name} {held}; set register.name to another name"
                + ("" if owner else f", or give its default version the label {ENDPOINT} = {endpoint} in the console")
            )
        found = [one for one in self._of_name(name, endpoint) if one.digest == digest]
        return sorted(found, key=lambda version: version.version)

    def _of_name(self, name: str, endpoint: str) -> list[Version]:
        request = {"name": self._name(name), "page_size": PAGE}
        found = self._client.list_model_versions(request, timeout=self.seconds)
        return [_version(one, name, endpoint) for one in found]

    def _model(self, name: str) -> Any:
        """A model by name, ``NAME@ALIAS`` too; None where there is none."""
        request = {"name": self._name(name)}
        try:
            return self.caller.call(f"read {name}", lambda: self._client.get_model(request, timeout=self.seconds))
        except Absent:
            return None

    def _wanted(self, name: str, endpoint: str, model: Manifest, source: str) -> dict[str, Any]:
        facts = model.model
        values = {
            **model.named.model_dump(),
            "base": facts.base if facts else "",
            "recipe_digest": facts.recipe_digest if facts else "",
            "data_digest": facts.data_digest if facts else "",
        }
        lines = {**{field: values[field] for field in FIELDS}, "source": source}
        labels = {
            f"sluice-{field.replace('_', '-')}": values[field][:LABEL_LENGTH] for field in FIELDS if _digest(field)
        }
        made: dict[str, Any] = {
            "display_name": name,
            "labels": {label: text for label, text in {ENDPOINT: endpoint, **labels}.items() if text},
            "version_description": "\n".join(f"sluice.{field}: {text}" for field, text in lines.items() if text),
        }
        if self._image:
            if not source.startswith("gs://"):
                raise InvalidInput(
                    f"registry {self.address}: Vertex AI deploys from gs:// alone, and the model lies at {source}; keep"
                    " the store on gs://, or name no image behind the registry's address"
                )
            made |= {"artifact_uri": source, "container_spec": {"image_uri": self._image}}
        return made

    def _upload(self, name: str, wanted: dict[str, Any]) -> None:
        place = {"model_id": name} if self._model(name) is None else {"parent_model": self._name(name)}
        request = {"parent": self._parent, "model": wanted, **place}

        def ask() -> None:
            self._done(self._client.upload_model(request, timeout=self.seconds))

        try:
            self.caller.call(f"upload a version of {name}", ask)
        except Conflict as error:  # somebody else makes the model at this moment
            raise Unreachable(str(error)) from error

    def _awaited(self, name: str) -> bool:
        """Waits until no upload of this name is under way; says whether one was."""
        for waited in range(int(SECONDS / LOOK_SECONDS)):
            if not self._under_way(name):
                return waited > 0
            self.caller.sleep(LOOK_SECONDS)
        raise Failed(f"registry {self.address}: {name}: an upload does not end; look at it in the console")

    def _under_way(self, name: str) -> bool:
        from google.protobuf.json_format import ParseError

        def ask() -> bool:
            found = self._operations.list_operations(self._name(name), "", retry=None, timeout=self.seconds)
            return any(not one.done and "UploadModel" in one.metadata.type_url for one in found)

        # What the console began is told in types of another version of the API, which this client cannot read.
        with suppress(Absent, ParseError):
            return self.caller.call(f"list the uploads of {name}", ask)
        return False

    def _delete(self, version: Version) -> None:
        request = {"name": self._name(version.name, version.version)}
        with suppress(Absent):
            self.caller.call(
                f"remove {version.word}, a double",
                lambda: self._done(self._client.delete_model_version(request, timeout=self.seconds)),
            )

    def _done(self, operation: Any) -> None:
        await_end(operation, self._operations, timeout=self.seconds, sleep=self.caller.sleep)

    def _merge(self, place: str, alias: str) -> None:
        self._client.merge_version_aliases({"name": place, "version_aliases": [alias]}, timeout=self.seconds)

    def _name(self, name: str, version: int = 0) -> str:
        return f"{self._parent}/models/{name}" + (f"@{version}" if version else "")

    @cached_property
    def _operations(self) -> Any:
        return operations_of(self._client)

    @cached_property
    def _client(self) -> Any:
        from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient

        return ModelServiceClient(**rest_options(FAKE, f"https://{self._region}-aiplatform.googleapis.com"))


def _digest(field: str) -> bool:
    return field.endswith("digest")


def _id(name: str) -> str:
    """The last part of a resource's name, without a version: a project is named by its number there."""
    return name.rpartition("/")[2].partition("@")[0]


def _version(one: Any, name: str, endpoint: str) -> Version:
    told = dict(_LINE.findall(one.version_description))
    return Version(
        name=name,
        version=int(one.version_id),
        endpoint=endpoint,
        source=one.artifact_uri or told.get("source", ""),
        registered=one.version_create_time.astimezone(UTC).isoformat(timespec="seconds"),
        aliases=tuple(sorted(alias for alias in one.version_aliases if alias != DEFAULT)),
        **{field: told.get(field, "") for field in FIELDS},
    )
