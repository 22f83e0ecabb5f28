"""Aliases as projections of ``EndpointState``: what differs from it, and putting that right.

The state counts, the registry follows. So a registry that is away never stops a transition: it is told, and
``sluice registry repair`` makes up for it, registering also what serves and was not registered then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.core.decision import Decision, Evidence, decision_key, payload_of
from components.core.endpoint import EndpointState
from components.core.errors import Refused, SluiceError
from components.core.evidence import GateEvidence, read_evidence
from components.core.manifest import Part, Reference, read_manifest
from components.core.store import Store
from components.release.registries.registry import (
    Alias,
    Evaluation,
    Registry,
    Version,
    folder_address,
    open_registry,
)


class Difference(Part):
    """One alias of one registered model that is not what the state says."""

    endpoint: str
    name: str
    alias: Alias
    found: int | None = None
    wanted: int | None = None
    unregistered: str = ""
    """Digest of the model that should have the alias, where no version is that model."""

    @property
    def sentence(self) -> str:
        """What is there, and what should be."""
        found = f"is version {self.found}" if self.found else "is not set"
        if self.unregistered:
            return f"{self.name}: {self.alias} {found}, and {self.unregistered[:12]}… is not registered"
        wanted = f"should be version {self.wanted}" if self.wanted else "nothing should have it"
        return f"{self.name}: {self.alias} {found}, {wanted}"


@dataclass(frozen=True)
class Repair:
    """What differed, and why some of it differs still (a sentence each; none where all is right)."""

    differed: tuple[Difference, ...]
    failed: tuple[str, ...] = ()


def project_aliases(address: str, state: EndpointState, store: Store) -> str:
    """Makes the aliases at ``address`` say what ``state`` says, the newest of its endpoint.

    Returns nothing when they are right afterwards, else a sentence that says why not and what to do. It raises nothing
    for a registry that is down, damaged or misnamed: what serves does not depend on it.
    """
    try:
        registry = open_registry(address)
        failed = repair(registry, state, store).failed if registry else ()
    except SluiceError as error:
        failed = (str(error),)
    if not failed:
        return ""
    return (
        f"the registry does not show this yet ({'; '.join(failed)}); what serves is not touched by that:"
        f" `sluice registry repair {state.endpoint}` makes up for it"
    )


def differences(versions: Sequence[Version], state: EndpointState) -> list[Difference]:
    """How the aliases of these versions, all those of the endpoint, differ from what the state says."""
    return [*_unregistered(versions, state), *_misplaced(versions, state)]


def repair(registry: Registry, state: EndpointState, store: Store) -> Repair:
    """Registers what is missing and sets the aliases. Raises Failed when the registry does not answer.

    A model that is gone from the store cannot be registered; the other aliases are set all the same. What the gate
    found stands beside the champion.
    """
    missing = _unregistered(registry.versions(state.endpoint), state)
    failed = []
    for model in {difference.unregistered: difference for difference in missing}.values():
        try:
            _register(registry, model, _roles(state)[model.alias], store)
        except SluiceError as error:
            failed.append(str(error))
    misplaced = _misplaced(registry.versions(state.endpoint), state)
    for difference in misplaced:
        if difference.wanted:
            registry.set_alias(difference.name, difference.alias, difference.wanted)
        else:
            registry.delete_alias(difference.name, difference.alias)
    try:
        _evaluate(registry, state, store)
    except SluiceError as error:
        failed.append(str(error))
    return Repair((*missing, *misplaced), tuple(failed))


def _register(registry: Registry, difference: Difference, model: Reference, store: Store) -> None:
    manifest = read_manifest(store, model)
    registry.register(difference.name, difference.endpoint, manifest, folder_address(store, manifest))


def _evaluate(registry: Registry, state: EndpointState, store: Store) -> None:
    """Puts the figures of the gate beside what its decision let serve; a rollback, say, rests on no gate."""
    gate = _gate(state, store)
    if gate is None or state.champion is None:
        return
    found = read_evidence(store, read_manifest(store, gate.manifest))
    evaluation = Evaluation(evidence=gate.digest, policy=found.policy, figures=_figures(found))
    for version in registry.versions(state.endpoint):
        if version.digest == state.champion.digest:
            registry.evaluate(version.name, version.version, evaluation)


def _gate(state: EndpointState, store: Store) -> Evidence | None:
    """The gate's evidence about the champion, of the decision that made this generation, where the store has it."""
    where = decision_key(state.decision)
    if not state.decision or not store.exists(where):
        return None
    decision = Decision.from_statement(payload_of(store.read(where), where), where)
    # The state names it by the digest of what was signed; whoever wrote the state had verified that.
    if decision.id != state.decision:
        raise Refused(f"{where}: holds another decision than its name says; bring it back from a copy")
    return next((named for named in decision.evidence if named.role == "gate"), None)


def _figures(evidence: GateEvidence) -> dict[str, float]:
    found: dict[str, float] = {}
    for tally in evidence.tallies:
        name = f"{tally.suite}/{tally.slice}" if tally.slice else tally.suite
        figures = tally.model_dump(include={"questions", "candidate", "incumbent", "won", "lost"}, exclude_none=True)
        found |= {f"{name}.{figure}": float(value) for figure, value in figures.items()}
    return found


def _roles(state: EndpointState) -> dict[Alias, Reference]:
    """Which model should have which alias."""
    models = {alias: getattr(state, alias.value) for alias in Alias}
    return {alias: model for alias, model in models.items() if model is not None}


def _unregistered(versions: Sequence[Version], state: EndpointState) -> list[Difference]:
    """The models of the state that are no version yet. They belong where the newest one was registered."""
    known = {version.digest for version in versions}
    newest = max(versions, key=lambda version: (version.registered, version.version), default=None)
    name = newest.name if newest else state.endpoint
    return [
        Difference(
            endpoint=state.endpoint,
            name=name,
            alias=alias,
            found=_held(versions, name, alias),
            unregistered=model.digest,
        )
        for alias, model in _roles(state).items()
        if model.digest not in known
    ]


def _misplaced(versions: Sequence[Version], state: EndpointState) -> list[Difference]:
    """The aliases that are elsewhere than they should be, in each of the endpoint's registered models."""
    roles = _roles(state)
    found = []
    for name in sorted({version.name for version in versions}):
        for alias in Alias:
            held = _held(versions, name, alias)
            wanted = _version_of(versions, name, roles.get(alias))
            if held != wanted:
                found.append(Difference(endpoint=state.endpoint, name=name, alias=alias, found=held, wanted=wanted))
    return found


def _held(versions: Sequence[Version], name: str, alias: Alias) -> int | None:
    return next((one.version for one in versions if one.name == name and alias in one.aliases), None)


def _version_of(versions: Sequence[Version], name: str, model: Reference | None) -> int | None:
    """The number of the version that is this model; the first one, should there be two."""
    if model is None:
        return None
    return next((one.version for one in versions if one.name == name and one.digest == model.digest), None)
