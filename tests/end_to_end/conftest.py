"""A small project in a folder of its own, and ``sluice`` as a person would type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.demo.tickets import write_tickets

SLUICE = str(Path(sys.executable).with_name("sluice"))

RECIPE = """
version: 1
name: tiny
resolve:
  root: data
  sources:
    - {path: tickets.jsonl, licence: Apache-2.0}
    - {path: exam.jsonl, role: benchmark, name: exam, licence: Apache-2.0}
ingest: {id: id, group: group, created: created, max_reject_share: 0.2}
validate:
  max_reject_share: 0.2
  expectations: [{type: expect_column_values_to_be_json_parseable, column: meta.completion}]
split: {held_out_share: 0.05}
format: {kind: completion, column: completion}
suites: {generation: {max_new_tokens: 8}}
base: {scratch: {vocabulary: 400, hidden: 32, layers: 1, heads: 2, kv_heads: 1, intermediate: 64, context: 128}}
tokenise: {max_tokens: 128}
train:
  - finetune: {max_steps: 4, batch_size: 4}
gate: {claims: [{suite: exam, floor: 0.0, see: 0.5}]}
card: {licence: apache-2.0, intended_use: Tests., limitations: It has learned nothing., contact: nobody}
"""


@dataclass
class Project:
    """A project folder and the command line in it."""

    folder: Path

    def sluice(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs a command; ``code`` is the exit code that it must have."""
        done = subprocess.run([SLUICE, *words], cwd=self.folder, capture_output=True, text=True, check=False)
        if code is not None and done.returncode != code:
            raise AssertionError(f"sluice {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts a command and does not wait for it."""
        return subprocess.Popen(
            [SLUICE, *words], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        )

    def status(self, run: str = "latest") -> dict:
        return json.loads(self.sluice("status", run, "--json", code=None).stdout)

    def steps(self, run: str = "latest") -> dict[str, dict]:
        return {step["name"]: step for step in self.status(run)["steps"]}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that has not been run."""
    write_tickets(tmp_path / "data", seed=3, genuine=300, questions=60)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return Project(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose lifecycle and release have run once; tests that use it leave it as it is or run it again."""
    folder = tmp_path_factory.mktemp("finished")
    write_tickets(folder / "data", seed=3, genuine=300, questions=60)
    (folder / "recipe.yaml").write_text(RECIPE)
    project = Project(folder)
    project.sluice("run", "recipe.yaml")
    return project
