from __future__ import annotations

import random

import numpy as np
import pytest

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.evidence import read_evidence
from components.core.manifest import Kind
from components.core.signing import policy_digest
from components.evaluate.gate import judge
from components.evaluate.gate.settings import Gate
from tests.evaluate.gate.conftest import ENDPOINT, policy_of, question

FLOOR = {"suite": "exam", "floor": 0.8}
MARGIN = {"suite": "exam", "margin": 0.05}
GAIN = {"suite": "exam", "gain": 0.0}


def scores(right: int, of: int = 500, shift: int = 0) -> list[float]:
    """So many right ones, beginning at ``shift``."""
    return [1.0 if (place - shift) % of < right else 0.0 for place in range(of)]


def by_code(found) -> dict[str, str]:
    return {claim.claim: claim.code for claim in found.claims}


def test_a_first_model_passes_by_floors_alone_and_the_evidence_says_so(world) -> None:
    found = world(scores(450)).evidence(FLOOR, MARGIN)
    assert found.verdict == "pass"
    assert [note.code for note in found.notes] == ["no_incumbent"]
    assert by_code(found) == {"exam: floor 0.8": "floor_holds", "exam: margin 0.05": "no_incumbent"}
    assert [claim.applies for claim in found.claims] == [True, False]
    assert found.incumbent_answers is None
    assert "only floors" in found.paragraph
    assert found.tallies[0].incumbent is None


def test_a_better_one_passes_by_comparison(world) -> None:
    found = world(scores(480), scores(430, shift=2)).evidence(FLOOR, MARGIN, GAIN)
    assert found.verdict == "pass"
    assert set(by_code(found).values()) == {"floor_holds", "margin_holds", "gain_holds"}
    assert found.notes == ()


def test_one_from_shuffled_labels_is_refused(world) -> None:
    generator = random.Random(0)
    found = world([float(generator.random() < 0.1) for _ in range(500)], scores(450)).evidence(FLOOR, MARGIN)
    assert found.verdict == "refuse"
    assert set(by_code(found).values()) == {"floor_not_shown", "margin_not_shown"}
    assert "more questions would not help" in found.paragraph


def test_one_claim_that_does_not_hold_is_enough(world) -> None:
    found = world(scores(450), scores(450, shift=5)).evidence(FLOOR, MARGIN, GAIN)
    assert found.verdict == "refuse"
    assert by_code(found)["exam: gain 0"] == "gain_not_shown"
    assert [claim.holds for claim in found.claims] == [True, True, False]


@pytest.mark.parametrize("right", [500, 498])
def test_where_what_serves_leaves_no_room_for_a_gain_it_says_so_and_what_to_claim_instead(world, right) -> None:
    made = world(scores(500), scores(right))
    found = made.evidence(FLOOR, GAIN)
    assert found.verdict == "refuse"
    assert f"No model could show exam: gain 0: what serves scores {right / 500:.1%} there" in found.paragraph
    assert "Claim a margin there instead" in found.paragraph
    assert made.evidence(FLOOR, MARGIN).verdict == "pass"


def test_where_there_is_room_for_a_gain_the_model_has_to_be_better(world) -> None:
    found = world(scores(490), scores(490)).evidence(FLOOR, GAIN)
    assert "No model could show" not in found.paragraph
    assert "the model has to be better" in found.paragraph


@pytest.mark.parametrize(
    ("right", "floor", "holds"), [(500, 0.99, True), (450, 0.9, False), (463, 0.9, True), (461, 0.9, False)]
)
def test_a_floor_is_held_against_the_exact_bound(world, right, floor, holds) -> None:
    (claim,) = world(scores(right)).evidence({"suite": "exam", "floor": floor, "see": 0.09}).claims
    assert claim.holds is holds
    assert claim.method == "clopper_pearson"
    assert claim.holds == (claim.low >= floor) == (claim.p_value <= claim.alpha)


def test_numbers_of_a_claim_are_those_of_its_method(world) -> None:
    from components.evaluate.gate.tango import Tango

    # 20 won, 10 lost.
    made = world(
        scores(460, shift=0),
        [*scores(440)[:450], *[1.0] * 10, *[0.0] * 40][:440] + [0.0] * 20 + [1.0] * 10 + [0.0] * 30,
    )
    (claim,) = made.evidence(MARGIN).claims
    tally = made.evidence(MARGIN).tallies[0]
    assert (tally.won, tally.lost, tally.questions) == (20, 10, 500)
    tango = Tango(20, 10, 500, 1.0)
    assert claim.estimate == pytest.approx(0.02)
    assert claim.low == pytest.approx(float(tango.low(0.05)), rel=1e-8)
    assert claim.high == pytest.approx(float(tango.high(0.05)), rel=1e-8)
    assert claim.p_value == pytest.approx(float(tango.p_value(-0.05)), rel=1e-8)
    assert (claim.method, claim.threshold, claim.questions, claim.groups) == ("tango", -0.05, 500, 500)


