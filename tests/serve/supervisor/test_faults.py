"""What dies is started again, what cannot serve is told, and what serves goes on."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest

from components.core.endpoint import Phase
from components.serve.doubt import Doubt
from components.serve.processes import free_port
from tests.serve.supervisor.case import Case


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("dies", "ended before it was ready: these weights are not mine"),
        pytest.param("hangs", "was not ready after 8 s", marks=pytest.mark.long),
    ],
)
def test_a_champion_that_never_gets_ready_leaves_the_old_one_serving(
    make_case: Callable[..., Case], behaviour: str, said: str
) -> None:
    case = make_case(ready_seconds=8)
    good, bad, better = case.model("good"), case.model("bad", behaviour), case.model("better")
    case.serves(good)
    with case.load() as load:
        case.release(bad)
        seen = case.until_observed(Phase.DEGRADED, 1, champion=good.digest)
        assert f"{good.digest[:12]}… serves in place of {bad.digest[:12]}…: " in seen.reason
        assert said in seen.reason
        assert case.ask() == (200, good.digest)
        case.release(better)
        case.until_observed(Phase.STEADY, 3, champion=better.digest)
    assert load.lost == []
    assert "does not serve" in case.said


def test_a_model_of_which_a_byte_was_changed_does_not_serve(case: Case) -> None:
    good, bad = case.model("good"), case.model("bad")
    path = case.folder / "store" / bad.shards[-1].uri
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    case.serves(good)
    case.release(bad)
    seen = case.until_observed(Phase.DEGRADED, 1, champion=good.digest)
    assert "was changed after it was written" in seen.reason
    assert sorted(path.name for path in (case.place / "models").iterdir()) == [good.content_digest]


@pytest.mark.parametrize("keep", [True, False])
def test_after_a_cold_start_what_served_before_stands_in_for_a_champion_that_cannot(
    make_case: Callable[..., Case], keep: bool
) -> None:
    case = make_case(keep_previous=keep)
    good, bad = case.model("good"), case.model("bad", "dies")
    case.release(good)
    case.release(bad)
    case.supervise()
    seen = case.until_observed(Phase.DEGRADED, 0, champion=good.digest)
    assert "ended before it was ready: these weights are not mine" in seen.reason
    assert case.ask() == (200, good.digest)
    assert "generation 2 does not serve" in case.said
    with case.load() as load:
        # It is tried again all the time: what was wrong with it is mended, and traffic comes to it by itself.
        (case.place / "models" / bad.content_digest / "behaviour").write_text("answers")
        case.until_observed(Phase.STEADY, 2, champion=bad.digest, previous=good.digest if keep else "")
        case.until(lambda: load.answered[bad.digest], "it answers")
    assert load.lost == []
    assert f"generation 2 serves {bad.digest[:12]}…" in case.said


def test_a_supervisor_that_dies_while_another_stands_in_leaves_it_standing(case: Case) -> None:
    good, bad = case.model("good"), case.model("bad", "dies")
    case.release(good)
    case.release(bad)
    killed = case.supervise()
    case.until_observed(Phase.DEGRADED, 0, champion=good.digest)
    with case.load() as load:
        killed.kill()
        killed.wait()
        told = case.said.count("generation 2 does not serve")
        successor = case.supervise()
        case.until(lambda: case.said.count("generation 2 does not serve") > told, "the successor has found out too")
        case.until_observed(Phase.DEGRADED, 0, champion=good.digest)
    assert load.lost == []
    assert set(load.answered) == {good.digest}
    assert case.stop(successor) == 0
    assert case.processes() == []


def test_a_champion_that_dies_again_and_again_leaves_its_traffic_to_what_served_before(case: Case) -> None:
    good, bad = case.model("good"), case.model("bad", "lasts 3")
    case.release(good)
    case.release(bad)
    case.supervise()
    case.until_observed(Phase.STEADY, 2, champion=bad.digest, previous=good.digest)
    seen = case.until_observed(Phase.DEGRADED, 2, champion=good.digest)
    assert "2 times in a row: out of memory" in seen.reason
    with case.load() as load:
        # That it is ready once more moves nothing: it would take the traffic down with it.
        case.until(lambda: "3 times in a row" in case.observed.reason, "it died again")
        assert case.observed.champion == good.digest
    assert load.lost == []
    assert set(load.answered) == {good.digest}
    # A person's word counts at once.
    (case.place / "models" / bad.content_digest / "behaviour").write_text("answers")
    case.release(bad)
    case.until_observed(Phase.STEADY, 3, champion=bad.digest)


def crashes(case: Case) -> int:
    """How often the champion has died, as its supervisor says."""
    said = re.search(r"(\d+) times in a row", case.observed.reason)
    return int(said[1]) if said else 0


def test_after_its_own_death_too_it_gives_no_traffic_to_what_died_again_and_again(case: Case) -> None:
    good = case.model("good")
    case.release(good)
    case.release(case.model("bad", "lasts 3"))
    killed = case.supervise()
    case.until_observed(Phase.DEGRADED, 2, champion=good.digest)
    with case.load() as load:
        killed.kill()
        killed.wait()
        before = crashes(case)
        killed = case.supervise()
        case.until(lambda: crashes(case) > before, "it was ready once more, died, and the count went on")
        # Whoever decides anew begins anew, although nobody looked meanwhile.
        killed.kill()
        killed.wait()
        assert set(load.answered) == {good.digest}
        better = case.model("better")
        case.release(better)
        case.supervise()
        case.until_observed(Phase.STEADY, 3, champion=better.digest)
    assert load.lost == []
    assert "generation 3 does not serve" not in case.said


def test_after_a_cold_start_nobody_waits_until_a_champion_that_was_given_up_fails_again(
    make_case: Callable[..., Case],
) -> None:
    case = make_case(ready_seconds=600)
    good = case.model("good")
    case.release(good)
    case.release(case.model("bad", "hangs"))
    case.place.mkdir(parents=True)
    Doubt(generation=2, fault="it was not ready after 600 s").keep(case.place)
    case.supervise()
    seen = case.until_observed(Phase.DEGRADED, 0, champion=good.digest)
    assert "it was not ready after 600 s" in seen.reason


def test_a_damaged_word_about_a_champion_is_told_and_ends_nothing(case: Case) -> None:
    model = case.model("first")
    killed = case.serves(model)
    killed.kill()
    killed.wait()
    (case.place / "doubt.json").write_text("{")
    with case.load() as load:
        case.supervise()
        case.until(lambda: case.said.count("generation 1 serves") == 2, "it goes on")
    assert load.lost == []
    assert "doubt.json: cannot be read; nothing is held against the champion" in case.said


def test_a_champion_that_cannot_serve_is_told_with_what_cannot_stand_in_for_it(case: Case) -> None:
    case.release(case.model("good", "dies"))
    case.release(case.model("bad", "dies"))
    case.supervise()
    until = "which served before: server-"
    seen = case.until(lambda: (one := case.observed) and until in one.reason and one, "both are told")
    assert (seen.phase, seen.champion) == (Phase.FAILED, "")
    assert case.ask() == (503, "")


@pytest.mark.parametrize("kind", ["server", "gateway", "router"])
def test_what_is_killed_is_started_again_and_what_serves_then_is_observed(case: Case, kind: str) -> None:
    model = case.model("first")
    case.serves(model)
    for _ in range(2):
        (victim,) = case.of_kind(kind)
        victim.kill()
        case.until(lambda v=victim: not v.is_running() and case.kinds() == {"router": 1, "gateway": 1, "server": 1})
        case.until(lambda: case.answers() == (200, model.digest), "it answers again")
    case.until_observed(Phase.STEADY, 1, champion=model.digest)


@pytest.mark.parametrize("kind", ["server", "gateway"])
def test_a_request_that_had_not_begun_to_be_answered_survives_the_death_of_what_answers_it(
    case: Case, kind: str
) -> None:
    model = case.model("first")
    supervisor = case.serves(model)
    with case.load() as load:
        case.until(lambda: load.answered, "an answer")
        open_one = case.asked("!slow 1.5")
        case.until(lambda: case.in_flight(model) > 0, "the request is open")
        case.of_kind(kind)[0].kill()
        assert open_one.result() == (200, model.digest)
        before = load.answered[model.digest]
        case.until(lambda: load.answered[model.digest] > before + 5, "it goes on")
    assert load.lost == []
    assert case.stop(supervisor) == 0
    # Each answered one is in the log. One of a killed gateway may be there although its answer came from the next.
    assert case.logged()[model.digest] == load.answered[model.digest] + 1


def test_an_adopted_server_that_is_killed_comes_back_to_the_gateway_that_it_had(case: Case) -> None:
    model = case.model("first")
    before = case.serves(model)
    before.kill()
    before.wait()
    supervisor = case.supervise()
    case.until(lambda: case.observed.phase is Phase.STEADY and case.answers() == (200, model.digest), "adopted")
    (gateway,) = case.of_kind("gateway")
    with case.load() as load:
        case.until(lambda: load.answered, "an answer")
        case.of_kind("server")[0].kill()
        answered = load.answered[model.digest]
        case.until(lambda: load.answered[model.digest] > answered + 20, "it goes on")
    assert load.lost == []
    assert [one.pid for one in case.of_kind("gateway")] == [gateway.pid]
    assert case.stop(supervisor) == 0


def test_a_port_that_somebody_has_is_an_error_that_says_who(make_case: Callable[..., Case]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        case = make_case(port=other.getsockname()[1])
        case.release(case.model("first"))
        assert case.supervise().wait(30) != 0
    assert f"port {case.serving.port} on 127.0.0.1: is taken by " in case.said
    assert "--port" in case.said
    assert case.processes() == []


def test_a_second_supervisor_is_refused_and_the_first_goes_on(case: Case) -> None:
    model = case.model("first")
    first = case.serves(model)
    assert case.supervise().wait(30) != 0
    assert f"process {first.pid} serves it already" in case.said
    assert case.ask() == (200, model.digest)
    assert case.kinds() == {"router": 1, "gateway": 1, "server": 1}


def test_a_supervisor_of_another_endpoint_touches_nothing_of_this_one(case: Case, tmp_path_factory) -> None:
    model = case.model("first")
    case.serves(model)
    other = Case(tmp_path_factory.mktemp("other"), port=free_port())
    try:
        other.serves(other.model("its"))
        assert case.ask() == (200, model.digest)
        assert other.kinds() == case.kinds() == {"router": 1, "gateway": 1, "server": 1}
    finally:
        other.close()
