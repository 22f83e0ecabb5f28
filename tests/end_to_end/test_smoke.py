"""The graph to submit first, on both services: what it says from inside, and what whoever submits it finds."""

from __future__ import annotations

import json

import pytest

from components.data.probe.inside import LINE
from tests.contract.google.vertex import Vertex
from tests.end_to_end import test_clouds
from tests.end_to_end.test_clouds import THERE, Cloud

cloud = test_clouds.cloud


def test_smoke_is_submitted_and_its_line_found_where_logs_are_read(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")  # nobody there says who the steps run as
    done = cloud.project.sluice("smoke", "--env", THERE)
    assert "gs://desk/store is written, read, and created in once; as whom it runs cannot be told here" in done.stdout
    assert "the second of two equal tasks came from the cache" in done.stdout
    status = json.loads(cloud.project.sluice("status", "latest", "--json", "--env", THERE).stdout)
    assert [step["cached"] for step in status["steps"]] == [False, True, False]
    # Kubeflow's API does not say what a task was answered with, and nothing there reads what this one leaves.
    assert bool(status["steps"][1]["report"]) == isinstance(cloud.fake, Vertex)
    assert LINE + status["now"] in cloud.project.sluice("logs", "latest", "probe", "--env", THERE).stdout
