"""The champion as the base of the next training: the same files of the store, by name and digest; no byte is copied."""

from __future__ import annotations

from pathlib import Path

from components.core.attempt import Attempt, Draft, Files
from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, ModelFacts, file_name
from components.train.base import checks
from components.train.base.settings import Base

_NAMES_CODE = ("config.json", "tokenizer_config.json")


def from_champion(attempt: Attempt, champion: Manifest, settings: Base, folder: Path) -> Draft:
    """The model that serves, as a base: what it was trained on and from is told by its own manifest, its parent.

    Its facts are those of a base, so that equal files are an equal start however they came about. ``folder`` is empty
    and holds the files that name code afterwards. Raises InvalidInput for an adapter, for what was made from another
    base than the recipe names, for another chat template, and for code that the recipe does not allow.
    """
    facts = _facts(champion)
    _check_belongs(champion, facts, settings)
    for shard in champion.shards:
        if file_name(shard) in _NAMES_CODE:
            attempt.store.download(shard.uri, folder / file_name(shard), shard.sha256)
    checks.check_code(f"the champion {champion.key}", folder, settings.allow_remote_code)
    facts = facts.model_copy(update={"base_digest": "", "data_digest": "", "recipe_digest": ""})
    return Draft(Kind.MODEL, Files(champion.shards), sources=champion.sources, suites=champion.suites, model=facts)


def _facts(champion: Manifest) -> ModelFacts:
    if champion.kind is not Kind.MODEL or champion.model is None:
        raise InvalidInput(f"{champion.key}: holds {champion.kind}, no model; give the reference of what serves")
    if champion.model.adapter:
        raise InvalidInput(
            f"{champion.key}: what serves is an adapter, and training starts from full weights; set base.start: base"
            " for one run with export.adapter: false, and adapt what comes of it"
        )
    return champion.model


def _check_belongs(champion: Manifest, facts: ModelFacts, settings: Base) -> None:
    """A recipe that was moved to another base or template must not go on quietly from the old one."""
    named = (settings.hub.id, settings.hub.revision) if settings.hub else ("scratch", "")
    if (facts.base, facts.revision) != named:
        raise InvalidInput(
            f"{champion.key}: what serves was made from {_name(facts.base, facts.revision)}, and the recipe names"
            f" {_name(*named)}; set base.start: base to begin anew"
        )
    template = settings.chat_template
    if template is not None and sha256(template) != facts.template_digest:
        raise InvalidInput(
            f"{champion.key}: what serves was trained with another chat template than base.chat_template; leave it out,"
            " or set base.start: base to begin anew"
        )


def _name(base: str, revision: str) -> str:
    return f"{base} at commit {revision[:12]}…" if revision else "a model from scratch"
