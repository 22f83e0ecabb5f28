"""What ``containers/README.md`` promises of every image, tried on those that were built."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.serve.envoy import LOG_LINES
from pipelines.images.build import LOGS
from pipelines.images.lock import ImagesLock
from pipelines.images.spec import IMAGES
from tests.containers.images.conftest import HARDENED, Run

pytestmark = pytest.mark.images

STEPS = ["data", "train", "evaluate", "release", "monitor"]
PYTHON = [*STEPS, "statistics", "serve", "dispatch"]
ALL = [*PYTHON, "envoy"]
ELSEWHERE = {
    "components.core.google_kms": ["release", "monitor"],
    "components.core.endpoint_postgres": ["train", "evaluate", "release", "monitor", "serve"],
    "components.core.phone_numbers": ["data", "serve"],
}
"""Modules of core that are loaded only where they are used, by the images that must have what they need."""
STEP = """
import sys
from types import SimpleNamespace
from components.core.errors import InvalidInput
from components.core.settings import StepSettings
from components.core.step import run_step

def method(attempt, settings):
    if {ends!r} == "refused":
        raise InvalidInput("the file is faulty; mend it")
    if {ends!r} == "crash":
        raise ZeroDivisionError("oh")
    return attempt.commit({{}}, settings=settings, said="all is well")

def artifact(name):
    return SimpleNamespace(path="/tmp/" + name, metadata={{}}, log_metric=print)

