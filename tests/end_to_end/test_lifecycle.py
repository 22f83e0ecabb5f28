"""A lifecycle and the release that it asks for, as a person runs and looks at them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from components.core.manifest import Manifest
from components.core.store import Store
from pipelines.demo.tickets import PLANTS

PARTS = ("settings", "data", "scores")
UNCACHED = {"resolve", "register", "request"}
STOP_AT_SPLIT = ("--set", "split.resources.memory=1Mi")
"""Ends a run before the steps that take long."""


def first_run(project) -> str:
    """The id of the first lifecycle."""
    return [run["run"] for run in json.loads(project.sluice("runs", "--json").stdout) if run["graph"] == "lifecycle"][
        -1
    ]


@pytest.fixture(scope="module")
def again(finished):
    """The same recipe run a second time."""
    first = finished.status(first_run(finished))
    done = finished.sluice("run", "recipe.yaml", "--json")
    return first, json.loads(done.stdout)


def test_every_step_is_done_and_its_rows_add_up(finished) -> None:
    run = finished.status(first_run(finished))
    assert run["state"] == "done"
    store = Store(str(finished.folder / ".sluice/store"))
    for step in run["steps"]:
        rows = json.loads(store.read(step["report"]))["rows"]
        given = rows["in"] + rows["created"]
        assert given == sum(rows["out"].values()) + sum(rows["rejected"].values()) + rows["merged"], step["name"]


def test_what_was_planted_was_found(finished) -> None:
    store = Store(str(finished.folder / ".sluice/store"))
    for name, step in finished.steps(first_run(finished)).items():
        if name in ("ingest", "curate"):
            rejected = json.loads(store.read(step["report"]))["rows"]["rejected"]
            assert rejected == PLANTS[name], name


def test_the_release_was_asked_for_once_and_ran(finished) -> None:
    runs = json.loads(finished.sluice("runs", "--json").stdout)
    released = [run for run in runs if run["graph"] == "release"]
    assert [run["state"] for run in released] == ["done"]
    assert released[0]["asked_by"] == finished.status(first_run(finished))["requests"][0]


def test_a_candidates_manifest_leads_back_to_its_data(finished) -> None:
    store = Store(str(finished.folder / ".sluice/store"))
    exported = finished.steps(first_run(finished))["export"]["outputs"]["exported"]
    model = Manifest.read(store.read_verified(exported["key"], exported["digest"]), "m")
    assert {parent.role for parent in model.parents} == {"trained", "base"}
    assert len(model.suites) == 2  # the exam and the held-out rows
    assert model.model.template_digest


def test_the_same_again_is_answered_from_the_cache_and_asks_for_nothing_new(again) -> None:
    first, (second, release) = again
    assert second["run"] != first["run"]
    assert {step["name"] for step in second["steps"] if not step["cached"]} == UNCACHED
    assert second["requests"] == first["requests"]
    assert release["state"] == "done"


def test_outputs_are_the_same_bytes_again(again) -> None:
    first, (second, _) = again
    digests = [{step["name"]: step["outputs"] for step in run["steps"]} for run in (first, second)]
    assert digests[0] == digests[1]


def test_why_says_what_changed(finished, again) -> None:
    done = finished.sluice("run", "recipe.yaml", "--set", "curate.min_words=25", *STOP_AT_SPLIT, "--json", code=4)
    steps = {step["name"]: step for step in json.loads(done.stdout)[0]["steps"]}
    assert steps["validate"]["cached"]
    assert not steps["curate"]["cached"]
    assert "input documents changed" in finished.sluice("why", "latest", "deduplicate").stdout
    assert "setting min_words was 3" in finished.sluice("why", "latest", "curate").stdout
    assert "answered from the cache" in finished.sluice("why", "latest", "validate").stdout
    assert "always runs" in finished.sluice("why", "latest", "resolve").stdout


def test_from_does_a_step_again(finished, again) -> None:
    done = finished.sluice("run", "recipe.yaml", "--from", "curate", "--no-follow", "--json")
    steps = {step["name"]: step for step in json.loads(done.stdout)[0]["steps"]}
    assert (steps["ingest"]["cached"], steps["curate"]["cached"]) == (True, False)
    assert steps["deduplicate"]["cached"]  # done again, and yet the same rows came out


def test_compare_puts_settings_data_and_scores_side_by_side(finished, again) -> None:
    first, (second, _) = again
    lines = finished.sluice("compare", first["run"], second["run"]).stdout.splitlines()
    assert lines == [f"{first['run']}  |  {second['run']}", *(f"{part}: the same" for part in PARTS)]
    asked = ("--set", "curate.min_words=4", "--set", "redact.regions=[GB]")
    other = json.loads(finished.sluice("run", "recipe.yaml", *asked, *STOP_AT_SPLIT, "--json", code=4).stdout)[0]
    found = json.loads(finished.sluice("compare", first["run"], other["run"], "--json").stdout)
    assert found["settings"]["curate.min_words"] == ["3", "4"]
    assert "curate.curated" not in found["data"]  # no text has three words: another setting, the same rows


def test_each_rejected_row_can_be_looked_at_with_its_reason(finished) -> None:
    lines = finished.sluice("report", first_run(finished), "--rejects", "curate", "--json").stdout.splitlines()
    reasons = [json.loads(line)["reason"] for line in lines]
    assert {reason: reasons.count(reason) for reason in reasons} == PLANTS["curate"]


def test_logs_and_status_tell_of_a_step(finished) -> None:
    first = [run["run"] for run in json.loads(finished.sluice("runs", "--json").stdout) if run["graph"] == "lifecycle"][
        -1
    ]
    assert '"severity": "INFO"' in finished.sluice("logs", first, "curate").stdout
    assert "curate" in finished.sluice("status", first).stdout


def test_the_page_is_one_file_and_tells_of_both_runs(finished) -> None:
    path = Path(finished.sluice("report", first_run(finished)).stdout.strip())
    text = (finished.folder / path).read_text()
    assert "Benchmark" in text
    assert re.findall(r"(?:src|href)=[\"'](?!#|data:)[^\"']*|url\((?!#|data:)", text) == []


def test_plain_lines_when_there_is_no_terminal(finished) -> None:
    out = finished.sluice("run", "recipe.yaml").stdout
    assert "✓ ingest         cached" in out
    assert "\x1b[" not in out
