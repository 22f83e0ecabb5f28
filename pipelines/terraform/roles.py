"""What a role permits: Google's by a dated table, a project's own by the plan that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from components.core.errors import InvalidInput
from pipelines import located_yaml

TABLE = Path(__file__).with_name("roles.yaml")


class Agent(located_yaml.Part):
    """An account of Google's that runs code for whoever holds one of some permissions."""

    name: str
    domain: str
    role: str
    runs: str
    started_by: frozenset[str]


class Roles(located_yaml.Table):
    """A table of roles and of Google's agents."""

    date: date
    source: str
    roles: dict[str, frozenset[str]]
    agents: tuple[Agent, ...]

    def permits(self, role: str, own: Mapping[str, frozenset[str]], address: str) -> frozenset[str]:
        """What a role permits. ``own``: roles of somebody's own, by their whole names. Raises InvalidInput for a role
        that nobody described."""
        found = own.get(role) if "/roles/" in role else self.roles.get(role)
        if found is None:
            raise InvalidInput(f"{address}: unknown role {role}; say in {TABLE.name} what it permits")
        return found


def listed() -> Roles:
    """The table that lies beside this file."""
    return located_yaml.validate(Roles, located_yaml.load(TABLE))
