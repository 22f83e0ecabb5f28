from __future__ import annotations

import socket

import pytest

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.rows import read_batches
from components.core.suites import read_heads
from components.evaluate.benchmark import examiner as asking
from components.evaluate.benchmark.harness import benchmark, benchmark_references
from components.evaluate.benchmark.settings import Benchmark
from tests.evaluate.benchmark.conftest import INTENTS, LEARNED

UNSEEN = [(f"kindly check the {intent} now", intent) for intent in INTENTS]
GENERATED = [(question, answer, []) for question, answer in LEARNED + UNSEEN]
CHOSEN = [(question, answer, INTENTS) for question, answer in LEARNED[:9] + UNSEEN]


def answers_of(store, outcome) -> dict[str, dict]:
    rows = [row for batch in read_batches(store, outcome.manifests["answers"].shards) for row in batch.to_pylist()]
    return {row["group"]: row for row in rows}


@pytest.fixture
def exam(store, commit_model, commit_suites, commit_overlap):
    """``exam(intents=[…])`` -> the outcome of a benchmark of the tiny model; ``near`` are digests."""

    def run(settings=None, near=(), **suites):
        manifest, heads = commit_suites(**suites)
        model = commit_model([head.content_digest for head in heads])
        attempt = Attempt(store, "benchmark")
        return benchmark(attempt, model, manifest, commit_overlap(*near), settings or Benchmark(batch_size=8))

    return run


@pytest.fixture
def no_asking(monkeypatch):
    """From here on, loading a model is an error."""

    def refuse(*_):
        raise AssertionError("the model was loaded")

    return lambda: monkeypatch.setattr(asking.Examiner, "load", refuse)


