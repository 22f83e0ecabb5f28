"""Commands about what should serve: look at it, freeze it, thaw it, roll it back, break the glass, audit it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from components.core.errors import ExitCode
from pipelines.commands import options
from pipelines.commands.people import as_whom, reason
from pipelines.typed import typed

if TYPE_CHECKING:
    from components.core.endpoint import EndpointState, Observed
    from components.core.manifest import Reference
    from pipelines.audit import Entry
    from pipelines.endpoint_changes import Change
    from pipelines.environment import Environment

unused = click.option("--unused", is_flag=True, help="Also an endpoint that nobody has used yet.")


@click.command(epilog="Example:  sluice freeze helpdesk --as anna --reason 'launch week'")
@click.argument("endpoint")
@as_whom
@reason
@unused
@options.env
@options.as_json
def freeze(endpoint: str, name: str, reason: str, unused: bool, env: str, as_json: bool) -> None:
    """Stops all transitions of an endpoint until `thaw`. What serves goes on serving."""
    from pipelines import endpoint_changes

    change = endpoint_changes.freeze(_environment(env), endpoint, name=name, reason=reason, unused=unused)
    end = typed(f"thaw {endpoint}", env)
    _tell(change, f"{endpoint}: frozen by {name}; no release goes through until `{end}`", as_json)


@click.command(epilog="Example:  sluice thaw helpdesk --as anna --reason 'launch is over'")
@click.argument("endpoint")
@as_whom
@reason
@options.env
@options.as_json
def thaw(endpoint: str, name: str, reason: str, env: str, as_json: bool) -> None:
    """Lets releases to a frozen endpoint go through again."""
    from pipelines import endpoint_changes

    change = endpoint_changes.thaw(_environment(env), endpoint, name=name, reason=reason)
    _tell(change, f"{endpoint}: thawed by {name}; what was refused meanwhile must be decided again", as_json)


@click.command(epilog="Example:  sluice rollback helpdesk --as anna --reason 'wrong queues since noon'")
@click.argument("endpoint")
@as_whom
@reason
@options.env
@options.as_json
def rollback(endpoint: str, name: str, reason: str, env: str, as_json: bool) -> None:
    """Goes back to what served before, and says when traffic moves: within two seconds where it was kept warm.

    It is signed and stands in the audit.
    """
    from pipelines import endpoint_changes

    environment = _environment(env)
    change = endpoint_changes.rollback(environment, endpoint, name=name, reason=reason)
    _tell(change, f"{endpoint}: back on {_serves(change.state)} from generation {change.state.generation}", as_json)
    if change.way and not as_json:
        click.echo(_one_line(f"  {change.way.moves}"))
    behind = endpoint_changes.follow(environment, change)
    if behind:
        click.echo(behind, err=True)


@click.command("break-glass", epilog="Example:  sluice break-glass helpdesk 3fa2c1d0 --as anna --reason 'outage 4711'")
@click.argument("endpoint")
@click.argument("model")
@as_whom
@reason
@unused
@options.env
@options.as_json
def break_glass(endpoint: str, model: str, name: str, reason: str, unused: bool, env: str, as_json: bool) -> None:
    """Lets a model serve past gate and freeze. It is signed, says what was skipped, and stands out in the audit.

    MODEL is the key of its manifest, or the first digits of its digest or content digest.
    """
    from pipelines import endpoint_changes

    change = endpoint_changes.break_glass(_environment(env), endpoint, model, name=name, reason=reason, unused=unused)
    click.secho(f"GLASS BROKEN on {endpoint} by {name}. Skipped:", fg="red", bold=True, err=True)
    for line in change.skipped:
        click.secho(f"  {_one_line(line)}", fg="red", err=True)
    _tell(change, f"{endpoint}: {_serves(change.state)} serves from generation {change.state.generation}", as_json)
    if change.behind:
        click.echo(change.behind, err=True)


@click.command(epilog="Example:  sluice endpoints helpdesk --json")
@click.argument("endpoint", required=False, default="")
@options.env
@options.as_json
def endpoints(endpoint: str, env: str, as_json: bool) -> None:
    """Shows what should serve (champion, previous one, freeze, generation, decision) and what was seen to serve.

    Also how long a rollback would take, and where Prometheus asks.
    """
    from components.core.errors import InvalidInput, did_you_mean
    from pipelines.endpoint_changes import endpoints_of

    kept = endpoints_of(_environment(env))
    names = kept.names()
    if endpoint and endpoint not in names:
        raise InvalidInput(f"endpoint {endpoint}: nobody has used it yet{did_you_mean(endpoint, names)}")
    states = [kept.read(name) for name in names if endpoint in ("", name)]
    seen = {state.endpoint: kept.observed(state.endpoint) for state in states}
    if as_json:
        shown = [{**state.model_dump(mode="json"), "observed": _as_document(seen[state.endpoint])} for state in states]
        click.echo(json.dumps(shown[0] if endpoint else shown))
        return
    for state in states:
        for line in (*_state_lines(state), *_observed_lines(seen[state.endpoint], state.previous)):
            click.echo(_one_line(line))
    if not states:
        click.echo("no endpoints yet: a release that passes makes the first", err=True)


@click.command(epilog="Example:  sluice audit helpdesk --json")
@click.argument("endpoint", required=False, default="")
@click.option("--all", "everything", is_flag=True, help="Also the decisions that changed nothing.")
@options.env
@options.as_json
def audit(endpoint: str, everything: bool, env: str, as_json: bool) -> int:
    """Lists who changed what should serve, when, on which decision and why, and verifies each. Exit 3 at any ✗."""
    from components.core.store import Store
    from components.core.trust import read_trust
    from pipelines.audit import audit as audited
    from pipelines.endpoint_changes import endpoints_of

    place = _environment(env)
    given = (Store(place.store), endpoints_of(place), read_trust(place.trust), place.name, endpoint)
    entries = audited(*given, unused=everything)
    if as_json:
        click.echo(json.dumps([entry.model_dump(mode="json") for entry in entries], ensure_ascii=False))
    else:
        for entry in entries:
            _show(entry)
        faults = sum(bool(entry.fault) for entry in entries)
        click.echo(f"{len(entries)} decisions, {f'{faults} of them do not hold' if faults else 'all of them hold'}")
    return int(ExitCode.REFUSED if any(entry.fault for entry in entries) else ExitCode.DONE)


def _environment(name: str) -> Environment:
    from pipelines.environment import load_environment

    return load_environment(name)


def _tell(change: Change, said: str, as_json: bool) -> None:
    if as_json:
        shown: dict[str, Any] = {"decision": change.decision.id, "skipped": change.skipped, "behind": change.behind}
        if change.way:
            shown["way"] = change.way.document
        click.echo(json.dumps({**shown, "state": change.state.model_dump(mode="json")}, ensure_ascii=False))
    else:
        click.echo(f"{said} (decision {change.decision.id[:12]}, generation {change.state.generation})")


def _serves(state: EndpointState) -> str:
    return f"{state.champion.digest[:12]}…" if state.champion else "nothing"


def _state_lines(state: EndpointState) -> list[str]:
    frozen = f"  FROZEN by decision {state.frozen[:12]}" if state.frozen else ""
    previous = f", before it {state.previous.digest[:12]}…" if state.previous else ""
    return [
        f"{state.endpoint}  generation {state.generation}{frozen}",
        f"  serves {_serves(state)}{f' ({state.champion.key})' if state.champion else ''}{previous}",
        f"  changed {state.changed[:19]} on decision {state.decision[:12]}",
    ]


def _observed_lines(observed: Observed | None, previous: Reference | None) -> list[str]:
    """What whoever serves saw last, and whether it still looks."""
    from datetime import UTC, datetime

    from pipelines.standby import way_back

    if observed is None:
        return ["  nobody serves it here yet: `sluice serve`"]
    now = datetime.now(UTC)
    living = observed.alive(now)
    word = observed.phase if living else "stopped" if observed.phase == "stopped" else "silent: its supervisor is dead"
    serves = f"{observed.champion[:12]}… at {observed.address}" if observed.champion and living else "nothing"
    lines = [f"  seen to serve {serves}, generation {observed.generation}, {word} since {observed.since[:19]}"]
    if previous and living:
        lines.append(f"  {way_back(previous, observed, now).shown}")
    if observed.metrics and living:
        lines.append(f"  metrics for Prometheus at {observed.metrics}")
    return [*lines, *([f"  {observed.reason}"] if observed.reason else [])]


def _as_document(observed: Observed | None) -> dict[str, Any] | None:
    return observed.model_dump(mode="json") if observed else None


def _show(entry: Entry) -> None:
    """A change in lines; a fault and a broken glass stand out, on paper too."""
    sign = "✗" if entry.fault else "✓"
    kind = "BREAK-GLASS" if entry.broke_the_glass else entry.kind.replace("_", "-") or "unknown"
    number = f"generation {entry.generation}" if entry.generation else "changed nothing"
    head = f"{sign} {entry.endpoint or '?'}  {number}  {entry.when[:19]}  {kind} by {entry.who or 'nobody known'}"
    head += f"  (decision {entry.decision[:12]}{f', {entry.verdict}' if not entry.generation else ''})"
    loud = bool(entry.fault) or entry.broke_the_glass
    click.secho(_one_line(head), fg="red" if loud else None, bold=loud)
    for line in _details(entry):
        click.echo(f"    {_one_line(line)}")


def _details(entry: Entry) -> list[str]:
    lines = [f"✗ {entry.fault}"] if entry.fault else []
    if entry.serves != entry.served:
        lines.append(f"serves {entry.serves[:12] or 'nothing'}, before it {entry.served[:12] or 'nothing'}")
    return [*lines, *entry.reasons]


def _one_line(text: str) -> str:
    from pipelines.proof.tree import one_line

    return one_line(text)
