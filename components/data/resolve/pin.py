"""Pins every source by the digest of its bytes, so that a run says what it read and a cache knows what is new."""

from __future__ import annotations

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from components.core.attempt import Attempt, Outcome
from components.core.canonical import canonical_json
from components.core.errors import Failed, InvalidInput, did_you_mean
from components.core.moment import parse_moment
from components.core.report import Figure
from components.core.settings import MOST_BYTES, encode
from components.core.sources import FORMATS, Format, PinnedSource, digest_of, format_of, plain_name
from components.data.resolve.settings import Resolve, SourceSpec

_MAGIC = frozenset("*?[")


def resolve(attempt: Attempt, settings: Resolve, now: str) -> Outcome:
    """Finds and reads each source once. The outcome's word is the canonical JSON of all ``PinnedSource``.

    ``now`` is the run's moment: this step looks at the world as it is then, and is never cached. Raises InvalidInput
    when a source is missing, empty, of no known format, named twice, or outside ``settings.root``.
    """
    parse_moment(now)
    root = _root(settings.root)
    pinned = sorted(_pins(root, settings.sources), key=lambda source: source.uri)
    _each_once(pinned)
    attempt.figures["files"] = Figure(value=len(pinned), unit="files")
    attempt.figures["bytes"] = Figure(value=sum(source.bytes for source in pinned), unit="bytes")
    return attempt.commit({}, settings=settings, word=_word(pinned))


class _Root(ABC):
    """A folder of sources: names files below it, and nothing outside."""

    def __init__(self, address: str) -> None:
        self.address = address

    @abstractmethod
    def files(self, pattern: str) -> list[str]:
        """Paths below the root that a pattern matches, sorted; a path without wild cards as it is."""

    def uri(self, path: str) -> str:
        """The address of a path below the root."""
        return f"{self.address}/{path}"

    @abstractmethod
    def generation(self, path: str) -> str:
        """What an object store calls this version of the file; empty for a file."""


class _Folder(_Root):
    def __init__(self, address: str) -> None:
        super().__init__(str(Path(address).expanduser().absolute()))
        try:
            known = Path(self.address).is_dir()
        except (OSError, ValueError) as error:
            raise InvalidInput(f"resolve.root {address[:80]!r}: {error}; give a folder's path") from error
        if not known:
            raise InvalidInput(f"resolve.root {address}: there is no such folder; it is taken from {Path.cwd()}")

    def files(self, pattern: str) -> list[str]:
        root = Path(self.address)
        literal = root / pattern
        try:
            found = [literal] if literal.exists() or not _MAGIC & set(pattern) else sorted(root.glob(pattern))
            found = [path for path in found if _resolves(path, pattern)]
        except ValueError as error:
            raise InvalidInput(f"resolve.sources {pattern}: {error}; `**` stands alone between slashes") from error
        except OSError as error:
            raise InvalidInput(
                f"resolve.sources {pattern[:80]}: {error.strerror}; give a path that there can be"
            ) from error
        for path in found:
            if not path.resolve().is_relative_to(root.resolve()):
                raise InvalidInput(
                    f"resolve.sources {path.relative_to(root)}: a link to {path.resolve()}, out of {root};"
                    " put the file itself there"
                )
        return [path.relative_to(root).as_posix() for path in found if path.is_file() or path == literal]

    def generation(self, path: str) -> str:  # noqa: ARG002
        return ""


def _resolves(path: Path, pattern: str) -> bool:
    """True for a file, or for nothing at all, which is told later. Raises InvalidInput for what is no plain file."""
    try:
        path.resolve()
    except RuntimeError as error:
        raise InvalidInput(f"resolve.sources {pattern}: a link that leads to itself; remove it") from error
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InvalidInput(f"resolve.sources {pattern}: {path.name} is a pipe or a device; give a plain file")
    return True


class _Bucket(_Root):
    def __init__(self, address: str) -> None:
        super().__init__(address.rstrip("/"))
        try:
            self._fs, self._path = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError) as error:
            raise InvalidInput(f"resolve.root {address}: {error}; use a folder, gs://… or s3://…") from error

    def files(self, pattern: str) -> list[str]:
        try:
            literal = not _MAGIC & set(pattern) or self._fs.exists(f"{self._path}/{pattern}")
            if literal:
                return [pattern]
            found = self._fs.glob(f"{self._path}/{pattern}", detail=True)
        except OSError as error:
            raise Failed(f"resolve.root {self.address}: cannot be listed: {error}; look at its permissions") from error
        start = len(self._path.rstrip("/")) + 1
        return sorted(path[start:] for path, info in found.items() if info["type"] == "file")

    def generation(self, path: str) -> str:
        info: dict[str, Any] = self._fs.info(f"{self._path}/{path}")
        known = (info.get(key) for key in ("generation", "VersionId", "ETag", "etag"))
        return next((str(value).strip('"') for value in known if value not in (None, "", "null")), "")


