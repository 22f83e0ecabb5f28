"""An environment: one YAML file that says where, never how."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from components.core.canonical import canonical_json, sha256
from components.core.errors import InvalidInput
from components.core.signers import GOOGLE, key_version
from components.serve.settings import Serving
from pipelines import credentials, located_yaml

VERSION = 1
STORES = ("gs://", "s3://", "memory://")
KEYS = ("file2:", "gcpkms:", "awskms:", "azurekms:")
PROJECT = Path("environments")
SHIPPED = Path(__file__).parent / "environments"


def _pinned(reference: str) -> str:
    if not re.fullmatch(r"[^@\s]+@sha256:[0-9a-f]{64}", reference):
        raise ValueError(f"{reference!r} is not pinned; write registry/name@sha256:<64 digits>, a tag can move")
    return reference


def _secret(reference: str) -> str:
    if not re.fullmatch(r"secret://[A-Za-z0-9][\w./-]*|env://[A-Z_][A-Z0-9_]*", reference):
        raise ValueError("a secret is named, never written; use secret://NAME, or env://VARIABLE on this machine")
    return reference


def _key(address: str) -> str:
    if not address.startswith(KEYS):
        raise ValueError(f"a key is named, never written; use one of {', '.join(KEYS)} and its place")
    if address.startswith(GOOGLE):
        key_version(address)
    return address


def _address(store: str) -> str:
    if not store.strip() or "{{" in store or ("://" in store and not store.startswith(STORES)):
        raise ValueError(f"{store!r} is no place for a store; use a folder, gs://… or s3://…")
    return store


Label = Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,63}$")]
Image = Annotated[str, AfterValidator(_pinned)]
Graph = Literal["lifecycle", "release", "monitoring"]
KeyAddress = Annotated[str, AfterValidator(_key)]
GoogleAccount = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
KubernetesAccount = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
SecretReference = Annotated[str, AfterValidator(_secret)]


class EnvironmentBase(BaseModel):
    """What every environment has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, description="Version of the environment's format.")
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    store: Annotated[str, AfterValidator(_address)] = Field(
        description="Where artifacts lie: a folder, gs://… or s3://…."
    )
    tracking: str = Field(default="", description="MLflow tracking address; empty for none.")
    endpoints: str = Field(
        default="",
        description="Where the records of what should serve lie: sqlite:///PATH, gs://BUCKET/PREFIX or"
        " postgresql://USER@HOST:PORT/DATABASE, without a password.",
    )
    requests: str = Field(default="", description="Where the request log lies: a folder, gs://… or s3://….")
    webhook: SecretReference | None = Field(
        default=None,
        description="Secret whose value is the address that notifications go to, in Slack's shape.",
    )
    registry: str = Field(
        default="",
        description="Model registry: an MLflow server's address, sqlite:///PATH, or vertex://PROJECT/REGION, with"
        " ?image=NAME@sha256:… behind it for the container that serves; empty for none.",
    )
    trust: str = Field(
        default="", description="File of the trust roots, apart from the store: whose key may sign what."
    )
    keys: dict[str, KeyAddress] = Field(
        default={}, description="Who signs here, and with which key: file2:PATH, gcpkms:…, awskms:… or azurekms:…."
    )
    secrets: dict[str, SecretReference] = Field(
        default={}, description="What a recipe's secret://NAME is here: secret://… or env://VARIABLE."
    )
    image_code: dict[str, str] = Field(
        default={},
        description="Digests of the code in each image and of all that it was built from, as the images lock says; not"
        " written by hand.",
    )

    @field_validator("version")
    @classmethod
    def _is_known(cls, version: int) -> int:
        return located_yaml.known_version(version, VERSION)

    @property
    def digest(self) -> str:
        """SHA-256 of all that the environment says."""
        return sha256(canonical_json(self.model_dump(mode="json")))