def test_what_serves_already_is_not_decided_about_again(world) -> None:
    made = world(scores(450), scores(450))
    made.model, made.answers = made.serving, made.incumbent_answers
    found = made.evidence(MARGIN)
    assert found.verdict == "serves"
    assert "serves on helpdesk already" in found.paragraph


def test_a_suite_that_is_too_small_is_refused_as_such_and_not_passed(world) -> None:
    found = world(scores(100, 100), scores(100, 100)).evidence(MARGIN)
    (claim,) = found.claims
    assert found.verdict == "refuse"
    assert (claim.code, claim.holds) == ("suite_too_small", False)
    assert claim.power < 0.8 < 1
    assert claim.visible > 0.05
    assert "questions like these would do" in found.paragraph


def test_power_is_foretold_from_suites_and_settings_and_no_answer_changes_it(world) -> None:
    one = world(scores(100, 200), scores(150, 200)).evidence(MARGIN).claims[0]
    other = world(scores(199, 200), scores(10, 200)).evidence(MARGIN).claims[0]
    assert (one.power, one.visible) == (other.power, other.visible)
    more = world(scores(100, 200), scores(150, 200)).evidence(MARGIN, discordance=0.3).claims[0]
    assert more.power < one.power


def test_a_claim_on_too_few_questions_is_no_evidence(world) -> None:
    found = world(scores(19, 19)).evidence({"suite": "exam", "floor": 0.1, "see": 0.8})
    assert by_code(found) == {"exam: floor 0.1": "too_few_answers"}
    held = world(scores(20, 20)).evidence({"suite": "exam", "floor": 0.1, "see": 0.8})
    assert held.verdict == "pass"


def test_a_claim_on_too_few_groups_is_no_evidence(world) -> None:
    found = world(scores(195, 195), per_group=5).evidence({"suite": "exam", "floor": 0.5, "see": 0.4})
    assert by_code(found) == {"exam: floor 0.5": "too_few_answers"}
    assert "40 groups of one size" in found.claims[0].text


def test_answers_in_groups_are_worth_less(world) -> None:
    candidate, incumbent = scores(420), scores(430)
    alone = world(candidate, incumbent).evidence(MARGIN).claims[0]
    grouped = world(candidate, incumbent, per_group=5).evidence(MARGIN).claims[0]
    assert (alone.groups, grouped.groups) == (500, 100)
    assert grouped.method in ("cluster_t", "bca", "tango")
    assert grouped.estimate == alone.estimate
    assert grouped.low < alone.low
    assert grouped.power < alone.power


def test_scores_between_right_and_wrong_are_compared_by_group(world) -> None:
    generator = np.random.default_rng(0)
    candidate, incumbent = generator.beta(8, 2, 300), generator.beta(6, 4, 300)
    found = world(list(candidate), list(incumbent)).evidence(GAIN)
    (claim,) = found.claims
    assert found.verdict == "pass"
    assert claim.method in ("cluster_t", "bca")
    assert claim.estimate == pytest.approx(float((candidate - incumbent).mean()), abs=1e-8)


def test_slices_and_all_suites_are_claimed_about_by_themselves(world) -> None:
    hard = [question(number, "exam", slices=["kind=hard"]) for number in range(300)]
    easy = [question(number, "exam", slices=["kind=easy"]) for number in range(300, 600)]
    other = [question(number, "other") for number in range(300)]
    # Good at what is easy, lost at what is hard, better at the other suite.
    candidate = [*scores(200, 300), *scores(300, 300), *scores(290, 300)]
    incumbent = [*scores(290, 300), *scores(290, 300), *scores(150, 300)]
    made = world(candidate, incumbent, questions=[*hard, *easy, *other])
    found = made.evidence(
        {"suite": "exam", "slice": "kind=hard", "margin": 0.09},
        {"suite": "exam", "slice": "kind=easy", "margin": 0.09},
        {"suite": "other", "margin": 0.09},
        {"margin": 0.09},
    )
    assert found.verdict == "refuse"
    assert [claim.holds for claim in found.claims] == [False, True, True, True]
    assert [claim.questions for claim in found.claims] == [300, 300, 300, 900]
    counts = {(tally.suite, tally.slice): (tally.won, tally.lost) for tally in found.tallies}
    expected = {("exam", ""): (10, 90), ("exam", "kind=easy"): (10, 0), ("exam", "kind=hard"): (0, 90)}
    assert counts == {**expected, ("other", ""): (140, 0)}
    assert "Most was lost in exam / kind=hard (90 lost, 0 won of 300)" in found.paragraph


