"""MLflow's model registry: a server by address, or an SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from components.core import mlflow_access
from components.core.canonical import canonical_json
from components.core.errors import Failed, InvalidInput
from components.core.manifest import Manifest
from components.core.mlflow_identity import NoIdentity
from components.release.registries.registry import Evaluation, Version

ENDPOINT = "sluice.endpoint"
"""The tag of a registered model that says which endpoint its versions are for."""
TAGS = ("digest", "content_digest", "key", "base", "recipe_digest", "data_digest")
"""The fields of a version that MLflow keeps as tags, ``sluice.<field>`` each."""
EVALUATION = "sluice.evaluation"
"""The tag of a version that holds what a gate found about it, in JSON."""
PAGE = 200


class MlflowRegistry:
    """The registry at ``address``. Nothing is opened before it is used."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._opened: Any = None

    def register(self, name: str, endpoint: str, model: Manifest, source: str) -> Version:
        """The version of ``name`` that is this model by digest; a new one unless it is there already."""
        with self._used() as client:
            self._claim(client, name, endpoint)
            found = self._of_digest(client, name, model.digest)
            if not found:
                tags = _tags(model)
                client.create_model_version(name, self._source(source), tags=tags, await_creation_for=0)
                found = self._of_digest(client, name, model.digest)
            # Of two who registered it at once, or once and once more after a lost answer, the first one stays.
            first, *others = sorted(found, key=lambda version: int(version.version))
            for other in others:
                _delete(client, name, other.version)
            return _version(first, endpoint, client.get_registered_model(name).aliases)

    def versions(self, endpoint: str = "") -> Sequence[Version]:
        """All versions of the names that are for an endpoint (of all, where it is empty), the oldest first."""
        file = mlflow_access.file_of(self.address)
        if file is not None and not file.exists():
            return []
        with self._used() as client:
            models = _pages(lambda token: client.search_registered_models(
                f"tags.`{ENDPOINT}` LIKE '%'", max_results=PAGE, page_token=token
            ))  # fmt: skip
            found = [
                _version(version, model.tags[ENDPOINT], model.aliases)
                for model in models
                if endpoint in ("", model.tags[ENDPOINT])
                for version in self._of_name(client, model.name)
            ]
        return sorted(found, key=lambda version: (version.name, version.version))

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Lets an alias mean this version, and no other one."""
        with self._used() as client:
            client.set_registered_model_alias(name, alias, str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Removes an alias; one that is not there is no error."""
        with self._used() as client, _allowing("RESOURCE_DOES_NOT_EXIST"), _allowing("INVALID_PARAMETER_VALUE"):
            client.delete_registered_model_alias(name, alias)

    def evaluate(self, name: str, version: int, evaluation: Evaluation) -> None:
        """Puts what a gate found beside a version; the newest evidence replaces what an older one said."""
        with self._used() as client:
            client.set_model_version_tag(name, str(version), EVALUATION, canonical_json(evaluation.model_dump()))

    def _claim(self, client: Any, name: str, endpoint: str) -> None:
        """Makes the registered model, or sees that it is this endpoint's: its aliases can only tell of one."""
        with _allowing("RESOURCE_ALREADY_EXISTS"):
            client.create_registered_model(name, tags={ENDPOINT: endpoint})
        owner = client.get_registered_model(name).tags.get(ENDPOINT, "")
        if owner != endpoint:
            held = f"holds the models of the endpoint {owner}" if owner else "was not made by Sluice"
            raise InvalidInput(
                f"registry {self.address}: the registered model {name} {held}; set register.name to another name"
                + ("" if owner else f", or give it the tag {ENDPOINT} = {endpoint} in MLflow")
            )

    def _of_name(self, client: Any, name: str) -> list[Any]:
        wanted = f"name = '{name}'"
        return _pages(lambda token: client.search_model_versions(wanted, max_results=PAGE, page_token=token))

    def _of_digest(self, client: Any, name: str, digest: str) -> list[Any]:
        return [version for version in self._of_name(client, name) if version.tags.get("sluice.digest") == digest]

    def _source(self, source: str) -> str:
        """A server refuses paths: they would be its own. The key of the model is in its tags."""
        if "://" in source or mlflow_access.file_of(self.address):
            return source
        return f"sluice-store://{source}"

    @contextmanager
    def _used(self) -> Iterator[Any]:
        """The client, alone where the registry is a file; what MLflow raises becomes a sentence."""
        try:
            with mlflow_access.alone(self.address):
                self._opened = self._opened or mlflow_access.open_client(self.address)
                yield self._opened
        except mlflow_access.failures() as error:
            raise Failed(f"registry {self.address}: {_reason(error)}") from error


def _pages(search: Callable[[Any], Any]) -> list[Any]:
    page = search(None)
    found = list(page)
    while page.token:
        page = search(page.token)
        found += page
    return found


def _delete(client: Any, name: str, version: str) -> None:
    with _allowing("RESOURCE_DOES_NOT_EXIST"):
        client.delete_model_version(name, version)


@contextmanager
def _allowing(code: str) -> Iterator[None]:
    """Somebody else may have done it first."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != code:
            raise


def _tags(model: Manifest) -> dict[str, str]:
    facts = model.model
    values = {
        **model.named.model_dump(),
        "base": facts.base if facts else "",
        "recipe_digest": facts.recipe_digest if facts else "",
        "data_digest": facts.data_digest if facts else "",
    }
    return {f"sluice.{field}": values[field] for field in TAGS}


def _version(found: Any, endpoint: str, aliases: dict[str, Any]) -> Version:
    number = int(found.version)
    moment = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    return Version(
        name=found.name,
        version=number,
        endpoint=endpoint,
        source=found.source or "",
        registered=moment.isoformat(timespec="seconds"),
        aliases=tuple(sorted(alias for alias, at in aliases.items() if int(at) == number)),
        **{field: found.tags.get(f"sluice.{field}", "") for field in TAGS},
    )


def _reason(error: Exception) -> str:
    """The first line of what MLflow says, without the address of each of its requests."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, NoIdentity):
        return text
    if "failed with exception" in text:
        return "does not answer; start it, or name another as `registry` in the environment file"
    if "valid JSON" in text:
        return "answers, but is no MLflow server; name the right one as `registry` in the environment file"
    return f"{text[:300]}; look at it with MLflow's own tools"