@pytest.fixture
def bare(model_folder):
    """The tiny model and its tokenizer without any harness."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(model_folder), AutoTokenizer.from_pretrained(model_folder)


def test_answers_are_those_of_a_bare_greedy_loop(store, exam, bare) -> None:
    from transformers import GenerationConfig

    network, tokenizer = bare
    network.generation_config = GenerationConfig()
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|end|>")]
    outcome = exam(intents=GENERATED)
    expected = {}
    for question, _, _ in GENERATED:
        turns = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        said = network.generate(
            **prompt, max_new_tokens=12, do_sample=False, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id
        )
        expected[question] = tokenizer.decode(said[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    found = answers_of(store, outcome)
    assert {question: row["answer"] for question, row in found.items()} == expected
    right = sum(expected[question] == reference for question, reference, _ in GENERATED)
    assert 5 < right < len(GENERATED)
    assert outcome.report.figures["intents"].value == pytest.approx(right / len(GENERATED))


def test_a_choice_is_the_one_with_the_highest_log_likelihood(store, exam, bare) -> None:
    import torch

    network, tokenizer = bare
    outcome = exam(choice=CHOSEN)
    right = 0
    for question, reference, choices in CHOSEN:
        turns = [{"role": "user", "content": question}]
        prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        likelihoods = []
        for choice in choices:
            context, whole = (tokenizer.encode(text) for text in (prompt.rstrip(), prompt + choice))
            with torch.no_grad():
                log_probabilities = network(torch.tensor([whole])).logits[0].log_softmax(-1)
            places = range(len(context), len(whole))
            likelihoods.append(sum(float(log_probabilities[place - 1, whole[place]]) for place in places))
        best = choices[likelihoods.index(max(likelihoods))]
        assert answers_of(store, outcome)[question]["answer"] == best
        right += best == reference
    assert 0 < right < len(CHOSEN)
    assert outcome.report.figures["choice"].value == pytest.approx(right / len(CHOSEN))


def test_the_same_is_never_asked_twice(exam, no_asking) -> None:
    first = exam(intents=GENERATED, choice=CHOSEN)
    no_asking()
    second = exam(intents=GENERATED, choice=CHOSEN, settings=Benchmark(part_questions=3))
    asked = len(GENERATED) + len(CHOSEN)
    assert [first.report.figures[name].value for name in ("asked", "kept")] == [asked, 0]
    assert [second.report.figures[name].value for name in ("asked", "kept")] == [0, asked]
    assert second.manifests["answers"].content_digest == first.manifests["answers"].content_digest
    assert second.report.figures["intents"] == first.report.figures["intents"]


def test_a_suite_that_grew_asks_only_what_is_new(exam) -> None:
    exam(intents=GENERATED[:20])
    grown = exam(intents=GENERATED)
    assert (grown.report.figures["asked"].value, grown.report.figures["kept"].value) == (len(GENERATED) - 20, 20)


def test_other_generation_settings_are_another_answer(exam) -> None:
    exam(intents=GENERATED[:4])
    assert exam(intents=GENERATED[:4], max_new_tokens=3).report.figures["asked"].value == 4


def test_a_question_that_two_suites_share_is_asked_once_and_counts_in_both(exam) -> None:
    outcome = exam(one=GENERATED[:6], two=GENERATED[3:9])
    assert outcome.report.figures["asked"].value == 9
    assert outcome.report.rows.out == {"answers": 12}


def test_a_killed_benchmark_goes_on_where_it_was(exam, monkeypatch) -> None:
    ask, parts = asking.Examiner.ask, []

    def killed_in_the_third_part(self, suite, questions):
        if len(parts) == 2:
            raise KeyboardInterrupt
        parts.append(len(questions))
        return ask(self, suite, questions)

    monkeypatch.setattr(asking.Examiner, "ask", killed_in_the_third_part)
    with pytest.raises(KeyboardInterrupt):
        exam(intents=GENERATED, settings=Benchmark(batch_size=8, part_questions=7))
    monkeypatch.setattr(asking.Examiner, "ask", ask)
    resumed = exam(intents=GENERATED)
    assert (resumed.report.figures["kept"].value, resumed.report.figures["asked"].value) == (14, len(GENERATED) - 14)


def test_batches_and_parts_change_no_answer(exam, store) -> None:
    whole = exam(intents=GENERATED)
    for key in store.list("answers"):
        store._fs.rm(store._path(key))
    pieces = exam(intents=GENERATED, settings=Benchmark(batch_size=3, part_questions=5))
    assert pieces.report.figures["asked"].value == len(GENERATED)
    assert pieces.manifests["answers"].content_digest == whole.manifests["answers"].content_digest


def test_the_score_without_near_duplicates_leaves_them_out(store, exam) -> None:
    outcome = exam(intents=GENERATED)
    rows = answers_of(store, outcome).values()
    near = [row["question"] for row in rows if row["score"] == 1.0][:5]
    figures = exam(intents=GENERATED, near=near).report.figures
    right = sum(row["score"] for row in rows)
    assert figures["intents_without_near_duplicates"].value == pytest.approx((right - 5) / (len(GENERATED) - 5))
    assert figures["intents"].value == pytest.approx(right / len(GENERATED))


def test_no_network_is_touched(exam, monkeypatch) -> None:
    def refuse(*arguments, **_):
        raise AssertionError(f"network: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert exam(intents=GENERATED[:3], choice=CHOSEN[:3]).report.figures["asked"].value == 6


def test_a_stop_text_ends_an_answer(store, exam) -> None:
    answers = {row["answer"] for row in answers_of(store, exam(intents=GENERATED, stop=(" rate",))).values()}
    assert "exchange" in answers
    assert not any(" rate" in answer for answer in answers)


def test_a_prompt_that_does_not_fit_is_counted(exam) -> None:
    figures = exam(intents=[("card " * 90, "card lost", []), *GENERATED[:2]]).report.figures
    assert figures["prompts_cut"].value == 1


def test_right_and_wrong_answers_are_shown(exam) -> None:
    examples = exam(intents=GENERATED, settings=Benchmark(examples=2)).report.examples
    assert [example.good for example in examples] == [False, False, True, True]
    assert "expected: " in examples[0].after
    assert examples[0].before.startswith("user: ")


def test_a_model_that_was_not_decontaminated_against_a_suite_is_refused(
    store, commit_model, commit_suites, commit_overlap
) -> None:
    suites, heads = commit_suites(seen=GENERATED[:3], new=GENERATED[3:5])
    model = commit_model([heads[0].content_digest])
    with pytest.raises(InvalidInput, match="not decontaminated against suite new"):
        benchmark(Attempt(store, "benchmark"), model, suites, commit_overlap(), Benchmark())


def test_inputs_of_the_wrong_kind_are_refused(store, commit_model, commit_suites, commit_overlap) -> None:
    suites, heads = commit_suites(intents=GENERATED[:3])
    model = commit_model([heads[0].content_digest])
    with pytest.raises(InvalidInput, match=r"model .* is of kind suites; give one of kind model"):
        benchmark(Attempt(store, "benchmark"), suites, suites, commit_overlap(), Benchmark())
    with pytest.raises(InvalidInput, match=r"overlap .* is of kind model; give one of kind report"):
        benchmark(Attempt(store, "benchmark"), model, suites, model, Benchmark())


def test_an_overlap_with_other_suites_is_refused(store, commit_model, commit_suites, commit_overlap) -> None:
    suites, heads = commit_suites(intents=GENERATED[:3])
    others, _ = commit_suites(others=GENERATED[3:5])
    overlap = commit_overlap().model_copy(update={"parents": (others.as_parent("suites"),)})
    with pytest.raises(InvalidInput, match="measured against other suites"):
        benchmark(Attempt(store, "benchmark"), commit_model([heads[0].content_digest]), suites, overlap, Benchmark())


def test_references_name_the_same_manifests(store, commit_model, commit_suites, commit_overlap) -> None:
    suites, heads = commit_suites(intents=GENERATED[:3])
    manifests = (commit_model([heads[0].content_digest]), suites, commit_overlap())
    named = [manifest.reference() for manifest in manifests]
    outcome = benchmark_references(Attempt(store, "benchmark"), Benchmark(), *named, "local", "", "")
    assert outcome.manifests["answers"].kind is Kind.ANSWERS
    assert [parent.digest for parent in outcome.report.inputs] == [manifest.digest for manifest in manifests]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "cannot be loaded"),
        (lambda folder: (folder / "chat_template.jinja").unlink(), "has no chat template"),
    ],
)
def test_a_model_that_cannot_be_asked_gets_a_sentence(
    store, tmp_path, model_folder, commit_model, commit_suites, commit_overlap, damage, sentence
) -> None:
    import shutil

    folder = shutil.copytree(model_folder, tmp_path / "damaged")
    damage(folder)
    suites, heads = commit_suites(intents=GENERATED[:3])
    model = commit_model([heads[0].content_digest], folder)
    with pytest.raises(InvalidInput, match=sentence):
        benchmark(Attempt(store, "benchmark"), model, suites, commit_overlap(), Benchmark())


def test_answers_that_do_not_fit_into_the_context_are_refused(exam) -> None:
    with pytest.raises(InvalidInput, match="do not fit into the model's context of 64"):
        exam(intents=GENERATED[:2], max_new_tokens=64)


def test_a_choice_question_without_its_reference_is_refused(exam) -> None:
    with pytest.raises(InvalidInput, match="is none of its choices"):
        exam(choice=[("help me", "unheard of", INTENTS)])


def test_answers_carry_the_heads_of_the_suites_that_were_asked(
    store, commit_model, commit_suites, commit_overlap
) -> None:
    suites, heads = commit_suites(intents=GENERATED[:2], choice=CHOSEN[:2])
    model = commit_model([head.content_digest for head in heads])
    outcome = benchmark(Attempt(store, "benchmark"), model, suites, commit_overlap(), Benchmark())
    answers = outcome.manifests["answers"]
    assert read_heads(store, answers) == read_heads(store, suites)
    asked = {parent.role: parent.digest for parent in answers.parents}
    assert (asked["model"], asked["suites"]) == (model.digest, suites.digest)


def test_an_adapter_is_refused(store, commit_model, commit_suites, commit_overlap) -> None:
    suites, heads = commit_suites(intents=GENERATED[:2])
    model = commit_model([heads[0].content_digest])
    adapter = model.model_copy(update={"model": model.model.model_copy(update={"adapter": True})})
    with pytest.raises(InvalidInput, match="is an adapter"):
        benchmark(Attempt(store, "benchmark"), adapter, suites, commit_overlap(), Benchmark())
