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
    from pipelines.terraform.outputs import AGAIN, environment_of, write
    from pipelines.terraform.plan import as_terraform_writes

    with as_terraform_writes("output", AGAIN):
        document = environment_of(outputs.read(), images)
    path = out or Path("environments") / f"{document['name']}.yaml"
    write(document, path)
    click.echo(path)
    if not images.exists():
        click.echo(f"{images} is not there yet: `make images-push REGISTRY=…` writes it", err=True)


@env.command(epilog="Example:  sluice env services --out infra/terraform/envs/dev/images.auto.tfvars.json")
@click.argument("lock", type=click.Path(path_type=Path, dir_okay=False), default=Path("build/images.lock.json"))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File; Terraform reads an environment's images.auto.tfvars.json by itself. [default: prints it]",
)
def services(lock: Path, out: Path | None) -> None:
    """Says by digest which images Terraform's services run, as a file of its variables.

    LOCK: the images lock [default: build/images.lock.json], all of whose images are in a registry.
    """
    from pipelines.images.services import as_variables, service_images, write

    images = service_images(lock)
    if out:
        write(images, out)
    click.echo(out or as_variables(images), nl=bool(out))


@env.command(epilog="Example:  sluice env access plan.json --check")
@click.argument("plan", type=click.File(encoding="utf-8", lazy=False))
@click.option(
    "--check", is_flag=True, help="Holds it against the first promise: exit 3 and a sentence for each breach."
)
@click.option("--page", is_flag=True, help="Prints the page docs/reference/access.md.")
def access(plan: IO[str], check: bool, page: bool) -> None:
    """Says who can reach what in a place that Terraform plans. PLAN: `terraform show -json FILE`, or - for stdin."""
    from components.core.errors import Refused
    from pipelines.terraform import access_page, promise, roles
    from pipelines.terraform.plan import Plan, as_terraform_writes
    from pipelines.terraform.reach import Reach

    table, rules = roles.listed(), promise.written()
    with as_terraform_writes():
        planned = Plan(plan.read())
        held = promise.Check(Reach(planned, table), rules)
        breaches = held.breaches()
        name, shown = planned.environment.get("name", "?"), page or not check
        text = access_page.page(held, name, str(table.date)) if shown else ""
    click.echo(text, nl=False)
    if check and breaches:
        lines = "\n".join(f"  {breach}" for breach in breaches)
        raise Refused(f"terraform plan: breaks the first promise in {len(breaches)} ways; apply nothing:\n{lines}")
    if check:
        click.echo(f"The first promise holds: {len(held.held)} rules, {len(held.reach.grants)} grants", err=page)


@env.command(epilog="Example:  sluice env cost plan.json")
@click.argument("plan", type=click.File(encoding="utf-8", lazy=False))
@click.option(
    "--step-minutes",
    type=click.FloatRange(min=0),
    default=2,
    show_default=True,
    help="How long each step of a run takes on its machine.",
)
def cost(plan: IO[str], step_minutes: float) -> None:
    """Says what a place that Terraform plans costs a month idle, and a run of each recipe that comes with Sluice.

    PLAN: `terraform show -json FILE`, or - for stdin. An estimate at the prices of dated files, and no bill.
    """
    from pipelines.terraform.cost import idle_prices, not_counted, parts_of, place_of, run_costs
    from pipelines.terraform.plan import Plan, as_terraform_writes

    prices = idle_prices()
    with as_terraform_writes():
        planned = Plan(plan.read())
        name, region = place_of(planned)
        parts, uncounted = parts_of(planned, prices), not_counted(planned, prices)
    click.echo(f"{name}, a month in which nobody does anything, in {prices.currency} at list prices of {prices.date}:")
    for part in parts:
        click.echo(f"  {part.amount:9.2f}  {part.what}")
    click.echo(f"  {sum(part.amount for part in parts):9.2f}  together")
    if region != prices.place:
        click.echo(f"The prices are those of {prices.place}; {region} has its own, which are not known here.")
    click.echo("Not counted:")
    for line in [*uncounted, *prices.always_not_counted]:
        click.echo(f"  {line}")
    click.echo(f"A run in {region}, if each step takes {step_minutes:g} minutes of its machine and none is cached:")
    for graph, steps, amount, day in run_costs(region, step_minutes * 60):
        said = "no price is known" if amount is None else f"{amount:.2f} at the prices of {day}"
        click.echo(f"  {graph}, {steps} steps: {said}")
