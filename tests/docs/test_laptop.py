"""The page for one machine, typed from its beginning to its end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.serve.processes import free_port
from tests.docs.commands import ROOT, Block, blocks, commands

PAGE = ROOT / "docs" / "guides" / "laptop.md"
SLUICE = str(Path(sys.executable).with_name("sluice"))
STAYS = "sluice serve"
"""The command of the second terminal."""


class Terminal:
    """A shell for each block; folder and variables stay from one to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.said = folder, free_port(), ""
        self._state, self._serving = folder / "state.sh", None
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._state.write_text(f"cd {folder}\nexport PATH={path}\n")

    def type(self, text: str) -> str:
        """Types a block; raises AssertionError at the first command that fails."""
        text = self.elsewhere(text)
        script = f"set -e\n. {self._state}\n{text}\n{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} > {self._state}\n"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert not done.returncode, f"{text}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def stay(self, text: str) -> None:
        """Types what stays in the foreground into a second terminal, and waits until the model answers."""
        log = (self.folder / "serve.log").open("wb")
        words = ["bash", "-c", f". {self._state}\nexec {text.strip()}"]
        self._serving = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        while (json.loads(self.type("sluice endpoints helpdesk --json"))["observed"] or {}).get("phase") != "steady":
            assert self._serving.poll() is None, (self.folder / "serve.log").read_text()
            time.sleep(0.5)

    def elsewhere(self, text: str) -> str:
        """The text with ports that are free here."""
        return text.replace("8080", str(self.port)).replace("9080", str(self.port + 1000))

    def end(self) -> int | None:
        """Ctrl-C in the second terminal; its exit code."""
        if self._serving is None:
            return None
        self._serving.send_signal(signal.SIGINT)
        return self._serving.wait(90)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.end()


def steps() -> Iterator[Block]:
    """All blocks but the one that sets up what this test runs with."""
    found = list(blocks(PAGE))
    assert [command.name for command in commands(found[0])] == ["make setup"]
    yield from found[1:]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_what_the_page_says_leads_to_a_served_model_a_retraining_and_back(terminal: Terminal, tmp_path: Path) -> None:
    said = []
    for block in steps():
        if block.language == "python":
            (tmp_path / "my-project" / "traffic.py").write_text(terminal.elsewhere(block.text))
        elif STAYS in block.text:
            terminal.stay(block.text)
        else:
            said.append(terminal.type(block.text))
            if "sluice init" in block.text:
                place = tmp_path / "my-project" / "environments" / "local.yaml"
                place.write_text(terminal.elsewhere(place.read_text()))
    everything = "\n".join(said)
    assert '"choices"' in everything
    assert "240 tickets, " in everything
    assert "rollback by anna" in everything
    kinds = [entry["kind"] for entry in json.loads(terminal.type("sluice audit helpdesk --json"))]
    assert kinds == ["release", "release", "rollback"]
    runs = [run["graph"] for run in json.loads(terminal.type("sluice runs --json"))]
    assert sorted(runs) == ["lifecycle", "lifecycle", "monitoring", "monitoring", "release", "release"]
    assert terminal.end() == 0


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_demo_plays_its_four_acts(tmp_path: Path) -> None:
    """What `make demo` types once it has set up."""
    assert re.search(r"^demo: setup .*\n\t@\.venv/bin/sluice demo\b", (ROOT / "Makefile").read_text(), re.MULTILINE)
    done = subprocess.run([SLUICE, "demo"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert re.findall(r"^(\d)  .* (\w+) +\d+ +\d+", done.stdout, re.MULTILINE) == [
        ("1", "serves"), ("2", "refused"), ("3", "retrained"), ("4", "found"),
    ]  # fmt: skip
