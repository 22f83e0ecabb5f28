from __future__ import annotations

import pytest

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.request_log import RequestLog, Table
from components.core.rows import read_batches
from components.monitor.describe.profile import describe, drawn
from components.monitor.describe.settings import Describe
from components.monitor.describe.summary import read_features, read_profile
from components.monitor.figures import Score
from components.monitor.observe.settings import Observe
from components.monitor.observe.window import observe
from tests.monitor.traffic import ENDPOINT, MODEL, START, WEEK, a_request, a_word, changed, traffic, write_partition

UNTIL = START + WEEK


@pytest.fixture
def described(tmp_path, store):
    """Describes a window of these requests and words: the profile, the features by request, and the outcome."""

    def make(asked, said=(), settings: Describe | None = None):
        log = RequestLog(str(tmp_path / "log"))
        write_partition(log, Table.REQUESTS, asked, UNTIL)
        write_partition(log, Table.FEEDBACK, said, UNTIL)
        seen = observe(Attempt(store, "observe"), Observe(), UNTIL.isoformat(), ENDPOINT, log.store.uri).manifests
        outcome = describe(Attempt(store, "describe"), seen["window"], seen["labelled"], settings or Describe())
        profile = outcome.manifests["profile"]
        features = {row["request_id"]: row for row in read_features(store, profile).to_pylist()}
        return read_profile(store, profile), features, outcome

    return make


def test_a_window_is_counted_by_status_model_and_user(described) -> None:
    asked = [
        a_request("a", START, unit="u1"),
        a_request("b", START, unit="u1", model="other"),
        a_request("c", START, unit="u2", status="failed", http_status=503),
        a_request("d", START + WEEK / 2, unit="u3", status="failed", http_status=None),
        a_request("e", START, unit="u1", status="cut"),
    ]
    profile, features, outcome = described(asked, [a_word(asked[1], START, good=False)])
    assert profile.statuses == {"answered": 2, "cut": 1, "failed": 2}
    assert profile.errors == {"503": 1, "none": 1}
    assert (profile.requests, profile.units, profile.of_one_unit) == (5, 3, 3)
    assert (profile.words, profile.of_one_voice) == (1, 1)
    assert profile.newest.startswith((START + WEEK / 2).isoformat()[:19])
    assert (profile.models["other"].quality, profile.models[MODEL].quality) == (Score(labelled=1), Score())
    assert (profile.models[MODEL].requests, profile.models[MODEL].answered) == (4, 1)
    assert len(features) == profile.rows == 5
    assert outcome.report.figures["failed"].value == 2
    assert outcome.report.figures["accuracy other"].n == 1


def test_an_empty_window_has_a_profile(described) -> None:
    profile, features, outcome = described([])
    assert (profile.requests, profile.units, profile.newest, features) == (0, 0, "", {})
    assert outcome.manifests["profile"].kind is Kind.REPORT


def test_figures_and_rows_say_what_the_world_is_like(described, store) -> None:
    asked, said = traffic(400, 3, changed(german=0.5, feedback=0.5))
    profile, features, outcome = described(asked, said, Describe(classes=2))
    score = profile.models[MODEL].quality
    figure = outcome.report.figures[f"accuracy {MODEL[:12]}"]
    assert figure.low < 0.9 < figure.high
    assert figure.n == score.labelled == len(said)
    assert profile.models[MODEL].corrections == score.labelled - score.correct
    listed = [row for batch in read_batches(store, outcome.manifests["profile"].shards) for row in batch.to_pylist()]
    languages = {row["name"]: int(row["value"]) for row in listed if row["id"] == "language"}
    assert set(languages) == {"de", "en"}
    assert 150 < languages["de"] < 250
    answers = {row["name"]: int(row["value"]) for row in listed if row["id"] == "answer"}
    assert len(answers) == 3
    assert sum(answers.values()) == profile.statuses["answered"]
    assert {row["name"] for row in listed if row["id"] == "latency_ms"} == {"p05", "p50", "p95"}
    assert features[asked[0]["request_id"]]["prompt_words"] == len(asked[0]["messages"][0]["content"].split())


def test_a_large_window_is_counted_whole_and_compared_by_a_sample_that_is_always_the_same(described) -> None:
    asked, _ = traffic(300, 1)
    settings = Describe(most_rows=100)
    profile, features, first = described(asked, settings=settings)
    assert (profile.requests, profile.rows, len(features)) == (300, 100, 100)
    again = described(list(reversed(asked)), settings=settings)[2]
    assert again.manifests["profile"].shards[-1].sha256 == first.manifests["profile"].shards[-1].sha256


def test_as_many_names_are_drawn_as_asked_for_and_all_where_there_are_no_more() -> None:
    names = [str(number) for number in range(50)]
    assert drawn(iter(names), 50) is None
    assert len(drawn(iter(names), 49)) == 49
    assert drawn(iter(names), 10) == drawn(reversed(names), 10)


def test_a_window_that_is_none_is_refused(store, commit_rows) -> None:
    window = commit_rows(Kind.REQUESTS, [])
    with pytest.raises(InvalidInput, match="pass the output of the step observe"):
        describe(Attempt(store, "describe"), window, commit_rows(Kind.FEEDBACK, []), Describe())
