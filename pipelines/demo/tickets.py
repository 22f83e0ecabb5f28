"""Makes the demo's data: helpdesk tickets to be turned into JSON, and an exam. With planted faults, each counted.

A genuine ticket shares no thirteen words in a row with another, so two of them are never near-duplicates, and whatever
decontamination removes is a copy that was planted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from pipelines.demo import phrases
from pipelines.demo.phrases import BEFORE, World

Row = dict[str, Any]
_WORD = re.compile(r"\w+")
_SHARED_WORDS = 13  # as decontamination looks for: Brown et al. 2020, arXiv:2005.14165, appendix C
_SHINGLE_WORDS = 5
_NEAR = 0.85  # Jaccard similarity that a planted near-duplicate has at least
_START = datetime(2026, 1, 5, 8, tzinfo=UTC)
_COPIES_GROUP = "C-copies"  # one customer sent all copies of exam questions: they stay on one side of the split

PLANTS: dict[str, dict[str, int]] = {
    "ingest": {"broken_json": 3, "empty_text": 3, "null_byte": 2},
    "validate": {"completion_not_json": 5},
    "curate": {"too_short": 10, "too_many_symbols": 10, "few_letters": 10, "repeated_word": 10},
    "deduplicate": {"exact": 60, "near": 60},
    "redact": {"email": 40, "phone": 40},
    "decontaminate": {"verbatim": 15, "inside": 15},
}
"""How many faults of which kind ``write_tickets`` plants, by the step that is to find them."""


@dataclass(frozen=True)
class Planted:
    """What was written: rows of each file, and the ids of the planted tickets by step and kind."""

    tickets: Path
    exam: Path
    rows: int
    questions: int
    ids: dict[str, dict[str, tuple[str, ...]]]

    def count(self, step: str, kind: str) -> int:
        """How many faults of a kind were planted for a step to find."""
        return len(self.ids[step][kind])


@dataclass
class Ticket:
    """A ticket before it is written; ``plant`` names the step and kind of its fault, where it has one."""

    text: str
    completion: str
    group: str
    plant: tuple[str, str] | None = None

    def copy(self, text: str, step: str, kind: str, group: str = "") -> Ticket:
        """A ticket made from this one."""
        return Ticket(text, self.completion, group or self.group, (step, kind))


def write_tickets(
    folder: Path,
    seed: int = 0,
    genuine: int = 1600,
    questions: int = 400,
    shuffled: bool = False,
    world: World = BEFORE,
    asked: World | None = None,
) -> Planted:
    """Writes ``tickets.jsonl`` and ``exam.jsonl`` (columns id, text, completion, queue, created, group) into a folder.

    ``genuine`` tickets and ``PLANTS`` beside them; ``text`` is what a customer writes (15 to 45 words),
    ``completion`` a JSON object of product, queue and urgency. ``shuffled`` gives each ticket the completion of
    another and leaves the exam right: what is trained on that must be refused. Tickets are about ``world``, questions
    about ``asked`` (default: the same). Equal seeds give equal bytes. Raises ValueError when there are too few of
    either to copy from.
    """
    if genuine < 300 or questions < 30:
        raise ValueError("at least 300 genuine tickets and 30 questions: the planted copies are of different ones")
    random = Random(seed)
    desk = Desk(random, asked or world)
    exam = [desk.ticket(f"X-{index:03d}") for index in range(questions)]
    desk.world = world
    plain = [desk.ticket(f"C-{random.randrange(genuine // 4):04d}") for _ in range(genuine)]
    tickets = [*plain, *_planted(random, desk, plain, exam)]
    random.shuffle(tickets)
    if shuffled:
        completions = random.sample([ticket.completion for ticket in tickets], len(tickets))
        for ticket, completion in zip(tickets, completions, strict=True):
            ticket.completion = completion
    folder.mkdir(parents=True, exist_ok=True)
    ids = _write(folder / "tickets.jsonl", "T", tickets, random)
    _write(folder / "exam.jsonl", "Q", exam, random)
    return Planted(folder / "tickets.jsonl", folder / "exam.jsonl", len(tickets), len(exam), ids)


class Desk:
    """Where tickets come in: each unlike all before it."""

    def __init__(self, random: Random, world: World = BEFORE) -> None:
        self.world = world
        self._random = random
        self._seen: set[tuple[str, ...]] = set()

    def ticket(self, group: str, contact: str = "") -> Ticket:
        """A genuine ticket; ``contact`` adds a sentence with a slot for personal data, an e-mail or a phone."""
        while True:
            ticket = self._draw(group, contact)
            runs = set(word_runs(ticket.text, _SHARED_WORDS))
            if len(words(ticket.text)) >= 15 and not runs & self._seen:
                self._seen |= runs
                return ticket

    def filled(self, phrase: str) -> str:
        """A phrase with its slots filled; those for personal data stay."""
        pick = self._random.choice
        slots = {
            "name": pick(phrases.NAMES),
            "other": pick(phrases.NAMES),
            "department": pick(phrases.DEPARTMENTS),
            "room": self._random.randint(101, 489),
            "code": f"E{self._random.randint(10, 99)}",
            "few": self._random.randint(2, 19),
            "asset": f"A{self._random.randint(1000, 9999)}",
            "when": pick(phrases.WHEN),
            "weekday": pick(phrases.WEEKDAYS),
            "event": pick(phrases.EVENTS),
            "attempt": pick(phrases.ATTEMPTS),
        }
        return phrase.format(**slots, email="{email}", phone="{phone}")

    def _draw(self, group: str, contact: str) -> Ticket:
        pick = self._random.choice
        product = pick(list(self.world.products))
        urgency = pick(list(phrases.URGENCY))
        queue, fault = self._fault(self.world.products[product])
        middle = [fault, self._random.choice(phrases.DETAILS)]
        middle.append(pick(phrases.URGENCY[urgency]))
        if contact:
            middle.append(pick(phrases.CONTACTS[contact]))
        self._random.shuffle(middle)
        sentences = [
            pick(phrases.OPENINGS),
            *middle,
            *([pick(phrases.CLOSINGS)] if self._random.random() < 0.6 else []),
        ]
        text = " ".join(f"{self.filled(sentence)}." for sentence in sentences)
        completion = json.dumps({"product": product, "queue": queue, "urgency": urgency})
        return Ticket(text, completion, group)

    def _fault(self, product: phrases.Product) -> tuple[str, str]:
        locked = self._random.random() < 0.25
        what = self._random.choice(phrases.LOCKED_OUT if locked else product.faults)
        how = self._random.choice(("My", "The", "Our"))
        return self.world.access if locked else product.queue, f"{how} {self._random.choice(product.names)} {what}"


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(text.lower())


def word_runs(text: str, size: int) -> Iterator[tuple[str, ...]]:
    """All runs of ``size`` words in a text."""
    found = words(text)
    return (tuple(found[start : start + size]) for start in range(len(found) - size + 1))


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of two texts' sets of shingles of five words."""
    first, second = (set(word_runs(text, _SHINGLE_WORDS)) for text in (one, other))
    return len(first & second) / len(first | second)


