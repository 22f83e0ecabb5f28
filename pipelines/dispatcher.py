"""Starts what runs ask for. Locally the running command does it; a service does it in the cloud.

A request is started once, as a run of its own; a further attempt is made only after a final failure or a cancel.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from components.core.decision import DecisionKind, Verdict
from components.core.errors import Refused
from components.core.manifest import read_manifest, resolve_reference
from components.core.run_request import CORRECTED, FOLDER, RunRequest
from components.core.signing import check_moment, read_decision, verify
from components.core.store import Store
from components.core.trust import read_trust
from components.release.people import word_key
from pipelines.backends.ask import Ask, launch_of
from pipelines.backends.backend import open_backend
from pipelines.environment import Environment
from pipelines.proof.content import check_bytes
from pipelines.proof.ledger import DAMAGE, Ledger
from pipelines.proof.tree import Broken, sentence
from pipelines.recipe import RecipeBase
from pipelines.runs import RunFolder

PEOPLE = "people"
MAY_ASK = {"release": ("lifecycle", PEOPLE), "lifecycle": ("monitoring",)}
"""Who may ask for which graph: another graph, or people by a signed word about the case."""
_COMPILING = threading.Lock()
"""KFP keeps the graph that it compiles in a variable of its module."""


def read_request(store: Store, name: str) -> RunRequest:
    """The run request of that name. Raises Refused when its content is not what the name says."""
    key = f"{FOLDER}/{name}.json"
    request = RunRequest.read(store.read(key), key)
    if request.name != name:
        raise Refused(f"request {name[:12]}: its content was changed after it was made; run what asked for it again")
    return request


def dispatch(name: str, recipe: RecipeBase, environment: Environment) -> RunFolder:
    """Starts the run that a request asks for, or finds the one that was started for it.

    Raises Refused when the asker may not ask, recipe or environment are not those that the request names, or the
    graph is not the one that this recipe and this code compile to: whoever can write into the store cannot have a
    graph of their own run under the account that signs.
    """
    store = Store(environment.store)
    request = read_request(store, name)
    if request.asker not in MAY_ASK.get(request.graph, ()):
        raise Refused(f"request {name[:12]}: {request.asker} may not ask for {request.graph}")
    if request.recipe != recipe.digest or request.environment != environment.name:
        raise Refused(f"request {name[:12]}: asks for another recipe or environment than this run's; run that one")
    if request.asker == PEOPLE:
        _check_word(request, store, environment.trust)
    if request.asker == "monitoring":
        _check_retraining(request, store, recipe, environment)
    _check_graph(request, recipe, environment)
    _check_inputs(request, store)
    return open_backend(environment).start(_ask(request, recipe, environment))


def run_to_be(name: str, recipe: RecipeBase, environment: Environment, attempt: int = 1) -> str:
    """The run that a request becomes when it is carried out: the moment of that is not in the run's id."""
    request = read_request(Store(environment.store), name)
    return launch_of(_ask(request, recipe, environment), "", attempt).run


def _ask(request: RunRequest, recipe: RecipeBase, environment: Environment) -> Ask:
    return Ask(
        graph=request.graph,
        recipe=recipe,
        environment=environment,
        arguments=tuple((given.role, given.reference) for given in request.inputs),
        spec=request.spec,
        asked_by=request.name,
    )


def _check_inputs(request: RunRequest, store: Store) -> None:
    """What lies where the request says must be the content that its name stands for, to the last byte."""
    for given in request.inputs:
        manifest = resolve_reference(store, given.reference)
        try:
            if manifest.content_digest != given.content_digest:
                raise Broken(f"{manifest.key} is not the content that was asked for")
            check_bytes(manifest, Ledger(store))
        except DAMAGE as error:
            raise Refused(
                f"request {request.name[:12]}: its {given.role} does not hold: {sentence(error)}; run what asked for it"
                " again"
            ) from error


def _check_word(request: RunRequest, store: Store, trust: str) -> None:
    """A request that people make rests on a signed word about a case."""
    key = word_key(request.case, request.decision)
    word = verify(store.read(key), read_trust(trust), key)
    if (word.kind, word.id, word.case) != (DecisionKind.APPROVAL, request.decision, request.case):
        raise Refused(f"request {request.name[:12]}: {key} is no word about its case")


def _check_retraining(request: RunRequest, store: Store, recipe: RecipeBase, environment: Environment) -> None:
    """A retraining rests on a decision that the monitor signed for this endpoint, and that can still be acted on."""
    decision = read_decision(store, request.decision, read_trust(environment.trust))
    where = f"request {request.name[:12]}"
    about = (decision.kind, decision.verdict, decision.endpoint, decision.environment)
    if about != (DecisionKind.RETRAIN, Verdict.RETRAIN, recipe.served_at, environment.name):
        raise Refused(
            f"{where}: rests on a decision of kind {decision.kind} ({decision.verdict}), not on one to retrain"
        )
    check_moment(decision, datetime.now(UTC), where)
    corrected = (one.manifest for one in decision.evidence if one.role == CORRECTED)
    named = {(CORRECTED, read_manifest(store, one).content_digest) for one in corrected}
    if {(given.role, given.content_digest) for given in request.inputs} != named:
        raise Refused(f"{where}: would learn from something else than its decision names; run monitoring again")


def _check_graph(request: RunRequest, recipe: RecipeBase, environment: Environment) -> None:
    from pipelines.compile import compile_graphs

    with _COMPILING:
        compiled = compile_graphs(recipe, environment)
    if compiled[request.graph].digest != request.spec:
        raise Refused(
            f"request {request.name[:12]}: pins another graph than this recipe and this code compile to;"
            " run the recipe again, what is done is reused"
        )
