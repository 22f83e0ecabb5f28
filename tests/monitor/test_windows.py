"""The four steps of monitoring one after the other decide what the simulation decides of the same draws."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import monitor_windows
from components.monitor.retraining.settings import Retraining


@pytest.mark.long
def test_real_windows_are_decided_as_the_simulation_decides_the_same_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_windows, "SILENT", 3)
    monkeypatch.setattr(monitor_windows, "CHANGED", 5)
    found = list(monitor_windows.windows(tmp_path, 7, Retraining()))
    assert [window.whole for window in found] == [window.simulated for window in found]
    assert [window.whole[0] for window in found[:6]] == ["wait"] * 3 + ["alert", "wait"] + [found[5].whole[0]]
    assert "retrain" in {window.whole[0] for window in found[5:]}
