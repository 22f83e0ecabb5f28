"""A Vertex AI experiment that lists the runs of an environment, beside each other, with what they were given.

Vertex AI makes a run's own context in its metadata store some time after the job; whoever looks at the run from then on
puts it among the experiment's. That changes nothing about the run: where it fails, it is told once and left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import click

from components.core.errors import Conflict, InvalidInput, SluiceError
from components.core.google_errors import Absent, Caller

SCHEMA = "system.Experiment"
"""The kind of context that the console shows as an experiment."""
METADATA = {"experiment_deleted": False}
"""The console lists those alone that say so."""


@dataclass
class Experiment:
    """The experiment of that name in the metadata store where a run's context is; made when it is first needed."""

    name: str
    caller: Caller
    options: Callable[[], Mapping[str, Any]]
    """How Google's clients are made."""
    seconds: float
    """How long one call may take."""
    tell: Callable[[str], None] = lambda line: click.echo(line, err=True)
    _seen: set[str] = field(default_factory=set)

    def add(self, run: str, context: str) -> None:
        """Lets the experiment list a run, by the name of its context; once more changes nothing. Raises nothing."""
        if not context or run in self._seen:
            return
        self._seen.add(run)
        store = context.partition("/contexts/")[0]
        place = f"{store}/contexts/{self.name}"
        asked = f"list run {run} in experiment {self.name}"
        try:
            self.caller.again(asked, lambda: self._add(store, place, context))
        except SluiceError as error:
            self.tell(f"{error}; the run is not touched by that")

    def _add(self, store: str, place: str, context: str) -> None:
        kind = self._kind(store, place)
        if kind != SCHEMA:
            raise InvalidInput(
                f"experiment {self.name}: there is a {kind} of that name; set `experiment` in the environment to"
                " another name"
            )
        self._contexts.add_context_children({"context": place, "child_contexts": [context]}, timeout=self.seconds)

    def _kind(self, store: str, place: str) -> str:
        """What the context of the experiment's name is; it is made where there is none."""

        def read() -> Any:
            return self._contexts.get_context({"name": place}, timeout=self.seconds)

        asked = f"read experiment {self.name}"
        try:
            return str(self.caller.call(asked, read).schema_title)
        except Absent:
            made = {
                "display_name": self.name,
                "schema_title": SCHEMA,
                "schema_version": "0.0.1",
                "metadata": METADATA,
            }
        request = {"parent": store, "context_id": self.name, "context": made}
        try:
            self.caller.call(
                f"make experiment {self.name}",
                lambda: self._contexts.create_context(request, timeout=self.seconds),
            )
        except Conflict:  # somebody else made it at this moment
            return str(self.caller.call(asked, read).schema_title)
        return SCHEMA

    @cached_property
    def _contexts(self) -> Any:
        from google.cloud.aiplatform_v1.services.metadata_service import MetadataServiceClient

        return MetadataServiceClient(**self.options())
