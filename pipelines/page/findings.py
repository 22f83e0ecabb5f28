"""What was planted in made-up data and what of it was found: the file ``findings.json`` in a run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from components.core.errors import InvalidInput

FILE = "findings.json"


class Finding(BaseModel):
    """How many faults of one kind were planted for a step to find, and how many it found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    kind: str
    planted: int = Field(ge=0)
    found: int = Field(ge=0)

    @property
    def right(self) -> bool:
        """Whether it found them, and no more."""
        return self.planted == self.found


@dataclass(frozen=True)
class Findings:
    """All kinds, step by step."""

    kinds: tuple[Finding, ...]

    @property
    def by_step(self) -> list[tuple[str, list[Finding]]]:
        """Each step with its kinds, in the order of the file."""
        return [(step, list(kinds)) for step, kinds in groupby(self.kinds, key=lambda kind: kind.step)]

    @property
    def planted(self) -> int:
        """All faults that were planted."""
        return sum(kind.planted for kind in self.kinds)

    @property
    def wrong(self) -> list[Finding]:
        """The kinds of which not exactly what was planted was found."""
        return [kind for kind in self.kinds if not kind.right]


def read_findings(run_folder: Path) -> Sequence[Finding]:
    """The findings in a run's folder; none where the file is not there. Raises InvalidInput when it is faulty."""
    path = run_folder / FILE
    try:
        return TypeAdapter(list[Finding]).validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{path}: {where}: {first['msg']}; remove the file, or run the demo again") from error
