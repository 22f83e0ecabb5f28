from __future__ import annotations

import socket

import pytest
from huggingface_hub import EvalResult, ModelCard
from pydantic import ValidationError

from components.core.decision import Reason
from components.core.errors import InvalidInput
from components.core.manifest import Reference, Source
from components.release.card.settings import Card
from tests.release.card.described import EXAM, HUB, NETWORK, TICKETS, WHOLE, Described

SECTIONS = [
    "Summary",
    "Intended use",
    "Limitations",
    "Training data",
    "Training procedure",
    "Evaluation",
    "Decision",
    "How to verify",
    "Contact",
]


@pytest.fixture
def described(tmp_path) -> Described:
    return Described(tmp_path)


def missing(outcome) -> list[str]:
    """What the report says is missing."""
    return [example.before for example in outcome.report.examples if example.title == "missing"]


def test_a_whole_card_passes_and_has_all_sections(described) -> None:
    outcome = described.card()
    readme = described.readme(outcome)
    assert (outcome.word, outcome.report.word, missing(outcome)) == ("pass", "pass", [])
    assert [line[3:] for line in readme.splitlines() if line.startswith("## ")] == SECTIONS
    assert outcome.report.figures["missing"].value == 0
    assert [parent.role for parent in outcome.manifests["card"].parents] == ["evidence", "decision", "model"]


def test_hugging_faces_own_library_reads_the_front_matter_and_the_results(described, monkeypatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *given, **_: pytest.fail("a card asks nobody"))
    data = ModelCard(described.readme(described.card())).data
    assert (data.license, data.language, data.library_name) == ("apache-2.0", "en", "transformers")
    assert (data.model_name, data.metrics, data.pipeline_tag) == ("helpdesk", ["accuracy"], "text-generation")
    assert data.base_model is None, "a model from scratch has no base in any hub"
    whole, part = data.eval_results
    assert whole == EvalResult(
        task_type="text-generation",
        dataset_type="exam",
        dataset_name="exam",
        dataset_revision="b" * 64,
        metric_type="accuracy",
        metric_name="accuracy on 200 questions",
        metric_value=0.94,
    )
    assert (part.dataset_config, part.metric_value) == ("network", 0.925)


def test_an_adapter_on_a_model_of_a_hub_names_its_base_and_the_bases_licence(tmp_path) -> None:
    described = Described(tmp_path, hub=HUB, adapter=True)
    readme = described.readme(described.card())
    data = ModelCard(readme).data
    assert (data.base_model, data.base_model_relation, data.library_name) == ("owner/small", "adapter", "peft")
    assert "| Licence of hub://owner/small | mit |" in readme
    assert f"| Base | owner/small {'f' * 40} |" in readme


def test_the_card_tells_where_the_data_came_from_and_what_became_of_it(described) -> None:
    readme = described.readme(described.card())
    assert f"| data/tickets.jsonl | CC-BY-4.0 | {'5' * 64} |" in readme
    assert f"| curate | documents | 3 | {described.documents.content_digest} |" in readme
    steps = [line.split(" | ")[0][2:] for line in readme.splitlines() if " | 3 | " in line]
    assert steps == ["ingest", "curate", "format", "tokenise"]
    assert "It was cleaned against the questions of: `cccccccccccc…`." in readme


def test_the_card_tells_how_it_was_made_measured_decided_and_is_verified(described) -> None:
    words = Reason(code="approved", holds=True, text="anna: read the lost questions")
    described.decision = {"reasons": (words,)}
    outcome = described.card()
    readme = described.readme(outcome)
    model = described.store.read(outcome.report.inputs[2].key)
    assert f"| Recipe, digest | {'9' * 64} |" in readme
    assert "| Form | full weights |" in readme
    assert "| exam: floor 0.8 | 200 | 0.9400 | 0.9100 to 0.9600 | 0.8000 | wilson | yes |" in readme
    assert "| exam | accuracy | 200 | 0.9400 | 0.9150 | 9 | 4 |" in readme
    assert "| exam / network | accuracy | 40 | 0.9250 | 0.9000 | 2 | 1 |" in readme
    assert "- A loss of 2 points is found with probability 0.9." in readme
    assert "| Verdict | pass |" in readme
    assert "| Said by people | anna: read the lost questions |" in readme
    assert f"| Signed by | release, key {described.key.key_id} |" in readme
    assert f"    sluice verify {outcome.report.inputs[2].key}" in readme
    assert outcome.report.inputs[2].digest in readme
    assert b'"kind":"model"' in model


def test_without_an_incumbent_the_card_says_so_and_counts_no_wins(described) -> None:
    from components.core.endpoint import Incumbent

    described.evidence = {
        "incumbent": Incumbent(endpoint="helpdesk", generation=0),
        "tallies": (EXAM.model_copy(update={"incumbent": None, "won": 0, "lost": 0}),),
    }
    readme = described.readme(described.card())
    assert "Compared with nothing: no model served before" in readme
    assert "| exam | accuracy | 200 | 0.9400 |  |  |  |" in readme


@pytest.mark.parametrize("name", ["licence", "intended_use", "limitations", "contact"])
def test_each_part_that_a_person_has_to_write_refuses_the_release_when_it_is_empty(name, described) -> None:
    outcome = described.card(WHOLE.model_copy(update={name: ""}))
    assert outcome.word == outcome.report.word == "refuse"
    (sentence,) = missing(outcome)
    assert sentence.startswith(f"card.{name}: nothing is written there; ")
    assert sentence in outcome.report.said
    assert "release again" in outcome.report.said
    readme = described.readme(outcome)
    assert f"- {sentence}" in readme
    assert "This card is not whole, and the model is not released." in readme
    assert ModelCard(readme).data.model_name == "helpdesk"


