"""Commands about the registry: what is registered, and whether its aliases say what should serve."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from components.core.errors import ExitCode, InvalidInput, did_you_mean
from pipelines.commands import options
from pipelines.typed import typed

if TYPE_CHECKING:
    from components.core.endpoint import Endpoints
    from components.core.store import Store
    from components.release.registries.registry import Registry, Version


@click.group(epilog="Example:  sluice registry list")
def registry() -> None:
    """Looks at the registry of models, and repairs it."""


@registry.command("list", epilog="Example:  sluice registry list helpdesk@champion")
@click.argument("model", default="", metavar="[NAME@ALIAS|NAME/NUMBER]")
@options.env
@options.as_json
def list_(model: str, env: str, as_json: bool) -> None:
    """Lists the versions, their digests and aliases, and says where an alias is not what should serve."""
    from components.release.registries.registry import find_version

    place = _place(env)
    versions = place.registry.versions()
    shown = [find_version(versions, model)] if model else versions
    found = {name: _differences(place.endpoints, versions, name) for name in _named(place.endpoints, shown, model)}
    if as_json:
        click.echo(json.dumps(_as_document(shown, found), ensure_ascii=False))
        return
    for version in shown:
        click.echo(_line(version))
    for name, sentences in found.items():
        _tell(place, name, sentences)
    if not shown:
        click.echo(f"no versions yet; a lifecycle registers its candidate: `{typed('run RECIPE', env)}`")


@registry.command(epilog="Example:  sluice registry repair helpdesk")
@click.argument("endpoint", default="")
@options.env
@options.as_json
def repair(endpoint: str, env: str, as_json: bool) -> int:
    """Registers what serves and is not registered, and sets the aliases to what should serve.

    Without ENDPOINT, for all endpoints. Exit code 4 when something could not be put right.
    """
    from components.release.registries.projection import repair as put_right

    place = _place(env)
    known = place.endpoints.names()
    if endpoint and endpoint not in known:
        hint = did_you_mean(endpoint, known) or f"; there are: {', '.join(known) or 'none'}"
        raise InvalidInput(f"endpoint {endpoint}: nothing was ever released there{hint}")
    names = [endpoint] if endpoint else known
    done = {name: put_right(place.registry, place.endpoints.read(name), place.store) for name in names}
    if as_json:
        document = {
            name: {"differed": [one.sentence for one in found.differed], "failed": list(found.failed)}
            for name, found in done.items()
        }
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        for name, found in done.items():
            _tell_repair(name, [one.sentence for one in found.differed], found.failed)
        if not done:
            click.echo("nothing was released yet; there is nothing to repair")
    return int(ExitCode.FAILED if any(found.failed for found in done.values()) else ExitCode.DONE)


@dataclass(frozen=True)
class _Place:
    environment: str
    registry: Registry
    endpoints: Endpoints
    store: Store


def _place(env: str) -> _Place:
    from components.core.endpoint import open_endpoints
    from components.core.store import Store
    from components.release.registries.registry import open_registry
    from pipelines.environment import load_environment

    environment = load_environment(env)
    opened = open_registry(environment.registry)
    if opened is None:
        raise InvalidInput(
            f"--env {env}: names no registry; write `registry: sqlite:///.sluice/mlflow.db`, or a server"
        )
    return _Place(environment.name, opened, open_endpoints(environment.endpoints), Store(environment.store))


def _named(endpoints: Endpoints, shown: Sequence[Version], model: str) -> list[str]:
    """The endpoints that matter here: of one version its own, else all that there are."""
    held = {version.endpoint for version in shown}
    return sorted(held if model else held | set(endpoints.names()))


def _differences(endpoints: Endpoints, versions: Sequence[Version], name: str) -> list[str] | None:
    """What differs, a sentence each; None for an endpoint that only the registry knows: it says nothing about it."""
    from components.release.registries.projection import differences

    if name not in endpoints.names():
        return None
    held = [version for version in versions if version.endpoint == name]
    return [difference.sentence for difference in differences(held, endpoints.read(name))]


def _as_document(shown: Sequence[Version], found: dict[str, list[str] | None]) -> dict[str, Any]:
    return {
        "versions": [version.model_dump(mode="json") for version in shown],
        "endpoints": {
            name: {"known": differ is not None, "as_it_should_be": differ == [], "differences": differ or []}
            for name, differ in found.items()
        },
    }


def _line(version: Version) -> str:
    digest = f"{version.digest[:12]}…" if version.digest else "not of Sluice"
    return f"{version.word:<24} {digest:<14} {version.registered[:19]}  {', '.join(version.aliases)}".rstrip()


def _tell(place: _Place, name: str, sentences: list[str] | None) -> None:
    if sentences is None:
        click.echo(f"{name}: nothing was ever released there, as far as the records here go")
    elif not sentences:
        click.echo(f"{name}: the aliases are what should serve (generation {place.endpoints.read(name).generation})")
    else:
        for sentence in sentences:
            click.echo(f"{name}: differs: {sentence}")
        click.echo(f"{name}: put it right with `{typed(f'registry repair {name}', place.environment)}`")


def _tell_repair(name: str, differed: Sequence[str], failed: Sequence[str]) -> None:
    for sentence in differed:
        click.echo(f"{name}: {sentence}")
    for sentence in failed:
        click.echo(f"{name}: not put right: {sentence}", err=True)
    if not failed:
        click.echo(f"{name}: repaired" if differed else f"{name}: nothing differs")
