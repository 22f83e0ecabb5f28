"""Evidence as a gate leaves it, made up: a first model, a better one, a refused one, one with much to show."""

from __future__ import annotations

from typing import Any

from components.core.canonical import sha256
from components.core.decision import Reason, Verdict
from components.core.endpoint import Incumbent
from components.core.evidence import ClaimResult, Contest, GateEvidence, Tally
from components.core.manifest import Reference

NASTY = "<script>document.title='broken'</script> {{ 7*7 }} </pre></style> \"quoted\" & ‮reversed " + "unbroken" * 40
SLICES = ("network outage", "printer", "password reset", "new starter", "a-slice-with-a-very-long-name" * 3)


def reference(name: str) -> Reference:
    """A reference to something that need not be there."""
    return Reference(
        key=f"{name}/a/{name}/manifest.json", digest=sha256(name), content_digest=sha256(f"{name} content")
    )


def floor(value: float, estimate: float, half: float, suite: str = "held_out", **more: Any) -> ClaimResult:
    """A floor with an interval that reaches so far to both sides."""
    holds = estimate - half > value
    told = {
        "kind": "floor", "code": f"floor_{'holds' if holds else 'not_shown'}", "claim": f"{suite}: floor {value:g}",
        "text": f"{suite}: floor {value:g}: the score is {100 * estimate:.1f} %", "holds": holds,
        "estimate": estimate, "low": estimate - half, "high": min(1.0, estimate + half), "threshold": value,
        "suite": suite, "questions": 700, "groups": 700, "method": "clopper_pearson",
        "p_value": 0.003 if holds else 0.21, "alpha": 0.05, "power": 0.91, "visible": 0.031,
    }  # fmt: skip
    return ClaimResult(**{**told, **more})


def difference(kind: str, value: float, estimate: float, half: float, slice_: str = "", **more: Any) -> ClaimResult:
    """A margin or a gain with its interval."""
    threshold = -value if kind == "margin" else value
    holds = estimate - half > threshold
    side = "better" if estimate > 0 else "worse"
    told = {
        "kind": kind, "code": f"{kind}_{'holds' if holds else 'not_shown'}", "holds": holds, "estimate": estimate,
        "text": f"the candidate is {100 * abs(estimate):.1f} points {side} than what serves.",
        "claim": f"held_out{f' / {slice_}' if slice_ else ''}: {kind} {value:g}", "low": estimate - half,
        "high": estimate + half, "threshold": threshold, "suite": "held_out", "slice": slice_, "questions": 700,
        "groups": 140, "method": "cluster_t+bca+tango", "p_value": 0.0000312 if holds else 0.34, "alpha": 0.05,
        "power": 0.84, "visible": 0.018,
    }  # fmt: skip
    return ClaimResult(**{**told, **more})


def contest(number: int, won: bool, **more: str) -> Contest:
    """A question that one of the two got."""
    right, wrong = '{"product":"printer","priority":"high"}', '{"product":"printer","priority":"low"}'
    told: dict[str, Any] = {
        "suite": "held_out", "question": sha256(f"question {number}"), "reference": right,
        "prompt": f"system: Answer with JSON.\nuser: The printer on floor {number} prints stripes since this morning.",
        "candidate": right if won else wrong, "incumbent": wrong if won else right,
        "candidate_score": float(won), "incumbent_score": float(not won),
    }  # fmt: skip
    return Contest(**{**told, **more})


def evidence(verdict: Verdict, paragraph: str, serves: bool = True, **more: Any) -> GateEvidence:
    """Evidence about one candidate, held against what serves if something does."""
    model = reference("champion") if serves else None
    told: dict[str, Any] = {
        "candidate": reference("candidate"), "suites": reference("suites"), "answers": reference("answers"),
        "incumbent": Incumbent(endpoint="helpdesk", generation=3 if serves else 0, model=model),
        "incumbent_answers": reference("incumbent_answers") if serves else None,
        "policy": sha256("policy"), "alpha": 0.05,
    }  # fmt: skip
    return GateEvidence(verdict=verdict, paragraph=paragraph, **{**told, **more})


def first() -> GateEvidence:
    """The first model: only floors apply."""
    idle = ClaimResult(
        kind="margin", code="no_incumbent", text="Nothing serves yet to compare with.", claim="held_out: margin 0.02",
        threshold=-0.02, suite="held_out", applies=False,
    )  # fmt: skip
    return evidence(
        Verdict.PASS,
        "Nothing serves on helpdesk yet, so the candidate was held against floors only, and it is above both.",
        serves=False,
        claims=(floor(0.8, 0.924, 0.02), floor(0.5, 0.65, 0.14, "policy_quiz", questions=20, groups=20), idle),
        notes=(Reason(code="no_incumbent", text="Nothing serves on helpdesk: only floors apply."),),
        tallies=(
            Tally(suite="held_out", questions=700, candidate=0.924),
            Tally(suite="held_out", slice="printer", questions=50, candidate=0.82),
            Tally(suite="policy_quiz", questions=20, candidate=0.65),
        ),
    )


