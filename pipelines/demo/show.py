"""``make demo``: tickets are made up, the lifecycle and the release run, and what was planted is looked for."""

from __future__ import annotations

import time
from pathlib import Path

import click

from components.core.errors import ExitCode
from components.core.report import Report
from components.core.run import Run
from components.core.store import Store
from pipelines.backends.local_run import Ask
from pipelines.demo.tickets import PLANTS, Planted, write_tickets
from pipelines.environment import LocalEnvironment, load_environment
from pipelines.follow import carry_out, tell
from pipelines.recipe import load_recipe

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
    finished = carry_out(Ask("lifecycle", recipe, environment))
    missed = _tell_what_was_found(planted, finished.runs, Store(environment.store)) if not finished.exit_code else 0
    click.echo(f"\n{time.monotonic() - begun:.0f} s of {BUDGET_SECONDS} s")
    tell(finished)
    click.echo(
        "next:  sluice report latest --rejects curate   ·   sluice why latest finetune   ·   sluice init my-project"
    )
    return finished.exit_code or (int(ExitCode.FAILED) if missed else 0)


def _tell_what_was_found(planted: Planted, runs: tuple[Run, ...], store: Store) -> int:
    """Prints what was planted and what was found, and the scores; returns how many kinds were missed."""
    reports = {
        step.name: Report.read(store.read(step.report), step.report)
        for run in runs
        for step in run.steps
        if step.report
    }
    missed = 0
    click.echo(f"\n{'step':<14} {'planted':<22} {'count':>6} {'found':>6}")
    for step, kinds in PLANTS.items():
        for kind in kinds:
            count, found = planted.count(step, kind), found_by(reports[step], step, kind)
            missed += count != found
            click.echo(
                f"{step:<14} {kind:<22} {count:>6} {found:>6}  {'✓' if count == found else '✗ not what was planted'}"
            )
    for name, figure in reports["benchmark"].figures.items():
        if figure.low is not None:
            click.echo(
                f"\n{name}: {figure.value:.1%} (95 % interval {figure.low:.1%} to {figure.high or 0:.1%})", nl=False
            )
    click.echo()
    return missed


def found_by(report: Report, step: str, kind: str) -> int:
    """How many faults of a kind a step's report counts."""
    where, _, name = FOUND_AS.get((step, kind), f"rejected:{kind}").partition(":")
    if where == "figure":
        return int(report.figures[name].value) if name in report.figures else 0
    return report.rows.rejected.get(name, 0)
