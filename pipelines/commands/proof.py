"""Commands that prove, and that let others prove, what led to a model and to what should serve."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pipelines.commands import options

trust_file = click.option(
    "--trust", "trust", default="", metavar="FILE", help="Your own copy of the trust roots, in place of those found."
)


@click.command(epilog="Example:  sluice verify helpdesk")
@click.argument("name", metavar="MODEL|RUN|ENDPOINT|BUNDLE")
@options.env
@trust_file
@options.as_json
def verify(name: str, env: str, trust: str, as_json: bool) -> int:
    """Verifies a chain from what should serve to the sources: every byte, every signature, offline.

    A model is named by its manifest's key, the first digits of a digest, or as a registry has it (NAME@ALIAS, NAME/1).
    Exit code 3 when anything is broken.
    """
    from pipelines.proof import bundle, find

    if name.endswith(bundle.SUFFIX):
        verification = bundle.verify(Path(name), trust)
    else:
        environment, backend = options.backend(env)
        verification = find.verify(name, find.scene_of(environment, trust), backend.runs, environment.registry)
    if as_json:
        click.echo(json.dumps(verification.as_document()))
    else:
        for line in verification.lines():
            click.echo(line)
    return int(verification.exit_code)


@click.command("bundle", epilog="Example:  sluice bundle helpdesk --out helpdesk.tar")
@click.argument("name", metavar="ENDPOINT|MODEL")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: NAME.tar.")
@click.option("--data", is_flag=True, help="Also the bytes of models and data, not their manifests alone.")
@options.env
@options.as_json
def bundle_(name: str, out: Path | None, data: bool, env: str, as_json: bool) -> int:
    """Writes all that a third party needs to verify an endpoint or a model without rights to the store."""
    from pipelines.proof import bundle, find

    environment, backend = options.backend(env)
    path = out or Path(f"{name.replace('/', '-')}{bundle.SUFFIX}")
    scene, registry = find.scene_of(environment), environment.registry
    written = bundle.write(name, scene, backend.runs, path, data=data, registry=registry)
    click.echo(json.dumps(written.as_document()) if as_json else "\n".join(written.lines()))
    return 0
