"""Commands that are printed to be typed next: as they must be typed for the environment that this one is about."""

from __future__ import annotations

import shlex

import click

USUAL = "local"
"""The environment that a command is about where none is named."""


def typed(command: str, environment: str) -> str:
    """A command line about an environment: as it was given to this command, perhaps its file's path, else its name."""
    context = click.get_current_context(silent=True)
    given = context.params.get("env") if context else None
    name = given or environment or USUAL
    return f"sluice {command}" + ("" if name == USUAL else f" --env {shlex.quote(name)}")
