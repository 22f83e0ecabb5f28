"""``make demo``: tickets are made up, the lifecycle and the release run, and what was planted is looked for."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import click

from components.core.errors import ExitCode
from components.core.report import Report
from components.core.store import Store
from pipelines.backends.local_run import Ask
from pipelines.demo.tickets import PLANTS, Planted, write_tickets
from pipelines.environment import LocalEnvironment, load_environment
from pipelines.follow import Finished, carry_out, tell
from pipelines.page.load import write_page
from pipelines.recipe import load_recipe
from pipelines.runs import replace_text

SEED = 7
BUDGET_SECONDS = 180
RECIPE = Path(__file__).parents[1] / "recipes" / "helpdesk.yaml"

FOUND_AS = {
    ("validate", "completion_not_json"): "rejected:meta.completion_be_json_parseable",
    ("deduplicate", "exact"): "figure:exact",
    ("deduplicate", "near"): "figure:near",
    ("redact", "email"): "figure:emails",
    ("redact", "phone"): "figure:phones",
    ("decontaminate", "verbatim"): "rejected:exam_exact",
    ("decontaminate", "inside"): "rejected:exam_ngram",
}
"""Where a step's report counts a planted fault; elsewhere it is a reject of the fault's own name."""


def show(folder: Path) -> int:
    """Runs the demo with its data below ``folder``; the exit code says whether all that was planted was found."""
    begun = time.monotonic()
    planted = write_tickets(folder / "data", seed=SEED)
    click.echo(f"{planted.rows} tickets and {planted.questions} exam questions in {folder / 'data'}\n")
    environment = load_environment("local")
    assert isinstance(environment, LocalEnvironment)
    recipe = load_recipe(RECIPE, (f"resolve.root={folder / 'data'}",))
    store = Store(environment.store)
    finished = carry_out(Ask("lifecycle", recipe, environment))
    missed = _tell_what_was_found(planted, finished, store) if not finished.exit_code else 0
    click.echo(f"\n{time.monotonic() - begun:.0f} s of {BUDGET_SECONDS} s")
    tell(finished, store)
    sluice = "sluice" if shutil.which("sluice") else str(Path(sys.executable).with_name("sluice"))
    click.echo(f"next:  {sluice} report latest --rejects curate")
    click.echo(f"       {sluice} init my-project")
    return finished.exit_code or (int(ExitCode.FAILED) if missed else 0)


def _tell_what_was_found(planted: Planted, finished: Finished, store: Store) -> int:
    """Prints what was planted and what was found, here and on the page; returns how many kinds were missed."""
    reports = {
        step.name: Report.read(store.read(step.report), step.report)
        for run in finished.runs
        for step in run.steps
        if step.report
    }
    findings = [
        {"step": step, "kind": kind, "planted": planted.count(step, kind), "found": found_by(reports[step], step, kind)}
        for step, kinds in PLANTS.items()
        for kind in kinds
    ]
    click.echo(f"\n{'step':<14} {'planted':<22} {'count':>6} {'found':>6}")
    for row in findings:
        sign = "✓" if row["planted"] == row["found"] else "✗ not what was planted"
        click.echo(f"{row['step']:<14} {row['kind']:<22} {row['planted']:>6} {row['found']:>6}  {sign}")
    replace_text(finished.folder.path / "findings.json", json.dumps(findings))
    write_page(finished.folder.path, store, followed=finished.followed)
    return sum(row["planted"] != row["found"] for row in findings)


def found_by(report: Report, step: str, kind: str) -> int:
    """How many faults of a kind a step's report counts."""
    where, _, name = FOUND_AS.get((step, kind), f"rejected:{kind}").partition(":")
    if where == "figure":
        return int(report.figures[name].value) if name in report.figures else 0
    return report.rows.rejected.get(name, 0)
