"""Looks into the records of runs: rejected rows, what differs between two runs, why a step ran."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from components.core.errors import InvalidInput
from components.core.evidence import read_evidence
from components.core.manifest import read_manifest
from components.core.report import Figure, Report, Rows
from components.core.run import Run, State, StepRun
from components.core.store import Store
from pipelines import catalogue
from pipelines.located_yaml import nearest
from pipelines.runs import RunFolder, Runs

Pair = tuple[str, str]


def begun(folder: RunFolder) -> Run:
    """The run's record. Raises InvalidInput when it has not begun."""
    run = folder.read()
    if run is None:
        raise InvalidInput(f"run {folder.run}: has not begun; look again in a moment")
    return run


def step_of(runs: Runs, folder: RunFolder, name: str) -> tuple[RunFolder, StepRun]:
    """A step of a run, or of a run that it asked for, with the folder that it is in.

    Raises InvalidInput, naming the nearest, when there is none of that name.
    """
    asked_for = [runs.folder_of(run.run) for run in requested(runs, begun(folder))]
    known: list[str] = []
    for place in (folder, *asked_for):
        for step in begun(place).steps:
            if step.name == name:
                return place, step
            known.append(step.name)
    raise InvalidInput(f"run {folder.run}: it has no step {name!r}; {nearest(name, known)}")


def rejects(runs: Runs, folder: RunFolder, name: str, store: Store) -> tuple[Rows, Iterator[dict[str, Any]]]:
    """Where a step's rows went, and those that it left out: id, reason, detail, row (JSON)."""
    from components.core.rows import read_batches

    _, step = step_of(runs, folder, name)
    if not step.report:
        raise InvalidInput(f"{name}: left no report ({step.state}); `sluice logs` has what it printed")
    report = Report.read(store.read(step.report), step.report)
    return report.rows, (row for batch in read_batches(store, report.rejects) for row in batch.to_pylist())


def said_by(log: str) -> str:
    """A step's log without what KFP's executor prints about itself: its own lines, and the input that it shows."""
    kept, inside = [], False
    for line in log.splitlines(keepends=True):
        if line.startswith("[KFP Executor"):
            inside = line.rstrip().endswith("executor_input:")
        elif inside:
            inside = not line.startswith("}")
        else:
            kept.append(line)
    return "".join(kept)


def score_lines(run: Run, store: Store) -> Iterator[str]:
    """The scores of a run with their intervals, a line each: what a person wants to know first."""
    for name, figure in sorted(_figures(run, store).items()):
        if name.startswith("benchmark.") and "/" not in name and figure.low is not None and figure.high is not None:
            interval = f"95 % interval {figure.low:.1%} to {figure.high:.1%}"
            asked = f", {figure.n:,} questions" if figure.n else ""
            yield f"{name.partition('.')[2].replace('_', ' ')}: {figure.value:.1%} ({interval}{asked})"
    yield from _claim_lines(run, store)


def _claim_lines(run: Run, store: Store) -> Iterator[str]:
    """What the gate found, a line a claim; nothing for a run without a gate that came to its end."""
    gate = next((step for step in run.steps if step.name == "gate" and "evidence" in step.outputs), None)
    if gate is None:
        return
    for claim in read_evidence(store, read_manifest(store, gate.outputs["evidence"])).claims:
        sign = ("✓" if claim.holds else "✗") if claim.applies else "–"
        yield f"{sign} {claim.text}"


def _figures(run: Run, store: Store) -> dict[str, Figure]:
    """The figures of a run's steps, by ``step.figure``."""
    found = {}
    for step in run.steps:
        if step.report and store.exists(step.report):
            for name, figure in Report.read(store.read(step.report), step.report).figures.items():
                found[f"{step.name}.{name}"] = figure
    return found


def differences(runs: Runs, first: RunFolder, second: RunFolder, store: Store) -> dict[str, dict[str, Pair]]:
    """What differs between two runs, by part: settings, data, scores; each name with both values."""
    sides = [_aspects(runs, folder, store) for folder in (first, second)]
    return {part: _unequal(sides[0][part], sides[1][part]) for part in sides[0]}


