"""Right and wrong answers, as people said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from components.core.rows import Row
from components.monitor.figures import Score


@dataclass
class _Votes:
    model: str
    right: int = 0
    wrong: int = 0
    corrected: int = 0


@dataclass
class Quality:
    """What was said of each model's answers."""

    scores: dict[str, Score] = field(default_factory=dict)
    corrections: dict[str, int] = field(default_factory=dict)
    voices: Counter[str] = field(default_factory=Counter)
    """Words by user; whoever has no name is not counted."""


def quality(labelled: Iterable[Row]) -> Quality:
    """Right answers of each model among those that somebody judged.

    Each user has one vote a request, and the majority decides; a tie counts as wrong, for doubt must not hide a fall.
    ``labelled`` holds each user's last word about a request once.
    """
    votes: dict[str, _Votes] = {}
    found = Quality()
    for row in labelled:
        right = is_right(row)
        if right is None:
            continue
        vote = votes.setdefault(row["request_id"], _Votes(row["model"] or ""))
        vote.right += right
        vote.wrong += not right
        vote.corrected += not right and bool((row["correction"] or "").strip())
        found.voices.update([row["unit"]] if row["unit"] else [])
    for vote in votes.values():
        right = vote.right > vote.wrong
        score = found.scores.get(vote.model, Score())
        found.scores[vote.model] = Score(correct=score.correct + right, labelled=score.labelled + 1)
        found.corrections[vote.model] = found.corrections.get(vote.model, 0) + (not right and vote.corrected > 0)
    return found


def is_right(row: Row) -> bool | None:
    """What one user says of one answer: what it should have been counts before a thumb; None for neither."""
    correction = (row["correction"] or "").strip()
    if correction:
        return same(correction, row["response"] or "")
    return None if row["good"] is None else bool(row["good"])


def same(one: str, other: str) -> bool:
    """Whether two answers say the same: as JSON where both are, without white space around them otherwise."""
    return one.strip() == other.strip() or (_json(one) is not None and _json(one) == _json(other))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
