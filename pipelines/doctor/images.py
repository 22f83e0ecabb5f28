"""Whether the registries have the images that an environment pins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from components.core.connections import why_broken
from components.core.errors import InvalidInput
from pipelines.doctor.check import Check, NotChecked
from pipelines.doctor.google import SCOPE, TIMEOUT
from pipelines.environment import CloudEnvironment, is_loopback

ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in ("oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.list.v2")
)
ACCEPT += ", application/vnd.docker.distribution.manifest.v2+json"
"""What a digest may name (OCI's distribution specification, "Pulling manifests")."""
GOOGLE = (".pkg.dev", "gcr.io")
DOCKER_HUB = "registry-1.docker.io"


def checks(environment: CloudEnvironment) -> Iterator[Check]:
    """A look at each image."""
    for logical, reference in environment.images.items():
        about = f"image {logical}"
        yield Check(about, partial(_example, reference) if environment.example else partial(_image, reference))


def _example(reference: str) -> str:
    raise NotChecked(
        f"{reference} is an example's, its digest is made up; build the image, name it, and remove `example`"
    )


def _image(reference: str) -> str:
    import requests  # type: ignore[import-untyped, unused-ignore]

    host, name, digest = parts_of(reference)
    scheme = "http" if is_loopback(host) else "https"
    headers = {"Accept": ACCEPT, **_authorization(host)}
    try:
        answer = requests.head(
            f"{scheme}://{host}/v2/{name}/manifests/{digest}", headers=headers, timeout=TIMEOUT, allow_redirects=True
        )
    except requests.RequestException as error:
        raise NotChecked(
            f"{host} does not answer from here ({why_broken(error)}); see from where it does, the steps' machines"
            f" must reach it: `docker manifest inspect {reference}`"
        ) from error
    if answer.status_code == 404:
        raise InvalidInput(
            f"{host} has no {name}@{digest[:19]}…; build and push it, and name the digest that is pushed"
        )
    if answer.status_code != 200:
        raise NotChecked(
            f"{host} answered {answer.status_code} to who asks here; see with your login for it that it is there:"
            f" `docker manifest inspect {reference}`"
        )
    told = answer.headers.get("Docker-Content-Digest", digest)
    if told != digest:
        raise InvalidInput(f"{host} gives {told[:19]}… for {name}@{digest[:19]}…; ask who keeps that registry")
    return f"{host} has {digest[:19]}…"


def parts_of(reference: str) -> tuple[str, str, str]:
    """Registry, name and digest of a pinned image, as Docker reads them."""
    place, _, digest = reference.partition("@")
    host, _, name = place.partition("/")
    if not name or not ("." in host or ":" in host or host == "localhost"):  # no host: Docker Hub
        host, name = DOCKER_HUB, place if "/" in place else f"library/{place}"
    if ":" in name:  # a tag beside the digest means nothing
        name = name.partition(":")[0]
    return host, name, digest


def _authorization(host: str) -> dict[str, str]:
    """Google's registries take whoever's login; others are asked by nobody in particular."""
    if not host.endswith(GOOGLE):
        return {}
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    with suppress(GoogleAuthError):  # told by the check of the login
        credentials: Any = google.auth.default(scopes=[SCOPE])[0]
        credentials.refresh(Request())  # type: ignore[no-untyped-call, unused-ignore]
        return {"Authorization": f"Bearer {credentials.token}"}
    return {}
