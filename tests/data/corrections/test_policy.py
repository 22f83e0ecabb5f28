from __future__ import annotations

import json
from random import Random

import pytest

from components.core.attempt import Attempt
from components.core.conversation import ConversationFormat
from components.core.errors import InvalidInput
from components.core.manifest import Kind, read_manifest
from components.core.rows import read_batches
from components.data.corrections.policy import corrections
from components.data.corrections.settings import Corrections
from tests.data.corrections.feedback import STYLE, correction

LABELS = ConversationFormat(kind="classification", column="label", prompt="Which intent? {text} Answer:")


@pytest.fixture
def documents(commit_rows):
    """Forty documents with an answer each."""
    rows = [
        {
            "id": f"d{number:02d}",
            "text": f"ticket number {number}",
            "source": "tickets.jsonl",
            "licence": "Apache-2.0",
            "created": None,
            "meta": json.dumps({"completion": f"answer {number}", "label": f"label_{number % 4}"}),
        }
        for number in range(40)
    ]
    return commit_rows(Kind.DOCUMENTS, rows)


@pytest.fixture
def learn(store, commit_rows, documents):
    """Runs the step: ``learn([correction(…), …], agree=3)``; ``.learned``, ``.reasons`` and ``.outcome`` came of it."""

    class Learned:
        def __init__(self, rows, style: ConversationFormat = STYLE, **settings) -> None:
            given = commit_rows(Kind.FEEDBACK, rows)
            attempt = Attempt(store, "corrections")
            self.outcome = corrections(attempt, documents, Corrections(**settings), given.reference(), style.encode())
            self.manifest = self.outcome.manifests["extended"]
            found = [row for batch in read_batches(store, self.manifest.shards) for row in batch.to_pylist()]
            self.rows = {row["id"]: row for row in found}
            self.traffic = [row for row in found if row["source"] == "traffic"]
            self.learned = {row["text"]: json.loads(row["meta"])[style.column] for row in self.traffic}
            self.reasons = self.outcome.report.rows.rejected
            shards = self.outcome.report.rejects
            self.rejects = [row for batch in read_batches(store, shards) for row in batch.to_pylist()]

    return Learned


def test_without_corrections_the_documents_stay_as_they_are(store, documents) -> None:
    outcome = corrections(Attempt(store, "corrections"), documents, Corrections())
    extended = outcome.manifests["extended"]
    assert (extended.content_digest, extended.sources) == (documents.content_digest, documents.sources)
    assert outcome.report.rows.sentence() == "40 in, 40 extended"


def test_what_two_users_agree_on_becomes_a_document_of_its_own(learn, documents) -> None:
    found = learn([correction("a new thing", "new", user) for user in ("anna", "bert")])
    (row,) = found.traffic
    assert (row["text"], row["licence"], row["created"]) == (
        "a new thing",
        "LicenseRef-terms-of-use",
        "2026-11-02T09:00:00.000000+00:00",
    )
    assert json.loads(row["meta"]) == {"completion": "new", "group": "asker-1"}
    assert found.outcome.report.rows.merged == 1
    assert {parent.role for parent in found.manifest.parents} == {"documents", "corrected"}
    assert [source.uri.split("://")[0] for source in found.manifest.sources] == ["traffic"]
    assert len(found.rows) == documents.rows + 1


def test_one_user_is_not_enough_unless_a_trusted_one(learn) -> None:
    alone = learn([correction("a new thing", "new", "anna")])
    assert (alone.learned, alone.reasons) == ({}, {"too_few_agree": 1})
    assert not alone.manifest.sources
    trusted = learn([correction("a new thing", "new", "anna", role="trusted")])
    assert trusted.learned == {"a new thing": "new"}


def test_one_user_who_says_it_twice_is_still_one(learn) -> None:
    found = learn([correction("a new thing", "new", "anna", number) for number in range(5)])
    assert (found.reasons, found.outcome.report.rows.merged) == ({"too_few_agree": 1}, 4)


def test_those_who_give_no_name_are_one_user(learn) -> None:
    found = learn([correction("a new thing", "new", name, at) for at, name in enumerate((None, "", None))])
    assert found.learned == {}


def test_agreement_is_about_the_text_whichever_request_it_came_in(learn) -> None:
    rows = [
        correction("A new thing!", "new", "anna", asker="asker-2", asked="2026-11-02T08:00:00+00:00"),
        correction("a new  thing", "new", "bert"),
    ]
    found = learn(rows)
    (row,) = found.traffic
    assert (row["text"], json.loads(row["meta"])["group"]) == ("A new thing!", "asker-2")


def test_corrections_that_contradict_each_other_are_not_learned(learn) -> None:
    rows = [correction("a new thing", "new", user) for user in ("anna", "bert", "cleo")]
    found = learn([*rows, correction("a new thing", "old", "dora")])
    assert (found.learned, found.reasons) == ({}, {"contradicted": 4})


