from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiohttp import web

from pipelines.doctor.check import Finding, Health, examine
from pipelines.doctor.images import checks, parts_of
from pipelines.environment import KubeflowEnvironment, load_environment
from tests.contract.loopback import Loopback

DIGEST = f"sha256:{'a' * 64}"
MEDIA = "application/vnd.oci.image.index.v1+json"


class Registry(Loopback):
    """A registry's manifests by name and digest. It does not imitate: logins, tags, layers, and pushing."""

    def __init__(self) -> None:
        super().__init__()
        self.manifests = {("sluice/data", DIGEST)}
        self.told = DIGEST

    async def answer(self, came: web.Request) -> web.StreamResponse:
        name, _, digest = came.path.removeprefix("/v2/").partition("/manifests/")
        if came.method != "HEAD" or not came.path.startswith("/v2/") or MEDIA not in came.headers["Accept"]:
            self.wrong.append(f"{came.method} {came.path}")
        fault = self.fault_of("manifest")
        if fault and isinstance(fault.how, int):
            return web.Response(status=fault.how)
        if (name, digest) not in self.manifests:
            return web.Response(status=404)
        return web.Response(headers={"Docker-Content-Digest": self.told, "Content-Type": MEDIA})


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry().running() as registry:
        yield registry


def look(registry: Registry, name: str = "sluice/data", *, example: bool = False) -> Finding:
    image = f"{registry.address.removeprefix('http://')}/{name}@{DIGEST}"
    given = load_environment("kubeflow").model_dump() | {"images": {"sluice/data": image}, "example": example}
    (found,) = examine(checks(KubeflowEnvironment.model_validate(given)))
    assert found.about == "image sluice/data"
    return found


def test_an_image_that_is_there(registry: Registry) -> None:
    assert look(registry).health is Health.OK


def test_an_image_that_is_not(registry: Registry) -> None:
    found = look(registry, "sluice/other")
    assert found.health is Health.MISSING
    assert "has no sluice/other@sha256:aaaa" in found.said
    assert "; build and push it, and name the digest that is pushed" in found.said


def test_a_registry_that_gives_another_image(registry: Registry) -> None:
    registry.told = f"sha256:{'b' * 64}"
    found = look(registry)
    assert found.health is Health.MISSING
    assert "gives sha256:bbbbbbbbbbbb… for sluice/data@sha256:aaaa" in found.said


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_registry_that_does_not_say(registry: Registry, status: int) -> None:
    registry.fail("manifest", status)
    found = look(registry)
    assert found.health is Health.NOT_CHECKED
    assert f"answered {status} to who asks here" in found.said
    assert f"`docker manifest inspect {registry.address.removeprefix('http://')}/sluice/data@{DIGEST}`" in found.said


def test_a_registry_that_cannot_be_reached() -> None:
    with Registry().running() as gone:
        pass
    found = look(gone)
    assert found.health is Health.NOT_CHECKED
    assert "does not answer from here (Connection refused)" in found.said


def test_an_examples_digests_are_made_up(registry: Registry) -> None:
    found = look(registry, "sluice/other", example=True)
    assert found.health is Health.NOT_CHECKED
    assert "build the image, name it, and remove `example`" in found.said


@pytest.mark.parametrize(
    ("reference", "host", "name"),
    [
        ("europe-west4-docker.pkg.dev/p/sluice/data", "europe-west4-docker.pkg.dev", "p/sluice/data"),
        ("localhost:5000/data", "localhost:5000", "data"),
        ("localhost/data:1", "localhost", "data"),
        ("python", "registry-1.docker.io", "library/python"),
        ("python:3.11", "registry-1.docker.io", "library/python"),
        ("sluice/data", "registry-1.docker.io", "sluice/data"),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(reference: str, host: str, name: str) -> None:
    assert parts_of(f"{reference}@{DIGEST}") == (host, name, DIGEST)