places = dict(page=artifact("page"), figures=artifact("figures"))
run_step(method, StepSettings(), step="tried", store="/tmp/store", code="c", **places)
"""


@contextmanager
def started(image: str, *command: str, network: str = "none", options: tuple[str, ...] = ()) -> Iterator[str]:
    """A container that runs a command in the background, and is gone in the end."""
    words = ("docker", "run", "--detach", "--network", network, *HARDENED, *options, image, *command)
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    try:
        yield ran.stdout.strip()
    finally:
        subprocess.run(("docker", "rm", "--force", ran.stdout.strip()), capture_output=True, check=True)


def until(container: str, *command: str, seconds: int = 30) -> str:
    """What a command in a running container prints, as soon as it succeeds."""
    for _ in range(10 * seconds):
        done = subprocess.run(("docker", "exec", container, *command), capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        time.sleep(0.1)
    raise AssertionError(done.stderr)


def stopped(container: str, seconds: int = 20) -> int:
    """The exit code after SIGTERM; 137 where it did not heed it for so long and was killed."""
    subprocess.run(("docker", "stop", "--time", str(seconds), container), capture_output=True, check=True)
    state = subprocess.run(
        ("docker", "inspect", "--format", "{{.State.ExitCode}}", container), capture_output=True, check=True
    )
    return int(state.stdout)


@pytest.mark.parametrize("image", ALL)
def test_it_is_what_the_lock_says(image: str, built: dict[str, str], lock: ImagesLock) -> None:
    if image not in built:
        pytest.skip(f"no images were built; {image}")
    found = json.loads(
        subprocess.run(("docker", "image", "inspect", built[image]), capture_output=True, check=True).stdout
    )[0]
    labels, locked = found["Config"]["Labels"], lock.images[f"sluice/{image}"]
    assert found["Config"]["User"] == "65532:65532"
    assert labels["org.opencontainers.image.title"] == f"sluice/{image}"
    assert labels["org.opencontainers.image.base.digest"] == locked.base
    assert labels["org.opencontainers.image.base.name"].startswith("stand-in for ") == locked.stand_in
    assert {"revision", "created", "version"} <= {name.rpartition(".")[2] for name in labels}
    assert labels.get("dev.sluice.code", "") == locked.code
    assert labels.get("dev.sluice.context", "") == locked.context


@pytest.mark.parametrize("image", PYTHON)
@pytest.mark.parametrize("user", ["65532:65532", "12345:12345"])
def test_any_user_may_run_it_and_writes_to_tmp_only(image: str, user: str, run: Run) -> None:
    tried = (
        "import getpass, os, sys, tempfile\n"
        "tempfile.TemporaryFile().close(); os.makedirs(os.environ['XDG_CACHE_HOME'])\n"
        "places = '/', '/opt/sluice', '/etc', '/var', sys.prefix\n"
        "writable = [place for place in places if os.access(place, os.W_OK)]\n"
        "print(os.getuid(), getpass.getuser(), os.path.expanduser('~'), tempfile.gettempdir(), writable)"
    )
    done = run(image, "python", "-c", tried, options=("--user", user))
    assert done.stdout == f"{user.partition(':')[0]} sluice /tmp /tmp []\n", done.stderr


@pytest.mark.parametrize("image", [name for name in PYTHON if not IMAGES[name].whole])
def test_all_code_in_it_finds_what_it_needs(image: str, run: Run) -> None:
    tried = (
        "import importlib, json, pkgutil, components\n"
        "failed = {}\n"
        "for module in pkgutil.walk_packages(components.__path__, 'components.'):\n"
        "    try:\n        if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "    except ImportError as error: failed[module.name] = str(error)\n"
        "print(json.dumps(failed))"
    )
    done = run(image, "python", "-c", tried)
    assert done.returncode == 0, done.stderr
    failed = json.loads(done.stdout.splitlines()[-1])
    allowed = {module for module, images in ELSEWHERE.items() if image not in images}
    if image == "serve":
        # The gateway writes its log without Arrow, is no step, and asks no vault.
        names = ("attempt", "google_secrets", "partitions", "readers", "rows", "sources", "step")
        allowed |= {f"components.core.{name}" for name in names}
    assert {name: why for name, why in failed.items() if name not in allowed} == {}


@pytest.mark.parametrize("image", STEPS)
@pytest.mark.parametrize(
    ("ends", "code", "severity"), [("well", 0, "INFO"), ("refused", 2, "ERROR"), ("crash", 1, "ERROR")]
)
def test_a_step_ends_with_its_exit_code_and_a_line_of_json(
    image: str, ends: str, code: int, severity: str, run: Run
) -> None:
    done = run(image, "python", "-c", STEP.format(ends=ends))
    line = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, line["severity"]) == (code, severity), done.stderr
    assert line["report"]
    assert (ends == "crash") == ("Traceback" in done.stderr)


@pytest.mark.parametrize("image", [*STEPS, "statistics"])
def test_a_step_that_is_told_to_end_ends_at_once_though_a_shell_started_it(image: str, built: dict[str, str]) -> None:
    if image not in built:
        pytest.skip(f"no images were built; {image}")
    script = "touch /tmp/there; python -c 'import time; time.sleep(600)'; echo never"
    with started(built[image], "sh", "-ec", script) as container:
        until(container, "test", "-e", "/tmp/there")
        assert stopped(container) == 143


GATEWAY = {
    "endpoint": "desk", "model": "sha256:" + "0" * 64, "upstream": "http://127.0.0.1:9", "upstream_model": "m",
    "port": 8080, "keys": "/tmp/keys.json", "secret": "/tmp/secret",
    "requests": "/tmp/log", "journal": "/tmp/journal", "name": "one",
}  # fmt: skip


def test_the_gateway_serves_and_ends_with_0_when_told(built: dict[str, str], tmp_path: Path) -> None:
    if "serve" not in built:
        pytest.skip("no images were built; serve")
    config = tmp_path / "gateway.json"
    config.write_text(json.dumps(GATEWAY))
    config.chmod(0o644)
    keys = tmp_path / "keys.json"
    keys.write_text("no keys")
    keys.chmod(0o644)
    mounts = ("--volume", f"{config}:/etc/sluice/gateway.json:ro", "--volume", f"{keys}:/tmp/keys.json:ro")
    asks = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/metrics').status)"
    refused = (
        "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080); "
        "c.request('GET', '/v1/models', headers={'authorization': 'Bearer x'}); print(c.getresponse().status)"
    )
    with started(built["serve"], options=mounts) as container:
        assert until(container, "python", "-c", asks) == "200\n"
        assert until(container, "python", "-c", refused) == "401\n"
        said = subprocess.run(("docker", "logs", container), capture_output=True, text=True, check=True).stderr
        assert stopped(container) == 0
    assert [json.loads(line)["severity"] for line in said.splitlines()] == ["ERROR"]


def test_the_gateway_says_what_is_wrong_with_its_configuration(run: Run, tmp_path: Path) -> None:
    done = run("serve")
    assert done.returncode == 2
    assert done.stderr.startswith("error: /etc/sluice/gateway.json: cannot be read")
    assert "Traceback" not in done.stderr


def test_envoy_runs_and_ends_with_0_when_told(built: dict[str, str], tmp_path: Path) -> None:
    if "envoy" not in built:
        pytest.skip("no images were built; envoy")
    config = tmp_path / "envoy.json"
    admin = {"address": {"pipe": {"path": "/tmp/admin"}}}
    config.write_text(json.dumps({"admin": admin, "application_log_config": LOG_LINES}))
    config.chmod(0o644)
    with started(built["envoy"], options=("--volume", f"{config}:/etc/sluice/envoy.json:ro")) as container:
        until(container, "test", "-S", "/tmp/admin")
        assert stopped(container) == 0
        said = subprocess.run(("docker", "logs", container), capture_output=True, text=True, check=True).stderr
    assert {"severity", "time", "message"} <= json.loads(said.splitlines()[-1]).keys()


@pytest.mark.parametrize("image", PYTHON)
def test_the_bill_of_materials_is_what_is_installed(image: str, run: Run) -> None:
    listed = (
        "from importlib.metadata import distributions as d; print('\\n'.join(f'{x.name}=={x.version}' for x in d()))"
    )
    done = run(image, "python", "-c", listed)
    bill = json.loads((LOGS / f"{image}.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"

    def plain(name: str) -> str:
        return name.lower().replace("_", "-").replace(".", "-")

    installed = {
        (plain(name), version.partition("+")[0])
        for name, _, version in (line.partition("==") for line in done.stdout.split())
    }
    assert {(plain(one["name"]), one["version"].partition("+")[0]) for one in bill["components"]} == installed
    assert IMAGES[image].logical == bill["metadata"]["component"]["name"]
