"""Which corrections of users become documents. What does not pass stays in quarantine, with a reason.

A text is learned when enough different users say the same about it and nobody contradicts, or when a trusted one says
it. Near-duplicates, personal data and copies of exam questions are the business of the steps behind this one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

from components.core.attempt import Attempt, Draft, Outcome
from components.core.canonical import canonical_json, sha256
from components.core.conversation import ConversationFormat
from components.core.errors import InvalidInput
from components.core.manifest import Kind, Manifest, Source, resolve_reference
from components.core.report import Figure
from components.core.rows import Row
from components.data.corrections.ballots import Ballots, Vote
from components.data.corrections.known import Known, look_up
from components.data.corrections.section import show
from components.data.corrections.settings import Corrections

TRAFFIC = "traffic"
"""What the documents' ``source`` says."""


class Lesson(NamedTuple):
    """A text and its answer that may be learned, and the votes that say so."""

    text: str
    votes: list[Vote]

    @property
    def answer(self) -> str:
        """What they say."""
        return self.votes[0].answer

    @property
    def trusted(self) -> bool:
        """Whether one of them is trusted."""
        return any(vote.trusted for vote in self.votes)


def corrections(
    attempt: Attempt, documents: Manifest, settings: Corrections, corrected: str = "", style: str = ""
) -> Outcome:
    """Output: ``extended``, the documents and what may be learned from traffic; the same documents where
    ``corrected`` is empty.

    ``corrected`` is the reference of an artifact of feedback, ``style`` the recipe's section ``format`` as settings
    travel. Rejects: ``no_correction``, ``too_long``, ``another_prompt``, ``taken_back``, ``too_many_of_one_user``,
    ``contradicted``, ``overruled``, ``too_few_agree``, ``contradicts_the_set``, ``new_value``, ``over_the_share``; and
    documents that a trusted user corrected (``superseded``). Raises InvalidInput for an artifact of something else.
    """
    if not corrected:
        return _commit(attempt, documents, settings, {"documents": documents}, _with(attempt, documents, [], set()))
    feedback = resolve_reference(attempt.store, corrected)
    if feedback.kind is not Kind.FEEDBACK:
        raise InvalidInput(f"{feedback.key}: holds {feedback.kind}, no feedback; name the output of the step observe")
    form = ConversationFormat.model_validate(json.loads(style))
    ballots = Ballots(attempt, settings, form, salt=feedback.content_digest)
    ballots.read(attempt.read_rows(feedback))
    ballots.cap()
    agreed = _agreed(ballots)
    known = look_up(attempt.read_rows(documents), {lesson.text: lesson.answer for lesson in agreed}, form)
    fit, superseded = _fit(ballots, agreed, known)
    learned = _within_the_share(ballots, fit, documents.rows - len(superseded))
    rows = [_document(lesson, known.label(lesson.answer), form.column, settings) for lesson in learned]
    extended = _with(attempt, documents, sorted(rows, key=lambda row: str(row["id"])), superseded)
    ballots.merged += sum(len(lesson.votes) - 1 for lesson in learned)
    extended.sources += _traffic(feedback, settings) if learned else ()
    _account(attempt, ballots, learned, extended)
    return _commit(
        attempt,
        documents,
        settings,
        {"documents": documents, "corrected": feedback},
        extended,
        more=feedback.rows,
        merged=ballots.merged,
        section=show(attempt, ballots),
    )


def _agreed(ballots: Ballots) -> list[Lesson]:
    """The texts about which users agree, or a trusted one has spoken."""
    found: list[Lesson] = []
    for text, ballot in sorted(ballots.by_text.items()):
        answers = ballot.answers()
        trusted = [answer for answer, votes in answers.items() if any(vote.trusted for vote in votes)]
        if len(trusted or answers) != 1:
            for votes in answers.values():
                _quarantine(ballots, votes, "contradicted", f"{len(answers)} different answers to one text")
            continue
        answer = next(iter(trusted or answers))
        for other in answers.keys() - {answer}:
            _quarantine(ballots, answers[other], "overruled", "a trusted user says something else")
        if trusted or len(answers[answer]) >= ballots.settings.agree:
            found.append(Lesson(text, answers[answer]))
        else:
            said = f"{len(answers[answer])} of {ballots.settings.agree} users"
            _quarantine(ballots, answers[answer], "too_few_agree", said)
    return found


