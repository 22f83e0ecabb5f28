"""What Google's services do in their own time, followed over REST by the paths that their descriptions have.

Google's own clients of Vertex AI ask for an operation at ``/ui/…``, which no description has: so what they are given to
follow it with is their library's client of operations, told where the service really keeps them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

SECONDS, LOOK_SECONDS = 600.0, 2.0
"""How long an operation may take, and how often it is looked at."""
_PATHS = {
    "GetOperation": "/v1/{name=projects/*/locations/*/**}",
    "ListOperations": "/v1/{name=projects/*/locations/*/**}/operations",
}


def operations_of(client: Any) -> Any:
    """A client of the operations of the service that ``client``, one of Google's over REST, asks."""
    from google.api_core.operations_v1 import AbstractOperationsClient, OperationsRestTransport

    transport = client.transport
    options = {
        f"google.longrunning.Operations.{name}": [{"method": "get", "uri": path}] for name, path in _PATHS.items()
    }
    made = OperationsRestTransport(host=transport._host, credentials=transport._credentials, http_options=options)
    return AbstractOperationsClient(transport=made)


def await_end(operation: Any, operations: Any, *, timeout: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Waits for the end of what a call began; ``timeout`` is one look's, in seconds.

    Raises what the operation ended with, as Google's client would, and TimeoutError where it does not end.
    """
    from google.api_core.exceptions import from_grpc_status

    found = operation.operation
    for _ in range(int(SECONDS / LOOK_SECONDS)):
        if found.done:
            if found.HasField("error"):
                raise from_grpc_status(found.error.code, found.error.message)
            return
        sleep(LOOK_SECONDS)
        found = operations.get_operation(found.name, retry=None, timeout=timeout)
    raise TimeoutError(f"operation {found.name} does not end")
