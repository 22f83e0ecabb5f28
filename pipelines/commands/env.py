"""Commands about environments: their files, and the places that Terraform makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click


@click.group(epilog="Example:  sluice env from-terraform --help")
def env() -> None:
    """Makes environment files, and says of a place that Terraform makes who can reach what there."""


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


@env.command(epilog="Example:  terraform show -json plan.bin | sluice env access - --check")
@click.argument("plan", type=click.File(encoding="utf-8", lazy=False))
@click.option(
    "--check", is_flag=True, help="Holds it against the first promise: exit 3 and a sentence for each breach."
)
@click.option("--page", is_flag=True, help="Prints the page docs/reference/access.md.")
def access(plan: IO[str], check: bool, page: bool) -> None:
    """Says who can reach what in a place that Terraform plans. PLAN: `terraform show -json FILE`, or - for stdin."""
    from components.core.errors import Refused
    from pipelines.terraform import access_page, promise, roles
    from pipelines.terraform.plan import Plan
    from pipelines.terraform.reach import Reach

    table = roles.listed()
    planned = Plan(plan.read())
    held = promise.Check(Reach(planned, table), promise.written())
    breaches = held.breaches()
    if page or not check:
        name = planned.constant("name") or "?"
        click.echo(access_page.page(held, name, str(table.date)), nl=False)
    if check and breaches:
        lines = "\n".join(f"  {breach}" for breach in breaches)
        raise Refused(f"terraform plan: breaks the first promise in {len(breaches)} ways; apply nothing:\n{lines}")
    if check:
        click.echo(f"The first promise holds: {len(held.held)} rules, {len(held.reach.grants)} grants", err=page)
