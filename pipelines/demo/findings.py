"""What was planted in the demo's data, and what the steps found of it."""

from __future__ import annotations

import json
from typing import Any

import click

from components.core.report import Report
from components.core.store import Store
from pipelines.demo.tickets import PLANTS, Planted
from pipelines.follow import Finished
from pipelines.page.load import write_page
from pipelines.runs import replace_text

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


def tell_what_was_found(planted: Planted, finished: Finished, store: Store) -> list[str]:
    """Prints what was planted and what was found, here and on the page; returns the kinds that were missed."""
    reports = {
        step.name: Report.read(store.read(step.report), step.report)
        for run in finished.runs
        for step in run.steps
        if step.report
    }
    findings: list[dict[str, Any]] = [
        {"step": step, "kind": kind, "planted": planted.count(step, kind), "found": found_by(reports[step], step, kind)}
        for step, kinds in PLANTS.items()
        for kind in kinds
    ]
    wrong = [row for row in findings if row["planted"] != row["found"]]
    click.echo(f"\n{'step':<14} {'planted':<22} {'count':>6} {'found':>6}")
    for row in findings:
        sign = "✗ not what was planted" if row in wrong else "✓"
        click.echo(f"{row['step']:<14} {row['kind']:<22} {row['planted']:>6} {row['found']:>6}  {sign}")
    click.echo(f"{sum(row['planted'] for row in findings)} planted faults, {len(wrong)} kinds not found as planted\n")
    replace_text(finished.folder.path / "findings.json", json.dumps(findings))
    write_page(finished.folder.path, store, followed=finished.followed)
    return [f"{row['step']}: {row['kind']} was not found as planted" for row in wrong]


def found_by(report: Report, step: str, kind: str) -> int:
    """How many faults of a kind a step's report counts."""
    where, _, name = FOUND_AS.get((step, kind), f"rejected:{kind}").partition(":")
    if where == "figure":
        return int(report.figures[name].value) if name in report.figures else 0
    return report.rows.rejected.get(name, 0)
