"""What must be on this machine, and what may be."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from components.core.errors import InvalidInput
from pipelines.backends.kfp_local import KFP_VERSION
from pipelines.doctor.check import Check, NotChecked
from pipelines.environment import Environment, LocalEnvironment

PYTHON = (3, 11)
PROGRAMS = {
    "docker": ("builds images", "https://docs.docker.com/engine/install"),
    "terraform": ("makes the project's resources", "https://developer.hashicorp.com/terraform/install"),
    "gcloud": ("logs you in", "https://cloud.google.com/sdk/docs/install"),
    "kubectl": ("looks into the cluster", "https://kubernetes.io/docs/tasks/tools"),
}
ONLY = {"gcloud": "vertex", "kubectl": "kubeflow"}
"""Programs that one backend alone has a use for."""


def checks(environment: Environment) -> Iterator[Check]:
    """Python, KFP, and programs that the environment's backend is handled with."""
    yield Check("python", _python)
    yield Check("kfp", _kfp)
    if isinstance(environment, LocalEnvironment):
        return
    for program in PROGRAMS:
        if ONLY.get(program, environment.backend) == environment.backend:
            yield Check(program, lambda program=program: _program(program))  # type: ignore[misc]


def _python() -> str:
    if sys.version_info < PYTHON:
        raise InvalidInput(
            f"this is {platform.python_version()}, and {'.'.join(map(str, PYTHON))} is the smallest; install it, then"
            " `make setup`"
        )
    return platform.python_version()


def _kfp() -> str:
    try:
        found = version("kfp")
    except PackageNotFoundError as error:
        raise InvalidInput("is not installed; run `make setup`") from error
    if not found.startswith(KFP_VERSION):
        raise InvalidInput(f"{found} is installed, and graphs are made for {KFP_VERSION}x; run `make setup`")
    return found


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        does, where = PROGRAMS[name]
        raise NotChecked(f"is not on the PATH; it {does}, and no command of Sluice's needs it: {where}")
    return found
