"""The one place that reaches into KFP's private parts must see what really happened."""

from pathlib import Path

import pytest
from kfp import compiler, dsl

from pipelines.backends.kfp_local import Limits, TaskRun, Watch, run_graph


@dsl.component(base_image="python", install_kfp_package=False)
def decide(word: str) -> str:
    return word


@dsl.component(base_image="python", install_kfp_package=False)
def leave(folder: str, name: str) -> str:
    import pathlib

    (pathlib.Path(folder) / name).touch()
    return name


@dsl.component(base_image="python", install_kfp_package=False)
def fail() -> str:
    raise ValueError("broken on purpose")


@dsl.component(base_image="python", install_kfp_package=False)
def fail_once(folder: str) -> str:
    import pathlib

    marker = pathlib.Path(folder) / "tried"
    if not marker.exists():
        marker.touch()
        raise ValueError("the first try fails")
    return "done"


@dsl.component(base_image="python", install_kfp_package=False)
def hold_memory(megabytes: int) -> str:
    import time

    block = bytearray(megabytes * 2**20)
    time.sleep(30)
    return str(len(block))


@dsl.component(base_image="python", install_kfp_package=False)
def take(word: str) -> str:
    return word


class Seen:
    """Runs a graph and remembers what the watch was told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tasks: dict[str, TaskRun] = {}
        self.limit = Limits()
        self.allowed = True

    def run(self, pipeline, **arguments: str) -> bool:
        path = self.root / "graph.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        self.tasks = {}
        watch = Watch(
            started=lambda task: None,
            finished=lambda task: self.tasks.__setitem__(task.name, task),
            log=lambda name: self.root / f"{name}.log",
            limits=lambda title: self.limit,
            may_hit=lambda task, outputs: self.allowed,
        )
        return run_graph(path.read_text(), arguments, root=self.root / "kfp", watch=watch)


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    return Seen(tmp_path)


@dsl.pipeline(name="branches")
def branches(word: str, folder: str):
    decided = decide(word=word)
    with dsl.If(decided.output == "pass"):
        leave(folder=folder, name="passed").set_caching_options(False)
    with dsl.Else():
        leave(folder=folder, name="held").set_caching_options(False)


@pytest.mark.parametrize(("word", "left"), [("pass", "passed"), ("hold", "held")])
def test_the_branch_that_the_word_names_is_taken_and_the_other_is_not(seen: Seen, word: str, left: str) -> None:
    (seen.root / "left").mkdir()
    assert seen.run(branches, word=word, folder=str(seen.root / "left"))
    assert [path.name for path in (seen.root / "left").iterdir()] == [left]


@dsl.pipeline(name="failing")
def failing(folder: str):
    last = leave(folder=folder, name="exit-task-ran")
    with dsl.ExitHandler(last):
        leave(folder=folder, name=fail().output)


def test_a_failed_step_skips_its_dependents_and_the_exit_task_runs(seen: Seen) -> None:
    assert not seen.run(failing, folder=str(seen.root))
    assert not seen.tasks["fail"].succeeded
    assert "leave-2" not in seen.tasks
    assert seen.tasks["leave"].succeeded
    assert (seen.root / "exit-task-ran").exists()
    assert "broken on purpose" in (seen.root / "fail.log").read_text()


@dsl.pipeline(name="one")
def one(word: str):
    take(word=word)


def test_the_same_again_is_a_hit_and_another_input_is_a_miss(seen: Seen) -> None:
    seen.run(one, word="a")
    assert not seen.tasks["take"].cached
    seen.run(one, word="a")
    assert seen.tasks["take"].cached
    assert seen.tasks["take"].attempts == 0
    seen.run(one, word="b")
    assert not seen.tasks["take"].cached


def test_a_hit_that_may_not_be_used_is_a_miss(seen: Seen) -> None:
    seen.run(one, word="a")
    seen.allowed = False
    seen.run(one, word="a")
    assert not seen.tasks["take"].cached
    assert seen.tasks["take"].attempts == 1


def test_what_a_cache_key_is_made_of_is_seen(seen: Seen) -> None:
    seen.run(one, word="a")
    assert seen.tasks["take"].key["word"] == "a"
    assert seen.tasks["take"].key["component"]


@dsl.pipeline(name="retried")
def retried(folder: str):
    fail_once(folder=folder).set_retry(2, backoff_duration="0s")


def test_attempts_are_counted(seen: Seen) -> None:
    assert seen.run(retried, folder=str(seen.root))
    assert (seen.tasks["fail-once"].attempts, seen.tasks["fail-once"].succeeded) == (2, True)


@dsl.pipeline(name="large")
def large():
    hold_memory(megabytes=300)


def test_a_step_over_its_memory_is_ended_and_it_is_said(seen: Seen) -> None:
    seen.limit = Limits(memory_bytes=150 * 2**20)
    assert not seen.run(large)
    assert "over its memory of 150 MiB" in seen.tasks["hold-memory"].ended_by


def test_a_step_over_its_time_is_ended_and_it_is_said(seen: Seen) -> None:
    seen.limit = Limits(seconds=0.5)
    assert not seen.run(large)
    assert "over its time of 0.5 s" in seen.tasks["hold-memory"].ended_by
