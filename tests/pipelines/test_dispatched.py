"""Commands that leave what is asked for to a dispatcher: they wait for its run, and say what it made of a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from components.core.canonical import sha256
from components.core.errors import Failed, Refused
from components.core.run import Run, State
from components.core.run_request import RunRequest
from pipelines import dispatcher, follow
from pipelines.backends.ask import GRAPHS
from pipelines.compile import Compiled
from pipelines.dispatch_service import DispatchService
from pipelines.dispatched import PATIENCE, Asked, Dispatched, last_asked, wait_for
from pipelines.environment import environment_from
from pipelines.runs import RunFolder
from tests.pipelines.backends.machine import SPEC, FakeService, Machine

BEFORE, ENDED, LATER = (f"2026-01-0{day}T00:00:00+00:00" for day in (1, 2, 3))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose environment has a dispatcher, before a service in memory."""
    graphs = {name: Compiled(name, "kubeflow", SPEC) for name in ("lifecycle", "release")}
    monkeypatch.setattr("pipelines.compile.compile_graphs", lambda *_: graphs)
    monkeypatch.setattr("pipelines.backends.cloud_run.code_digests", lambda: {"core": "c"})
    machine = Machine(tmp_path / "here", tmp_path, FakeService())
    machine.environment = machine.environment.model_copy(update={"dispatcher": True})
    for module in ("dispatched", "dispatcher"):
        monkeypatch.setattr(f"pipelines.{module}.open_backend", lambda _: machine.runs)
    machine.store.create(f"{GRAPHS}/{sha256(SPEC)}.yaml", SPEC.encode())
    return machine


def asked(machine: Machine, **changes: str) -> str:
    """Puts a request for a release into the store and returns its name."""
    facts = {"graph": "release", "spec": sha256(SPEC), "asker": "lifecycle", "recipe": machine.recipe.digest}
    request = RunRequest(**{**facts, "environment": "there", **changes})
    request.put(machine.store)
    return request.name


def look(machine: Machine) -> Dispatched:
    """What the dispatcher makes of the request at its next look."""
    (made,) = DispatchService(machine.environment, (machine.recipe,)).look()
    return made


class Clock:
    """Time that passes while it is slept, in which something may happen."""

    def __init__(self, *happens: Callable[[], object]) -> None:
        self.now, self.happens = 0.0, [*happens]

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.happens:
            self.happens.pop(0)()

    def waited(self, machine: Machine, name: str) -> RunFolder:
        """The run that is waited for in this time."""
        return wait_for(
            last_asked(name, machine.environment), machine.environment, sleep=self.sleep, clock=lambda: self.now
        )


def test_the_dispatchers_run_is_waited_for_and_is_the_one_that_was_foretold(machine: Machine, capsys) -> None:
    name, done = asked(machine), list[Dispatched]()
    foretold = dispatcher.run_to_be(name, machine.recipe, machine.environment)
    clock = Clock(lambda: None, lambda: done.append(look(machine)))
    folder = clock.waited(machine, name)
    assert folder.run == foretold == done[0].run
    assert [job.run for job in machine.service.submitted] == [folder.run]
    assert f"request {name[:12]}: the dispatcher starts what it asks for; waiting" in capsys.readouterr().err
    assert Clock().waited(machine, name).run == folder.run
    assert "waiting" not in capsys.readouterr().err, "it is there"


def test_who_has_another_word_about_the_dispatcher_has_the_same_run(machine: Machine) -> None:
    name = asked(machine)
    without = machine.environment.model_copy(update={"dispatcher": False})
    assert dispatcher.run_to_be(name, machine.recipe, without) == look(machine).run


