"""``make demo``: tickets are made up, three candidates are trained on them, and each release ends as it must."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from components.core.endpoint import EndpointState, open_endpoints
from components.core.errors import ExitCode
from components.core.report import Report
from components.core.store import Store
from pipelines.backends.local_run import Ask
from pipelines.demo.acts import ACTS, BUDGET_SECONDS, Act
from pipelines.demo.tickets import PLANTS, Planted, write_tickets
from pipelines.environment import LocalEnvironment, load_environment
from pipelines.follow import Finished, carry_out, tell
from pipelines.page.load import write_page
from pipelines.recipe import load_recipe
from pipelines.runs import replace_text

SEED = 7
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


@dataclass(frozen=True)
class Played:
    """An act that was played: how its release ended, and how many kinds of planted faults were missed."""

    act: Act
    finished: Finished
    seconds: float
    missed: int

    @property
    def as_it_must(self) -> bool:
        """Whether all that was planted was found, and the release ended as the act says."""
        return not self.missed and len(self.finished.runs) > 1 and self.finished.runs[-1].state is self.act.ends


def show(folder: Path, only: int = 0) -> int:
    """Plays the acts with their data below ``folder``, or one of them; the exit code says whether all ended well."""
    environment = load_environment("local")
    assert isinstance(environment, LocalEnvironment)
    played = []
    for act in _chosen(only, environment):
        played.append(_play(act, folder, environment))
        if not played[-1].as_it_must:
            break
    _summary(played, _serving(environment), environment)
    worst = next((one for one in played if not one.as_it_must), None)
    return 0 if worst is None else worst.finished.exit_code or int(ExitCode.FAILED)


def _chosen(only: int, environment: LocalEnvironment) -> Iterator[Act]:
    for act in ACTS:
        if not only or act.number == only:
            yield act
        elif act.number == 1 and _serving(environment).champion is None:
            click.echo("nothing serves yet, so the first act is played before\n")
            yield act


def _serving(environment: LocalEnvironment) -> EndpointState:
    return open_endpoints(environment.endpoints).read(load_recipe(RECIPE).served_at)


def _play(act: Act, folder: Path, environment: LocalEnvironment) -> Played:
    begun = time.monotonic()
    click.echo(click.style(f"act {act.number}: {act.title}", bold=True))
    data = folder / act.folder
    planted = write_tickets(data, seed=SEED, shuffled=act.shuffled)
    click.echo(f"{planted.rows} tickets and {planted.questions} exam questions in {data}\n")
    recipe = load_recipe(RECIPE, (f"resolve.root={data}", *act.assignments))
    store = Store(environment.store)
    finished = carry_out(Ask("lifecycle", recipe, environment))
    broken = finished.runs[0].exit_code
    missed = 0 if broken else _tell_what_was_found(planted, finished, store, in_full=act.number == 1)
    tell(finished, store)
    seconds = time.monotonic() - begun
    click.echo(f"act {act.number}: {seconds:.0f} s of {act.budget_seconds} s\n")
    return Played(act, finished, seconds, missed)


def _summary(played: list[Played], serving: EndpointState, environment: LocalEnvironment) -> None:
    click.echo(f"{'act':<44} {'ends':<9} {'must end':<9} {'seconds':>8} {'budget':>7}")
    for one in played:
        act, ends = one.act, str(one.finished.runs[-1].state)
        sign = "✓" if one.as_it_must else "✗"
        click.echo(
            f"{act.number}  {act.title:<41} {ends:<9} {act.ends:<9} {one.seconds:>8.0f} {act.budget_seconds:>7}  {sign}"
        )
    whole = sum(one.seconds for one in played)
    click.echo(f"{'':<44} {'':<9} {'':<9} {whole:>8.0f} {BUDGET_SECONDS:>7}")
    model = f"{serving.champion.digest[:12]}…" if serving.champion else "nothing"
    click.echo(f"\n{serving.endpoint}: {model} should serve, generation {serving.generation} ({environment.endpoints})")
    sluice = "sluice" if shutil.which("sluice") else str(Path(sys.executable).with_name("sluice"))
    click.echo(f"next:  {sluice} verify {serving.endpoint}      # from what serves back to the sources, re-hashed")
    click.echo(f"       {sluice} audit {serving.endpoint}")
    click.echo(f"       {sluice} report latest --rejects curate")
    click.echo(f"       {sluice} init my-project")


def _tell_what_was_found(planted: Planted, finished: Finished, store: Store, *, in_full: bool) -> int:
    """Prints what was planted and what was found, here and on the page; returns how many kinds were missed."""
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
    click.echo(f"\n{'step':<14} {'planted':<22} {'count':>6} {'found':>6}" if in_full or wrong else "")
    for row in findings if in_full else wrong:
        sign = "✗ not what was planted" if row in wrong else "✓"
        click.echo(f"{row['step']:<14} {row['kind']:<22} {row['planted']:>6} {row['found']:>6}  {sign}")
    click.echo(f"{sum(row['planted'] for row in findings)} planted faults, {len(wrong)} kinds not found as planted\n")
    replace_text(finished.folder.path / "findings.json", json.dumps(findings))
    write_page(finished.folder.path, store, followed=finished.followed)
    return len(wrong)


def found_by(report: Report, step: str, kind: str) -> int:
    """How many faults of a kind a step's report counts."""
    where, _, name = FOUND_AS.get((step, kind), f"rejected:{kind}").partition(":")
    if where == "figure":
        return int(report.figures[name].value) if name in report.figures else 0
    return report.rows.rejected.get(name, 0)
