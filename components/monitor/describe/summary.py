"""``Profile``: what a window is like, counted over all its rows. The features of each row lie beside it."""

from __future__ import annotations

import pyarrow as pa
from pydantic import Field

from components.core.contract import Contract
from components.core.manifest import Manifest, Part, read_beside
from components.core.rows import whole_table
from components.core.store import Store
from components.monitor.figures import Fault, Score

PROFILE, ROWS = "profile.json", "features.pq"
"""The objects beside the rows of the output ``profile``. The second is Parquet; what is named so is taken for rows."""


class OfModel(Part):
    """What one model answered, and what was said of it."""

    requests: int = Field(default=0, ge=0)
    answered: int = Field(default=0, ge=0)
    quality: Score = Score()
    corrections: int = Field(default=0, ge=0, description="Answers that were wrong and corrected.")


class Profile(Contract):
    """What a window is like."""

    endpoint: str
    since: str = Field(description="UTC, ISO 8601.")
    until: str = Field(description="UTC, ISO 8601.")
    faults: tuple[Fault, ...] = ()
    statuses: dict[str, int] = Field(default={}, description="Requests by how they ended.")
    errors: dict[str, int] = Field(default={}, description="Requests that failed by their HTTP status.")
    models: dict[str, OfModel] = Field(default={}, description="By the digest of the model's manifest.")
    units: int = Field(default=0, ge=0, description="Users who asked, those with a name.")
    of_one_unit: int = Field(default=0, ge=0, description="Requests of the user who asked most.")
    words: int = Field(default=0, ge=0, description="Words of feedback that judge an answer.")
    of_one_voice: int = Field(default=0, ge=0, description="Those of the user who said most.")
    newest: str = Field(default="", description="When the last request began; UTC, ISO 8601; empty without any.")
    languages: tuple[str, ...] = Field(default=(), description="What the prompts' languages were told apart into.")
    rows: int = Field(default=0, ge=0, description="Requests whose features lie beside this.")

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(self.statuses.values())


def read_profile(store: Store, output: Manifest) -> Profile:
    """The profile that an output of describe holds."""
    return Profile.read(read_beside(store, output, PROFILE, "profile of a window", "describe"), output.key)


def read_features(store: Store, output: Manifest) -> pa.Table:
    """The features of each row, in the columns of ``features.SCHEMA``."""
    return whole_table(read_beside(store, output, ROWS, "features of a window", "describe"))
