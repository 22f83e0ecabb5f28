"""The files of a model on this machine: copied out of the store, each checked against its digest."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path, PurePosixPath

from components.core.errors import Failed, InvalidInput
from components.core.manifest import Kind, Manifest, Reference, file_name, read_manifest
from components.core.store import Store, stream_digest
from components.core.whole_file import beside

_ONE = threading.Lock()
"""Two replicas may want the same files: one of them brings them."""
_CHECKED: set[Path] = set()
"""Folders whose files this process has brought or hashed."""


def bring_files(store: Store, model: Reference, models: Path, stop: threading.Event | None = None) -> Path:
    """The folder of a model's files, ``models/CONTENT_DIGEST``, whole or not there at all.

    Raises InvalidInput for a model that is gone, was changed, or is an adapter, which no server loads alone; Failed
    where it cannot be written, and where ``stop`` was set meanwhile.
    """
    manifest = read_manifest(store, model)
    if manifest.kind is not Kind.MODEL or manifest.content_digest != model.content_digest:
        raise InvalidInput(f"{model.key}: is not the model that the endpoint names; see `sluice audit`")
    if manifest.model and manifest.model.adapter:
        raise InvalidInput(f"{model.key}: is an adapter; export it merged (export.adapter: false) and release that")
    folder = models / model.content_digest
    with _ONE:
        if folder.exists() and folder not in _CHECKED and not _is_whole(manifest, folder):
            shutil.rmtree(folder)
        if not folder.exists():
            for left in models.glob(f"{folder.name}.*"):
                shutil.rmtree(left, ignore_errors=True)
            _copy(store, manifest, folder, stop)
        _CHECKED.add(folder)
    return folder


def _is_whole(manifest: Manifest, folder: Path) -> bool:
    """Whether what an earlier process copied still is what the manifest names, to the last byte."""
    for shard in manifest.shards:
        try:
            with (folder / _inside(file_name(shard), manifest)).open("rb") as file:
                if stream_digest(file) != shard.sha256:
                    return False
        except OSError:
            return False
    return True


def clear(models: Path, keep: set[str]) -> None:
    """Removes the folders of models that nothing here serves any more, and what a killed copy left of them."""
    for folder in models.iterdir() if models.exists() else ():
        if folder.name.split(".")[0] not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def _copy(store: Store, manifest: Manifest, folder: Path, stop: threading.Event | None) -> None:
    part = beside(folder)
    try:
        for shard in manifest.shards:
            if stop and stop.is_set():
                raise Failed(f"{manifest.key}: is not wanted any more; nothing to do")
            store.download(shard.uri, part / _inside(file_name(shard), manifest), shard.sha256)
        part.replace(folder)
    except OSError as error:
        raise Failed(f"{folder}: cannot be written: {error.strerror}; free some space") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _inside(name: str, manifest: Manifest) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise InvalidInput(f"{manifest.key}: names a file {name!r} outside its folder; do not serve it")
    return name
