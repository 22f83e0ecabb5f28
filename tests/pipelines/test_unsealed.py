"""What `sluice monitor` says of rows that are in no partition yet, and of a window that ends in the future."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.serve.log.segment import Mark, Name, Segment, frame
from pipelines.commands import work
from pipelines.environment import load_environment
from pipelines.unsealed import unsealed
from tests.pipelines.small import RECIPE

JOURNAL = Path(".sluice/serving/helpdesk/journals/0123456789ab")


@pytest.fixture(autouse=True)
def recipe(environment) -> None:
    Path("recipe.yaml").write_text(RECIPE)
    JOURNAL.mkdir(parents=True)


def logged(*marks: Mark) -> None:
    """Rows in the gateway's journal, as it leaves them between two sealings."""
    segment = Segment(JOURNAL / str(Name(1)))
    segment.append(b"".join(frame(mark, {"request_id": f"r{at}"}) for at, mark in enumerate(marks)))
    segment.close()


def test_rows_that_are_not_sealed_are_counted_and_it_is_said_when_they_will_be() -> None:
    (JOURNAL / "lock").write_text("1")
    assert unsealed(load_environment("local"), "helpdesk") == ""
    logged(Mark.BEGUN, Mark.REQUEST, Mark.REQUEST, Mark.FEEDBACK)
    said = unsealed(load_environment("local"), "helpdesk")
    assert said.startswith("3 rows of helpdesk's log are not sealed yet, and no part of this window: `sluice serve`")
    assert "within 30 s" in said
    assert unsealed(load_environment("local"), "another") == ""


def test_monitor_says_so_before_it_begins(sluice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_carry_out", lambda ask, follow, as_json: 0)
    assert sluice("monitor", "recipe.yaml")[2] == ""
    logged(Mark.REQUEST)
    code, _, said = sluice("monitor", "recipe.yaml")
    assert code == 0
    assert said.startswith("1 row of helpdesk's log is not sealed yet")


def test_a_window_that_ends_in_the_future_is_refused(sluice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_carry_out", lambda ask, follow, as_json: 0)
    code, _, complaints = sluice("monitor", "recipe.yaml", "--now", "9000-01-01T00:00:00+00:00")
    assert code == 2
    assert "has not come yet" in complaints
    assert sluice("monitor", "recipe.yaml", "--now", "2026-01-01T00:00:00+00:00")[0] == 0
    assert sluice("monitor", "recipe.yaml", "--now", "soon")[0] == 2
