"""Exit codes, and which of several is the worst."""

from __future__ import annotations

import pytest

from components.core.errors import ExitCode, worst


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        ((0,), 0),
        ((0, 3), 3),
        ((3, 5), 5),
        ((2, 5, 3), 2),
        ((4, 2, 5, 0), 4),
        ((4, 130), 130),
    ],
)
def test_the_worst_code_is_no_question_of_its_number_or_place(codes: tuple[int, ...], found: int) -> None:
    assert worst(codes) == worst(reversed(codes)) == found


def test_every_code_of_ours_has_a_place() -> None:
    assert worst((*ExitCode, 77)) == 77
    assert all(worst((code, ExitCode.FAILED)) == ExitCode.FAILED for code in ExitCode)
