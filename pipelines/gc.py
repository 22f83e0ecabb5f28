"""Finds and removes what nothing refers to any more in a store: attempts, graphs and checkpoints.

What is named anywhere in what is kept is kept, by the place of an attempt or by a digest, whatever field it stands in:
so a record that is invented after this was written counts as well. What lies in the store outside attempts, graphs and
checkpoints (decisions, requests, people's words, windows, pins of hubs, answers) is a record, and stays. Mark and
sweep, conservatively, as Boehm and Weiser 1988, "Garbage Collection in an Uncooperative Environment".
"""

from __future__ import annotations

import json
import re
import tarfile
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from components.core.canonical import sha256
from components.core.decision import payload_of
from components.core.endpoint import open_endpoints
from components.core.errors import InvalidInput, Refused
from components.core.manifest import MANIFEST, Kind, Manifest
from components.core.run import State
from components.core.store import Entry, Store
from components.core.whole_file import SUFFIX
from components.train.finetune.checkpoints import FOLDER as CHECKPOINTS
from pipelines.backends.ask import GRAPHS
from pipelines.environment import LocalEnvironment
from pipelines.proof.bundle import INDEX
from pipelines.runs import RunFolder, Runs

_ATTEMPT = re.compile(r"[a-z][a-z0-9_-]*/[0-9a-f]{32}(?=/)")
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_GRAPH = re.compile(rf"{GRAPHS}/([0-9a-f]{{64}})\.yaml")
_ENVELOPE = b'"payloadType"'
BEFORE_A_RUN = timedelta(hours=1)
"""How much earlier than a living run began its store's clock may have said so."""
PROBES = "gc"
"""Where objects are written to see what time it is in the store."""
UNFINISHED, BESIDE, GRAPH, CHECKPOINT = "unfinished", "reports and rejects", "graphs", "checkpoints"


@dataclass
class Unit:
    """What stays or goes as a whole: an attempt, a graph, or the checkpoints of a training."""

    entries: list[Entry] = field(default_factory=list)
    manifests: dict[str, bytes] = field(default_factory=dict)
    """What lies there as a manifest, by key: it is read once, for it is named by its digest and names others."""
    kinds: dict[str, Kind] = field(default_factory=dict)
    """Kinds of outputs by their folder; none of an attempt that did not come to its end."""

    @property
    def modified(self) -> datetime:
        """When the last of it was written."""
        return max(entry.modified for entry in self.entries)

    def kind_of(self, entry: Entry) -> str:
        """What an object of it is, for a person."""
        top = entry.key.split("/")[0]
        if top in (GRAPHS, CHECKPOINTS):
            return GRAPH if top == GRAPHS else CHECKPOINT
        if not self.kinds:
            return UNFINISHED
        found = next((kind for place, kind in self.kinds.items() if entry.key.startswith(f"{place}/")), None)
        return str(found) if found else BESIDE

    def documents(self, store: Store) -> Iterator[str]:
        """What may name other things: its JSON, but the files of models, which name none. Raises InvalidInput."""
        models = [place for place, kind in self.kinds.items() if kind is Kind.MODEL]
        for entry in self.entries:
            data = self.manifests.get(entry.key)
            of_a_model = data is None and any(entry.key.startswith(f"{place}/") for place in models)
            if entry.key.endswith((".json", ".yaml")) and not of_a_model:
                yield document(store.read(entry.key) if data is None else data, f"{store.uri}/{entry.key}")


