"""Commands that make and end the keys of an endpoint's clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands import options

if TYPE_CHECKING:
    from components.serve.api_keys import ApiKey


@click.group("api-keys", epilog="Example:  sluice api-keys new my-app")
def api_keys() -> None:
    """Who may ask what serves here: the keys of clients, kept as hashes."""


@api_keys.command(epilog="Example:  sluice api-keys new helpdesk --per-minute 6000")
@click.argument("name")
@click.option("--trusted", is_flag=True, help="What it says of an answer counts without anybody's agreement.")
@click.option(
    "--per-minute", type=click.IntRange(min=1), default=None, help="Requests a minute (default: the limit's)."
)
@options.env
@options.as_json
def new(name: str, trusted: bool, per_minute: int | None, env: str, as_json: bool) -> None:
    """Makes a key and prints it, this once."""
    from components.serve.api_keys import new_key

    key = new_key(_file(env), name, trusted=trusted, per_minute=per_minute)
    if as_json:
        click.echo(json.dumps({"name": name, "key": key}))
        return
    click.echo(key)
    click.echo(f"the key of {name}; it is nowhere else: keep it now (Authorization: Bearer …)", err=True)


@api_keys.command("list", epilog="Example:  sluice api-keys list --json")
@options.env
@options.as_json
def list_(env: str, as_json: bool) -> None:
    """Lists all keys that ever were made, and which have ended."""
    from components.serve.api_keys import read_keys

    keys = read_keys(_file(env)).keys
    if as_json:
        click.echo(json.dumps([key.model_dump(mode="json") for key in keys]))
        return
    for key in keys:
        click.echo(f"{key.name:<20} {_state(key):<30} {_rights(key)}")
    if not keys:
        click.echo("there is no key; `sluice api-keys new NAME` makes one")


@api_keys.command(epilog="Example:  sluice api-keys revoke my-app")
@click.argument("name")
@options.env
@options.as_json
def revoke(name: str, env: str, as_json: bool) -> None:
    """Ends a key; gateways refuse it within a second."""
    from components.serve.api_keys import revoke_key

    key = revoke_key(_file(env), name)
    click.echo(json.dumps(key.model_dump(mode="json")) if as_json else f"revoked the key of {name}")


def _file(env: str) -> Path:
    return Path(options.local_environment(env).serving.keys)


def _state(key: ApiKey) -> str:
    return f"revoked {key.revoked[:16]}" if key.revoked else f"counts since {key.made[:16]}"


def _rights(key: ApiKey) -> str:
    limit = f"{key.per_minute} a minute" if key.per_minute else "the gateway's limit"
    return f"{limit}, trusted" if key.trusted else limit
