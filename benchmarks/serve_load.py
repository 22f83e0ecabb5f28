"""Open-loop load on an OpenAI-compatible address: requests come when they come, whatever became of those before.

A time is taken from the moment at which a request was due to its answer's last byte, so a slow server cannot hide by
holding up the load (coordinated omission: Tene, How NOT to Measure Latency, 2013). Gaps are exponential. Each prompt is
asked once, and each answer is checked word by word.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from components.serve.gateway.connection import NotHttp, Pool
from components.serve.gateway.upstream import PATHS

_ID = re.compile(rb'"id":"chatcmpl-([^"]+)"')
PATIENCE = 120.0
"""Longest time that a request may take (seconds)."""


class Kind(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    FAILED = "failed"  # an error, or nothing, before a byte of an answer
    CUT = "cut"  # a stream that began, and ended in an error
    WRONG = "wrong"  # anything else: other words, words twice, an end without a word


@dataclass(frozen=True)
class Prompt:
    """One request to come."""

    text: str
    stream: bool
    due: float
    """Seconds after the load's beginning."""

    @property
    def answer(self) -> str:
        """What the stand-in for a model server answers: the words after those that steer it."""
        words = self.text.split(" ")
        return "echo: " + " ".join(words[2:] if self.text.startswith("!drip") else words)


@dataclass(frozen=True)
class Outcome:
    """What a client saw."""

    prompt: Prompt
    kind: Kind
    ms: float
    request_id: str
    said: str


def prompts(name: str, count: int, rate: float, *, slow: float = 0.0) -> Iterator[Prompt]:
    """``count`` requests at ``rate`` a second; every fourth is a stream, and the share ``slow`` is a slow stream."""
    draw, due = random.Random(name), 0.0
    for number in range(count):
        due += draw.expovariate(rate)
        text = f"{name} {number}: my card has not arrived, when will it be here"
        dripping = draw.random() < slow
        yield Prompt(f"!drip 0.03 {text}" if dripping else text, dripping or number % 4 == 0, due)


class Load:
    """Sends prompts to an address, as one client with many connections.

    It has the gateway's own light client: the load shares its cores with what is measured.
    """

    def __init__(self, address: str, key: str, model: str) -> None:
        self.sent, self.outcomes = 0, list[Outcome]()
        self._pool, self._headers, self._model = Pool(address), {"authorization": f"Bearer {key}"}, model

    async def run(self, coming: Iterator[Prompt], most: int = 0) -> list[Outcome]:
        """Sends all of them and waits for the answers; with ``most``, no more than so many are open at once."""
        room = asyncio.Semaphore(most or 10**9)
        began, tasks = time.perf_counter(), set[asyncio.Task[None]]()
        for prompt in coming:
            await asyncio.sleep(max(0.0, began + prompt.due - time.perf_counter()))
            await room.acquire()
            task = asyncio.create_task(self._ask(prompt, began + prompt.due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: room.release())
            self.sent += 1
        await asyncio.gather(*tasks)
        self._pool.close()
        return self.outcomes

    async def _ask(self, prompt: Prompt, due: float) -> None:
        body = {"model": self._model, "messages": [{"role": "user", "content": prompt.text}], "stream": prompt.stream}
        status, parts, fault = 0, list[bytes](), ""
        try:
            asked = self._pool.asked(self._pool.request(PATHS["chat"], json.dumps(body).encode(), self._headers))
            async with asyncio.timeout(PATIENCE), asked as answer:
                status = answer.status
                while part := await answer.part():
                    parts.append(part)
        except (NotHttp, OSError) as error:
            fault = repr(error)
        ms = 1000 * (time.perf_counter() - due)
        data = b"".join(parts)
        kind, said = judged(prompt, status, data, fault)
        found = _ID.search(data)
        self.outcomes.append(Outcome(prompt, kind, ms, found[1].decode() if found else "", said))


def judged(prompt: Prompt, status: int, data: bytes, fault: str) -> tuple[Kind, str]:
    """What became of a request, and in which words where it was not answered."""
    text = data.decode("utf-8", "replace")
    if status != 200:
        return Kind.FAILED, f"{status} {fault or text[:200]}"
    if not data:
        return Kind.FAILED, f"200 and nothing more {fault}"
    found, done, error = _streamed(text) if prompt.stream else _whole(text)
    if found == prompt.answer and done and not error and not fault:
        return Kind.ANSWERED, ""
    if error and not done and prompt.answer.startswith(found):
        return Kind.CUT, error
    return Kind.WRONG, f"{fault} {text[-300:]}"


def _whole(text: str) -> tuple[str, bool, str]:
    """The words, whether the answer is whole, and an error in its place."""
    try:
        document = json.loads(text)
        if "error" in document:
            return "", False, document["error"]["message"]
        return document["choices"][0]["message"]["content"], True, ""
    except (ValueError, LookupError, TypeError):
        return "", False, ""


def _streamed(text: str) -> tuple[str, bool, str]:
    words, done, error = list[str](), 0, ""
    for event in text.split("\n\n"):
        data = event.removeprefix("data: ")
        if data == "[DONE]":
            done += 1
        elif data:
            try:
                document = json.loads(data)
            except ValueError:
                return "".join(words), False, ""
            error = error or str(document.get("error", {}).get("message", ""))
            words += [choice["delta"].get("content") or "" for choice in document.get("choices", ())]
    return "".join(words), done == 1, error
