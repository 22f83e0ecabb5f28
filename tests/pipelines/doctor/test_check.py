from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event

import pytest

from components.core.errors import InvalidInput
from pipelines.doctor import clock, tools
from pipelines.doctor.check import Check, Finding, Health, NotChecked, examine, is_sound
from pipelines.environment import load_environment

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def raising(error: Exception) -> Check:
    def look() -> str:
        raise error

    return Check("it", look)


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (Check("it", lambda: "is there"), "ok           it: is there"),
        (raising(InvalidInput("is gone;\n bring it back")), "missing      it: is gone; bring it back"),
        (raising(NotChecked("cannot be seen; ask")), "not checked  it: cannot be seen; ask"),
        (
            raising(KeyError("odd")),
            "missing      it: KeyError: 'odd'; see that it is there and can be reached from here",
        ),
    ],
)
def test_whatever_a_check_comes_to_is_one_line(check: Check, line: str) -> None:
    assert [one.line for one in examine([check])] == [line]


def test_a_check_that_never_comes_back_is_told_and_keeps_no_other_from_its_own() -> None:
    never = Event()
    slow = Check("slow", lambda: str(never.wait()))
    try:
        first, second = examine([slow, Check("quick", lambda: "is there")], seconds=0.5)
    finally:
        never.set()
    assert (first.health, "no answer in 0.5 s" in first.said) == (Health.MISSING, True)
    assert second == Finding("quick", Health.OK, "is there")


def test_they_are_all_at_work_at_once() -> None:
    begun = [Event(), Event()]

    def look(mine: Event, other: Event) -> str:
        mine.set()
        return str(other.wait(20))

    checks = [Check("one", lambda: look(*begun)), Check("two", lambda: look(*reversed(begun)))]
    assert [one.said for one in examine(checks)] == ["True", "True"]


def test_what_is_not_checked_is_not_missing() -> None:
    well, unseen = Finding("a", Health.OK, ""), Finding("b", Health.NOT_CHECKED, "")
    assert is_sound([well, unseen])
    assert not is_sound([well, unseen, Finding("c", Health.MISSING, "")])


@pytest.mark.parametrize("seconds", [-59, 0, 59])
def test_clocks_that_agree(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert clock.compare(date, "it", lambda: NOW) == "agrees with it"


@pytest.mark.parametrize(("seconds", "words"), [(-120, "120 s ahead of it"), (120, "120 s behind it")])
def test_clocks_that_do_not(seconds: int, words: str) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    with pytest.raises(InvalidInput, match=f"this machine is {words}.*; set the clock"):
        clock.compare(date, "it", lambda: NOW)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 05 Jan 2026 12:00:00 -0000"])
def test_a_service_that_does_not_tell_the_time(date: str) -> None:
    with pytest.raises(NotChecked, match="does not say what time it is; compare"):
        clock.compare(date, "it", lambda: NOW)


def tool(environment: str) -> dict[str, Finding]:
    return {one.about: one for one in examine(tools.checks(load_environment(environment)))}


def test_a_machine_needs_python_and_kfp_and_programs_are_a_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if name == "terraform" else f"/bin/{name}")
    assert set(tool("local")) == {"python", "kfp"}
    assert set(tool("vertex")) == {"python", "kfp", "docker", "terraform", "gcloud"}
    found = tool("kubeflow")
    assert set(found) == {"python", "kfp", "docker", "terraform", "kubectl"}
    assert found["kubectl"] == Finding("kubectl", Health.OK, "/bin/kubectl")
    assert found["terraform"].health is Health.NOT_CHECKED
    assert "no command of Sluice's needs it: https://" in found["terraform"].said


def test_another_kfp_or_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "version", lambda _: "2.16.1")
    monkeypatch.setattr(tools, "PYTHON", (4, 0))
    found = tool("local")
    assert found["kfp"].said == "2.16.1 is installed, and graphs are made for 2.17.x; run `make setup`"
    assert "and 4.0 is the smallest; install it" in found["python"].said
    assert {one.health for one in found.values()} == {Health.MISSING}