@dataclass
class Holdings:
    """All that lies in a store."""

    units: dict[str, Unit] = field(default_factory=lambda: defaultdict(Unit))
    """By the place of an attempt, the key of a graph, or the folder of a training's checkpoints."""
    records: list[Entry] = field(default_factory=list)
    by_digest: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Units by the digest of a manifest or a graph."""

    @classmethod
    def of(cls, store: Store) -> Holdings:
        """Lists a store. A manifest that is damaged or gone meanwhile names no output."""
        found = cls()
        for entry in store.entries(""):
            place = _unit(entry.key)
            if place:
                found.units[place].entries.append(entry)
            else:
                found.records.append(entry)
        for place, unit in found.units.items():
            if graph := _GRAPH.fullmatch(place):
                found.by_digest[graph[1]].add(place)
            for entry in unit.entries:
                if entry.key.endswith(f"/{MANIFEST}") and not place.startswith(f"{CHECKPOINTS}/"):
                    with suppress(InvalidInput):
                        data = unit.manifests[entry.key] = store.read(entry.key)
                        found.by_digest[sha256(data)].add(place)
                        unit.kinds[entry.key.rpartition("/")[0]] = Manifest.read(data, entry.key).kind
        return found


@dataclass(frozen=True)
class Scope:
    """A store, and all who may refer to what lies in it."""

    store: Store
    environments: tuple[LocalEnvironment, ...]
    bundles: tuple[Path, ...] = ()

    @classmethod
    def of(cls, environments: Sequence[LocalEnvironment], bundles: Iterable[Path] = ()) -> Scope:
        """Raises InvalidInput for environments with different stores."""
        stores = sorted({environment.store for environment in environments})
        if len(stores) != 1:
            raise InvalidInput(f"--env: these have different stores ({', '.join(stores)}); clean one after the other")
        return cls(Store(stores[0]), tuple(environments), tuple(bundles))

    def folders(self) -> Iterator[RunFolder]:
        """The runs of all environments."""
        for runs in sorted({environment.runs for environment in self.environments}):
            yield from Runs(Path(runs))

    def living(self) -> dict[str, datetime]:
        """Runs that are at work by id, and since when."""
        return {folder.run: _began(folder) for folder in self.folders() if folder.alive()}

    def texts(self, holdings: Holdings, living: bool) -> Iterator[str]:
        """Everything in which something may be named that has to stay. Raises InvalidInput for what is damaged."""
        for entry in holdings.records:
            if entry.key.endswith(".json"):
                yield document(self.store.read(entry.key), entry.key)
        for folder in self.folders():
            for name in ("launch.json", "run.json", "graph.yaml"):
                path = folder.path / name
                if path.exists():
                    yield document(path.read_bytes(), str(path))
        for bundle in self.bundles:
            yield _index(bundle)
        for environment in self.environments:
            yield from _endpoints(environment)
            yield from _registry(environment)
            # What a run at work may find in its cache, it may read any moment.
            for path in sorted((Path(environment.state) / "kfp" / "cache").glob("*.json")) if living else ():
                yield path.read_text(errors="replace")


@dataclass
class Garbage:
    """What nothing refers to and what is old enough to go."""

    units: dict[str, Unit] = field(default_factory=dict)
    parts: list[Entry] = field(default_factory=list)
    """Objects of kept attempts and records that a killed writer did not finish."""
    young: int = 0
    """Units that nothing refers to, and that are too young."""
    kept: int = 0

    def lengths(self) -> dict[str, tuple[int, int]]:
        """Objects and bytes by kind, the largest first."""
        objects: Counter[str] = Counter()
        lengths: Counter[str] = Counter()
        entries = [(unit.kind_of(entry), entry) for unit in self.units.values() for entry in unit.entries]
        for kind, entry in [*entries, *((UNFINISHED, entry) for entry in self.parts)]:
            objects[kind] += 1
            lengths[kind] += entry.bytes
        return {kind: (objects[kind], length) for kind, length in sorted(lengths.items(), key=lambda i: (-i[1], i[0]))}


def find_garbage(scope: Scope, older_than: timedelta) -> Garbage:
    """Goes through the store and all that refers to it; nothing is removed.

    Nothing younger than ``older_than`` is garbage, by the store's own clock, and nothing that was written since a run
    that is at work began. Raises InvalidInput where something that may refer to others is damaged, and whatever
    registry and endpoint states raise when they do not answer: what cannot be read cannot be kept.
    """
    living = scope.living()
    before = min([_now(scope.store) - older_than, *(began - BEFORE_A_RUN for began in living.values())])
    holdings = Holdings.of(scope.store)
    kept = _marked(scope, holdings, living=bool(living))
    if _resumable(scope):
        kept |= {place for place in holdings.units if place.startswith(f"{CHECKPOINTS}/")}
    garbage = Garbage(kept=len(kept))
    for place, unit in sorted(holdings.units.items()):
        if place not in kept and unit.modified < before:
            garbage.units[place] = unit
        else:
            garbage.young += place not in kept
            garbage.parts += _left_over(unit.entries, before)
    garbage.parts += _left_over(holdings.records, before)
    return garbage


def _left_over(entries: Iterable[Entry], before: datetime) -> list[Entry]:
    """What killed writers left, and killed cleaners."""
    left = (one for one in entries if one.key.endswith(SUFFIX) or one.key.startswith(f"{PROBES}/"))
    return [one for one in left if one.modified < before]


def remove(scope: Scope, older_than: timedelta) -> Garbage:
    """Removes the garbage and returns what is gone.

    It is looked for twice, and again whenever a run has begun meanwhile; another who removes the same is no error.
    """
    first, again = find_garbage(scope, older_than), find_garbage(scope, older_than)
    begun = set(scope.living())
    gone = Garbage(young=again.young, kept=again.kept)
    for place in [place for place in again.units if place in first.units]:
        if not set(scope.living()) <= begun:
            begun, again = set(scope.living()), find_garbage(scope, older_than)
        if place in again.units:
            gone.units[place] = again.units[place]
            _remove(scope.store, place, again.units[place].entries)
    named = {part.key for part in first.parts}
    for part in [part for part in again.parts if part.key in named]:
        _remove(scope.store, part.key, [part])
        gone.parts.append(part)
    return gone


def _remove(store: Store, place: str, entries: Sequence[Entry]) -> None:
    """Manifests first: what is half gone is not taken for whole. Objects that are gone already were another's work."""
    for entry in sorted(entries, key=lambda entry: (not entry.key.endswith(f"/{MANIFEST}"), entry.key)):
        with suppress(InvalidInput):
            store.remove(entry.key)
    with suppress(InvalidInput):
        store.remove(place)