class LocalEnvironment(EnvironmentBase):
    """This machine: `kfp.local`, no container, no network."""

    backend: Literal["local"]
    images: dict[str, Image] = Field(
        default={},
        description="Logical image to its id here, or the path of the images lock: steps run in containers, without a"
        " network; empty for processes of this machine.",
    )
    runs: str = Field(default="./runs", description="Folder of the runs' records and pages.")
    state: str = Field(default="./.sluice", description="Folder of what KFP keeps between runs: the cache.")
    serving: Serving = Field(default=Serving(), description="How `sluice serve` serves here.")


class Toleration(BaseModel):
    """A taint of a node that a step puts up with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    operator: Literal["Equal", "Exists"] = "Exists"
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class CloudEnvironment(EnvironmentBase, ABC):
    """What Kubeflow and Vertex AI share."""

    example: bool = Field(default=False, description="Made-up digests: compiles, and is only sent to loopback.")
    runs: str = Field(default="./runs", description="Folder here that mirrors the runs' records and pages.")
    labels: dict[str, Label] = Field(default={}, description="Labels of every run, such as `team`, to charge it by.")
    images: dict[str, Image] = Field(
        description="Logical image to registry and digest; or the path of the images lock, which is read in its place."
    )
    dispatcher: bool = Field(
        default=False,
        description="Whether `sluice dispatch` is always at work here: commands leave to it what runs and people ask"
        " for; where it is not, the command that follows starts that.",
    )
    service_account: str = Field(description="Account that the steps run as.")
    accounts: dict[Graph, str] = Field(
        default={},
        description="Account of a graph that does not run as `service_account`: what trains need not be what signs.",
    )
    prices: str = Field(
        default="",
        description="File of prices that a run's cost is estimated by; empty for Google's list prices on Vertex AI, and"
        " no estimate on Kubeflow.",
    )

    @property
    def digest(self) -> str:
        """SHA-256 of all that the environment says, but for where runs are mirrored, prices, and who starts them."""
        return sha256(canonical_json(self.model_dump(mode="json", exclude={"runs", "prices", "dispatcher"})))

    def account_of(self, graph: str) -> str:
        """The account that a graph's steps run as."""
        return next((account for name, account in self.accounts.items() if name == graph), self.service_account)

    def named_accounts(self) -> dict[str, str]:
        """Every account that steps run as, behind a word for what runs as it."""
        return {"account": self.service_account} | {
            f"account of {graph}": account for graph, account in self.accounts.items()
        }

    @abstractmethod
    def address(self) -> str:
        """Where a graph would be submitted."""

    @model_validator(mode="after")
    def _examples_stay_here(self) -> CloudEnvironment:
        if self.example and not is_loopback(self.address()):
            raise ValueError(
                f"{self.address()} is not a loopback address, and an example's image digests are made up;"
                " build images and name them, then remove `example`"
            )
        return self


class KubeflowEnvironment(CloudEnvironment):
    """A Kubeflow Pipelines 2.x server."""

    backend: Literal["kubeflow"]
    host: str = Field(description="Address of the KFP API.")
    token: SecretReference | None = Field(default=None, description="Token for the server, where it wants one.")
    namespace: str = "kubeflow"
    service_account: KubernetesAccount = Field(description="Kubernetes service account of the steps.")
    accounts: dict[Graph, KubernetesAccount] = Field(
        default={},
        description="Account of a graph that does not run as `service_account`: what trains need not be what signs.",
    )
    image_pull_secrets: tuple[str, ...] = ()
    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    spot_node_selector: dict[str, str] = Field(default={}, description="Where steps go that may be taken away.")

    def address(self) -> str:
        """The KFP API."""
        return self.host


