"""Endpoint states in Google Cloud Storage: one object, ``PREFIX/generations.jsonl``, changed by ``ifGenerationMatch``.

It holds every generation of every endpoint, a line each: a decision counts once over all endpoints, and a bucket has no
transaction over two objects. A line has about 2 KB and a change is a person's, so years of them are a few MB. The
service takes about one change a second of one object; more wait. What was observed is an object an endpoint.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote
from uuid import uuid4

from components.core.canonical import canonical_json
from components.core.endpoint import EndpointState, Observed, check_next
from components.core.errors import Failed
from components.core.gcs_objects import ChangedMeanwhile, GcsObjects

WAIT_SECONDS = 60.0
"""How long a change is made again on top of what others changed meanwhile."""


class _Line(NamedTuple):
    """A generation, and a name of the one try that wrote it: an answer that got lost is recognised by it."""

    writer: str
    state: EndpointState


class GcsEndpoints:
    """Endpoint states at ``BUCKET/PREFIX``."""

    def __init__(self, place: str) -> None:
        bucket, _, prefix = place.strip("/").partition("/")
        self.place = f"gs://{place.strip('/')}"
        self._prefix = f"{prefix}/" if prefix else ""
        self._objects = GcsObjects(bucket, f"endpoint states {self.place}", "endpoints")

    def read(self, endpoint: str) -> EndpointState:
        """The newest generation; generation 0 where there is none."""
        found = self.history(endpoint)
        return found[-1] if found else EndpointState(endpoint=endpoint)

    def history(self, endpoint: str) -> Sequence[EndpointState]:
        """All generations that were written, the first one first."""
        return [line.state for line in self._lines()[0] if line.state.endpoint == endpoint]

    def names(self) -> Sequence[str]:
        """The endpoints that there are, sorted."""
        return sorted({line.state.endpoint for line in self._lines()[0]})

    def compare_and_set(self, new: EndpointState) -> None:
        """Writes ``new``, if the newest generation is the one before it and no generation names its decision yet."""
        mine = _Line(uuid4().hex, new)
        last = time.monotonic() + WAIT_SECONDS
        while True:
            lines, generation = self._lines()
            # An answer that was lost on its way made the client try again, and that try lost to the first.
            if mine.writer in (line.writer for line in lines):
                return
            _check(lines, new)
            try:
                self._objects.write(f"{self._prefix}generations.jsonl", _encoded([*lines, mine]), generation)
            except ChangedMeanwhile:
                if time.monotonic() > last:
                    raise Failed(
                        f"endpoint states {self.place}: others change it all the time; nothing was changed: run again"
                    ) from None
                time.sleep(random.uniform(0, 0.05))
                continue
            return

    def observed(self, endpoint: str) -> Observed | None:
        """What was observed last; None where nobody has looked yet."""
        found = self._objects.read(self._observation(endpoint))[0]
        return Observed.read(found, f"{self.place}: what was observed of {endpoint}") if found else None

    def observe(self, observed: Observed) -> None:
        """Writes what was observed, in place of what was before."""
        self._objects.write(self._observation(observed.endpoint), observed.to_bytes())

    def _observation(self, endpoint: str) -> str:
        return f"{self._prefix}observed/{quote(endpoint, safe='')}.json"

    def _lines(self) -> tuple[list[_Line], int]:
        """All that was written, and the object's own generation: what a change has to match; 0 where there is none."""
        data, generation = self._objects.read(f"{self._prefix}generations.jsonl")
        return [self._line(text, number) for number, text in enumerate(data.splitlines(), 1)], generation

    def _line(self, text: bytes, number: int) -> _Line:
        where = f"{self.place}/generations.jsonl, line {number}"
        try:
            found = json.loads(text)
            writer, state = str(found["writer"]), json.dumps(found["state"])
        except (ValueError, KeyError, TypeError) as error:
            raise Failed(
                f"endpoint states {where}: cannot be read ({type(error).__name__}); bring an older version of the"
                " object back"
            ) from error
        return _Line(writer, EndpointState.read(state, where))


def _encoded(lines: Sequence[_Line]) -> bytes:
    documents = [{"writer": line.writer, "state": line.state.model_dump(mode="json", by_alias=True)} for line in lines]
    return "".join(canonical_json(document) + "\n" for document in documents).encode()


def _check(lines: Sequence[_Line], new: EndpointState) -> None:
    newest = max((line.state.generation for line in lines if line.state.endpoint == new.endpoint), default=0)
    check_next(new, newest, new.decision in (line.state.decision for line in lines))