def test_a_trusted_word_beats_any_number(learn) -> None:
    rows = [correction("a new thing", "wrong", f"user-{number}") for number in range(5)]
    found = learn([*rows, correction("a new thing", "right", "anna", role="trusted")])
    assert (found.learned, found.reasons) == ({"a new thing": "right"}, {"overruled": 5})


def test_trusted_words_that_contradict_each_other_are_not_learned(learn) -> None:
    words = {"anna": "right", "bert": "wrong"}
    found = learn([correction("a new thing", word, user, role="trusted") for user, word in words.items()])
    assert (found.learned, found.reasons) == ({}, {"contradicted": 2})


def test_a_client_that_takes_a_trusted_users_name_does_not_take_back_what_they_said(learn) -> None:
    trusted = correction("a new thing", "right", "anna", 1, role="trusted")
    found = learn([trusted, correction("a new thing", "wrong", "anna", 9)])
    assert (found.learned, found.reasons) == ({"a new thing": "right"}, {"overruled": 1})


def test_a_users_last_word_counts(learn) -> None:
    rows = [correction("a new thing", "slip", "anna", 1), correction("a new thing", "new", "anna", 2)]
    for order in (rows, rows[::-1]):
        found = learn([*order, correction("a new thing", "new", "bert")])
        assert (found.learned, found.reasons) == ({"a new thing": "new"}, {"taken_back": 1})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"correction": None}, "no_correction"),
        ({"correction": " \n"}, "no_correction"),
        ({"correction": "x" * 41}, "too_long"),
        ({"messages": None}, "another_prompt"),
        ({"messages": []}, "another_prompt"),
        ({"messages": [{"role": "assistant", "content": "a new thing"}]}, "another_prompt"),
        ({"messages": [{"role": "system", "content": "Obey."}, {"role": "user", "content": "x"}]}, "another_prompt"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]}, "another_prompt"),
    ],
)
def test_what_is_no_correction_of_such_a_text_is_kept_with_its_reason(changes, reason: str, learn) -> None:
    found = learn([correction("a new thing", "new", "anna", **changes)], agree=1, longest=40)
    assert (found.learned, found.reasons) == ({}, {reason: 1})
    assert found.rejects[0]["id"] == "f-anna-0-a new thing"
    assert learn([correction("a new thing", "x" * 40, "anna")], agree=1, longest=40).learned


@pytest.mark.parametrize("prompt", ["Which intent? {text} Answer:", "{text}\n{text}", "{text}"])
def test_the_text_is_taken_out_of_the_words_around_it(prompt: str, learn) -> None:
    style = STYLE.model_copy(update={"prompt": prompt, "system": "You sort tickets."})
    text = "Answer: {text} new\nthing"
    rows = [correction(text, "new", user, style=style) for user in ("anna", "bert")]
    assert learn(rows, style).learned == {text: "new"}
    other = style.model_copy(update={"system": "You obey."})
    assert learn(rows, other).reasons == {"another_prompt": 2}


def test_a_prompt_that_only_looks_like_the_template_is_another_one(learn) -> None:
    style = STYLE.model_copy(update={"prompt": "{text} or {text}"})
    messages = [{"role": "user", "content": "one or two"}]
    found = learn([correction("", "new", user, messages=messages) for user in ("anna", "bert")], style)
    assert found.reasons == {"another_prompt": 2}


def test_a_label_is_learned_as_the_documents_write_it(learn) -> None:
    rows = [correction("a new thing", "label 2", user, style=LABELS) for user in ("anna", "bert")]
    assert learn(rows, LABELS).learned == {"a new thing": "label_2"}


def test_an_answer_that_no_document_has_takes_more_users_where_the_recipe_says_so(learn) -> None:
    def rows(*users: str, label: str = "label 9") -> list[dict]:
        return [correction(f"thing {at // 2}", label, user, style=LABELS) for at, user in enumerate(users)]

    assert learn(rows("anna", "bert"), LABELS).learned == {"thing 0": "label 9"}
    assert learn(rows("anna", "bert"), LABELS, new_value_users=4).reasons == {"new_value": 2}
    assert learn(rows("anna", "bert", "anna", "bert"), LABELS, new_value_users=4).reasons == {"new_value": 4}
    assert len(learn(rows("anna", "bert", "cleo", "dora"), LABELS, new_value_users=4).learned) == 2
    assert learn(rows("anna", "bert", label="label 1"), LABELS, new_value_users=4).learned == {"thing 0": "label_1"}
    trusted = correction("thing 0", "label 9", "anna", style=LABELS, role="trusted")
    assert learn([trusted], LABELS, new_value_users=4).learned == {"thing 0": "label 9"}


def test_what_the_documents_say_already_teaches_nothing_and_takes_no_share(learn) -> None:
    found = learn([correction("Ticket number 3", "answer 3", user) for user in ("anna", "bert")], share=0)
    assert (found.learned, found.reasons, found.outcome.report.rows.merged) == ({}, {}, 2)


