"""The command that removes what nothing refers to any more."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.core.errors import InvalidInput
from pipelines.commands import options

if TYPE_CHECKING:
    from pipelines.gc import Garbage


def _duration(_context: click.Context, _parameter: click.Parameter, given: str) -> timedelta:
    from pipelines.resources import seconds_of

    try:
        return timedelta(seconds=seconds_of(given))
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"--older-than {given}: {error}") from error


@click.command("gc", epilog="Example:  sluice gc --older-than 7d, and the same with --delete once it looks right")
@click.option("--delete", is_flag=True, help="Removes it; without this nothing is changed.")
@click.option(
    "--older-than", default="24h", show_default=True, callback=_duration, metavar="AGE", help="Nothing younger goes."
)
@click.option(
    "--env", "env", multiple=True, default=("local",), show_default=True, help="Each environment that uses this store."
)
@click.option(
    "--bundle", "bundles", multiple=True, type=click.Path(path_type=Path, exists=True), help="Keeps what it names."
)
@options.as_json
def gc(delete: bool, older_than: timedelta, env: tuple[str, ...], bundles: tuple[Path, ...], as_json: bool) -> int:
    """Removes from the store what no run, registry, endpoint, decision, request or window refers to.

    It may run beside runs at work, and beside another one. Name every environment that uses the store.
    """
    from pipelines.gc import Scope, find_garbage, remove

    scope = Scope.of([options.local_environment(name) for name in env], bundles)
    found = remove(scope, older_than) if delete else find_garbage(scope, older_than)
    if as_json:
        click.echo(json.dumps(_as_document(found, delete)))
    else:
        _tell(found, delete, older_than)
    return 0


def _as_document(found: Garbage, deleted: bool) -> dict[str, Any]:
    kinds = {kind: {"objects": count, "bytes": length} for kind, (count, length) in found.lengths().items()}
    return {
        "deleted": deleted,
        "units": sorted(found.units),
        "kinds": kinds,
        "bytes": sum(length for _, length in found.lengths().values()),
        "kept": found.kept,
        "too_young": found.young,
    }


def _tell(found: Garbage, deleted: bool, older_than: timedelta) -> None:
    from components.core.wording import counted
    from pipelines.proof.tree import size

    lengths = found.lengths()
    for kind, (count, length) in lengths.items():
        click.echo(f"{kind:<20} {counted(count, 'object'):>16} {size(length):>10}")
    total = size(sum(length for _, length in lengths.values()))
    age = f"{older_than / timedelta(hours=1):g} h, or than a run that is at work"
    verb = "is" if found.young == 1 else "are"
    young = f"; {found.young} more that nothing refers to {verb} younger than {age}" if found.young else ""
    if not lengths:
        click.echo(f"nothing to remove{young}")
    elif deleted:
        click.echo(f"removed {total}{young}")
    else:
        click.echo(f"would remove {total}{young}; --delete removes it")