def _root(address: str) -> _Root:
    if "{{" in address or not address.strip():
        raise InvalidInput(f"resolve.root {address!r}: not a folder; give a path, gs://… or s3://…")
    return _Bucket(address) if "://" in address else _Folder(address)


def _pins(root: _Root, specs: tuple[SourceSpec, ...]) -> Iterator[PinnedSource]:
    benchmarks: dict[str, tuple[SourceSpec, str]] = {}
    for spec in specs:
        _refuse_outside(spec.path, root)
        found = root.files(spec.path)
        if not found:
            raise InvalidInput(f"resolve.sources {spec.path}: matches no file in {root.address}; mend the pattern")
        for path in found:
            source = _pin(root, path, spec)
            if source.role == "benchmark":
                _own_name(source, spec, benchmarks)
            yield source


def _pin(root: _Root, path: str, spec: SourceSpec) -> PinnedSource:
    uri, file_format = root.uri(path), _format(path, spec)
    try:
        size, digest = digest_of(uri)
    except InvalidInput as error:
        raise InvalidInput(f"resolve.sources {spec.path}: {error}{_nearest(root, path)}") from error
    if not size:
        raise InvalidInput(f"resolve.sources {spec.path}: {uri}: empty; give a file with rows, or take it out")
    return PinnedSource(
        uri=uri,
        role=spec.role,
        name=spec.name or PurePosixPath(plain_name(path)).stem,
        format=file_format,
        licence=spec.licence,
        bytes=size,
        sha256=digest,
        generation=root.generation(path),
    )


def _refuse_outside(path: str, root: _Root) -> None:
    if (
        path.startswith(("/", "~"))
        or "://" in path
        or ".." in PurePosixPath(path).parts
        or "\\" in path
        or "\0" in path
    ):
        raise InvalidInput(
            f"resolve.sources {path!r}: leaves its folder {root.address}; name a file below it, or move resolve.root"
        )


def _format(path: str, spec: SourceSpec) -> Format:
    found = format_of(path) if spec.format == "auto" else spec.format
    if found is None:
        known = ", ".join(FORMATS)
        raise InvalidInput(
            f"resolve.sources {path}: unknown format; known suffixes are {known}, each also with .gz, .zst, .bz2 or"
            " .xz; convert it, or say which it is with `format`"
        )
    return found


def _nearest(root: _Root, path: str) -> str:
    """The nearest file in the same folder, for a name that is not there."""
    parent = PurePosixPath(path).parent
    beside = root.files("*" if str(parent) == "." else f"{parent}/*")
    return "" if path in beside else did_you_mean(path, beside)


def _each_once(pinned: list[PinnedSource]) -> None:
    """No file is read twice, and no file is two benchmarks' nor both exam and lesson."""
    for one, other in itertools.pairwise(pinned):
        if one.uri == other.uri:
            raise InvalidInput(
                f"resolve.sources: {one.uri} is named twice, as {one.role} {one.name} and {other.role} {other.name};"
                " narrow one of the paths"
            )


def _own_name(source: PinnedSource, spec: SourceSpec, benchmarks: dict[str, tuple[SourceSpec, str]]) -> None:
    """Two benchmarks are not one suite, unless one entry of the recipe names it and lies in many files."""
    other, uri = benchmarks.setdefault(source.name, (spec, source.uri))
    if uri != source.uri and not (other is spec and spec.name):
        raise InvalidInput(
            f"resolve.sources {spec.path}: {uri} and {source.uri} are both a benchmark named {source.name};"
            " give one a `name`"
        )


def _word(pinned: list[PinnedSource]) -> str:
    found = [source.model_dump(mode="json") for source in pinned]
    if len(json.dumps(canonical_json(found))) > MOST_BYTES:
        raise InvalidInput(
            f"resolve.sources: {len(pinned)} files are more than a graph can carry; join them into fewer, larger ones"
        )
    return encode(found)
