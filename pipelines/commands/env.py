"""Commands about environment files."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click


@click.group(epilog="Example:  sluice env from-terraform --help")
def env() -> None:
    """Makes environment files."""


@env.command("from-terraform", epilog="Example:  sluice env from-terraform outputs.json")
@click.argument("outputs", type=click.File(encoding="utf-8", lazy=False))
@click.option(
    "--images",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("build/images.lock.json"),
    show_default=True,
    help="The images lock that the file names.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File [default: environments/NAME.yaml].")
def from_terraform(outputs: IO[str], images: Path, out: Path | None) -> None:
    """Writes the environment file of a place that Terraform made. OUTPUTS: `terraform output -json`, or - for stdin."""
    from pipelines.terraform.outputs import environment_of, write

    document = environment_of(outputs.read(), images)
    path = out or Path("environments") / f"{document['name']}.yaml"
    write(document, path)
    click.echo(path)
    if not images.exists():
        click.echo(f"{images} is not there yet: `make images-push REGISTRY=…` writes it", err=True)