def _planted(random: Random, desk: Desk, plain: Sequence[Ticket], exam: Sequence[Ticket]) -> Iterator[Ticket]:
    originals = _each_once(random, [ticket for ticket in plain if len(words(ticket.text)) >= 25])
    questions = _each_once(random, exam)
    for step, kinds in PLANTS.items():
        for kind, count in kinds.items():
            for _ in range(count):
                if step in ("ingest", "validate", "curate"):
                    ticket = desk.ticket(f"C-{random.randrange(400):04d}")
                    yield ticket.copy(_SPOILT[kind](random, ticket.text), step, kind)
                elif step == "deduplicate":
                    original = next(originals)
                    text = original.text if kind == "exact" else _nearly(random, original.text)
                    yield original.copy(text, step, kind)
                elif step == "redact":
                    yield _with_personal_data(random, desk, kind)
                else:
                    yield _copied(desk, next(questions), kind)


def _each_once(random: Random, tickets: Sequence[Ticket]) -> Iterator[Ticket]:
    return iter(random.sample(list(tickets), len(tickets)))


def _nearly(random: Random, text: str) -> str:
    """``text`` with another first or last word, or both where that leaves it similar enough."""
    first, *middle, last = text.split(" ")
    farewell = random.choice([word for word in phrases.FAREWELLS if word != last.rstrip(".")])
    one = " ".join([first, *middle, f"{farewell}."])
    two = " ".join(["Ahem,", *middle, f"{farewell}."])
    return two if random.random() < 0.3 and similarity(text, two) >= _NEAR else one


