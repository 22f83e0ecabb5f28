"""Where an environment keeps things: store, request log, endpoints, trust roots and keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from components.core.errors import Failed, InvalidInput, SluiceError
from components.core.signers import GOOGLE
from components.core.signing import key_file, sign_payload, vault_key, verify_payload
from components.core.store import Store
from components.core.trust import SERVICES, TrustRoots, read_trust
from pipelines.doctor.check import Check, NotChecked, is_forbidden
from pipelines.environment import Environment, KubeflowEnvironment, LocalEnvironment, VertexEnvironment
from pipelines.lint import unseen_key
from pipelines.typed import typed

PAYLOAD_TYPE = "application/vnd.sluice.doctor"
"""Of what a key signs to show that it can: nothing takes it for a decision."""
ELSEWHERE = "is a place of the machines that steps run on"


def checks(environment: Environment) -> Iterator[Check]:
    """All that is looked at for an environment."""
    yield Check("store", partial(_store, environment))
    if environment.requests:
        yield Check("request log", partial(_requests, environment))
    yield Check("endpoints", partial(_endpoints, environment))
    yield Check("trust roots", partial(_trust, environment))
    for name, address in environment.keys.items():
        yield Check(f"key {name}", partial(_key, environment, name, address))


def buckets(environment: Environment, scheme: str) -> dict[str, str]:
    """The buckets that the environment names, each with the fields that do."""
    found: dict[str, list[str]] = {}
    for name in ("store", "pipeline_root", "requests", "endpoints", "trust"):
        address = getattr(environment, name, "")
        if address.startswith(scheme):
            found.setdefault(address.removeprefix(scheme).partition("/")[0], []).append(name)
    return {bucket: ", ".join(names) for bucket, names in found.items()}


def _store(environment: Environment) -> str:
    """A probe is created once and not twice, read, and removed; who may only read looks whether that can be done."""
    if not isinstance(environment, LocalEnvironment) and "://" not in environment.store:
        raise InvalidInput(
            f"{environment.store} is a folder of this machine, which no step on {environment.backend} sees; name"
            " gs://… or s3://… in the environment file"
        )
    store, key = Store(environment.store), f"doctor-{uuid4().hex}"
    try:
        once = store.create(key, b"probe")
    except Failed as error:
        if is_forbidden(error):
            store.list("doctor")
            raise NotChecked(
                f"{store.uri} can be read, and who asks may not write there; that suits one who only looks: see that"
                " steps and whoever submits may, with roles/storage.objectCreator"
            ) from error
        raise
    try:
        twice = store.create(key, b"another")
        read = store.read(key)
    finally:
        store.remove(key)
    if not once or twice or read != b"probe":
        raise Failed(
            f"store {store.uri}: does not keep `create if absent`, so two runs could claim the same; use a store that"
            " does: a folder, gs://… or s3://…"
        )
    return f"{store.uri}: written once, read and removed"


def _requests(environment: Environment) -> str:
    address = environment.requests
    if "://" not in address and not isinstance(environment, LocalEnvironment):
        raise NotChecked(f"{address} {ELSEWHERE}; look at it there")
    with _if_permitted(
        f"{address} holds what users wrote; see that what learns from it may read it, as the steps' account"
    ):
        Store(address).list("doctor")  # nothing lies there; a bucket that is not there is told
    return f"{address} can be listed"


def _endpoints(environment: Environment) -> str:
    from components.core.endpoint import open_endpoints

    address = environment.endpoints
    if not address:
        raise NotChecked("the environment names no place for them; add `endpoints` before anything is to serve")
    if address.startswith("sqlite:") and not isinstance(environment, LocalEnvironment):
        raise NotChecked(f"{address} {ELSEWHERE}; see that it is mounted there, or name gs://… or postgresql://…")
    return f"{address}: {len(open_endpoints(address).names())} endpoints"


def _trust(environment: Environment) -> str:
    found = _roots(environment)
    return f"{environment.trust}: {sum(key.active for key in found.keys)} active keys"


def _key(environment: Environment, name: str, address: str) -> str:
    """That the key signs, or at least is the one that is trusted; nobody signs with a vault's for that."""
    path = key_file(address)
    if path and not isinstance(environment, LocalEnvironment):
        _check_file(environment, name, address, path)
    trusted = _roots(environment).active_key(name)
    if path:
        envelope = sign_payload(b"doctor", PAYLOAD_TYPE, address, trusted)
        verify_payload(envelope, PAYLOAD_TYPE, trusted, address)
        return f"{address} signs as {name}"
    if not address.startswith(GOOGLE):
        raise NotChecked(f"{address}: that vault cannot be looked at from here; see there that the steps may sign")
    with _if_permitted(f"{address}: ask as one who adds keys, with roles/cloudkms.publicKeyViewer on it"):
        found = vault_key(address)["key_id"]
    if found != trusted.key_id:
        raise InvalidInput(
            f"{address} is not the one that the trust roots name for {name}; name the version there that they do, or"
            f" let this one be trusted: `{typed(f'keys rotate {name}', environment.name)}`"
        )
    return f"{address} is the one that is trusted for {name}"


@contextmanager
def _if_permitted(remedy: str) -> Iterator[None]:
    """NotChecked where who asks may not look: that says nothing of those who have to be able to."""
    try:
        yield
    except SluiceError as error:
        if is_forbidden(error):
            raise NotChecked(f"who asks may not look: {remedy}") from error
        raise


def _check_file(environment: KubeflowEnvironment | VertexEnvironment, name: str, address: str, path: Path) -> None:
    """A file is no key of a service whose steps run elsewhere, and a person's lies where that person is."""
    if name not in SERVICES:
        if not path.exists():
            make = typed(f"keys new {name}", environment.name)
            raise NotChecked(
                f"{address} is a person's own, and not on this machine; look from {name}'s, and where there is none yet"
                f" {name} makes it: `{make}`"
            )
    elif complaint := unseen_key(environment, name, address):
        raise InvalidInput(complaint)
    elif not path.exists():
        raise NotChecked(f"{address} {ELSEWHERE}; see that it is mounted there, or name a key in a vault")


def _roots(environment: Environment) -> TrustRoots:
    """The trust roots; NotChecked in a local environment that nothing was run in yet, which makes its own."""
    if isinstance(environment, LocalEnvironment):
        files = [path for path in map(key_file, environment.keys.values()) if path]
        if environment.trust and not any(path.exists() for path in (Path(environment.trust), *files)):
            raise NotChecked(f"there is no {environment.trust} yet; the first `sluice run` makes it, and the keys")
    return read_trust(environment.trust)
