"""What Terraform's services run, started as Terraform starts it: the dispatcher, and MLflow beside a PostgreSQL."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from pipelines import catalogue
from pipelines.cli import sluice
from pipelines.code_digest import code_digests
from tests.containers.conftest import NO_IMAGES
from tests.containers.images.conftest import Run
from tests.containers.images.test_contract import started, stopped, until
from tests.contract.postgres import postgres
from tests.release.registries.conftest import free_port

pytestmark = pytest.mark.images

MODULES = catalogue.ROOT.parent / "infra" / "terraform" / "modules"
SITE = "/opt/sluice/lib/python3.11/site-packages"
ASKS = "import sys, urllib.request as r; print(r.urlopen(r.Request(sys.argv[1], headers={'host': sys.argv[2]})).status)"


@pytest.fixture(scope="module")
def dispatch(built: dict[str, str]) -> str:
    if "dispatch" not in built:
        pytest.skip(f"{NO_IMAGES}: dispatch")
    return built["dispatch"]


@pytest.fixture(scope="module")
def release(built: dict[str, str]) -> str:
    if "release" not in built:
        pytest.skip(f"{NO_IMAGES}: release")
    return built["release"]


@pytest.fixture
def address() -> Iterator[str]:
    with postgres() as found:
        yield found


def test_the_command_answers(run: Run) -> None:
    done = run("dispatch", "sluice", "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: sluice" in done.stdout
    assert run("dispatch").stdout == done.stdout, "what it does unasked"


def test_every_module_of_the_command_line_is_loaded_and_nothing_that_steps_work_with(run: Run) -> None:
    tried = (
        "import importlib, importlib.util, json, pkgutil, pipelines\n"
        "names = [one.name for one in pkgutil.walk_packages(pipelines.__path__, 'pipelines.')]\n"
        "for name in names:\n    if not name.endswith('__main__'): importlib.import_module(name)\n"
        "heavy = [name for name in ('torch', 'mlflow', 'transformers', 'daft') if importlib.util.find_spec(name)]\n"
        "print(json.dumps([len(names), heavy]))"
    )
    done = run("dispatch", "python", "-c", tried)
    assert done.returncode == 0, done.stderr
    count, heavy = json.loads(done.stdout.splitlines()[-1])
    assert count > 100
    assert heavy == []


@pytest.mark.parametrize("env", ["local", "vertex", "kubeflow"])
def test_it_compiles_what_the_checkout_compiles(env: str, run: Run, tmp_path: Path) -> None:
    """From the same digests of code, too: a step's cache goes by them, and a stale image is told by them."""
    tried = "import json; from pipelines.code_digest import code_digests; print(json.dumps(code_digests()))"
    assert json.loads(run("dispatch", "python", "-c", tried).stdout) == code_digests(), "build it again: other code"
    out = tmp_path / "here"
    sluice.main(["compile", "--all", "--env", env, "--out", str(out)], standalone_mode=False)
    here = {str(path.relative_to(out)): path.read_text() for path in sorted(out.rglob("*.yaml"))}
    assert len(here) == 6
    shown = (
        f"sluice compile --all --env {env} --out /tmp/out >/dev/null && python -c 'import json, pathlib;"
        ' out = pathlib.Path("/tmp/out");'
        ' print(json.dumps({str(p.relative_to(out)): p.read_text() for p in out.rglob("*.yaml")}))\''
    )
    done = run("dispatch", "sh", "-ec", shown)
    assert done.returncode == 0, done.stderr
    inside = json.loads(done.stdout)
    assert inside.keys() == here.keys()
    assert [name for name, text in here.items() if inside[name] != text] == []


def test_the_dispatcher_starts_and_says_that_it_lives(dispatch: str) -> None:
    recipe = f"{SITE}/pipelines/recipes/helpdesk.yaml"
    words = ("dispatch", recipe, "--env", "local", "--host", "0.0.0.0", "--port", "8080")
    main = (MODULES / "dispatch" / "main.tf").read_text()
    assert 'command     = ["sluice"]' in main
    assert f'["dispatch"], local.recipes, ["--env", local.env, {json.dumps(words[4:])[1:-1]}]' in main
    with started(dispatch, *words, options=("--entrypoint", "sluice")) as container:
        assert until(container, "python", "-c", ASKS, "http://127.0.0.1:8080/healthz", "localhost") == "200\n"
        assert stopped(container) == 0


def test_mlflow_answers_beside_its_database_and_only_for_cloud_runs_names(release: str, address: str) -> None:
    account, port = "sluice-mlflow@a-project.iam", free_port()
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(f'create user "{account}"'.encode())
        connection.execute(f'create database mlflow owner "{account}"'.encode())
    given = {
        '"8080"': f'"{port}"',
        "0.0.0.0": "127.0.0.1",
        "${local.user}": quote(account),
        "127.0.0.1:5432": address.rpartition("@")[2],
        "var.artifacts": '"gs://a-store/mlflow"',
    }
    text = re.search(
        r'command    = \["mlflow"\]\n +args = \[(.*?)\n +\]', (MODULES / "mlflow/main.tf").read_text(), re.S
    )
    assert text is not None
    said = text[1]
    for one, other in given.items():
        assert one in said
        said = said.replace(one, other)
    words = json.loads(f"[{said.strip().rstrip(',')}]")
    options = ("--entrypoint", "mlflow", "--memory", "2g")
    with started(release, *words, network="host", options=options) as container:
        server = f"http://127.0.0.1:{port}"
        assert until(container, "python", "-c", ASKS, f"{server}/health", "10.0.0.1", seconds=120) == "200\n"
        experiments = f"{server}/api/2.0/mlflow/experiments/search?max_results=1"
        assert until(container, "python", "-c", ASKS, experiments, "sluice-mlflow-1.europe-west4.run.app") == "200\n"
        elsewhere = ("docker", "exec", container, "python", "-c", ASKS, experiments, "mlflow.example.com")
        assert "403: Forbidden" in subprocess.run(elsewhere, capture_output=True, text=True, check=False).stderr
        assert stopped(container, seconds=90) == 0
