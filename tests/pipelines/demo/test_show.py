"""What the demo says at its end."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.core.errors import ExitCode
from pipelines.demo import show
from pipelines.demo.acts import ACTS, Act, Scene
from pipelines.demo.place import Place


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Plays acts of no length in a folder of its own: ``played(seconds, …)`` by a clock that says what an act took."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def play(*seconds: float, wrong: str = "") -> tuple[int, str]:
        def act(_scene: Scene) -> list[str]:
            return [wrong] if wrong else []

        acts = tuple(Act(number + 1, "a title", "done", 100, act) for number in range(len(seconds)))
        clock = iter([moment for took in seconds for moment in (0.0, took)])
        monkeypatch.setattr(show, "ACTS", acts)
        monkeypatch.setattr(show, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        code = show.show()
        return code, capsys.readouterr().out

    return play


def test_an_act_that_was_over_its_budget_says_by_how_much_and_fails_nothing(played) -> None:
    code, printed = played(90.0, 103.2)
    first, second, _ = printed.partition("budget\n")[2].splitlines()[:3]
    assert first.endswith("100  ✓")
    assert second.endswith("100  ✓ 3 s over")
    assert code == ExitCode.DONE


def test_a_second_that_nobody_sees_is_not_over(played) -> None:
    _, printed = played(100.4)
    assert "over" not in printed


def test_acts_that_took_too_long_together_say_so(played) -> None:
    _, printed = played(97.0, 97.0, 109.0)
    assert f"{303:>8} {300:>7}  3 s over\n" in printed


def test_all_acts_together_take_under_eight_minutes() -> None:
    assert sum(act.budget_seconds for act in ACTS) == 8 * 60


def test_what_went_wrong_is_no_question_of_budget(played) -> None:
    code, printed = played(200.0, wrong="what serves has changed")
    assert printed.partition("budget\n")[2].splitlines()[0].endswith("100  ✗")
    assert code == ExitCode.FAILED


def test_the_commands_at_the_end_work_from_wherever_it_was_started(played) -> None:
    _, printed = played(1.0)
    here = Path.cwd()
    assert f"page:  {here / 'runs' / 'latest' / 'report.html'}\n" in printed
    assert f"next:  cd {shlex.quote(str(here))} " in printed
    assert Place().folder.resolve().is_relative_to(here)
