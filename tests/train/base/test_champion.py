from __future__ import annotations

import json
from collections import Counter

import pytest

from components.core.attempt import Attempt, Draft
from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, file_name
from components.core.settings import StepSettings
from components.data.tokenise.settings import Tokenise
from components.data.tokenise.tokenise import tokenise
from components.release.card.lineage import trace
from components.train.base.base import base
from components.train.base.chat_template import TEMPLATE
from components.train.base.settings import Base, Hub
from components.train.export.export import export
from components.train.export.settings import Export
from components.train.finetune.finetune import finetune
from components.train.finetune.settings import Lora
from pipelines.proof.artifacts import Artifacts
from pipelines.proof.ledger import Ledger
from tests.train.conftest import SMALL
from tests.train.finetune.conftest import QUICK

SHORT = QUICK.model_copy(update={"max_steps": 2})
ADAPT = Base(start="champion", scratch=SMALL)


@pytest.fixture
def lifecycle(store, conversations):
    """One fine-tuning to its export: ``lifecycle(base)``."""

    def run(model: Manifest, settings=SHORT, **exporting) -> Manifest:
        tokens = tokenise(Attempt(store, "tokenise"), conversations, model, Tokenise()).manifests["tokens"]
        trained = finetune(Attempt(store, "finetune"), tokens, model, "", settings).manifests["trained"]
        return export(Attempt(store, "export"), trained, model, Export(**exporting), "r" * 64).manifests["exported"]

    return run


@pytest.fixture
def champion(lifecycle, small_model) -> Manifest:
    """A model that was trained and serves."""
    return lifecycle(small_model)


def _adapted(store, conversations, champion: Manifest, settings: Base = ADAPT) -> Manifest:
    given = {"conversations": conversations, "champion": champion.reference()}
    return base(Attempt(store, "base"), settings=settings, **given).manifests["model"]


def _rewritten(store, champion: Manifest, **changes) -> Manifest:
    """The champion with other facts, or other files."""
    attempt = Attempt(store, "export")
    draft = Draft(Kind.MODEL, changes.pop("content", None) or _Content(champion), model=champion.model)
    draft.model = champion.model.model_copy(update=changes)
    return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"]


class _Content:
    def __init__(self, manifest: Manifest) -> None:
        self.shards, self.content_digest = manifest.shards, manifest.content_digest


def test_the_champion_becomes_the_base_and_no_byte_is_copied(store, conversations, champion) -> None:
    adapted = _adapted(store, conversations, champion)
    assert adapted.content_digest == champion.content_digest
    assert adapted.shards == champion.shards
    assert [key for key in store.list("base") if adapted.key.split("/")[1] in key] == [
        adapted.key,
        adapted.key.replace("model/manifest", "report"),
    ]
    assert {parent.role: parent.digest for parent in adapted.parents} == {
        "conversations": conversations.digest,
        "champion": champion.digest,
    }


def test_its_facts_are_those_of_a_base_and_its_files_are_still_those_of_the_tokenizer(
    store, conversations, champion
) -> None:
    facts = _adapted(store, conversations, champion).model
    assert (facts.base, facts.revision, facts.adapter) == ("scratch", "", False)
    assert (facts.base_digest, facts.data_digest, facts.recipe_digest) == ("", "", "")
    digests = {file_name(shard): shard.sha256 for shard in champion.shards}
    assert facts.tokenizer_digest == digests["tokenizer.json"]
    assert facts.template_digest == digests["chat_template.jinja"]


def test_what_is_trained_from_the_champion_is_exported_and_every_link_of_it_holds(
    store, conversations, champion, lifecycle
) -> None:
    second = lifecycle(_adapted(store, conversations, champion))
    third = lifecycle(_adapted(store, conversations, second))
    assert len({one.content_digest for one in (champion, second, third)}) == 3
    tree = Artifacts(Ledger(store)).node("model", third)
    assert tree.holds, tree
    lineage = trace(store, third)
    assert not lineage.gaps
    steps = Counter(one.producer.step for one in lineage.ancestors)
    assert (steps["base"], steps["finetune"], steps["export"]) == (3, 3, 2)


def test_adapters_that_are_merged_can_be_trained_on_again(store, conversations, champion, lifecycle) -> None:
    lora = SHORT.model_copy(update={"method": "lora", "lora": Lora(r=4)})
    second = lifecycle(_adapted(store, conversations, champion), lora)
    assert _adapted(store, conversations, second).content_digest == second.content_digest


def test_the_base_of_the_recipe_is_taken_where_nothing_serves_or_the_recipe_says_so(
    store, conversations, champion, small_model
) -> None:
    nothing_serves = base(Attempt(store, "base"), conversations, ADAPT, champion="").manifests["model"]
    anew = _adapted(store, conversations, champion, Base(scratch=SMALL))
    assert nothing_serves.content_digest == anew.content_digest == small_model.content_digest
    assert [parent.role for parent in anew.parents] == ["conversations"]


def test_an_adapter_that_serves_is_refused_with_the_way_out(store, conversations, small_model, lifecycle) -> None:
    lora = SHORT.model_copy(update={"method": "lora", "lora": Lora(r=4)})
    adapter = lifecycle(small_model, lora, adapter=True)
    with pytest.raises(InvalidInput, match=r"is an adapter.*base\.start: base.*export\.adapter: false"):
        _adapted(store, conversations, adapter)


def test_a_recipe_that_moved_to_another_base_does_not_go_on_from_the_old_one(store, conversations, champion) -> None:
    other = Base(start="champion", hub=Hub(id="acme/tiny", revision="0123456789" * 4))
    with pytest.raises(InvalidInput, match=r"made from a model from scratch, and the recipe names acme/tiny at commit"):
        _adapted(store, conversations, champion, other)


def test_a_recipe_that_moved_to_another_template_does_not_go_on_from_the_old_one(
    store, conversations, champion
) -> None:
    same = Base(start="champion", scratch=SMALL, chat_template=TEMPLATE)
    assert champion.model.template_digest == sha256(TEMPLATE)
    assert _adapted(store, conversations, champion, same).content_digest == champion.content_digest
    other = Base(start="champion", scratch=SMALL, chat_template=TEMPLATE + "{# another #}")
    with pytest.raises(InvalidInput, match="another chat template"):
        _adapted(store, conversations, champion, other)


def test_code_that_was_allowed_once_is_refused_when_it_is_allowed_no_more(
    store, conversations, champion, tmp_path
) -> None:
    folder = Attempt(store, "look").download(champion, tmp_path / "champion")
    configuration = json.loads((folder / "config.json").read_text()) | {"auto_map": {"AutoConfig": "code.Own"}}
    (folder / "config.json").write_text(json.dumps(configuration))
    brings = _rewritten(store, champion, content=Attempt(store, "export").upload("exported", folder))
    with pytest.raises(InvalidInput, match="brings code of its own"):
        _adapted(store, conversations, brings)
    allowed = Base(start="champion", scratch=SMALL, allow_remote_code=True)
    assert _adapted(store, conversations, brings, allowed).content_digest == brings.content_digest


def test_a_champion_that_is_gone_or_no_model_is_refused(store, conversations, champion) -> None:
    with pytest.raises(InvalidInput, match="no model"):
        _adapted(store, conversations, conversations)
    store.remove(champion.key)
    with pytest.raises(InvalidInput, match="there is no"):
        _adapted(store, conversations, champion)
