"""``make demo``: the whole loop on this machine, in four acts, and a summary on one screen."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click

from components.core.errors import ExitCode
from pipelines.demo.acts import ACTS, Act, Scene
from pipelines.demo.place import Place, Server, end_left_over

CHANGES_THE_WORLD = 3


@dataclass(frozen=True)
class Played:
    """An act that was played, and what went wrong."""

    act: Act
    seconds: float
    wrong: tuple[str, ...]

    @property
    def sign(self) -> str:
        """How it ended; that it took too long is told, and fails nothing: another machine is not this one."""
        return "✗" if self.wrong else "✓" + _over(self.seconds, self.act.budget_seconds)


def show(only: int = 0) -> int:
    """Plays all acts, or one of them and what it needs before it; the exit code says whether all ended well."""
    place = Place()
    with place.alone():
        end_left_over(place)
        chosen = _chosen(only, place)
        scene = Scene(place, Server(place))
        played = []
        try:
            for act in chosen:
                played.append(_play(act, scene))
                if played[-1].wrong:
                    break
        finally:
            scene.server.stop()
    _summary(played, place)
    return int(ExitCode.FAILED if any(one.wrong for one in played) else ExitCode.DONE)


def _chosen(only: int, place: Place) -> list[Act]:
    """The acts to play; the first one is played before another where it was not, or where the world is another now."""
    anew = only in (0, 1) or 1 not in place.played or (only == CHANGES_THE_WORLD and only in place.played)
    if not anew:
        return [ACTS[only - 1]]
    place.clear()
    if only > 1:
        click.echo("no model serves in an unchanged world, so the first act is played before\n")
    return list(ACTS if not only else dict.fromkeys((ACTS[0], ACTS[only - 1])))


def _play(act: Act, scene: Scene) -> Played:
    begun = time.monotonic()
    click.secho(f"act {act.number}: {act.title}", bold=True)
    wrong = act.play(scene)
    seconds = time.monotonic() - begun
    for line in wrong:
        click.secho(f"✗ {line}", fg="red")
    if not wrong:
        scene.place.note(act.number)
    click.echo(f"act {act.number}: {seconds:.0f} s of {act.budget_seconds} s\n")
    return Played(act, seconds, tuple(wrong))


def _summary(played: list[Played], place: Place) -> None:
    click.echo(f"{'act':<46} {'must be':<10} {'seconds':>8} {'budget':>7}")
    for one in played:
        act = one.act
        row = f"{act.number}  {act.title:<43} {act.must:<10} {one.seconds:>8.0f} {act.budget_seconds:>7}  {one.sign}"
        click.echo(row)
    whole, budget = sum(one.seconds for one in played), sum(one.act.budget_seconds for one in played)
    click.echo(f"{'':<46} {'':<10} {whole:>8.0f} {budget:>7} {_over(whole, budget)}".rstrip())
    state = place.state
    model = f"{state.champion.digest[:12]}…" if state.champion else "nothing"
    click.echo(f"\n{state.endpoint}: {model} should serve, generation {state.generation}; nothing is left running")
    folder = Path.cwd()
    click.echo(f"page:  {folder / place.environment.runs / 'latest' / 'report.html'}")
    sluice = "sluice" if shutil.which("sluice") else str(Path(sys.executable).with_name("sluice"))
    click.echo(f"next:  cd {shlex.quote(str(folder))}                # where all that follows looks")
    click.echo(
        f"       {sluice} serve demo                       # serve it; keys: {sluice} api-keys new NAME --env demo"
    )
    click.echo(
        f"       {sluice} verify {state.endpoint} --env demo        # from what serves back to the sources, re-hashed"
    )
    click.echo(f"       {sluice} audit {state.endpoint} --env demo")
    click.echo(f"       {sluice} init my-project")


def _over(seconds: float, budget: int) -> str:
    return f" {seconds - budget:.0f} s over" if round(seconds) > budget else ""