def test_users_do_not_overrule_a_document_and_a_trusted_one_does(learn) -> None:
    rows = [correction("Ticket number 3", "another answer", user) for user in ("anna", "bert")]
    found = learn(rows)
    assert (found.learned, found.reasons) == ({}, {"contradicts_the_set": 2})
    assert "d03" in found.rejects[0]["detail"]
    trusted = learn([row | {"role": "trusted"} for row in rows])
    assert (trusted.learned, trusted.reasons) == ({"Ticket number 3": "another answer"}, {"superseded": 1})
    assert "d03" not in trusted.rows


def test_a_user_has_a_part_in_so_many_rows_and_what_is_above_neither_agrees_nor_contradicts(learn) -> None:
    busy = [correction(f"thing {at}", "poison", "eve", at) for at in range(30)]
    others = [correction(f"thing {at}", "good", user, at) for at in range(30) for user in (f"a{at}", f"b{at}")]
    found = learn([*busy, *others], rows_a_user=5, share=1)
    assert found.reasons == {"too_many_of_one_user": 25, "contradicted": 15}
    assert set(found.learned.values()) == {"good"}
    assert len(found.learned) == 25
    assert found.outcome.report.figures["users_capped"].value == 1


def test_who_is_trusted_has_a_larger_cap_and_still_one(learn) -> None:
    rows = [correction(f"thing {at}", "good", "anna", at, role="trusted") for at in range(10)]
    assert len(learn(rows, rows_a_user=2).learned) == 10
    assert learn(rows, rows_a_trusted_user=6).reasons == {"too_many_of_one_user": 4}


@pytest.mark.parametrize("share", [0, 0.2, 0.5])
def test_traffic_is_at_most_its_share_of_the_set(share: float, learn) -> None:
    rows = [correction(f"thing {at}", "new", user, at) for at in range(50) for user in (f"a{at}", f"b{at}")]
    found = learn(rows, share=share)
    most = {0: 0, 0.2: 10, 0.5: 40}[share]
    assert (len(found.learned), found.reasons) == (most, {"over_the_share": 2 * (50 - most)})
    assert len(found.traffic) <= share * len(found.rows)
    assert len(learn(rows, share=1).learned) == 50


def test_of_what_is_over_the_share_the_trusted_word_stays(learn) -> None:
    rows = [correction(f"thing {at}", "new", user, at) for at in range(50) for user in (f"a{at}", f"b{at}")]
    found = learn([*rows, correction("a trusted thing", "new", "anna", role="trusted")], share=0.2)
    assert "a trusted thing" in found.learned


def test_what_stays_does_not_follow_from_a_text_alone_so_nobody_can_choose_it(learn) -> None:
    rows = [correction(f"thing {at}", "new", user, at) for at in range(40) for user in (f"a{at}", f"b{at}")]
    first = set(learn(rows, share=0.2).learned)
    # Another text that somebody else corrects turns the whole order over.
    second = set(learn([*rows, correction("other", "new", "zoe")], share=0.2).learned)
    assert first != second


def test_the_order_of_the_corrections_changes_nothing(learn) -> None:
    rows = [correction(f"thing {at % 30}", f"new {at % 3}", f"u{at % 7}", at % 60) for at in range(200)]
    shuffled = list(rows)
    Random(5).shuffle(shuffled)
    settings = {"share": 0.05, "rows_a_user": 4}
    one, other = learn(rows, **settings), learn(shuffled, **settings)
    assert one.manifest.content_digest == other.manifest.content_digest
    assert one.reasons == other.reasons


def test_the_page_says_who_was_stopped_and_what_they_tried_to_teach(learn) -> None:
    rows = [correction(f"thing {at}", "<b>poison</b>", "evil-user-hash", at) for at in range(9)]
    found = learn([*rows, correction("rare", "fine", "anna")], rows_a_user=2)
    page = found.outcome.section
    assert "evil-user-ha" in page
    assert "anna" not in page
    assert "9 × &lt;b&gt;poison&lt;/b&gt;" in page
    assert "<b>" not in page
    (example,) = found.outcome.report.examples
    assert example.title == "user evil-user-ha gave 9 corrections, 9 in quarantine, 9 with this answer"
    assert (example.after, example.good) == ("<b>poison</b>", False)


def test_a_page_of_honest_corrections_accuses_nobody(learn) -> None:
    found = learn([correction("a new thing", "new", user) for user in ("anna", "bert")])
    assert (found.outcome.section, found.outcome.report.examples) == ("", ())


def test_an_artifact_of_something_else_is_refused(store, documents) -> None:
    with pytest.raises(InvalidInput, match=r"holds documents, no feedback; name the output of the step observe"):
        corrections(Attempt(store, "corrections"), documents, Corrections(), documents.reference(), STYLE.encode())


def test_corrections_that_are_gone_are_said(store, commit_rows, documents) -> None:
    given = commit_rows(Kind.FEEDBACK, [correction("a new thing", "new", "anna")])
    assert read_manifest(store, given.named) == given
    store.remove(given.shards[0].uri)
    with pytest.raises(InvalidInput, match="there is no"):
        corrections(Attempt(store, "corrections"), documents, Corrections(), given.reference(), STYLE.encode())
