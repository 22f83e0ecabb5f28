"""Which steps there are: a folder ``components/<stage>/<step>`` with a ``component.py`` is one."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import components
from components.core.errors import InvalidInput
from components.core.settings import StepSettings

ROOT = Path(components.__file__).parent

UNCACHED = frozenset(
    {"resolve", "champion", "benchmark", "incumbent", "gate", "decide", "card", "transition", "register", "request"}
    | {"observe", "describe", "drift", "retraining", "ask"}
)
"""Steps whose output is not a function of their inputs, or that decide: they run every time."""


@dataclass(frozen=True)
class Step:
    """A step and where it lives."""

    stage: str
    name: str

    @property
    def package(self) -> str:
        """Its import name."""
        return f"components.{self.stage}.{self.name}"

    @property
    def cached(self) -> bool:
        """Whether equal inputs may be answered from the cache."""
        return self.name not in UNCACHED

    def settings(self) -> type[StepSettings]:
        """Its settings; imports nothing heavy."""
        name = "".join(word.capitalize() for word in self.name.split("_"))
        found: type[StepSettings] = getattr(importlib.import_module(f"{self.package}.settings"), name)
        return found

    def component(self) -> Any:
        """Its KFP face; imports kfp and nothing else that is heavy."""
        return getattr(importlib.import_module(f"{self.package}.component"), self.name)


@cache
def steps(root: Path = ROOT) -> dict[str, Step]:
    """All steps by name."""
    found = sorted(root.glob("*/*/component.py"))
    return {path.parent.name: Step(stage=path.parent.parent.name, name=path.parent.name) for path in found}


def step(name: str) -> Step:
    """The step of that name. Raises InvalidInput, naming those that there are."""
    if name not in steps():
        raise InvalidInput(f"there is no step {name!r}; there are: {', '.join(steps())}")
    return steps()[name]
