"""Commands that make, trust and end keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands import options
from pipelines.typed import typed

if TYPE_CHECKING:
    from components.core.trust import TrustedKey
    from pipelines.environment import Environment
    from pipelines.keys import Ended

signs = click.option(
    "--signs", default="", metavar="KINDS", help="What it may sign, with commas (default: what such a name signs)."
)
only_in = click.option(
    "--only-in", "environments", multiple=True, metavar="ENV", help="Counts in this environment alone; may be repeated."
)


@click.group(epilog="Example:  sluice keys list")
def keys() -> None:
    """Whose key may sign what: the keys of people and services, and the trust roots that name them."""


@keys.command(epilog="Example:  sluice keys new anna")
@click.argument("name")
@signs
@only_in
@options.env
@options.as_json
def new(name: str, signs: str, environments: tuple[str, ...], env: str, as_json: bool) -> None:
    """Makes a key for a person, or for the service `release` or `monitor`, and trusts it."""
    from pipelines.keys import kinds, new_key

    key, path = new_key(_environment(env), name, signs=kinds(signs), environments=environments)
    _tell(key, f"made the key of {name}: {path} (yours alone: whoever reads it can sign as {name})", as_json)


@keys.command(epilog="Example:  sluice keys add release --env vertex")
@click.argument("name")
@click.option(
    "--public", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Public key in PEM, from elsewhere."
)
@click.option("--scheme", default="", help="How it signs, such as rsa-pkcs1v15-sha256 (default: the type's own).")
@click.option("--from", "address", default="", metavar="gcpkms:…", help="A key version in Cloud KMS.")
@signs
@only_in
@options.env
@options.as_json
def add(
    name: str,
    public: Path | None,
    scheme: str,
    address: str,
    signs: str,
    environments: tuple[str, ...],
    env: str,
    as_json: bool,
) -> None:
    """Trusts a public key whose private part lies in a vault, or on another machine.

    It is fetched from Cloud KMS, where the environment says that NAME's key lies or from another place there; or it is
    a file.
    """
    from pipelines.keys import add_key, fetch_public, key_address, kinds, read_public

    if public and address:
        raise click.UsageError("--public and --from: name one of the two")
    if scheme and not public:
        raise click.UsageError("--scheme: belongs to --public; Cloud KMS says by itself how a key signs")
    environment = _environment(env)
    place = address or key_address(environment, name)
    fields = read_public(public.read_bytes(), scheme) if public else fetch_public(environment, name, place)
    key = add_key(environment, name, fields, signs=kinds(signs), environments=environments)
    _tell(key, f"trusts {public or place} as the key of {name}", as_json)


@keys.command("list", epilog="Example:  sluice keys list --json")
@options.env
@options.as_json
def list_(env: str, as_json: bool) -> None:
    """Lists all keys that ever were trusted, what each may sign, and which have ended."""
    from components.core.trust import read_trust

    roots = read_trust(_environment(env).trust)
    if as_json:
        click.echo(json.dumps([{**key.model_dump(mode="json"), "active": key.active} for key in roots.keys]))
        return
    for key in roots.keys:
        where = f" in {', '.join(key.environments)}" if key.environments else ""
        click.echo(f"{key.name:<12} {key.key_id[:8]}  {_state(key):<34} {', '.join(key.signs)}{where}")


@keys.command(epilog="Example:  sluice keys rotate release")
@click.argument("name")
@options.env
@options.as_json
def rotate(name: str, env: str, as_json: bool) -> None:
    """Gives a new key to a name, or trusts the version in Cloud KMS that the environment names by now.

    The old one signs nothing more; what it signed before holds.
    """
    from pipelines.keys import rotate_key

    key, path = rotate_key(_environment(env), name)
    made = f"made a new key of {name}: {path}" if path else f"trusts another key of {name} in the vault"
    _tell(key, f"{made}; the old one is retired", as_json)


@keys.command(epilog="Example:  sluice keys retire ben --reason 'moved to another team'")
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why; it stands in the trust roots.")
@options.env
@options.as_json
def retire(name: str, reason: str, env: str, as_json: bool) -> None:
    """Ends a key. It signs nothing more; what it signed before holds."""
    from pipelines.keys import retire_key

    _tell_ended(retire_key(_environment(env), name, why=reason), "retired", "what it signed holds", as_json)


@keys.command(epilog="Example:  sluice keys revoke ben --reason 'laptop stolen'")
@click.argument("who", metavar="NAME|ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the trust roots.")
@options.env
@options.as_json
def revoke(who: str, reason: str, env: str, as_json: bool) -> None:
    """Ends a key that somebody else may have. It proves nothing any more, whenever it signed."""
    from pipelines.keys import revoke_key

    ended = revoke_key(_environment(env), who, why=reason)
    rests = typed("audit", env)
    _tell_ended(ended, "revoked", f"nothing that it signed counts: `{rests}` shows what rests on it", as_json)


def _environment(name: str) -> Environment:
    from pipelines.environment import load_environment

    return load_environment(name)


def _state(key: TrustedKey) -> str:
    if key.revoked:
        return f"revoked {key.revoked[:16]}"
    return f"retired {key.retired[:16]}" if key.retired else f"active since {key.added[:16]}"


def _tell(key: TrustedKey, said: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(key.model_dump(mode="json")))
        return
    click.echo(said)
    where = f" in {', '.join(key.environments)}" if key.environments else ""
    click.echo(f"it may sign {', '.join(key.signs)}{where}; its id begins {key.key_id[:8]}")


def _tell_ended(ended: Ended, how: str, means: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(ended.key.model_dump(mode="json")))
        return
    removed = f"; {ended.removed} was removed" if ended.removed else ""
    click.echo(f"{how} the key {ended.key.key_id[:8]} of {ended.key.name}: {means}{removed}")
