from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import PermissionDenied, ServiceUnavailable
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient

from components.core import google_operations
from components.core.google_operations import await_end, operations_of
from tests.contract.google.server import Request, Server

PLACE = "projects/1/locations/europe-west4/schedules/7"
OPERATION = f"{PLACE}/operations/3"


class Slow:
    """Deletes a schedule in its own time."""

    documents = ("aiplatform.v1",)

    def __init__(self) -> None:
        self.looks = 2
        self.end: dict[str, Any] = {"response": {"@type": "type.googleapis.com/google.protobuf.Empty"}}

    def answer(self, request: Request) -> Any:
        assert request.operation.id.split(".")[-2:] in (["schedules", "delete"], ["operations", "get"])
        self.looks -= "operations.get" in request.operation.id
        return {"name": OPERATION, **({"done": True, **self.end} if self.looks <= 0 else {})}


@pytest.fixture
def slow() -> Iterator[tuple[Slow, Server, ScheduleServiceClient]]:
    service = Slow()
    with Server(service).running() as server:
        options = {"api_endpoint": server.address}
        yield (
            service,
            server,
            ScheduleServiceClient(transport="rest", credentials=AnonymousCredentials(), client_options=options),
        )


def test_an_operation_is_followed_to_its_end_where_the_service_keeps_it(slow) -> None:
    _, server, client = slow
    waited = list[float]()
    await_end(client.delete_schedule({"name": PLACE}), operations_of(client), timeout=5, sleep=waited.append)
    assert [request.path for request in server.asked("operations.get")] == [f"/v1/{OPERATION}"] * 2
    assert waited == [google_operations.LOOK_SECONDS] * 2


def test_what_it_ended_with_is_raised_as_the_client_would(slow) -> None:
    service, _, client = slow
    service.end = {"error": {"code": 7, "message": "not yours"}}
    with pytest.raises(PermissionDenied, match="not yours"):
        await_end(client.delete_schedule({"name": PLACE}), operations_of(client), timeout=5, sleep=lambda _: None)


def test_one_that_does_not_end_is_given_up(slow) -> None:
    service, _, client = slow
    service.looks = 10_000
    with pytest.raises(TimeoutError, match=f"operation {OPERATION} does not end"):
        await_end(client.delete_schedule({"name": PLACE}), operations_of(client), timeout=5, sleep=lambda _: None)


def test_a_fault_while_it_is_looked_at_is_the_callers(slow) -> None:
    _, server, client = slow
    server.fail("operations.get", 503)
    with pytest.raises(ServiceUnavailable):
        await_end(client.delete_schedule({"name": PLACE}), operations_of(client), timeout=5, sleep=lambda _: None)
