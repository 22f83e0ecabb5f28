"""Traffic follows what should serve, and nothing that was asked is lost."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable

import psutil

from components.core.endpoint import Phase
from tests.serve.supervisor.case import Case

WARM = {"router": 1, "gateway": 2, "server": 2}


def test_a_release_and_a_rollback_under_load_lose_nothing(case: Case) -> None:
    first, second = case.model("first"), case.model("second")
    case.release(first)
    supervisor = case.supervise()
    seen = case.until_observed(Phase.STEADY, 1, champion=first.digest, previous="")
    assert (seen.address, seen.reason) == (f"{case.address}/v1", "")
    with case.load() as load:
        case.release(second)
        case.until_observed(Phase.STEADY, 2, champion=second.digest, previous=first.digest)
        assert case.ask() == (200, second.digest)
        before = case.of_kind("server"), load.answered[first.digest]
        case.roll_back()
        case.until(lambda: load.answered[first.digest] > before[1], "the first one answers again")
        case.until_observed(Phase.STEADY, 3, champion=first.digest, previous=second.digest)
    assert load.lost == []
    assert min(load.answered[first.digest], load.answered[second.digest]) > 0
    assert set(load.answered) == {first.digest, second.digest}
    # The way back was a change of route alone: nobody was started for it.
    assert {process.pid for process in case.of_kind("server")} == {process.pid for process in before[0]}
    assert f"generation 2 serves {second.digest[:12]}… at {case.address}/v1" in case.said
    assert case.stop(supervisor) == 0
    assert case.processes() == []
    assert case.observed.phase is Phase.STOPPED
    assert case.logged() == load.answered + Counter([second.digest])


def test_what_a_rollback_waits_for_is_said_while_it_is_not_ready(case: Case) -> None:
    previous, champion = case.model("previous", "hangs"), case.model("champion")
    case.release(previous)
    case.release(champion)
    supervisor = case.supervise()
    case.until_observed(Phase.STEADY, 2, champion=champion.digest, previous="")
    waits = case.until(lambda: case.observed.standby, "it is being started")
    assert (waits.model, waits.fault) == (previous.digest, "")
    assert case.observed.start_seconds > 0, "the champion's start is a measure for it"
    # Its next start is another one, and what keeps it down is said.
    server = case.until(lambda: _hanging(case), "its server hangs")[0]
    (case.place / "models" / previous.content_digest / "behaviour").write_text("dies")
    server.kill()
    case.until(lambda: "these weights are not mine" in _fault(case), "why it does not come up")
    (case.place / "models" / previous.content_digest / "behaviour").write_text("answers")
    case.until_observed(Phase.STEADY, 2, champion=champion.digest, previous=previous.digest)
    assert case.observed.standby is None
    assert case.stop(supervisor) == 0


def test_what_is_neither_champion_nor_previous_is_ended_with_its_files(case: Case) -> None:
    models = [case.model(name) for name in ("one", "two", "three")]
    case.release(models[0])
    case.supervise()
    for generation, model in enumerate(models, 1):
        if generation > 1:
            case.release(model)
        case.until_observed(Phase.STEADY, generation, champion=model.digest)
    kept = sorted(model.content_digest for model in models[1:])
    case.until(lambda: sorted(path.name for path in (case.place / "models").iterdir()) == kept, "two folders")
    assert case.kinds() == WARM


def test_without_keep_previous_the_old_one_ends_its_open_answers_first(make_case: Callable[..., Case]) -> None:
    case = make_case(keep_previous=False, drain_seconds=20)
    first, second = case.model("first"), case.model("second")
    case.release(first)
    case.supervise()
    case.until_observed(Phase.STEADY, 1)
    with case.load(clients=1) as load:
        case.until(lambda: load.answered, "an answer")
        slow = case.asked("!slow 4")
        case.until(lambda: case.in_flight(first) > 0, "the slow request is open")
        case.release(second)
        case.until_observed(Phase.DRAINING, 2, champion=second.digest)
        assert slow.result() == (200, first.digest)
        case.until_observed(Phase.STEADY, 2, previous="")
    assert load.lost == []
    assert case.kinds() == {"router": 1, "gateway": 1, "server": 1}


def test_before_the_first_release_it_waits_and_clients_are_told(case: Case) -> None:
    supervisor = case.supervise()
    seen = case.until_observed(Phase.STEADY, 0, champion="")
    assert "nothing has been released" in seen.reason
    assert case.ask() == (503, "")
    case.release(case.model("first"))
    case.until_observed(Phase.STEADY, 1)
    assert case.ask()[0] == 200
    assert case.stop(supervisor) == 0


def test_the_router_is_replaced_under_load_without_a_loss(case: Case) -> None:
    case.release(case.model("first"))
    supervisor = case.supervise()
    case.until_observed(Phase.STEADY, 1)
    (before,) = case.of_kind("router")
    with case.load() as load:
        supervisor.send_signal(signal.SIGHUP)
        case.until(lambda: "the router was replaced" in case.said, "the router is replaced")
        count = sum(load.answered.values())
        case.until(lambda: sum(load.answered.values()) > count + 20, "the new one answers")
    assert load.lost == []
    case.until(lambda: not before.is_running(), "the old one ends")
    assert case.kinds()["router"] == 1
    assert case.ask()[0] == 200
    case.stop(supervisor)
    assert case.processes() == []


def test_ctrl_c_lets_an_open_answer_end(case: Case) -> None:
    model = case.model("first")
    case.release(model)
    supervisor = case.supervise()
    case.until_observed(Phase.STEADY, 1)
    slow = case.asked("!slow 2")
    case.until(lambda: case.in_flight(model) > 0, "the slow request is open")
    assert case.stop(supervisor) == 0
    assert slow.result() == (200, model.digest)
    assert case.processes() == []


def test_a_second_ctrl_c_waits_for_nobody(make_case: Callable[..., Case]) -> None:
    case = make_case(drain_seconds=300)
    model = case.model("first")
    case.release(model)
    supervisor = case.supervise()
    case.until_observed(Phase.STEADY, 1)
    open_one = case.asked("!slow 200")
    case.until(lambda: case.in_flight(model) > 0, "the slow request is open")
    supervisor.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert supervisor.poll() is None
    assert case.stop(supervisor) == 0
    assert open_one.exception() or open_one.result()[0] != 200
    assert case.processes() == []


def _fault(case: Case) -> str:
    standby = case.observed.standby
    return standby.fault if standby else ""


def _hanging(case: Case) -> list[psutil.Process]:
    return [process for kind, process in case.by_kind() if "time.sleep(600)" in kind]
