"""Puts the model that training starts from into the store, pinned by digest: one of a hub, one from scratch, or the
champion that serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from components.core.attempt import Attempt, Draft, Files, Outcome
from components.core.canonical import sha256
from components.core.manifest import Kind, Manifest, ModelFacts, Shard, Source, file_name, resolve_reference
from components.core.report import Figure
from components.train.base import adapt, checks
from components.train.base.settings import Base, Hub, Scratch


def base(attempt: Attempt, conversations: Manifest, settings: Base, champion: str = "") -> Outcome:
    """Output: ``model``, full weights as safetensors, with tokenizer and chat template.

    ``conversations`` train the tokenizer of a model from scratch and are not looked at for another. ``champion`` is
    the reference of the model that serves, empty where none does; ``settings.start`` says whether it is adapted. Raises
    InvalidInput for a model that cannot or may not be used, and Failed when the hub does not answer.
    """
    inputs = {"conversations": conversations}
    with TemporaryDirectory() as place:
        folder = Path(place)
        if settings.start == "champion" and champion:
            inputs["champion"] = resolve_reference(attempt.store, champion)
            draft = adapt.from_champion(attempt, inputs["champion"], settings, folder)
        elif settings.hub:
            draft = _from_hub(attempt, settings, settings.hub, folder)
        else:
            draft = _from_scratch(attempt, conversations, settings, settings.scratch or Scratch(), folder)
    size = sum(shard.bytes for shard in draft.content.shards)
    attempt.figures["model_size"] = Figure(value=size, unit="bytes")
    return attempt.commit({"model": draft}, settings=settings, inputs=inputs)


def _from_scratch(attempt: Attempt, conversations: Manifest, settings: Base, scratch: Scratch, folder: Path) -> Draft:
    from components.train.base.scratch import write_model

    weights = write_model(folder, _texts(attempt, conversations), scratch, settings.chat_template)
    embedding = checks.check_configuration("the model from scratch", folder)
    checks.check_tokenizer("the model from scratch", folder, embedding)
    checks.check_template("base.chat_template", folder)
    attempt.figures["weights"] = Figure(value=weights, unit="numbers")
    attempt.figures["vocabulary"] = Figure(value=embedding, unit="tokens")
    return Draft(Kind.MODEL, attempt.upload("model", folder), model=_facts("scratch", "", folder))


def _texts(attempt: Attempt, conversations: Manifest) -> Iterator[str]:
    for batch in attempt.read(conversations, ["messages"]):
        for messages in batch.column("messages").to_pylist():
            yield from (message["content"] for message in messages)


def _from_hub(attempt: Attempt, settings: Base, hub: Hub, folder: Path) -> Draft:
    from components.train.base.pin import pinned_model

    pinned = pinned_model(attempt, settings, hub, folder)
    files = Files((*_but_the_template(pinned.shards), _keep_template(attempt, folder)))
    sources: tuple[Source, ...] = (pinned.source,)
    return Draft(Kind.MODEL, files, sources=sources, model=_facts(hub.id, hub.revision, folder))


def _but_the_template(shards: tuple[Shard, ...]) -> tuple[Shard, ...]:
    return tuple(shard for shard in shards if file_name(shard) != checks.CHAT_TEMPLATE)


def _keep_template(attempt: Attempt, folder: Path) -> Shard:
    """The template as a file of its own, wherever the hub's model had it: one place for every reader."""
    data = (folder / checks.CHAT_TEMPLATE).read_bytes()
    key = f"{attempt.folder}/model/{checks.CHAT_TEMPLATE}"
    attempt.store.write(key, data)
    return Shard(uri=key, sha256=sha256(data), rows=0, bytes=len(data))


def _facts(name: str, revision: str, folder: Path) -> ModelFacts:
    return ModelFacts(
        base=name,
        revision=revision,
        tokenizer_digest=sha256((folder / "tokenizer.json").read_bytes()),
        template_digest=sha256((folder / checks.CHAT_TEMPLATE).read_bytes()),
    )
