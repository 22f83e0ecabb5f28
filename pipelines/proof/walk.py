"""Verifies an endpoint, a model or a run: puts the parts of the tree together and says what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from components.core.decision import FOLDER, decision_key, payload_of
from components.core.errors import ExitCode
from components.core.manifest import Reference
from components.core.report import Report
from components.core.run import Run, State, StepRun
from components.core.run_request import FOLDER as REQUESTS
from components.core.run_request import RunRequest
from components.core.store import Store
from components.core.trust import TrustRoots
from components.core.wording import counted
from pipelines.backends.ask import GRAPHS
from pipelines.examine import begun, requested
from pipelines.proof.artifacts import Artifacts
from pipelines.proof.decisions import Decisions
from pipelines.proof.history import Histories, History
from pipelines.proof.ledger import DAMAGE, Ledger
from pipelines.proof.tree import (
    Broken,
    Mark,
    Node,
    as_document,
    broken,
    checked,
    lines,
    noted,
    one_line,
    sentence,
    short,
    size,
)
from pipelines.runs import RunFolder, Runs


@dataclass
class Scene:
    """What is verified, and against whose trust roots."""

    store: Store
    histories: Histories
    trust: TrustRoots
    trust_said: Node
    environment: str
    data: bool = True
    """Whether the bytes of models and data are there."""
    sources: bool = True
    """Whether files outside the store may be looked at."""
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store)

    @cached_property
    def artifacts(self) -> Artifacts:
        """The walk over artifacts, shared by all parts of the tree."""
        return Artifacts(self.ledger, data=self.data, sources=self.sources)

    @cached_property
    def decisions(self) -> Decisions:
        """The walk over decisions."""
        return Decisions(self.artifacts, self.trust, self.environment)


@dataclass
class Verification:
    """A tree that was walked to its end."""

    tree: Node
    ledger: Ledger

    @property
    def exit_code(self) -> ExitCode:
        """0 where everything holds, 3 where anything is broken."""
        return ExitCode.DONE if self.tree.holds else ExitCode.REFUSED

    def lines(self) -> Iterator[str]:
        """The tree and, last, what came of it."""
        yield from lines(self.tree)
        yield one_line(self.summary)

    @property
    def summary(self) -> str:
        """One sentence: verified, or what is broken first."""
        breaks = list(broken(self.tree))
        hashed = f"{counted(self.ledger.objects, 'object')}, {size(self.ledger.length)} re-hashed"
        if not breaks:
            told = noted(self.tree)
            return f"verified: {hashed}{f'; {told} told and not proven (·)' if told else ''}"
        path, said = breaks[0]
        where = " › ".join(title.split("  ")[0] for title in path[-3:])
        more = f" ({len(breaks) - 1} more)" if len(breaks) > 1 else ""
        return f"broken: {where}: {said}{more}; trust nothing above it until it is explained ({hashed})"

    def as_document(self) -> dict[str, Any]:
        """For scripts: verified, objects, bytes, breaks, summary and the tree (a list, depth by depth)."""
        breaks = [{"path": list(path), "said": said} for path, said in broken(self.tree)]
        return {
            "verified": self.tree.holds,
            "objects": self.ledger.objects,
            "bytes": self.ledger.length,
            "not_proven": noted(self.tree),
            "breaks": breaks,
            "summary": self.summary,
            "tree": as_document(self.tree),
        }


def verify_endpoint(scene: Scene, endpoint: str) -> Verification:
    """Everything that led to what should serve on an endpoint."""
    return _walked(scene, f"endpoint  {endpoint}", lambda: History(scene.decisions, endpoint).node(scene.histories))


def verify_model(scene: Scene, models: Sequence[Reference]) -> Verification:
    """Artifacts of one content, mostly a model: what they were made from, what was decided, where they serve."""
    title = f"model  {short(models[0].content_digest or models[0].digest)}"
    return _walked(scene, title, lambda: Node(title, children=list(_about(scene, models))))


def _walked(scene: Scene, title: str, walk: Callable[[], Node]) -> Verification:
    """The tree with the trust roots on top; what no part of it foresaw breaks the whole."""
    try:
        node = walk()
    except DAMAGE as error:
        node = Node(title, sentence(error), Mark.BROKEN)
    node.children.insert(0, scene.trust_said)
    return Verification(node, scene.ledger)


def _about(scene: Scene, models: Sequence[Reference]) -> Iterator[Node]:
    digests = scene.decisions.only = frozenset(model.digest for model in models)
    yield from (scene.artifacts.node("artifact", model) for model in models)
    yield from (scene.decisions.verified(decision).node for decision in _decisions_about(scene.store, digests))
    yield from _serving(scene, digests)


def _serving(scene: Scene, models: frozenset[str]) -> Iterator[Node]:
    try:
        names = serving(scene.histories, models)
    except DAMAGE as error:
        yield Node("endpoints", sentence(error), Mark.BROKEN)
        return
    for name in names:
        yield History(scene.decisions, name).node(scene.histories)
    if not names:
        yield Node("endpoints", "none names it: it has never served", Mark.NOTE)


def serving(histories: Histories, models: frozenset[str]) -> list[str]:
    """The endpoints on which one of the models serves or served."""
    return [
        name
        for name in histories.names()
        if any(state.champion and state.champion.digest in models for state in histories.history(name))
    ]


def _decisions_about(store: Store, models: frozenset[str]) -> Iterator[str]:
    """Ids of decisions about models, and of those that cannot be read any more: they may be about it."""
    for key in store.list(FOLDER):
        decision = key.removeprefix(f"{FOLDER}/").removesuffix(".json")
        try:
            predicate = json.loads(payload_of(store.read(key), key))["predicate"]
            about = (predicate["subject"] or {}).get("digest") in models
        except DAMAGE:
            about = True
        if about and key == decision_key(decision):
            yield decision


def verify_run(scene: Scene, runs: Runs, folder: RunFolder) -> Verification:
    """A run and those that it asked for: graphs, the outputs of each step, decisions."""
    return _walked(scene, f"run  {folder.run}", lambda: _run(scene, runs, begun(folder)))


def _run(scene: Scene, runs: Runs, run: Run, depth: int = 0) -> Node:
    said = f"{run.graph} of recipe {run.recipe}, {run.state}, {run.started[:19]}"
    node = Node(f"run  {run.run}", said, Mark.HOLDS if run.state.worked else Mark.NOTE)
    node.children.append(checked(f"graph  {short(run.spec)}", lambda: _graph(scene, runs, run), DAMAGE))
    node.children += [_step(scene, step) for step in run.steps]
    node.children += [scene.decisions.verified(decision).node for decision in run.decisions]
    for name in run.requests:
        node.children.append(checked(f"request  {short(name)}", partial(_request, scene, name), DAMAGE))
    if depth < 3:
        node.children += [_run(scene, runs, other, depth + 1) for other in requested(runs, run)]
    return node


def _graph(scene: Scene, runs: Runs, run: Run) -> str:
    """The compiled graph is in the store under its digest, and is the one in the run's folder."""
    data = scene.ledger.document(f"{GRAPHS}/{run.spec}.yaml", run.spec)
    beside = runs.folder_of(run.run).graph
    if beside.exists() and beside.read_bytes() != data:
        raise Broken(f"{beside} is another graph than the one that the run states")
    return "pinned in the store"


def _step(scene: Scene, step: StepRun) -> Node:
    def check() -> str:
        report = Report.read(scene.ledger.named_by_itself(step.report), step.report)
        for role, output in step.outputs.items():
            if report.outputs.get(role) != output:
                raise Broken(f"its report names another output {role} than the run")
        return f"{report.rows.sentence()}{', from the cache' if step.cached else ''}"

    title = f"step  {step.name}"
    if not step.report:
        return Node(title, str(step.state), Mark.NOTE)
    node = checked(title, check, DAMAGE)
    if step.state is not State.DONE and node.mark is Mark.HOLDS:
        node.mark, node.said = Mark.NOTE, f"{step.state}; {node.said}"
    node.children = [scene.artifacts.node(role, output) for role, output in step.outputs.items()]
    return node


def _request(scene: Scene, name: str) -> str:
    key = f"{REQUESTS}/{name}.json"
    request = RunRequest.read(scene.ledger.named_by_itself(key), key)
    if request.name != name:
        raise Broken(f"{key} asks for something else than its name says")
    return f"asks for {request.graph}"
