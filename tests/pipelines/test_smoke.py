from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from components.data.probe.inside import LINE
from pipelines import smoke
from pipelines.compile import compile_smoke
from pipelines.environment import load_environment, shipped
from pipelines.lint import tasks


@pytest.mark.parametrize("environment", shipped())
def test_it_compiles_for_every_backend_to_two_equal_tasks_and_one_that_compares(environment: str) -> None:
    spec = compile_smoke(load_environment(environment)).spec()
    assert json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec()).pipeline_info.name == "smoke"
    first, second, last = tasks(spec)
    assert first.spec["inputs"] == second.spec["inputs"]
    assert (second.after, last.after) == ((first.name,), (first.name, second.name))
    assert all(task.cached for task in (first, second))


def test_a_step_is_told_whom_it_is_to_run_as() -> None:
    def account(environment: str) -> str:
        task = next(tasks(compile_smoke(load_environment(environment)).spec()))
        return task.spec["inputs"]["parameters"]["account"]["runtimeValue"]["constant"]

    assert [account(name) for name in ("local", "kubeflow", "vertex")] == [
        "",
        "sluice-steps",
        "lifecycle@sluice-example.iam.gserviceaccount.com",
    ]


def test_it_runs_here_and_finds_store_cache_and_log_sound(sluice) -> None:
    code, out, complaints = sluice("smoke")
    assert (code, [line for line in complaints.splitlines() if "made the key" not in line]) == (0, [])
    assert "the second of two equal tasks came from the cache" in out
    assert LINE in sluice("logs", "latest", "probe")[1]
    assert sluice("smoke")[0] == 0  # a second one is a run of its own, with a new word to look for


def test_a_log_that_nobody_can_read_is_told(sluice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "WAIT_SECONDS", (0.0,))
    monkeypatch.setattr("pipelines.backends.backend.LocalBackend.log", lambda *_: "")
    code, _, complaints = sluice("smoke")
    assert code == 4
    assert "log: what probe printed is not found where logs are read; see that the account" in complaints


def test_a_line_may_come_late() -> None:
    said, waited = iter(["", "KFP says", f"{LINE}now\n"]), list[float]()
    backend: Any = SimpleNamespace(log=lambda *_: next(said))
    run: Any = SimpleNamespace(now="now", steps=[SimpleNamespace(name="probe")])
    assert smoke.find_line(backend, Path("run"), run, waited.append)  # type: ignore[arg-type]
    assert waited == list(smoke.WAIT_SECONDS[:3])