@pytest.mark.parametrize("text", ["  \n", "TODO", "tbd.", "[More Information Needed]", "n/a", "None", "--"])
def test_a_text_that_says_nothing_counts_as_empty(text, described) -> None:
    outcome = described.card(WHOLE.model_copy(update={"limitations": text}))
    assert [sentence.split(":")[0] for sentence in missing(outcome)] == ["card.limitations"]


def test_a_text_that_says_something_counts_whatever_it_begins_with(described) -> None:
    texts = {"limitations": "None of the answers is checked.", "intended_use": "To do lists from tickets."}
    assert described.card(WHOLE.model_copy(update=texts)).word == "pass"


def test_all_that_is_missing_is_told_at_once(tmp_path) -> None:
    bare = TICKETS.model_copy(update={"licence": ""})
    described = Described(tmp_path, sources=(bare,), hub=HUB.model_copy(update={"licence": ""}))
    described.evidence = {"tallies": (), "claims": ()}
    assert missing(described.card(Card())) == [
        "card.licence: nothing is written there; name the licence of the model by its SPDX identifier, such as"
        " apache-2.0",
        "card.intended_use: nothing is written there; say what the model is for, and by whom",
        "card.limitations: nothing is written there; say what it must not be used for, and what it is known to get"
        " wrong",
        "card.contact: nothing is written there; say who answers for it",
        "resolve.sources: data/tickets.jsonl has no licence; set `licence` where the recipe names it",
        "base.hub: hub://owner/small states no licence in its hub; take a base that does",
        "evaluation: the evidence holds no results; run the release again, from the step gate",
        "evaluation: the policy claims nothing; set gate.claims in the recipe",
    ]


def test_a_model_whose_sources_nobody_named_is_refused(tmp_path) -> None:
    described = Described(tmp_path, sources=())
    assert missing(described.card()) == [
        "training data: the model's manifest names no source; train it from a recipe's `resolve.sources`"
    ]


@pytest.mark.parametrize("harm", ["removed", "changed"])
def test_an_ancestor_that_is_gone_or_changed_is_a_missing_part(harm, described) -> None:
    model = described.model()
    evidence = described.evidence_about(model)
    decision = described.decision_on(model, evidence)
    key = described.documents.key
    if harm == "removed":
        described.store.remove(key)
    else:
        described.store.write(key, described.store.read(key).replace(b"CC-BY-4.0", b"CC0-1.0"))
    from components.core.attempt import Attempt
    from components.release.card.model_card import card_reference

    outcome = card_reference(Attempt(described.store, "card"), WHOLE, evidence, decision, model.reference())
    (sentence,) = missing(outcome)
    assert sentence.startswith("training data: ")
    assert key in sentence


def test_evidence_or_a_decision_about_another_model_makes_no_card(described) -> None:
    other = Reference(key="export/b/exported/manifest.json", digest="0" * 64, content_digest="0" * 64)
    described.evidence = {"candidate": other}
    with pytest.raises(InvalidInput, match="about another model"):
        described.card()


@pytest.mark.parametrize("part", ["subject", "evidence"])
def test_a_decision_about_something_else_makes_no_card(part, described) -> None:
    other = Reference(key="export/b/exported/manifest.json", digest="0" * 64, content_digest="0" * 64)
    described.decision = {"subject": other} if part == "subject" else {"evidence": ()}
    with pytest.raises(InvalidInput, match="about another model, or not about each other"):
        described.card()


def test_what_a_source_or_a_person_is_called_breaks_neither_table_nor_front_matter(tmp_path) -> None:
    nasty = Source(uri="data/a|b\n---\n# c.jsonl", sha256="5" * 64, licence="x|y")
    described = Described(tmp_path, sources=(nasty,))
    settings = WHOLE.model_copy(update={"language": "no", "contact": "---\nlicense: none\n---"})
    readme = described.readme(described.card(settings))
    data = ModelCard(readme).data
    assert (data.language, data.license) == ("no", "apache-2.0"), "Norwegian is no Boolean"
    assert f"| data/a\\|b --- # c.jsonl | x\\|y | {'5' * 64} |" in readme


def test_many_sources_are_counted_and_not_all_listed(tmp_path) -> None:
    sources = tuple(TICKETS.model_copy(update={"uri": f"data/{number:03}.jsonl"}) for number in range(120))
    described = Described(tmp_path, sources=sources)
    readme = described.readme(described.card())
    assert readme.count("| CC-BY-4.0 |") == 50
    assert "and 70 more files." in readme


def test_equal_facts_make_an_equal_card(described) -> None:
    from components.core.attempt import Attempt
    from components.release.card.model_card import card_reference

    model = described.model()
    evidence = described.evidence_about(model)
    given = (WHOLE, evidence, described.decision_on(model, evidence), model.reference())
    cards = [card_reference(Attempt(described.store, "card"), *given).manifests["card"] for _ in range(2)]
    assert cards[0].content_digest == cards[1].content_digest
    assert NETWORK.slice in described.readme(card_reference(Attempt(described.store, "card"), *given))


@pytest.mark.parametrize("wrong", [{"licence": "Apache 2.0"}, {"language": "English"}])
def test_what_the_hub_could_not_read_is_refused_in_the_recipe(wrong) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        Card(**wrong)