class VertexEnvironment(CloudEnvironment):
    """Vertex AI Pipelines in one project and region."""

    backend: Literal["vertex"]
    project: str = Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$", description="Google Cloud project id.")
    region: str = Field(pattern=r"^[a-z]+-[a-z]+\d+$", description="Such as europe-west4.")
    service_account: GoogleAccount = Field(description="Account that the steps run as.")
    accounts: dict[Graph, GoogleAccount] = Field(
        default={},
        description="Account of a graph that does not run as `service_account`: what trains need not be what signs.",
    )
    pipeline_root: str = Field(pattern=r"^gs://", description="Where Vertex keeps what passes between steps.")
    api_endpoint: str = Field(default="", description="Another address of the API; empty for the region's own.")
    network: str = ""
    encryption_key: str = ""
    experiment: str = Field(
        default="",
        pattern=r"^$|^[a-z0-9][a-z0-9-]{3,127}$",
        description="Vertex AI experiment that lists the runs; empty for none.",
    )

    def address(self) -> str:
        """The Vertex AI API."""
        return self.api_endpoint or f"https://{self.region}-aiplatform.googleapis.com"


Environment = LocalEnvironment | KubeflowEnvironment | VertexEnvironment
MODELS: dict[str, type[Environment]] = {
    "local": LocalEnvironment,
    "kubeflow": KubeflowEnvironment,
    "vertex": VertexEnvironment,
}
_ADAPTER: TypeAdapter[Environment] = TypeAdapter(Annotated[Environment, Field(discriminator="backend")])


def is_loopback(address: str) -> bool:
    """Whether an address reaches this machine only."""
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def load_environment(name: str) -> Environment:
    """The environment of that name: a path, a file in ``environments/`` here, or one that is shipped.

    Raises InvalidInput with all that is wrong, a line each.
    """
    located = located_yaml.load(_find(name))
    backend = located.value.get("backend")
    if isinstance(lock := located.value.get("images"), str):
        _read_lock(located.value, Path(lock), pushed=backend != "local")
    if not isinstance(backend, str) or backend not in MODELS:
        raise InvalidInput(
            f"{located.place(('backend',))}: backend: {backend!r} is none; "
            + located_yaml.nearest(str(backend), MODELS)
        )
    return located_yaml.validate(MODELS[backend], located, credentials.complaints(located))


def has_dispatcher(environment: Environment) -> bool:
    """Whether a dispatcher starts there what is asked for, and no command does."""
    return not isinstance(environment, LocalEnvironment) and environment.dispatcher


def is_known(name: str) -> bool:
    """Whether ``load_environment`` finds the environment that calls itself so by that name."""
    try:
        return load_environment(name).name == name
    except InvalidInput:
        return False


def _read_lock(document: dict[str, Any], path: Path, *, pushed: bool) -> None:
    """Puts what an images lock says in the place of its path: what is kept of an environment needs no file."""
    from pipelines.images.lock import ImagesLock

    lock = ImagesLock.load(path)
    ships = document.get("backend") == "vertex"
    references = lock.shipped(path) if ships else lock.references(path, pushed=pushed)
    document |= {"images": references, "image_code": lock.code}


def environment_from(document: dict[str, Any]) -> Environment:
    """An environment as a run's folder keeps it."""
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        raise InvalidInput(f"the run's environment cannot be read: {error}; start a new run") from error


def as_document(environment: Environment) -> dict[str, Any]:
    """The environment as plain data that ``environment_from`` reads back."""
    document: dict[str, Any] = json.loads(environment.model_dump_json())
    return document


def shipped() -> list[str]:
    """The names of the environments that come with Sluice."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def known() -> list[str]:
    """The names by which ``load_environment`` finds one: of those that are shipped, and of this project's own."""
    return sorted({*shipped(), *(path.stem for path in PROJECT.glob("*.yaml"))})


def _find(name: str) -> Path:
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return Path(name)
    for folder in (PROJECT, SHIPPED):
        if (folder / f"{name}.yaml").exists():
            return folder / f"{name}.yaml"
    raise InvalidInput(f"--env {name}: there is no such environment; " + located_yaml.nearest(name, known()))