def test_a_question_in_two_suites_is_one_group_where_all_suites_are_claimed_about(world) -> None:
    shared = [question(number, "exam") for number in range(100)]
    again = [{**row, "suite": "second"} for row in shared]
    found = world([*scores(95, 100)] * 2, questions=[*shared, *again]).evidence({"floor": 0.5, "see": 0.4})
    assert (found.claims[0].questions, found.claims[0].groups) == (200, 100)
    alone = world(scores(95, 100)).evidence({"floor": 0.5, "see": 0.4}).claims[0]
    assert found.claims[0].low <= alone.low


def test_of_alternatives_one_is_enough_and_holm_holds_their_errors(world) -> None:
    either = {"any_of": [GAIN, {"suite": "exam", "floor": 0.88}]}
    found = world(scores(470), scores(470, shift=3)).evidence(either)
    assert found.verdict == "pass"
    assert by_code(found) == {"exam: gain 0": "gain_not_shown", "exam: floor 0.88": "floor_holds"}
    assert {claim.claim: (claim.alternatives, claim.alpha) for claim in found.claims} == {
        "exam: gain 0": (1, 0.05),
        "exam: floor 0.88": (1, 0.025),
    }


def test_where_no_alternative_holds_the_candidate_is_refused(world) -> None:
    made = world(scores(440), scores(440, shift=3))
    found = made.evidence(MARGIN, {"any_of": [GAIN, {"suite": "exam", "floor": 0.88}]}, {"any_of": [GAIN, MARGIN]})
    assert found.verdict == "refuse"
    assert [claim.alternatives for claim in found.claims] == [0, 1, 1, 2, 2]
    assert [claim.holds for claim in found.claims] == [True, False, False, False, True]


def test_without_an_incumbent_the_floor_among_alternatives_is_the_one_that_must_hold(world) -> None:
    either = {"any_of": [GAIN, FLOOR]}
    assert world(scores(450)).evidence(either).verdict == "pass"
    found = world(scores(300)).evidence(either)
    assert found.verdict == "refuse"
    assert found.claims[1].alpha == 0.05


def test_a_higher_floor_or_a_narrower_margin_is_never_easier(world) -> None:
    made = world(scores(450), scores(455))
    floors = [made.evidence({"suite": "exam", "floor": value}).claims[0].p_value for value in (0.7, 0.85, 0.88, 0.9)]
    margins = [made.evidence({"suite": "exam", "margin": value}).claims[0].p_value for value in (0.1, 0.05, 0.03)]
    assert floors == sorted(floors)
    assert margins == sorted(margins)


def test_lost_and_won_questions_are_shown_side_by_side(world) -> None:
    made = world(scores(450), scores(450, shift=12))
    outcome = made.gate(MARGIN, shown=3)
    found = read_evidence(made.store, outcome.manifests["evidence"])
    assert (len(found.lost), len(found.won)) == (3, 3)
    assert [contest.question for contest in found.lost] == sorted(contest.question for contest in found.lost)
    lost = found.lost[0]
    assert (lost.candidate, lost.incumbent, lost.candidate_score, lost.incumbent_score) == ("odd", "right", 0, 1)
    assert lost.prompt.startswith("user: exam question")
    assert [example.good for example in outcome.report.examples] == [False] * 3 + [True] * 3
    assert "candidate: odd\n\nincumbent: right\n\nexpected: right" in outcome.report.examples[0].after
    assert made.evidence(MARGIN, shown=0).lost == ()


def test_the_same_again_is_the_same_evidence_whatever_the_attempt(world) -> None:
    made = world([0.5, *scores(450)[1:]], scores(440), per_group=5)
    wide = {"suite": "exam", "margin": 0.2}
    one, other = made.gate(wide), made.gate(wide)
    assert one.manifests["evidence"].content_digest == other.manifests["evidence"].content_digest
    assert one.manifests["evidence"].key != other.manifests["evidence"].key
    text = read_evidence(made.store, one.manifests["evidence"]).to_bytes().decode()
    assert one.report.attempt not in text


