"""All checks of an environment, in the order in which one rests on another."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.doctor import amazon, places, secrets, tools
from pipelines.doctor.check import Check
from pipelines.environment import Environment, LocalEnvironment, VertexEnvironment


def checks(environment: Environment) -> Iterator[Check]:
    """What there is to look at."""
    yield from tools.checks(environment)
    if not isinstance(environment, LocalEnvironment):
        from pipelines.doctor import google, images, kubeflow

        if isinstance(environment, VertexEnvironment):
            yield from google.checks(environment)
        else:
            yield from kubeflow.checks(environment)
        yield from images.checks(environment)
    yield from amazon.checks(environment)
    yield from secrets.checks(environment)
    yield from places.checks(environment)
