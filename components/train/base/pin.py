"""Brings a hub's model into the store once, and finds it there ever after.

What was brought is recorded under ``hub/<name>/<commit>/``, created only if absent: whoever asks for the same commit
gets the same files, by digest, whatever the hub answers later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from components.core.attempt import Attempt, Files
from components.core.canonical import sha256
from components.core.contract import Contract
from components.core.errors import Conflict, InvalidInput
from components.core.manifest import Shard, Source, file_name
from components.core.store import Store
from components.train.base import checks
from components.train.base.hub import Repository
from components.train.base.settings import Base, Hub

INDEX = "model.safetensors.index.json"
SMALL = (
    "added_tokens.json",
    checks.CHAT_TEMPLATE,
    "config.json",
    "generation_config.json",
    "merges.txt",
    INDEX,
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)


class Pinned(Contract):
    """A hub's model in the store."""

    id: str
    revision: str
    source: Source
    shards: tuple[Shard, ...]


def pinned_model(attempt: Attempt, settings: Base, hub: Hub, folder: Path) -> Pinned:
    """The model's files in the store, checked; the small ones lie in ``folder`` afterwards.

    Raises InvalidInput for a model that training cannot or may not start from.
    """
    key = record_key(hub, settings.allow_pickle)
    if attempt.store.exists(key):
        pinned = Pinned.read(attempt.store.read(key), key)
        for shard in pinned.shards:
            if file_name(shard) in SMALL or file_name(shard).endswith(".py"):
                attempt.store.download(shard.uri, folder / file_name(shard), shard.sha256)
        check_small(hub.id, folder, settings)
        return pinned
    return _bring(attempt, settings, hub, folder, key)


def record_key(hub: Hub, allow_pickle: bool) -> str:
    """Where the record of a commit lies."""
    return f"hub/{hub.id.replace('/', '--')}/{hub.revision}/{'any' if allow_pickle else 'safetensors'}.json"


def check_small(name: str, folder: Path, settings: Base) -> None:
    """The checks that need no weights, so that nothing large is downloaded in vain."""
    checks.check_code(name, folder, settings.allow_remote_code)
    embedding = checks.check_configuration(name, folder, settings.allow_remote_code)
    checks.check_tokenizer(name, folder, embedding)
    if settings.chat_template is not None:
        (folder / checks.CHAT_TEMPLATE).write_text(settings.chat_template)
    template = checks.check_template(name, folder, settings.allow_remote_code)
    (folder / checks.CHAT_TEMPLATE).write_text(template)


def _bring(attempt: Attempt, settings: Base, hub: Hub, folder: Path, key: str) -> Pinned:
    repository = Repository(hub)
    checks.check_weights(hub.id, repository.names, settings.allow_pickle)
    small = [name for name in repository.names if name in SMALL or _is_code(name, settings)]
    for name in small:
        repository.fetch(name, folder)
    originals = {name: (folder / name).read_bytes() for name in small}
    check_small(hub.id, folder, settings)
    shards = [_keep(attempt, name, data) for name, data in originals.items()]
    shards += _weights(attempt, repository, originals)
    files = Files(tuple(shards))
    source = Source(
        uri=f"hub://{hub.id}", generation=hub.revision, sha256=files.content_digest, licence=repository.licence
    )
    return _record(attempt.store, key, Pinned(id=hub.id, revision=hub.revision, source=source, shards=files.shards))


def _is_code(name: str, settings: Base) -> bool:
    return settings.allow_remote_code and name.endswith(".py") and "/" not in name


def _record(store: Store, key: str, pinned: Pinned) -> Pinned:
    """Records what was brought; where another was faster, its files are the ones."""
    if store.create(key, pinned.to_bytes()):
        return pinned
    first = Pinned.read(store.read(key), key)
    if first.source.sha256 != pinned.source.sha256:
        raise Conflict(f"{key}: another step brought other files of {pinned.id} at the same commit; trust neither")
    return first


def _keep(attempt: Attempt, name: str, data: bytes) -> Shard:
    key = f"{attempt.folder}/hub/{name}"
    attempt.store.write(key, data)
    return Shard(uri=key, sha256=sha256(data), rows=0, bytes=len(data))


def _weights(attempt: Attempt, repository: Repository, small: dict[str, bytes]) -> Iterator[Shard]:
    """Each file of weights: downloaded, checked, put into the store, and removed here before the next."""
    names = weight_names(repository.hub.id, repository.names, small.get(INDEX))
    if not names:
        yield from _converted(attempt, repository, small)
    for name in names:
        with TemporaryDirectory() as place:
            path = repository.fetch(name, Path(place))
            shard = _upload(attempt, path, name)
        repository.verify(name, shard.sha256)
        yield shard


def weight_names(model: str, names: list[str], index: bytes | None) -> list[str]:
    """The files of weights that an index names, or the only one; none where all are pickles.

    Raises InvalidInput when the index names a file that is not there.
    """
    if index is None:
        return [name for name in names if name == "model.safetensors"]
    try:
        named = sorted(set(json.loads(index)["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{model}: {INDEX} cannot be read: {error}; name another revision") from error
    missing = sorted(set(named) - set(names))
    if missing:
        raise InvalidInput(f"{model} has no weights {missing[0]}, which {INDEX} names; name another revision")
    return named


def _upload(attempt: Attempt, path: Path, name: str) -> Shard:
    key = f"{attempt.folder}/hub/{name}"
    return Shard(uri=key, sha256=attempt.store.upload(path, key), rows=0, bytes=path.stat().st_size)


def _converted(attempt: Attempt, repository: Repository, small: dict[str, bytes]) -> Iterator[Shard]:
    """Weights that came as pickles, as safetensors: read without running code (``weights_only``), kept as tensors."""
    from transformers import AutoModelForCausalLM

    with TemporaryDirectory() as place:
        folder = Path(place)
        for name, data in small.items():
            (folder / name).write_bytes(data)
        for name in repository.names:
            if name.startswith("pytorch_model") and "/" not in name:
                path = repository.fetch(name, folder)
                repository.verify(name, sha256(path.read_bytes()))
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=False, dtype="auto")
        model.save_pretrained(folder / "safe")
        for path in sorted((folder / "safe").glob("*.safetensors*")):
            yield _upload(attempt, path, path.name)
