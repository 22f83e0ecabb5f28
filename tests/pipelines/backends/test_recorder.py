"""What the record makes of a step's end, and which outputs it takes from the cache."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.core.manifest import Kind
from components.core.run import Run, State
from pipelines.backends.kfp_local import TaskRun
from pipelines.backends.recorder import Recorder, last_line, last_words
from pipelines.runs import RunFolder


@pytest.fixture
def recorder(store, tmp_path: Path) -> Recorder:
    (tmp_path / "run" / "logs").mkdir(parents=True)
    facts = dict.fromkeys(("graph", "backend", "recipe", "recipe_digest", "environment", "environment_digest"), "x")
    return Recorder(RunFolder(tmp_path / "run"), store, Run(run="r", spec="", now="", state=State.RUNNING, **facts))


def log(recorder: Recorder, *lines: object) -> None:
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    recorder.folder.log("a").write_text("\n".join(text) + "\n")


ERROR = {"severity": "ERROR", "message": "data is missing", "report": "a/1/report.json", "exit_code": 2}
DONE = {"severity": "INFO", "message": "a: done", "report": "a/1/report.json", "exit_code": 0}
LOGS = "`sluice logs` has what it printed"
TASK = TaskRun("a", "A")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((ERROR, "[KFP Executor] something"), ("a/1/report.json", "data is missing", 2)),
        ((), ("", f"A: the process ended without a word (killed?); {LOGS}", 4)),
        (
            (DONE, "Traceback", "OSError: [Errno 28] No space left"),
            ("", f"A: OSError: [Errno 28] No space left; {LOGS}", 4),
        ),
        ((": 3: printf: printf: I/O error",), ("", f"A: 3: printf: printf: I/O error; {LOGS}", 4)),
        (("{broken", "[1]"), ("", f"A: the process ended without a word (killed?); {LOGS}", 4)),
    ],
)
def test_a_failed_steps_last_words_are_its_error(recorder: Recorder, lines, expected) -> None:
    log(recorder, *lines)
    assert recorder._account(TASK) == expected


def test_a_step_ended_by_a_limit_is_told_as_such(recorder: Recorder) -> None:
    log(recorder, ERROR)
    assert "ended because it was over its time" in recorder._account(TaskRun("a", "A", ended_by="over its time"))[1]


def test_no_log_has_no_last_words(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none.log") is None
    assert last_words(tmp_path / "none.log") == ""


@pytest.fixture
def outputs(store, commit_rows, tmp_path: Path):
    """A step's outputs as KFP's cache gives them back."""
    row = {"id": "d", "text": "t", "source": "", "licence": "", "created": None, "meta": "{}"}
    manifest = commit_rows(Kind.DOCUMENTS, [row])
    (tmp_path / "copy").write_bytes(manifest.to_bytes())
    metadata = {"manifest": manifest.key, "digest": manifest.digest}
    return manifest, {"documents": SimpleNamespace(path=str(tmp_path / "copy"), metadata=metadata), "Output": "word"}


def test_outputs_that_are_all_there_may_be_used_again(recorder: Recorder, outputs) -> None:
    assert recorder.may_hit(outputs[1])


@pytest.mark.parametrize(
    "damage", ["no shard", "short shard", "no manifest", "other manifest", "no copy", "empty copy"]
)
def test_outputs_that_are_not_whole_are_made_again(
    recorder: Recorder, outputs, store, tmp_path: Path, damage: str
) -> None:
    manifest, found = outputs
    shard = Path(store.uri) / manifest.shards[0].uri
    target = {"shard": shard, "manifest": Path(store.uri) / manifest.key, "copy": tmp_path / "copy"}[damage.split()[1]]
    if damage.startswith("no "):
        target.unlink()
    else:
        target.write_bytes(target.read_bytes()[:-1])
    assert not recorder.may_hit(found)


def test_an_empty_cache_entry_is_no_hit(recorder: Recorder) -> None:
    assert not recorder.may_hit({})
