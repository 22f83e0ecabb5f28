from __future__ import annotations

from datetime import timedelta

import pytest

from components.core.attempt import Attempt, Draft
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.settings import StepSettings
from components.core.store import Store
from components.monitor.describe.settings import Describe
from components.monitor.drift.references import conversations_of, release, training, unseen
from components.monitor.drift.serving import champion_at
from components.monitor.drift.settings import Drift
from components.monitor.observe.records import compared_key, comparisons
from tests.monitor.drift.conftest import codes
from tests.monitor.traffic import ENDPOINT, START, WEEK, changed, conversations, trained_model

LANGUAGES = Describe().languages


def test_a_model_leads_to_the_conversations_that_it_was_trained_on(loop, store) -> None:
    model = loop.train()
    found = conversations_of(store, model.named)
    assert (found.kind, found.rows) == (Kind.CONVERSATIONS, 600)


def test_the_nearest_conversations_count_where_a_model_goes_on_from_another(loop, store, commit_rows) -> None:
    old = loop.train(count=10)
    new = commit_rows(Kind.CONVERSATIONS, [])
    attempt = Attempt(store, "finetune")
    with attempt.rows(Kind.TOKENS, "trained") as rows:
        pass
    inputs = {"model": old, "conversations": new}
    made = attempt.commit({"trained": Draft(Kind.TOKENS, rows)}, settings=StepSettings(), inputs=inputs)
    assert conversations_of(store, made.manifests["trained"].named).digest == new.digest


def test_a_model_without_conversations_and_a_changed_manifest_are_refused(loop, store, commit_rows) -> None:
    with pytest.raises(InvalidInput, match=r"drift\.against_training"):
        conversations_of(store, commit_rows(Kind.TOKENS, []).named)
    model = loop.train()
    with pytest.raises(InvalidInput, match="was changed after it was written"):
        conversations_of(store, model.named.model_copy(update={"digest": "0" * 64}))


def test_training_data_are_a_sample_that_is_always_the_same_and_half_of_it_is_held_back(loop, store) -> None:
    model = loop.train()
    one, two = (training(Attempt(store, "drift"), model.named, Drift(training_rows=200), LANGUAGES) for _ in range(2))
    assert one.features.num_rows == 200
    assert 60 < one.held_back.num_rows < 140
    assert one.features.equals(two.features)
    assert sum(unseen(one.held_back, one.vocabulary)) == 0
    whole = training(Attempt(store, "drift"), model.named, Drift(), LANGUAGES)
    assert whole.features.num_rows == 600


def test_words_that_no_training_text_holds_are_unseen(loop, store) -> None:
    usual = training(Attempt(store, "drift"), loop.train().named, Drift(), LANGUAGES)
    german = training(Attempt(store, "drift"), loop.train(98, world=changed(german=1.0)).named, Drift(), LANGUAGES)
    shares = list(unseen(german.features, usual.vocabulary))
    assert min(shares) > 0.5
    assert max(shares) <= 1


def test_faulty_rows_of_training_data_are_left_out_and_the_others_compared(loop, store) -> None:
    faulty = [
        {"id": None, "messages": [{"role": "user", "content": "nameless"}]},
        {"id": "empty", "messages": None},
        {"id": "holes", "messages": [None, {"role": None, "content": None}, {"role": "user", "content": None}]},
    ]
    rows = [*conversations(200, 1), *({"group": "", "meta": "{}"} | row for row in faulty)]
    model = trained_model(store, rows, loop.folder / "faulty")
    for most in (100, 4000):
        found = training(Attempt(store, "drift"), model.named, Drift(training_rows=most), LANGUAGES)
        assert found.features.num_rows == min(most, 202)
        assert None not in found.features.column("request_id").to_pylist()


def test_first_windows_are_found_without_reading_all_that_came_since(loop, store, monkeypatch) -> None:
    """Of an endpoint that is asked seldom: the first window holds too little, and those since hold nothing."""
    model = loop.train()
    loop.serve(model)
    first = loop.figures(loop.traffic(0, model, count=40))
    loop.outcome(START + 2 * WEEK)
    (idle,) = comparisons(store, ENDPOINT, {}, last=1)
    for hours in range(1, 1001):
        until = START + 2 * WEEK + timedelta(hours=hours)
        record = idle.model_copy(update={"until": until.isoformat()})
        store.create(compared_key(ENDPOINT, until), record.to_bytes())
    reads, real = list[str](), Store.read
    monkeypatch.setattr(Store, "read", lambda self, key: reads.append(key) or real(self, key))
    champion, until = champion_at(loop.endpoints, ENDPOINT, START + 9 * WEEK), START + 9 * WEEK
    found = release(store, ENDPOINT, champion, until, Drift())
    assert (len(found.profiles), found.features.num_rows, found.quality) == (1, 40, first.quality)
    assert len(reads) < 20
    reads.clear()
    again = release(store, ENDPOINT, champion, until, Drift(alpha=0.002))  # what was compared otherwise tells nothing
    assert (again.profiles, again.quality) == (found.profiles, found.quality)
    assert len(reads) > 1000


def test_what_was_gone_when_it_was_compared_is_told_again_each_time(loop) -> None:
    model = loop.train()
    loop.serve(model)
    for week in range(2):
        loop.outcome(loop.traffic(week, model))
        loop.store.remove("describe")
    assert [codes(loop.figures(loop.traffic(week, model))) for week in (2, 3)] == [["reference_gone"]] * 2
