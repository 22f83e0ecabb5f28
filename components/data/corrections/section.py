"""Who was stopped, and what they tried to teach: what a person looks at after an attack."""

from __future__ import annotations

from collections import Counter

from components.core.attempt import Attempt
from components.core.page import escape
from components.core.personal_data import without_personal_data
from components.core.report import Example, Figure
from components.data.corrections.ballots import Ballots, Stopped, User

MOST_USERS, MOST_EXAMPLES, MOST_ANSWERS = 20, 5, 3
CAPPED = "too_many_of_one_user"
SUSPECT = (CAPPED, "contradicted", "contradicts_the_set", "overruled", "new_value", "too_long")
"""Reasons that an attack would show by; that too few agree is the lot of most corrections."""


def show(attempt: Attempt, ballots: Ballots) -> str:
    """The users that were stopped most as a fragment of HTML, all texts escaped; the first of them as examples too.

    Users are named by the beginning of their hash. ``attempt`` also gets the figure ``users_capped``.
    """
    counts = {user: Counter(one.reason for one in stopped) for user, stopped in ballots.stopped.items()}
    attempt.figures["users_capped"] = Figure(value=sum(CAPPED in count for count in counts.values()), unit="users")
    suspects = [user for user, count in counts.items() if any(reason in count for reason in SUSPECT)]
    suspects.sort(key=lambda user: (-counts[user][CAPPED], -counts[user].total(), user))
    for user in suspects[:MOST_EXAMPLES]:
        attempt.examples.append(_example(user, ballots.given[user], ballots.stopped[user]))
    if not suspects:
        return ""
    rows = "".join(_row(user, ballots.given[user], ballots.stopped[user]) for user in suspects[:MOST_USERS])
    more = f"<p>and {len(suspects) - MOST_USERS} more users.</p>" if len(suspects) > MOST_USERS else ""
    return (
        "<h2>Users who were stopped</h2><table><tr><th>user</th><th>gave</th><th>in quarantine</th>"
        f"<th>what they tried to teach</th></tr>{rows}</table>{more}"
    )


def _row(user: User, given: int, stopped: list[Stopped]) -> str:
    reasons = Counter(one.reason for one in stopped).most_common()
    told = "<br>".join(f"{count} {escape(reason)}" for reason, count in reasons)
    taught = "<br>".join(f"{count} × {escape(_safe(answer))}" for answer, count in _answers(stopped))
    return f"<tr><td>{escape(_name(user))}</td><td class=n>{given}</td><td>{told}</td><td>{taught}</td></tr>"


def _example(user: User, given: int, stopped: list[Stopped]) -> Example:
    """Of what a user tried to teach most often the first in the order of letters, so that it is always the same."""
    (answer, count), *_ = _answers(stopped)
    one = min(one for one in stopped if one.correction == answer)
    title = f"user {_name(user)} gave {given} corrections, {len(stopped)} in quarantine, {count} with this answer"
    return Example(title=title, before=_safe(one.question), after=_safe(answer), good=False)


def _answers(stopped: list[Stopped]) -> list[tuple[str, int]]:
    counted = Counter(one.correction for one in stopped)
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MOST_ANSWERS]


def _name(user: User) -> str:
    return f"{user.unit[:12] or 'without a name'}{' (trusted)' if user.trusted else ''}"


def _safe(text: str) -> str:
    """The log is redacted already; what a page shows is looked at once more."""
    return without_personal_data(text)
