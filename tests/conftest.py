"""What every test may ask for."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from components.core.attempt import Attempt, Draft
from components.core.manifest import Kind, Manifest
from components.core.settings import StepSettings
from components.core.store import Store

# A shell that starts tests in the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test is timed: a machine that is busy is no fault of the code's.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--allowed-skips", default="", help="File of reasons; a skip for any other one is a failure.")


class SkipWatch:
    """Fails the session when a test was skipped for a reason that nobody wrote down."""

    def __init__(self, allowed: list[str]) -> None:
        self.allowed, self.unexpected = allowed, []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if not any(reason.startswith(allowed) for allowed in self.allowed):
                self.unexpected.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexpected:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter) -> None:
        for line in self.unexpected:
            terminalreporter.write_line(f"skipped for a reason that is not on the list: {line}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--allowed-skips")
    if path:
        lines = Path(path).read_text().splitlines()
        allowed = [line for line in lines if line and not line.startswith("#")]
        config.pluginmanager.register(SkipWatch(allowed))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store in a folder."""
    return Store(str(tmp_path / "store"))


@pytest.fixture
def commit_rows(store: Store) -> Callable[..., Manifest]:
    """Puts rows into the store as an artifact: ``commit_rows(Kind.DOCUMENTS, [{…}, …])``."""

    def commit(kind: Kind, rows: list[dict[str, Any]]) -> Manifest:
        attempt = Attempt(store, "given")
        with attempt.rows(kind) as writer:
            for row in rows:
                writer.append(row)
        outcome = attempt.commit(
            {"given": Draft(kind, writer)},
            settings=StepSettings(),
            created=writer.rows,
        )
        return outcome.manifests["given"]

    return commit


@pytest.fixture
def commit_texts(commit_rows: Callable[..., Manifest]) -> Callable[..., Manifest]:
    """Puts texts into the store as documents: ``commit_texts("one", "two")``; ids are d0, d1, …"""

    def commit(*texts: str, meta: str = "{}") -> Manifest:
        rows = [
            {"id": f"d{index}", "text": text, "source": "test", "licence": "", "created": None, "meta": meta}
            for index, text in enumerate(texts)
        ]
        return commit_rows(Kind.DOCUMENTS, rows)

    return commit