def better() -> GateEvidence:
    """A better one, by comparison, with alternatives."""
    either = (
        difference("gain", 0.01, 0.022, 0.009, alternatives=1, alpha=0.025),
        difference("gain", 0.05, 0.031, 0.04, "network outage", alternatives=1),
    )
    return evidence(
        Verdict.PASS,
        "The candidate loses nowhere more than the policy allows and is 2.2 points better on all rows. "
        "It is promoted as soon as the decision is signed.",
        claims=(
            floor(0.8, 0.946, 0.017),
            difference("margin", 0.02, 0.022, 0.009),
            difference("margin", 0.05, -0.004, 0.045, "printer"),
            *either,
        ),
        tallies=_tallies(SLICES),
        lost=tuple(contest(number, won=False) for number in range(2)),
        won=tuple(contest(number, won=True) for number in range(2, 7)),
    )


def refused() -> GateEvidence:
    """One from shuffled labels: nothing holds."""
    return evidence(
        Verdict.REFUSE,
        "Refused: the candidate is 61.3 points worse than what serves, and the policy allows 2. What serves was not "
        "changed. Look at the questions it lost, mend the training data (are labels shuffled?) and run the lifecycle "
        "again with `sluice run recipe.yaml`.",
        claims=(
            floor(0.8, 0.333, 0.035),
            floor(0.5, 0.53, 0.2, "policy_quiz", questions=20, groups=20),
            difference("margin", 0.02, -0.613, 0.04),
        ),
        tallies=tuple(
            one.model_copy(update={"candidate": 0.31, "won": 1, "lost": one.questions // 2}) for one in _tallies(SLICES)
        ),
        lost=tuple(contest(number, won=False) for number in range(8)),
        won=(contest(9, won=True),),
    )


def faulty() -> GateEvidence:
    """One that nothing could be said of."""
    return evidence(
        Verdict.REFUSE,
        "Refused: its answers are to other questions than the incumbent's. Run the release again.",
        faults=(
            Reason(code="other_questions", claim="held_out", text="12 questions were asked of one of the two only."),
            Reason(
                code="not_decontaminated", text=f"The model was not trained on data cleaned against held_out. {NASTY}"
            ),
        ),
    )


def much(none: float = float("nan")) -> GateEvidence:
    """Thirty slices, fifty claims, hostile and long texts, and numbers that are none (JSON holds none of those)."""
    names = [f"{SLICES[number % 5]} {number}" for number in range(30)]
    claims = [difference("margin", 0.05, 0.01 * (number % 7 - 3), 0.03, names[number % 30]) for number in range(46)]
    odd = {"estimate": none, "low": None, "high": none, "p_value": none, "power": none}
    small = {"code": "suite_too_small", "text": "Too small to see it.", "holds": False}
    long = "A long ticket about a printer. " * 400
    return evidence(
        Verdict.REFUSE,
        f"Refused. {NASTY}",
        claims=(
            *claims,
            floor(0.9, 0.9004, 0.012),
            floor(0.9, 0.98, 0.02, NASTY),
            difference("gain", 0.0, 0.0, 0.0, NASTY, text=NASTY, method=NASTY),
            difference("gain", 0.01, 0.0, 0.0).model_copy(update={**small, **odd}),
        ),
        notes=(Reason(code="note", text=NASTY, claim=NASTY),),
        tallies=(*_tallies(names), Tally(suite=NASTY, questions=0, candidate=none, incumbent=0.5)),
        lost=(
            contest(0, won=False, prompt=long, candidate=long),
            contest(1, won=False, suite=NASTY, prompt=NASTY, reference=NASTY, candidate=NASTY, incumbent=NASTY),
            *[contest(number, won=False) for number in range(2, 40)],
        ),
        won=tuple(contest(number, won=True) for number in range(3)),
    )


def _tallies(slices: tuple[str, ...] | list[str]) -> tuple[Tally, ...]:
    whole = Tally(suite="held_out", questions=700, candidate=0.946, incumbent=0.924, won=24, lost=9)
    parts = [
        Tally(
            suite="held_out", slice=name, questions=20 + 7 * index % 40, candidate=0.9,
            incumbent=0.88 + 0.01 * (index % 5), won=index % 6, lost=(index * 3) % 5,
        )
        for index, name in enumerate(slices)
    ]  # fmt: skip
    quiz = Tally(suite="policy_quiz", questions=20, candidate=0.7, incumbent=0.65, won=2, lost=1)
    return (whole, *parts, quiz)
