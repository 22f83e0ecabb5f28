from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.evaluate.gate.settings import Claim, Gate


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ({"margin": -0.02}, "greater than 0"),
        ({"margin": 0}, "greater than 0"),
        ({"gain": -0.02}, "greater than or equal to 0"),
        ({"floor": 1.2}, "less than or equal to 1"),
        ({"floor": float("nan")}, "finite number"),
        ({"floor": 0.5, "margin": 0.1}, "exactly one of floor, margin and gain; it has floor, margin"),
        ({"suite": "exam"}, "exactly one of floor, margin and gain; it has none"),
        ({"slice": "kind=hard", "floor": 0.5}, "name the suite that it is a slice of"),
        ({"flor": 0.5}, "flor"),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused_in_a_sentence(claim, sentence) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Gate.model_validate({"claims": [claim]})


def test_alternatives_are_at_least_two_and_not_nested() -> None:
    for entry in ({"any_of": [{"floor": 0.5}]}, {"any_of": []}, {"any_of": [{"any_of": []}, {"floor": 0.5}]}):
        with pytest.raises(ValidationError):
            Gate.model_validate({"claims": [entry]})


def test_a_margin_is_a_threshold_below_nothing() -> None:
    claims = [Claim(margin=0.02), Claim(gain=0.02), Claim(floor=0.9, suite="exam", slice="kind=hard")]
    assert [claim.threshold for claim in claims] == [-0.02, 0.02, 0.9]
    assert [claim.distance for claim in claims] == [0.02, 0.05, 0.05]
    assert claims[2].name == "exam / kind=hard: floor 0.9"


def test_settings_travel_as_they_are() -> None:
    given = Gate.model_validate({"claims": [{"floor": 0.5}, {"any_of": [{"gain": 0}, {"margin": 0.1, "see": 0.05}]}]})
    assert Gate.decode(given.encode()) == given
