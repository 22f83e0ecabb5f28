from __future__ import annotations

import pytest

from components.core.attempt import Attempt, Draft
from components.core.endpoint import EndpointState, open_endpoints
from components.core.endpoint import Incumbent as Serving
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.settings import StepSettings
from components.core.suites import read_heads
from components.evaluate.benchmark import examiner as asking
from components.evaluate.benchmark.harness import benchmark
from components.evaluate.benchmark.settings import Benchmark
from components.evaluate.incumbent.serving import incumbent
from components.evaluate.incumbent.settings import Incumbent
from tests.evaluate.benchmark.conftest import LEARNED

QUESTIONS = [(question, answer, []) for question, answer in LEARNED[:5]]


@pytest.fixture
def endpoints(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/endpoints.db"


@pytest.fixture
def serve(endpoints):
    """``serve(model)``: from here on it is the champion of ``desk``."""

    def change(model) -> None:
        there = open_endpoints(endpoints)
        generation = there.read("desk").generation + 1
        there.compare_and_set(
            EndpointState(endpoint="desk", generation=generation, champion=model.named, decision=str(generation))
        )

    return change


@pytest.fixture
def ask(store, endpoints, commit_overlap):
    """``ask(suites)`` -> the outcome of the step."""

    def run(suites, endpoint="desk", overlap=None):
        references = suites.reference(), (overlap or commit_overlap()).reference()
        return incumbent(
            Attempt(store, "incumbent"), Incumbent(batch_size=8), *references, endpoint, endpoints, "local", "", ""
        )

    return run


@pytest.fixture
def no_asking(monkeypatch):
    def refuse(*_):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(asking.Examiner, "load", refuse)


def test_where_nothing_serves_there_are_no_answers_and_the_word_says_so(store, ask, commit_suites, no_asking) -> None:
    suites, heads = commit_suites(exam=QUESTIONS)
    outcome = ask(suites)
    answers = outcome.manifests["answers"]
    assert Serving.decode(outcome.word) == Serving(endpoint="desk", generation=0, model=None)
    assert (answers.kind, answers.rows) == (Kind.ANSWERS, 0)
    assert [head.content_digest for head in read_heads(store, answers)] == [heads[0].content_digest]


def test_what_serves_is_asked_what_the_candidate_is_asked(
    store, ask, serve, commit_model, commit_suites, commit_overlap
) -> None:
    suites, heads = commit_suites(exam=QUESTIONS)
    champion = commit_model([heads[0].content_digest])
    serve(champion)
    outcome = ask(suites)
    answers = outcome.manifests["answers"]
    word = Serving.decode(outcome.word)
    assert (word.endpoint, word.generation, word.model) == ("desk", 1, champion.named)
    assert {parent.role: parent.digest for parent in answers.parents}["model"] == champion.digest
    theirs = benchmark(Attempt(store, "benchmark"), champion, suites, commit_overlap(), Benchmark(batch_size=8))
    assert answers.content_digest == theirs.manifests["answers"].content_digest
    assert answers.rows == len(QUESTIONS)


def test_a_champion_that_was_asked_before_is_not_asked_again(
    store, ask, serve, commit_model, commit_suites, commit_overlap, monkeypatch
) -> None:
    suites, heads = commit_suites(exam=QUESTIONS)
    champion = commit_model([heads[0].content_digest])
    benchmark(Attempt(store, "benchmark"), champion, suites, commit_overlap(), Benchmark(batch_size=8))
    serve(champion)
    monkeypatch.setattr(asking.Examiner, "load", lambda *_: pytest.fail("the model was loaded"))
    outcome = ask(suites)
    assert (outcome.report.figures["asked"].value, outcome.report.figures["kept"].value) == (0, len(QUESTIONS))


def test_a_champion_need_not_have_been_decontaminated(ask, serve, commit_model, commit_suites) -> None:
    """Where it has seen a question that is to its advantage; the candidate has to prove all the more."""
    suites, _ = commit_suites(exam=QUESTIONS)
    serve(commit_model([]))
    assert ask(suites).manifests["answers"].rows == len(QUESTIONS)


def test_the_newest_generation_is_the_one_that_serves(ask, serve, commit_model, commit_suites) -> None:
    suites, heads = commit_suites(exam=QUESTIONS)
    models = [commit_model([heads[0].content_digest]), commit_model([])]
    for model in models:
        serve(model)
    word = Serving.decode(ask(suites).word)
    assert (word.generation, word.model) == (2, models[1].named)


def test_another_endpoints_champion_is_none_of_ours(ask, serve, commit_model, commit_suites, no_asking) -> None:
    suites, _ = commit_suites(exam=QUESTIONS)
    serve(commit_model([]))
    assert Serving.decode(ask(suites, endpoint="bank").word).model is None


@pytest.mark.parametrize("damage", ["deleted", "changed"])
def test_a_champion_that_is_gone_from_the_store_is_told_with_what_to_do(
    store, ask, serve, commit_model, commit_suites, damage
) -> None:
    suites, _ = commit_suites(exam=QUESTIONS)
    champion = commit_model([])
    serve(champion)
    if damage == "deleted":
        store.remove(champion.key)
    else:
        store.write(champion.key, champion.model_copy(update={"rows": 1}).to_bytes())
    with pytest.raises(InvalidInput, match=r"endpoint desk: its champion .* cannot be compared with.*Bring it back"):
        ask(suites)


def test_an_overlap_with_other_suites_is_refused_even_where_nothing_serves(store, ask, commit_suites) -> None:
    suites, _ = commit_suites(exam=QUESTIONS)
    others, _ = commit_suites(other=QUESTIONS[:2])
    attempt = Attempt(store, "decontaminate")
    with attempt.rows(Kind.REPORT, "overlap") as writer:
        pass
    made = attempt.commit({"overlap": Draft(Kind.REPORT, writer)}, settings=StepSettings(), inputs={"suites": others})
    with pytest.raises(InvalidInput, match="measured against other suites"):
        ask(suites, overlap=made.manifests["overlap"])