def _marked(scope: Scope, holdings: Holdings, living: bool) -> set[str]:
    """The units that are named by records, or by what is kept because it is named."""
    kept: set[str] = set()
    waiting = [place for text in scope.texts(holdings, living) for place in _named(text, holdings)]
    while waiting:
        place = waiting.pop()
        if place in kept:
            continue
        kept.add(place)
        for text in holdings.units[place].documents(scope.store):
            waiting += _named(text, holdings)
    return kept


def _named(text: str, holdings: Holdings) -> set[str]:
    """The units that a text names by place or digest."""
    places = {place for place in _ATTEMPT.findall(text) if place in holdings.units}
    return places.union(*(holdings.by_digest[name] for name in _DIGEST.findall(text) if name in holdings.by_digest))


def document(data: bytes, where: str) -> str:
    """A document as text in which names can be looked for; what an envelope carries is unwrapped.

    Raises InvalidInput for JSON that is damaged: what it refers to is not known.
    """
    try:
        text = data.decode()
        if where.endswith(".json"):
            json.loads(text)
        return text + payload_of(data, where).decode() if _ENVELOPE in data else text
    except (ValueError, RecursionError, Refused) as error:
        raise InvalidInput(
            f"{where}: is damaged ({error}), and what it refers to must not be removed; bring it back from a copy, or"
            " move it away"
        ) from error


def _unit(key: str) -> str:
    """The unit that an object belongs to; empty for a record."""
    if attempt := _ATTEMPT.match(key):
        return attempt[0]
    if key.startswith(f"{CHECKPOINTS}/"):
        return "/".join(key.split("/")[:2])
    return key if _GRAPH.fullmatch(key) else ""


def _now(store: Store) -> datetime:
    """This moment by the store's clock: an object is written, looked at and removed."""
    key = f"{PROBES}/{uuid.uuid4().hex}"
    store.write(key, b"")
    try:
        return next(entry.modified for entry in store.entries(PROBES) if entry.key == key)
    finally:
        store.remove(key)


def _began(folder: RunFolder) -> datetime:
    """When a run's folder was made; its record may not be there yet."""
    return datetime.fromtimestamp((folder.path / "launch.json").stat().st_mtime).astimezone()


def _resumable(scope: Scope) -> bool:
    """Whether a run is recorded that may be run again and go on from a checkpoint."""
    for folder in scope.folders():
        run = folder.read()
        if run is None or not run.state.final or run.state in (State.FAILED, State.CANCELLED):
            return True
    return False


def _endpoints(environment: LocalEnvironment) -> Iterator[str]:
    """All generations of all endpoints."""
    if environment.endpoints:
        endpoints = open_endpoints(environment.endpoints)
        for name in endpoints.names():
            yield from (state.model_dump_json() for state in endpoints.history(name))


def _registry(environment: LocalEnvironment) -> Iterator[str]:
    from components.release.registries.registry import open_registry

    registry = open_registry(environment.registry)
    yield from (version.model_dump_json() for version in (registry.versions() if registry else ()))


def _index(bundle: Path) -> str:
    """The index of a bundle: the names and digests of all that it holds."""
    try:
        with tarfile.open(bundle) as tar:
            member = tar.extractfile(INDEX)
            assert member
            return document(member.read(), f"{bundle}/{INDEX}")
    except (OSError, KeyError, AssertionError, tarfile.TarError) as error:
        raise InvalidInput(f"--bundle {bundle}: is no bundle ({error}); give one that `sluice bundle` wrote") from error
