"""The helpdesk's traffic: tickets are asked as any client would ask, and agents look at the answers.

A user writes a ticket; two agents of the helpdesk look at some of the answers, say so where one is right, and
write down what it should have been where it is not.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any

from pipelines.demo.phrases import World
from pipelines.demo.tickets import Desk, Ticket

AGENTS = 60
PATIENCE_SECONDS = 90


@dataclass(frozen=True)
class Answer:
    """What came back for a ticket; ``error`` is empty where an answer did."""

    ticket: Ticket
    request_id: str
    text: str
    error: str = ""

    @property
    def right(self) -> bool:
        """Whether it is what the ticket's author wanted."""
        return not self.error and self.text.strip() == self.ticket.completion


@dataclass(frozen=True)
class Client:
    """A client of an OpenAI-compatible endpoint on this machine."""

    port: int
    key: str
    model: str

    def ask(self, ticket: Ticket) -> Answer:
        """Asks what a ticket is about."""
        asked = {
            "model": self.model,
            "messages": [{"role": "user", "content": ticket.text}],
            "max_tokens": 64,
            "temperature": 0,
            "user": ticket.group,
        }
        try:
            status, headers, answer = self._post("/v1/chat/completions", asked)
            if status != 200:
                return Answer(ticket, "", "", f"{status}: {answer}")
            return Answer(ticket, headers["x-request-id"], answer["choices"][0]["message"]["content"])
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            return Answer(ticket, "", "", f"{type(error).__name__}: {error}")

    def say(self, answer: Answer, agent: str) -> str:
        """Tells whether an answer is right, and what it should have been; returns what went wrong, if anything did."""
        word: dict[str, Any] = {"request_id": answer.request_id, "user": agent, "good": answer.right}
        if not answer.right:
            word["correction"] = answer.ticket.completion
        try:
            status, _, told = self._post("/v1/feedback", word)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        return "" if status == 200 else f"{status}: {told}"

    def _post(self, path: str, body: dict[str, Any]) -> tuple[int, Any, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, json.loads(answer.read())
        finally:
            connection.close()


def tickets(world: World, count: int, seed: int) -> list[Ticket]:
    """Tickets that customers of a world write."""
    random = Random(seed)
    desk = Desk(random, world)
    return [desk.ticket(f"C-{random.randrange(400):04d}") for _ in range(count)]


def ask_all(client: Client, asked: Iterable[Ticket], at_once: int = 8) -> list[Answer]:
    """Asks all tickets, some at a time."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(client.ask, asked))


def look_at(client: Client, answers: Sequence[Answer], share: float, seed: int) -> list[str]:
    """Two agents look at a share of the answers each; returns what went wrong on the way."""
    random = Random(seed)
    seen = [answer for answer in answers if not answer.error and random.random() < share]
    words = [(answer, f"agent-{number:02d}") for answer in seen for number in random.sample(range(AGENTS), 2)]
    with ThreadPoolExecutor(4) as pool:
        return [wrong for wrong in pool.map(lambda word: client.say(*word), words) if wrong]


class Load:
    """Steady traffic in the background, to see whether anything is lost while what serves changes."""

    def __init__(self, client: Client, asked: Sequence[Ticket], a_second: float) -> None:
        self.client, self.asked, self.a_second = client, asked, a_second
        self.answers: list[Answer] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def lost(self) -> list[Answer]:
        """Requests without an answer."""
        return [answer for answer in self.answers if answer.error]

    def _send(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            sent: list[Future[Answer]] = []
            begun = time.monotonic()
            while not self._stop.is_set():
                sent.append(pool.submit(self.client.ask, self.asked[len(sent) % len(self.asked)]))
                self._stop.wait(max(0.0, begun + len(sent) / self.a_second - time.monotonic()))
            self.answers = [future.result() for future in sent]