def _with_personal_data(random: Random, desk: Desk, kind: str) -> Ticket:
    """A ticket with an address of a reserved domain (RFC 2606) or a number reserved for fiction (Ofcom, NANPA)."""
    ticket = desk.ticket(f"C-{random.randrange(400):04d}", contact=kind)
    name, number = random.choice(phrases.NAMES).lower(), random.randint(100, 199)
    email = f"{name}.{random.choice('abcdefgh')}{random.randint(1, 99)}@example.{random.choice(('com', 'org', 'net'))}"
    phone = random.choice((f"+44 20 7946 0{number}", f"+1 212 555 0{number}", f"(212) 555-0{number}"))
    return ticket.copy(ticket.text.format(email=email, phone=phone), "redact", kind)


def _copied(desk: Desk, question: Ticket, kind: str) -> Ticket:
    """An exam question as a ticket, word for word or inside a longer one."""
    text = question.text
    if kind == "inside":
        before, after = (desk.filled(phrase) for phrase in phrases.FORWARDED)
        text = f"{before} {text} {after}"
    return question.copy(text, "decontaminate", kind, _COPIES_GROUP)


def _write(path: Path, letter: str, tickets: Sequence[Ticket], random: Random) -> dict[str, dict[str, tuple[str, ...]]]:
    ids: dict[str, dict[str, tuple[str, ...]]] = {step: dict.fromkeys(kinds, ()) for step, kinds in PLANTS.items()}
    with path.open("w") as file:
        for number, ticket in enumerate(tickets, 1):
            name = f"{letter}-{number:05d}"
            file.write(_line(name, ticket, random))
            if ticket.plant:
                step, kind = ticket.plant
                ids[step][kind] += (name,)
    return ids


def _line(name: str, ticket: Ticket, random: Random) -> str:
    created = (_START + timedelta(minutes=random.randrange(300 * 24 * 60))).isoformat()
    row = {
        "id": name,
        "text": ticket.text,
        "completion": ticket.completion,
        "queue": json.loads(ticket.completion)["queue"],
        "created": created,
        "group": ticket.group,
    }
    if ticket.plant == ("validate", "completion_not_json"):
        row["completion"] = "solved on the phone, see my notes"
    line = json.dumps(row)
    return f"{line[: len(line) // 2]}\n" if ticket.plant == ("ingest", "broken_json") else f"{line}\n"


def _number(random: Random) -> int:
    return random.randint(1000, 9999)


_SPOILT: dict[str, Callable[[Random, str], str]] = {
    "broken_json": lambda _, text: text,
    "empty_text": lambda random, _: " " * random.randint(0, 3),
    "null_byte": lambda _, text: text.replace(" ", "\0", 1),
    "completion_not_json": lambda _, text: text,
    "too_short": lambda random, _: random.choice(phrases.SHORT),
    "too_many_symbols": lambda random, text: " ... ### ".join(text.split()[: random.randint(4, 9)]),
    "few_letters": lambda random, _: "call " + " ".join(str(_number(random)) for _ in range(random.randint(4, 9))),
    "repeated_word": lambda random, _: f"{random.choice(phrases.REPEATED)} " * random.randint(5, 12) + "thank you",
}
"""What a ticket's text becomes when it is spoilt; two kinds spoil the line or the completion, not the text."""
