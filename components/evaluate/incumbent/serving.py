"""Asks the model that serves what the candidate is asked.

It need not have been decontaminated against these suites: where it has seen a question in training, that is to its
advantage, and the candidate has to prove all the more.
"""

from __future__ import annotations

from components.core.attempt import Attempt, Draft, Outcome
from components.core.endpoint import Incumbent as Serving
from components.core.endpoint import open_endpoints
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, Reference, read_manifest, resolve_reference
from components.core.seal import Seal
from components.core.suites import HEADS, write_heads
from components.evaluate.benchmark.harness import Heads, checked_heads, examine
from components.evaluate.incumbent.settings import Incumbent


def incumbent(
    attempt: Attempt,
    settings: Incumbent,
    suites: str,
    overlap: str,
    endpoint: str,
    endpoints: str,
    environment: str,
    trust: str,
    key: str,
) -> Outcome:
    """Output: ``answers`` of what serves on ``endpoint``, none where nothing does. The word says which model it is.

    ``suites`` and ``overlap`` name manifests; ``endpoints`` is the address of the endpoint states. Raises InvalidInput
    when the model that serves is gone from the store.
    """
    manifests = {
        "suites": resolve_reference(attempt.store, suites),
        "overlap": resolve_reference(attempt.store, overlap),
    }
    heads = checked_heads(attempt, **manifests)
    state = open_endpoints(endpoints).read(endpoint)
    serving = Serving(endpoint=endpoint, generation=state.generation, model=state.champion)
    if state.champion is None:
        return _nobody(attempt, settings, heads, manifests, serving.encode())
    model = _champion(attempt, endpoint, state.champion)
    return examine(
        attempt,
        model,
        **manifests,
        settings=settings,
        heads=heads,
        seal=Seal.of(trust, key, environment),
        word=serving.encode(),
    )


def _nobody(attempt: Attempt, settings: Incumbent, heads: Heads, manifests: dict[str, Manifest], word: str) -> Outcome:
    beside = attempt.attach("answers", HEADS, write_heads(heads.values()))
    draft = Draft(Kind.ANSWERS, attempt.rows(Kind.ANSWERS, "answers"), extra=(beside,))
    return attempt.commit({"answers": draft}, settings=settings, inputs=manifests, word=word)


def _champion(attempt: Attempt, endpoint: str, champion: Reference) -> Manifest:
    try:
        return read_manifest(attempt.store, champion)
    except InvalidInput as error:
        raise InvalidInput(
            f"endpoint {endpoint}: its champion {champion.digest[:12]}… cannot be compared with: {error}. Bring it back"
            " from a copy of the store; without an incumbent nothing is released but by breaking the glass"
        ) from error
