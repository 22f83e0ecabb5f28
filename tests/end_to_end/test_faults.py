"""What goes wrong gets a sentence and an exit code, and loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

SLOW = ("--set", "base.scratch.vocabulary=401", "--no-follow")


def wait_for(project, step: str, state: str = "running", seconds: float = 60) -> None:
    """Waits until a step of the newest run is in a state."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        path = project.folder / "runs" / "latest" / "run.json"
        if path.exists():
            steps = json.loads(path.read_text())["steps"]
            if any(found["name"] == step and found["state"] == state for found in steps):
                return
        time.sleep(0.05)
    raise AssertionError(f"{step} was never {state}")


def of_this_project(project) -> list[psutil.Process]:
    """Processes that work in the project's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(project.folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_cancelled_run_leaves_no_process_and_is_not_cancelled_twice(project) -> None:
    running = project.start("run", "recipe.yaml", *SLOW)
    wait_for(project, "validate")
    assert "cancelled" in project.sluice("cancel", "latest").stdout
    running.wait(20)
    assert of_this_project(project) == []
    steps = project.steps()
    assert (steps["ingest"]["state"], steps["validate"]["state"]) == ("done", "cancelled")
    assert steps["curate"]["state"] == "skipped"
    again = project.sluice("cancel", "latest", code=5)
    assert "is cancelled already; there is nothing to cancel" in again.stderr


def test_ctrl_c_ends_the_whole_group_says_how_to_go_on_and_what_is_done_is_reused(project) -> None:
    running = project.start("run", "recipe.yaml", *SLOW)
    wait_for(project, "validate")
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "Run the same command again: what is done is reused." in errors
    assert of_this_project(project) == []
    running = project.start("run", "recipe.yaml", *SLOW)
    wait_for(project, "validate")
    assert project.steps()["ingest"]["cached"]
    project.sluice("cancel", "latest")
    running.communicate(timeout=20)


def test_a_killed_worker_is_seen_as_failed_and_the_run_can_be_done_again(project) -> None:
    running = project.start("run", "recipe.yaml", *SLOW)
    wait_for(project, "validate")
    worker = json.loads((project.folder / "runs/latest/process.json").read_text())["pid"]
    os.killpg(worker, signal.SIGKILL)
    _, errors = running.communicate(timeout=20)
    assert running.returncode == 4
    assert "the process that worked on this run is gone; start it again, what is done is reused" in errors
    assert project.status()["state"] == "failed"


def test_a_killed_step_fails_the_run_in_a_sentence(project) -> None:
    running = project.start("run", "recipe.yaml", *SLOW)
    wait_for(project, "validate")
    worker = psutil.Process(json.loads((project.folder / "runs/latest/process.json").read_text())["pid"])
    for child in worker.children(recursive=True):
        child.kill()
    _, errors = running.communicate(timeout=20)
    assert running.returncode == 4
    assert "the process ended without a word (killed?)" in errors
    assert project.steps()["curate"]["state"] == "skipped"


def test_a_step_over_its_memory_is_ended_with_a_sentence(project) -> None:
    done = project.sluice("run", "recipe.yaml", "--set", "validate.resources.memory=60Mi", code=4)
    assert "Validate: ended because it was over its memory of 60 MiB" in done.stderr
    assert "raise resources.memory" in done.stderr


def test_a_step_over_its_time_is_ended_with_a_sentence(project) -> None:
    done = project.sluice("run", "recipe.yaml", "--set", "validate.resources.timeout=1s", code=4)
    assert "Validate: ended because it was over its time of 1 s" in done.stderr


def test_a_steps_exit_code_is_the_runs(project) -> None:
    (project.folder / "data" / "tickets.jsonl").unlink()
    done = project.sluice("run", "recipe.yaml", code=2)
    assert "tickets.jsonl" in done.stderr
    assert "sluice logs" in done.stderr
    assert project.status()["exit_code"] == 2
    assert "tickets.jsonl" in (project.folder / "runs/latest/report.html").read_text()


def test_two_runs_at_once_on_one_store_do_not_disturb_each_other(project) -> None:
    both = [project.start("run", "recipe.yaml", "--no-follow", "--no-cache", "--json") for _ in range(2)]
    runs = [json.loads(running.communicate(timeout=240)[0])[0] for running in both]
    assert [run["state"] for run in runs] == ["done", "done"]
    digests = [
        {step["name"]: {role: out["content_digest"] for role, out in step["outputs"].items()} for step in run["steps"]}
        for run in runs
    ]
    assert digests[0] == digests[1]


def test_a_clock_that_goes_backwards_disturbs_nothing(project) -> None:
    limits = ("--set", "validate.resources.timeout=1s")
    project.sluice("run", "recipe.yaml", *limits, "--now", "2030-01-01T00:00:00+00:00", code=4)
    project.sluice("run", "recipe.yaml", *limits, "--now", "2020-01-01T00:00:00+00:00", code=4)
    runs = json.loads(project.sluice("runs", "--json").stdout)
    assert [run["now"][:4] for run in runs] == ["2020", "2030"]
    assert project.steps()["ingest"]["cached"]


def test_the_attempt_rises_only_after_a_failure(project) -> None:
    limits = ("--set", "validate.resources.timeout=1s", "--now", "2030-01-01T00:00:00+00:00")
    for _ in range(2):
        project.sluice("run", "recipe.yaml", *limits, code=4)
    runs = json.loads(project.sluice("runs", "--json").stdout)
    assert [run["attempt"] for run in runs] == [2, 1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("status", "nosuch"), "run nosuch: unknown in runs; `sluice runs` lists those that there are"),
        (("cancel", "latest"), "no runs yet; start one with `sluice run RECIPE`"),
        (("run", "nosuch.yaml"), "nosuch.yaml: no such file; `sluice init` writes one to start from"),
        (("run", "recipe.yaml", "--from", "nosuch"), "--from nosuch: the lifecycle has no such step; known: base"),
        (("run", "recipe.yaml", "--now", "soon"), "now is 'soon'"),
        (("lint", "recipe.yaml", "--set", "curate.min_wrds=2"), "unknown key; did you mean min_words?"),
        (("compile",), "name a recipe, or --all for those of this project"),
        (("run",), "Missing argument 'RECIPE'"),
        (("new", "step", "data", "curate"), "there is a step curate already"),
        (("new", "step", "data", "No-Name"), "'No-Name' is no name"),
    ],
)
def test_bad_words_are_answered_with_a_sentence_and_no_traceback(
    project, words: tuple[str, ...], sentence: str
) -> None:
    done = project.sluice(*words, code=None)
    assert done.returncode in (2, 5)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.folder / "runs").exists()


def mounted(folder: Path, options: str) -> None:
    """Mounts a small disk, or skips."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("size=96k", "No space left on device; free some space"),
        ("ro", "the file system is read-only: mount it writable"),
    ],
)
def test_a_store_that_takes_nothing_fails_the_run_in_a_sentence(project, options: str, sentence: str) -> None:
    mounted(project.folder / ".sluice" / "store", options)
    try:
        done = project.sluice("run", "recipe.yaml", code=4)
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert list((project.folder / ".sluice" / "store").rglob("*.part")) == []
    finally:
        subprocess.run(["umount", str(project.folder / ".sluice" / "store")], check=True)


