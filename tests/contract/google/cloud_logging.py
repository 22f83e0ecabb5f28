"""Cloud Logging's ``entries:list``.

It does not imitate: the query language (the ids of jobs in a query are looked for, nothing else of it), more than one
page, the delay until what was printed can be read, retention, and who may read which log.
"""

from __future__ import annotations

import re
from typing import Any

from tests.contract.google.server import ApiError, Request


class CloudLogging:
    """The fake; ``write`` is what a machine prints."""

    documents = ("logging.v2",)

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def write(self, job: str, text: str, *, as_json: bool = False) -> None:
        """A line of a custom job; ``as_json``: as Vertex keeps a line that its agent understood."""
        number = len(self.entries)
        payload: dict[str, Any] = {"jsonPayload": {"message": text}} if as_json else {"textPayload": text}
        self.entries.append({
            "logName": "projects/p/logs/workerpool0-0",
            "insertId": str(number),
            "timestamp": f"2026-01-31T09:00:00.{number:06d}Z",
            "resource": {"type": "ml_job", "labels": {"job_id": job}},
            **payload,
        })  # fmt: skip

    def answer(self, request: Request) -> Any:
        """The entries of the jobs that a query names. Raises ApiError."""
        if not request.operation.id.endswith("entries.list"):
            raise ApiError(501, f"the fake has no {request.operation.id}")
        wanted = re.findall(r'"(\w+)"', request.body["filter"].partition("job_id=")[2])
        return {"entries": [one for one in self.entries if one["resource"]["labels"]["job_id"] in wanted]}