def test_the_order_of_the_answers_changes_nothing(world) -> None:
    made = world(scores(440), scores(450))
    before = made.evidence(MARGIN)
    order = list(range(500))
    random.Random(0).shuffle(order)
    rows = [made.questions[place] for place in order]
    made.answers = made.commit_answers(made.model, [scores(440)[place] for place in order], rows=rows)
    after = made.evidence(MARGIN)
    assert (after.claims, after.tallies, after.lost) == (before.claims, before.tallies, before.lost)


def test_the_evidence_can_be_worked_out_again_from_the_store(world) -> None:
    made = world(scores(450), scores(440))
    outcome = made.gate(FLOOR, MARGIN)
    kept = read_evidence(made.store, outcome.manifests["evidence"])
    settings = Gate.model_validate({"claims": [FLOOR, MARGIN], "resamples": 1000})
    again = judge.evaluate(
        made.store,
        settings,
        model=made.model,
        suites=made.suites,
        answers=made.answers,
        incumbent_answers=made.incumbent_answers,
        incumbent=made.word,
        policy=policy_of(settings),
    )
    assert again.to_bytes() == kept.to_bytes()
    assert again.policy == policy_digest(policy_of(settings))


def test_references_name_the_same_manifests(world) -> None:
    made = world(scores(450), scores(440))
    settings = Gate.model_validate({"claims": [FLOOR, MARGIN], "resamples": 1000})
    outcome = judge.gate_references(
        Attempt(made.store, "gate"),
        settings,
        answers=made.answers,
        incumbent_answers=made.incumbent_answers,
        model=made.model.reference(),
        suites=made.suites.reference(),
        incumbent=made.word.encode(),
        policy=policy_of(settings),
        endpoints=made.endpoints,
    )
    assert outcome.manifests["evidence"].content_digest == made.gate(FLOOR, MARGIN).manifests["evidence"].content_digest
    assert outcome.manifests["evidence"].kind is Kind.REPORT
    assert {parent.role for parent in outcome.report.inputs} == {"model", "suites", "answers", "incumbent_answers"}


def test_the_report_has_a_figure_for_each_claim_with_its_95_percent_interval(world) -> None:
    outcome = world(scores(450), scores(440)).gate(FLOOR, MARGIN)
    found = outcome.report.figures
    assert set(found) == {"exam: floor 0.8", "exam: margin 0.05"}
    floor = found["exam: floor 0.8"]
    assert (floor.value, floor.unit, floor.n) == (0.9, "share", 500)
    assert floor.low == pytest.approx(0.8703, abs=1e-3)  # Clopper and Pearson, two-sided 95 %
    assert outcome.report.said == outcome.report.said.strip() != ""
    assert outcome.report.word == outcome.word


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ({"suite": "exams", "floor": 0.5}, "there is no suite 'exams'; did you mean exam.*there are: exam"),
        (
            {"suite": "exam", "slice": "kind=hart", "floor": 0.5},
            "suite exam has no slice 'kind=hart'; did you mean kind=hard",
        ),
    ],
)
@pytest.mark.parametrize("alternatives", [False, True])
def test_a_claim_about_what_there_is_not_is_bad_input_and_names_the_nearest(
    world, claim, sentence, alternatives
) -> None:
    made = world(scores(400), questions=[question(number, slices=["kind=hard"]) for number in range(500)])
    with pytest.raises(InvalidInput, match=sentence):
        made.gate({"any_of": [FLOOR, claim]} if alternatives else claim)


def test_a_policy_of_other_claims_than_were_looked_at_is_bad_input(world) -> None:
    made = world(scores(400))
    other = policy_of(Gate.model_validate({"claims": [{"floor": 0.1}]}))
    with pytest.raises(InvalidInput, match="is not what this step was set to"):
        made.gate(FLOOR, policy=other)
    for broken in ("", "{}", "[]", "nonsense"):
        with pytest.raises(InvalidInput, match="is no policy"):
            made.gate(FLOOR, policy=broken)


def test_inputs_of_the_wrong_kind_are_bad_input(world) -> None:
    made = world(scores(400))
    made.answers = made.suites
    with pytest.raises(InvalidInput, match=r"answers .* is of kind suites; give one of kind answers"):
        made.gate(FLOOR)


def test_the_word_of_the_incumbent_is_kept_in_the_evidence(world) -> None:
    found = world(scores(450), scores(440)).evidence(FLOOR)
    assert (found.incumbent.endpoint, found.incumbent.generation) == (ENDPOINT, 1)
