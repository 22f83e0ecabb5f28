"""``Attempt``: one try of one step, with a place of its own in the store.

A step's method takes an attempt, manifests and settings, writes through the attempt and ends with ``commit``. The
report is written before the manifests, and each manifest after all that it names: a crash at any moment leaves no
manifest, or a whole one.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.core.canonical import canonical_json, digest_of_sorted, sha256
from components.core.errors import InvalidInput, SluiceError
from components.core.manifest import MANIFEST, Kind, Manifest, ModelFacts, Parent, Producer, Shard, Source, file_name
from components.core.masking import masked
from components.core.report import REPORT, Cost, Example, Figure, Report, Rows, Series, StepError
from components.core.rows import REJECTS, SCHEMAS, Row, RowWriter, read_batches
from components.core.settings import StepSettings
from components.core.store import Store


@dataclass(frozen=True)
class Files:
    """The files of a model in the store, as ``Attempt.upload`` left them."""

    shards: tuple[Shard, ...]

    @property
    def content_digest(self) -> str:
        """The digest of all files by name, wherever they lie."""
        named = ([file_name(shard), shard.sha256] for shard in self.shards)
        return digest_of_sorted(bytes.fromhex(sha256(canonical_json(pair))) for pair in named)


@dataclass
class Draft:
    """An output before its manifest: what was written and what is known about it."""

    kind: Kind
    content: RowWriter | Files
    sources: tuple[Source, ...] = ()
    suites: tuple[str, ...] = ()
    model: ModelFacts | None = None
    extra: tuple[Shard, ...] = ()
    """Objects beside the rows that belong to the output, such as the heads of suites; readers of rows skip them."""

    @property
    def content_digest(self) -> str:
        """The digest of the rows or files, and of what stands beside them."""
        digest = self.content.content_digest
        if not self.extra:
            return digest
        beside = (sha256(canonical_json([file_name(shard), shard.sha256])) for shard in self.extra)
        return digest_of_sorted(bytes.fromhex(part) for part in (digest, *beside))

    @property
    def shards(self) -> tuple[Shard, ...]:
        """All objects of the output."""
        return (*self.content.shards, *self.extra)


@dataclass(frozen=True)
class Outcome:
    """What a step gives back: its outputs by role, its report, and a word to branch on where it decides something."""

    manifests: dict[str, Manifest]
    report: Report
    word: str = ""
    section: str = ""
    """HTML that the step's page begins with: a fragment without scripts or addresses, its texts escaped."""