def why_it_ran(runs: Runs, folder: RunFolder, name: str) -> list[str]:
    """Why a step was not answered from the cache, a sentence each."""
    folder, step = step_of(runs, folder, name)
    if step.cached:
        return [f"{name}: did not run; it was answered from the cache"]
    if not step.key:
        known = catalogue.steps().get(name.replace("-", "_"))
        if known and not known.cached:
            return [f"{name}: always runs; its answer depends on more than its inputs"]
        return [f"{name}: has not run ({step.state})"]
    before = _run_before(runs, folder, name)
    if before is None:
        return [f"{name}: no run before this one did it"]
    changed = _unequal(before[1].key, step.key)
    if not changed:
        return [
            f"{name}: nothing changed since {before[0]}; it was asked for (--from, --no-cache), or its output was gone"
        ]
    return [line for key, pair in changed.items() for line in _explain(name, key, pair, before[0])]


def _run_before(runs: Runs, folder: RunFolder, name: str) -> tuple[str, StepRun] | None:
    """The newest earlier run of the same recipe that did or reused the step."""
    this = begun(folder)
    for _, run in runs.records():
        if isinstance(run, InvalidInput) or run.run == this.run:
            continue
        if (run.recipe, run.environment) != (this.recipe, this.environment) or run.started >= this.started:
            continue
        for step in run.steps:
            if step.name == name and step.key:
                return run.run, step
    return None


def _explain(name: str, key: str, pair: Pair, before: str) -> list[str]:
    if key == "settings":
        old, new = (_flat(json.loads(text)) for text in pair)
        return [
            f"{name}: setting {setting} was {left} in {before}, is {right}"
            for setting, (left, right) in _unequal(old, new).items()
        ]
    if key == "code":
        return [f"{name}: the code of its stage, of core or of the locks changed since {before}"]
    if key == "component":
        return [f"{name}: its component (signature, docstring or image) changed since {before}"]
    return [f"{name}: input {key} changed since {before} ({pair[0][:16]}… → {pair[1][:16]}…)"]


def _aspects(runs: Runs, folder: RunFolder, store: Store) -> dict[str, dict[str, str]]:
    run = begun(folder)
    steps = [*run.steps, *(step for other in requested(runs, run) for step in other.steps)]
    data = {
        f"{step.name}.{role}": output.content_digest[:16] for step in steps for role, output in step.outputs.items()
    }
    scores = {
        name: f"{figure.value:.2%}" if figure.low is not None else f"{figure.value:.4f}"
        for one in (run, *requested(runs, run))
        for name, figure in _figures(one, store).items()
        if figure.low is not None or name.endswith("loss")
    }
    return {"settings": _flat(folder.launch().recipe), "data": data, "scores": scores}


def held_run(runs: Runs, folder: RunFolder) -> RunFolder:
    """The run itself where it is held, else the one that it asked for and that is held; itself where none is."""
    asked_for = [runs.folder_of(run.run) for run in requested(runs, begun(folder))]
    return next((place for place in (folder, *asked_for) if begun(place).state is State.HELD), folder)


def requested(runs: Runs, run: Run) -> list[Run]:
    """The newest run for each request that a run made."""
    if not run.requests:
        return []
    found: dict[str, Run] = {}
    for _, other in runs.records():
        if not isinstance(other, InvalidInput) and other.asked_by in run.requests:
            found.setdefault(other.asked_by, other)
    return list(found.values())


def followed(runs: Runs, run: Run) -> list[RunFolder]:
    """The folders of the runs that a run asked for, and of those that these asked for, and so on."""
    found = requested(runs, run)
    for other in found:  # it grows
        found += requested(runs, other)
    return [runs.folder_of(other.run) for other in found]


def _flat(value: Any, route: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = {str(index): item for index, item in enumerate(value)}.items()
    else:
        return {route: json.dumps(value, ensure_ascii=False)}
    flat: dict[str, str] = {}
    for key, item in items:
        flat |= _flat(item, f"{route}.{key}" if route else str(key))
    return flat


def _unequal(first: dict[str, str], second: dict[str, str]) -> dict[str, Pair]:
    names = sorted(first.keys() | second.keys())
    pairs = {name: (first.get(name, "–"), second.get(name, "–")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