def test_a_dispatcher_that_is_not_there_is_not_waited_for_for_ever_and_the_request_stays(machine: Machine) -> None:
    name, clock = asked(machine), Clock()
    with pytest.raises(Failed, match="no dispatcher has started it for 15 minutes; see that `sluice dispatch` runs"):
        clock.waited(machine, name)
    assert PATIENCE.total_seconds() <= clock.now < PATIENCE.total_seconds() + 10
    assert machine.service.submitted == []
    assert look(machine).run


def test_what_was_given_up_is_asked_for_again_by_a_mark_that_is_followed_by_one_attempt(machine: Machine) -> None:
    name, first_time = asked(machine), Asked(asked(machine))
    first = look(machine).run
    assert last_asked(name, machine.environment, LATER) == first_time, "it is at work"
    machine.service.tell(first, State.FAILED)
    machine.service.states[first] = replace(machine.service.states[first], ended=ENDED)
    assert last_asked(name, machine.environment) == first_time, "who only looks asks for nothing"
    assert last_asked(name, machine.environment, BEFORE) == first_time, "it had not been given up when that was asked"
    for _ in range(2):
        again = last_asked(name, machine.environment, LATER)
        assert again == Asked(name, after=first, attempt=2)
    foretold = dispatcher.run_to_be(name, machine.recipe, machine.environment, again.attempt)
    assert look(machine).run == foretold != first
    assert DispatchService(machine.environment, (machine.recipe,)).look() == []
    assert [job.run for job in machine.service.submitted] == [first, foretold]
    assert last_asked(name, machine.environment) == again, "who looks sees the second attempt"
    assert Clock().waited(machine, name).run == foretold


@pytest.mark.parametrize("state", [State.RUNNING, State.DONE])
def test_a_mark_that_somebody_made_starts_nothing_again_that_was_not_given_up(machine: Machine, state: State) -> None:
    name = asked(machine)
    first = look(machine).run
    machine.service.tell(first, state)
    machine.store.create(f"requests/{name}/{first}", b"")
    assert look(machine).run == first
    assert [job.run for job in machine.service.submitted] == [first]
    assert Clock().waited(machine, name).run == first


def test_what_the_dispatcher_refuses_is_said_in_its_words(machine: Machine) -> None:
    name = asked(machine, asker="monitoring")
    with pytest.raises(Refused, match=r"the dispatcher refused: request \w{12}: monitoring may not ask for release"):
        Clock(lambda: look(machine)).waited(machine, name)


@pytest.mark.parametrize("there", [True, False])
def test_what_a_followed_run_asks_for_is_started_by_the_dispatcher_where_there_is_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    name, waited = asked(machine), list[str]()

    def comes(asked: Asked, environment: object) -> RunFolder:
        waited.append(asked.name)
        return machine.runs.find(look(machine).run)

    def ended(_: object, folder: RunFolder, *__: object) -> Run:
        facts = dict.fromkeys(("recipe", "recipe_digest", "environment_digest", "spec", "now"), "x")
        requests = (name,) if folder.launch().graph == "lifecycle" else ()
        run = Run(
            run=folder.run, graph="x", backend="kubeflow", environment="there", state=State.DONE,
            requests=requests, **facts,
        )  # fmt: skip
        folder.write(run)
        return run

    monkeypatch.setattr(follow, "wait_for", comes)
    monkeypatch.setattr(follow, "watch", ended)
    monkeypatch.setattr(follow, "write_page", lambda *_, **__: None)
    environment = machine.environment.model_copy(update={"dispatcher": there})
    first = machine.runs.start(machine.ask)
    finished = follow.follow(machine.runs, first, machine.recipe, environment)
    assert [RunFolder(path).launch().graph for path in finished.followed] == ["release"]
    assert waited == ([name] if there else [])


def test_an_environment_without_the_word_has_commands_start_it(machine: Machine) -> None:
    document = machine.environment.model_dump(mode="json", exclude={"dispatcher"})
    kept = environment_from(document)
    assert kept.model_dump()["dispatcher"] is False
    assert kept.digest == machine.environment.digest, "runs of before keep their names"
