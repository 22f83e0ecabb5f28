"""Puts a run request into the store; a graph never starts another itself."""

from __future__ import annotations

from components.core.attempt import Attempt, Outcome
from components.core.manifest import Manifest
from components.core.run_request import RequestedInput, RunRequest
from components.release.request.settings import Request


def request(
    attempt: Attempt,
    model: Manifest,
    suites: Manifest,
    overlap: Manifest,
    settings: Request,
    spec: str,
    recipe: str,
    environment: str,
) -> Outcome:
    """Asks for the release of ``model``, judged by ``suites``. The outcome's word is the request's name.

    ``spec`` is the digest of the compiled release graph, ``recipe`` that of the recipe. Asking twice asks once.
    """
    inputs = {"model": model, "suites": suites, "overlap": overlap}
    asked = RunRequest(
        graph=settings.graph,
        spec=spec,
        recipe=recipe,
        environment=environment,
        inputs=tuple(
            RequestedInput(role=role, content_digest=manifest.content_digest, reference=manifest.reference())
            for role, manifest in inputs.items()
        ),
        asker="lifecycle",
    )
    asked.put(attempt.store)
    return attempt.commit({}, settings=settings, inputs=inputs, word=asked.name)