@pytest.mark.parametrize("size", ["8k", "24k", "48k"])
def test_a_full_disk_for_the_records_of_runs_is_a_sentence(project, size: str) -> None:
    mounted(project.folder / "runs", f"size={size}")
    try:
        done = project.sluice("run", "recipe.yaml", code=4)
        assert "No space left on device; free some space" in done.stderr or "no space is left" in done.stderr
        assert "Traceback" not in done.stderr
        assert of_this_project(project) == []
    finally:
        subprocess.run(["umount", str(project.folder / "runs")], check=True)


def test_an_output_that_was_deleted_from_the_store_is_made_again(project) -> None:
    stop = ("--set", "validate.resources.memory=1Mi")
    project.sluice("run", "recipe.yaml", *stop, code=4)
    project.sluice("run", "recipe.yaml", *stop, code=4)
    assert project.steps()["ingest"]["cached"]
    shard = next((project.folder / ".sluice/store/ingest").rglob("documents/*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1])
    project.sluice("run", "recipe.yaml", *stop, code=4)
    assert not project.steps()["ingest"]["cached"]


def test_a_killed_worker_leaves_no_step_at_work(project) -> None:
    running = project.start("run", "recipe.yaml", *SLOW)
    wait_for(project, "validate")
    worker = json.loads((project.folder / "runs/latest/process.json").read_text())["pid"]
    os.kill(worker, signal.SIGKILL)
    running.communicate(timeout=20)
    assert running.returncode == 4
    time.sleep(0.5)
    assert of_this_project(project) == []