def _fit(ballots: Ballots, lessons: list[Lesson], known: Known) -> tuple[list[Lesson], set[str]]:
    """The lessons that the documents do not speak against, and the ids of those that trusted users corrected."""
    givers: defaultdict[str, set[str]] = defaultdict(set)
    for ballot in ballots.by_text.values():
        for vote in ballot.votes.values():
            givers[vote.answer].add(vote.user.unit)
    fit: list[Lesson] = []
    superseded: set[str] = set()
    for lesson in lessons:
        against = known.against(lesson.text, lesson.answer)
        users = len(givers[lesson.answer])
        if against and not lesson.trusted:
            _quarantine(ballots, lesson.votes, "contradicts_the_set", f"document {against[0]} says something else")
        elif known.says(lesson.text, lesson.answer):
            ballots.merged += len(lesson.votes)
            superseded.update(against)
        elif not lesson.trusted and lesson.answer not in known.labels and users < ballots.settings.new_value_users:
            said = f"no document has this answer; {users} of {ballots.settings.new_value_users} users gave it"
            _quarantine(ballots, lesson.votes, "new_value", said)
        else:
            fit.append(lesson)
    return fit, superseded | {name for lesson in fit for name in known.against(lesson.text, lesson.answer)}


def _within_the_share(ballots: Ballots, lessons: list[Lesson], others: int) -> list[Lesson]:
    """As many as the set bears, the trusted ones first, and otherwise in an order that no user chooses."""
    share = ballots.settings.share
    most = len(lessons) if share == 1 else int(share * others / (1 - share) + 1e-9)
    ordered = sorted(lessons, key=lambda lesson: (not lesson.trusted, ballots.order(lesson.text)))
    for lesson in ordered[most:]:
        _quarantine(ballots, lesson.votes, "over_the_share", f"{share:g} of the set are {most} rows")
    return ordered[:most]


def _quarantine(ballots: Ballots, votes: Iterable[Vote], reason: str, detail: str) -> None:
    for vote in votes:
        ballots.quarantine(vote.row, reason, detail)


def _document(lesson: Lesson, label: str, column: str, settings: Corrections) -> Row:
    """A document as ingest would have made it. It belongs to the one who asked first."""
    first = min((vote for vote in lesson.votes), key=lambda vote: (vote.row["asked"] or "", vote.row["request_id"]))
    return {
        # Of near-duplicates the smallest id stays: `~` stands behind letters and digits, so traffic gives way.
        "id": f"~traffic-{sha256(lesson.text)[:32]}",
        "text": first.text,
        "source": TRAFFIC,
        "licence": settings.licence,
        "created": first.row["asked"] or None,
        "meta": canonical_json({column: label, "group": first.row["asker"] or ""}),
    }


def _with(attempt: Attempt, documents: Manifest, learned: list[Row], superseded: set[str]) -> Draft:
    with attempt.rows(Kind.DOCUMENTS, "extended") as extended:
        for batch in attempt.read(documents):
            names = batch.column("id").to_pylist()
            stay = [name not in superseded for name in names]
            for at in (at for at, stays in enumerate(stay) if not stays):
                attempt.reject(batch.slice(at, 1).to_pylist()[0], "superseded", "a trusted user corrected its answer")
            extended.write(batch.filter(pa.array(stay, pa.bool_())))
        for row in learned:
            extended.append(row)
    return Draft(Kind.DOCUMENTS, extended, sources=documents.sources)


def _traffic(feedback: Manifest, settings: Corrections) -> tuple[Source, ...]:
    """Traffic as a source, so that a model card names it."""
    return (Source(uri=f"traffic://{feedback.key}", sha256=feedback.content_digest, licence=settings.licence),)


def _account(attempt: Attempt, ballots: Ballots, learned: list[Lesson], extended: Draft) -> None:
    users = {vote.user for lesson in learned for vote in lesson.votes}
    share = len(learned) / max(sum(shard.rows for shard in extended.shards), 1)
    attempt.figures |= {
        "corrections": Figure(value=sum(ballots.given.values()), unit="corrections"),
        "users": Figure(value=len(ballots.given), unit="users"),
        "learned": Figure(value=len(learned), unit="documents"),
        "learned_trusted": Figure(value=sum(lesson.trusted for lesson in learned), unit="documents"),
        "users_learned_from": Figure(value=len(users), unit="users"),
        "share": Figure(value=round(share, 4), unit="fraction"),
    }


def _commit(
    attempt: Attempt,
    documents: Manifest,
    settings: Corrections,
    inputs: dict[str, Manifest],
    extended: Draft,
    more: int = 0,
    merged: int = 0,
    section: str = "",
) -> Outcome:
    return attempt.commit(
        {"extended": extended},
        settings=settings,
        inputs=inputs,
        rows_in=documents.rows + more,
        merged=merged,
        section=section,
    )
