from __future__ import annotations

import click
import pytest

from pipelines.cli import sluice


def commands(group: click.Group, name: str = "sluice"):
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {word}")
        yield pytest.param(f"{name} {word}", command, id=f"{name} {word}")


@pytest.mark.parametrize(("name", "command"), commands(sluice))
def test_every_commands_help_says_what_it_does_and_has_an_example(name: str, command: click.Command) -> None:
    assert command.help
    assert command.epilog.startswith(f"Example:  {name}")


def test_the_commands_that_were_promised_are_there() -> None:
    promised = "init lint compile run runs status logs cancel report compare why new demo"
    promised += " approve refuse freeze thaw break-glass endpoints audit keys registry verify bundle"
    promised += " monitor serve rollback schedule schedules dispatch api-keys gc doctor smoke env"
    assert set(promised.split()) == set(sluice.commands)
    assert set(sluice.commands["env"].commands) == {"access", "cost", "from-terraform", "services"}
    assert set(sluice.commands["new"].commands) == {"step"}
    assert set(sluice.commands["keys"].commands) == {"new", "add", "list", "rotate", "retire", "revoke"}