@dataclass
class Attempt:
    """One try of ``step``; its objects lie under ``<step>/<id>/`` in the store."""

    store: Store
    step: str
    code: str = ""
    image: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    owns_process: bool = False
    """Whether the process does nothing else, so that what it used to start and to import is the attempt's cost too."""
    figures: dict[str, Figure] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._started = datetime.now(UTC)
        self._wall, self._cpu = time.monotonic(), 0.0 if self.owns_process else _cpu_seconds()
        self._rejects = RowWriter(self.store, f"{self.folder}/rejects", REJECTS)

    @property
    def folder(self) -> str:
        """Where this attempt writes."""
        return f"{self.step}/{self.id}"

    @property
    def report_key(self) -> str:
        """Where this attempt's report lies."""
        return f"{self.folder}/{REPORT}"

    def read(self, manifest: Manifest, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of an input, as a stream of batches."""
        return read_batches(self.store, manifest.shards, columns)

    def read_rows(self, manifest: Manifest) -> Iterator[Row]:
        """The rows of an input, one dictionary each."""
        for batch in self.read(manifest):
            yield from batch.to_pylist()

    def rows(self, kind: Kind, role: str | None = None) -> RowWriter:
        """A writer for the output ``role`` (default: the kind's name)."""
        return RowWriter(self.store, f"{self.folder}/{role or kind}", SCHEMAS[kind])

    def upload(self, role: str, folder: Path) -> Files:
        """Copies the files of a local folder, sub-folders too, into the store as the output ``role``."""
        shards = []
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                key = f"{self.folder}/{role}/{name}"
                shards.append(Shard(uri=key, sha256=self.store.upload(path, key), rows=0, bytes=path.stat().st_size))
        return Files(tuple(shards))

    def download(self, manifest: Manifest, folder: Path) -> Path:
        """Copies a model's files into a local folder, each checked against its digest."""
        for shard in manifest.shards:
            self.store.download(shard.uri, folder / file_name(shard), shard.sha256)
        return folder

    def attach(self, role: str, name: str, data: bytes) -> Shard:
        """Writes an object beside the rows of the output ``role``, for ``Draft.extra``."""
        key = f"{self.folder}/{role}/{name}"
        self.store.write(key, data)
        return Shard(uri=key, sha256=hashlib.sha256(data).hexdigest(), rows=0, bytes=len(data))

    def reject(self, row: Row, reason: str, detail: str = "") -> None:
        """Leaves a row out, keeping it and the reason for a person to look at."""
        self.rejected[reason] += 1
        self._rejects.append(
            {
                "id": str(row.get("id", "")),
                "reason": reason,
                "detail": detail,
                "row": canonical_json(_printable(row)),
            }
        )

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Adds the seconds that the block took to the report's timings."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.monotonic() - start

    def commit(
        self,
        outputs: Mapping[str, Draft],
        *,
        settings: StepSettings,
        inputs: Mapping[str, Manifest] | None = None,
        rows_in: int = 0,
        created: int = 0,
        merged: int = 0,
        word: str = "",
        said: str = "",
        section: str = "",
    ) -> Outcome:
        """Ends the attempt: checks that its rows add up, writes the report, then the manifests.

        ``rows_in`` counts the rows of the input that the step works through, ``created`` those that it made
        itself, ``merged`` those that another row stands for; what was written and rejected, the attempt
        counted. Outputs of kind ``report`` are not counted. ``word`` is the unnamed output; with ``said``, a
        sentence about it, it is a decision. The report has both: where a service does not hand a task's outputs
        on, it is read there. ``section`` is HTML that the step's page begins with. Raises InvalidInput when
        more rows were rejected than ``settings.max_reject_share`` allows; the rejected rows stay in the store.
        """
        self._rejects.close()
        out = {
            role: draft.content.rows
            for role, draft in outputs.items()
            if isinstance(draft.content, RowWriter) and draft.kind is not Kind.REPORT
        }
        rows = Rows(in_=rows_in, created=created, out=out, rejected=dict(self.rejected), merged=merged)
        self._check_reject_share(settings, rows)
        producer = Producer(step=self.step, code=self.code, image=self.image, settings=sha256(settings.encode()))
        parents = tuple(manifest.as_parent(role) for role, manifest in (inputs or {}).items())
        manifests = {role: self._manifest(role, draft, producer, parents) for role, draft in outputs.items()}
        report = self._report(rows=rows, inputs=parents, outputs=manifests, word=word, said=said)
        self.store.write(self.report_key, report.to_bytes())
        for manifest in manifests.values():
            self.store.write(manifest.key, manifest.to_bytes())
        return Outcome(manifests, report, word, section)

    def fail(self, error: Exception) -> Report:
        """Ends the attempt with an error: the report says why, the rejected rows are kept, no manifest is written."""
        self._rejects.close()
        code = int(error.exit_code) if isinstance(error, SluiceError) else 4
        message = str(error) if isinstance(error, SluiceError) else f"{type(error).__name__}: {error}"
        report = self._report(error=StepError(exit_code=code, message=masked(message)))
        self.store.write(self.report_key, report.to_bytes())
        return report

    def _check_reject_share(self, settings: StepSettings, rows: Rows) -> None:
        allowed = getattr(settings, "max_reject_share", 1.0)
        rejected, given = sum(rows.rejected.values()), rows.in_ + rows.created
        if rejected > allowed * given:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rows.rejected.items()))
            raise InvalidInput(
                f"{self.step}: {rejected} of {given} rows were rejected ({reasons}), more than max_reject_share"
                f" = {allowed:g} allows; mend the source, or raise {self.step}.max_reject_share in the recipe;"
                f" first: {self._first_reject()}"
            )

    def _first_reject(self) -> str:
        first = next(read_batches(self.store, self._rejects.shards)).slice(0, 1).to_pylist()[0]
        return str(first["detail"] or f"{first['reason']}: {first['row'][:120]}")

    def _manifest(self, role: str, draft: Draft, producer: Producer, parents: Sequence[Parent]) -> Manifest:
        return Manifest(
            kind=draft.kind,
            key=f"{self.folder}/{role}/{MANIFEST}",
            content_digest=draft.content_digest,
            rows=sum(shard.rows for shard in draft.shards),
            bytes=sum(shard.bytes for shard in draft.shards),
            shards=draft.shards,
            parents=tuple(parents),
            producer=producer,
            sources=draft.sources,
            suites=draft.suites,
            model=draft.model,
        )

    def _report(
        self,
        rows: Rows | None = None,
        inputs: Sequence[Parent] = (),
        outputs: Mapping[str, Manifest] | None = None,
        error: StepError | None = None,
        word: str = "",
        said: str = "",
    ) -> Report:
        cost = Cost(
            wall_seconds=round(time.monotonic() - self._wall, 3),
            cpu_seconds=round(_cpu_seconds() - self._cpu, 3),
            peak_memory_bytes=_peak_memory_bytes(),
        )
        return Report(
            step=self.step,
            attempt=self.id,
            started=self._started.isoformat(timespec="seconds"),
            rows=rows or Rows(),
            figures=self.figures,
            series=self.series,
            examples=tuple(self.examples),
            timings={name: round(seconds, 3) for name, seconds in self.timings.items()},
            cost=cost,
            inputs=tuple(inputs),
            outputs={role: manifest.named for role, manifest in (outputs or {}).items()},
            rejects=tuple(self._rejects.shards),
            error=error,
            word=word,
            said=said,
        )


def _printable(value: Any) -> Any:
    """A row as JSON can hold it: bytes that are no text are shown escaped."""
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, dict):
        return {str(key): _printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    return value


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
