"""Who says that what should have been answered: corrections as votes, one a user and text, with a cap on each user."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from components.core.attempt import Attempt
from components.core.canonical import sha256
from components.core.conversation import ConversationFormat, Message
from components.core.rows import Row
from components.data.corrections.settings import Corrections
from components.data.normalise import normalised

TRUSTED = "trusted"
MOST_SHOWN = 300
"""Characters of a text or a correction on the page; the whole row is among the rejects."""


class User(NamedTuple):
    """Who votes. A trusted key and an ordinary one are two users, whatever name a client gives."""

    unit: str
    trusted: bool


def user_of(row: Row) -> User:
    """Whose correction a row is; all who gave no name are one and the same nobody."""
    return User(row["unit"] or "", row["role"] == TRUSTED)


class Vote(NamedTuple):
    """One user's last word about a text."""

    row: Row
    text: str
    answer: str

    @property
    def user(self) -> User:
        """Whose it is."""
        return user_of(self.row)

    @property
    def trusted(self) -> bool:
        """Whether the API key says so."""
        return self.user.trusted

    @property
    def moment(self) -> tuple[str, str]:
        """When it was given, by the gateway's clock, and the gateway's id of it."""
        return self.row["at"] or "", self.row["feedback_id"] or ""


@dataclass
class Ballot:
    """What users say about one text, however often it was asked."""

    votes: dict[User, Vote] = field(default_factory=dict)

    def answers(self) -> dict[str, list[Vote]]:
        """The votes by answer, in the order of the answers."""
        found: defaultdict[str, list[Vote]] = defaultdict(list)
        for vote in sorted(self.votes.values(), key=lambda vote: (vote.answer, vote.moment)):
            found[vote.answer].append(vote)
        return dict(found)


class Stopped(NamedTuple):
    """A correction in quarantine, as the page shows it."""

    reason: str
    question: str
    correction: str


@dataclass
class Ballots:
    """All votes of an artifact of corrections; what cannot be one is in quarantine."""

    attempt: Attempt
    settings: Corrections
    style: ConversationFormat
    salt: str
    """The digest of all corrections, which no user knows while writing one: what an order by it keeps is not theirs."""
    by_text: dict[str, Ballot] = field(default_factory=dict)
    merged: int = 0
    given: Counter[User] = field(default_factory=Counter)
    """How many corrections each user gave."""
    stopped: dict[User, list[Stopped]] = field(default_factory=lambda: defaultdict(list))

    def read(self, rows: Iterable[Row]) -> None:
        """Takes corrections in."""
        for row in rows:
            self.given[user_of(row)] += 1
            read = self._vote(row)
            if isinstance(read, str):
                self.quarantine(row, read)
                continue
            ballot = self.by_text.setdefault(normalised(read.text), Ballot())
            self._count(ballot, read)

    def cap(self) -> None:
        """Leaves each user as many texts as the policy allows; what is above neither agrees nor contradicts."""
        texts: defaultdict[User, list[str]] = defaultdict(list)
        for text in sorted(self.by_text, key=self.order):
            for user in self.by_text[text].votes:
                texts[user].append(text)
        for user, mine in sorted(texts.items()):
            most = self.settings.rows_a_trusted_user if user.trusted else self.settings.rows_a_user
            for text in mine[most:]:
                vote = self.by_text[text].votes.pop(user)
                self.quarantine(vote.row, "too_many_of_one_user", f"of {len(mine)} texts of this user {most} count")

    def order(self, text: str) -> str:
        """A text's place where not all can stay: the same for everybody, and nobody's choice."""
        return sha256(f"{self.salt}:{text}")

    def quarantine(self, row: Row, reason: str, detail: str = "") -> None:
        """Keeps a correction for people to look at."""
        self.attempt.reject({"id": row["feedback_id"], **row}, reason, detail)
        question = next((turn["content"] for turn in reversed(row["messages"] or ()) if turn["role"] == "user"), "")
        self.stopped[user_of(row)].append(
            Stopped(reason, (question or "")[:MOST_SHOWN], (row["correction"] or "")[:MOST_SHOWN])
        )

    def _vote(self, row: Row) -> Vote | str:
        """The vote of a row, or why it is none."""
        correction = (row["correction"] or "").strip()
        if not correction:
            return "no_correction"
        if len(correction) > self.settings.longest:
            return "too_long"
        text = asked_text(row["messages"] or [], self.style)
        if text is None:
            return "another_prompt"
        return Vote(row, text, spelt(correction, self.style))

    def _count(self, ballot: Ballot, vote: Vote) -> None:
        """A user has one vote about a text: the last one."""
        before = ballot.votes.get(vote.user)
        if before is None:
            ballot.votes[vote.user] = vote
            return
        first, last = sorted((before, vote), key=lambda vote: vote.moment)
        ballot.votes[vote.user] = last
        if first.answer == last.answer:
            self.merged += 1
        else:
            self.quarantine(first.row, "taken_back", "the same user said something else about this text later")


def spelt(answer: str, style: ConversationFormat) -> str:
    """An answer as the model is to give it: users correct what they see, labels are written otherwise in the data."""
    return (answer.replace("_", style.separator) if style.kind == "classification" else answer).strip()


def asked_text(messages: list[Message], style: ConversationFormat) -> str | None:
    """The text of the document that would be put to the model in these words; None where none would."""
    before = [{"role": "system", "content": style.system}] if style.system else []
    turns = [{"role": message["role"], "content": message["content"] or ""} for message in messages]
    if len(turns) != len(before) + 1 or turns[:-1] != before or turns[-1]["role"] != "user":
        return None
    said, parts = turns[-1]["content"], style.prompt.split("{text}")
    length, rest = divmod(len(said) - sum(map(len, parts)), len(parts) - 1)
    if length < 0 or rest:
        return None
    text = said[len(parts[0]) : len(parts[0]) + length]
    return text if style.prompt.replace("{text}", text) == said else None
