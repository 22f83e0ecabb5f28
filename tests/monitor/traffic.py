"""Made-up traffic of a helpdesk: what users ask, what a model answers, what they say of it, and the log of all that."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.core.attempt import Attempt, Draft
from components.core.canonical import canonical_json, sha256
from components.core.endpoint import EndpointState, open_endpoints
from components.core.manifest import Kind, Manifest, ModelFacts, Reference
from components.core.request_log import RequestLog, Table
from components.core.settings import StepSettings
from components.core.store import Store

Row = dict[str, Any]
ENDPOINT = "helpdesk"
MODEL = sha256("the champion of these tests")
START = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
OPENINGS = ("Hello, my", "Since this morning the", "Please help: our", "Good day. The", "Again my", "I think that the")
PROBLEMS = (
    "does not start any more",
    "shows a blue screen after the update",
    "is very slow when I open large files",
    "asks for a password that I never had",
    "cannot be reached from the office in Leeds",
    "prints only blank pages, 3 of 4 times",
)
ENDS = ("", " Thanks!", " This is urgent.", " Can somebody look at it before noon?", " It worked yesterday.")
GERMAN = "Guten Tag, seit heute Morgen lässt sich mein Gerät nicht mehr einschalten, bitte helfen Sie mir: "


@dataclass(frozen=True)
class World:
    """What the traffic is like. Each field is something that can drift."""

    products: tuple[str, ...] = ("laptop", "printer", "router", "mailbox", "calendar", "badge")
    queues: tuple[str, ...] = ("hardware", "hardware", "network", "software", "software", "access")
    accuracy: float = 0.9
    feedback: float = 0.2  # share of the answers that somebody says something about
    corrects: float = 1.0  # share of the wrong ones, among those, that are corrected
    users: int = 400
    german: float = 0.0
    rambling: int = 0  # words that each question has besides
    numbers: float = 0.1  # share of questions with a long number in them
    failed: float = 0.01
    cut_short: float = 0.02  # share of answers that end at the limit of tokens
    slower: float = 1.0


@dataclass(frozen=True)
class Ticket:
    """A question, the answer that is right, and a wrong one."""

    text: str
    right: str
    wrong: str


def ticket(draw: random.Random, world: World) -> Ticket:
    """One question of a user."""
    at = draw.randrange(len(world.products))
    text = f"{draw.choice(OPENINGS)} {world.products[at]} {draw.choice(PROBLEMS)}.{draw.choice(ENDS)}"
    text += "".join(f" {draw.choice(PROBLEMS).split()[0]}" for _ in range(world.rambling))
    if draw.random() < world.numbers:
        text += f" Asset {draw.randrange(10**9, 10**10)}."
    if draw.random() < world.german:
        text = GERMAN + world.products[at]
    right = {"product": world.products[at], "queue": world.queues[at]}
    others = [queue for queue in world.queues if queue != right["queue"]] or ["nowhere"]
    return Ticket(text, canonical_json(right), canonical_json({**right, "queue": draw.choice(others)}))


def a_request(name: str, started: datetime, **changes: Any) -> Row:
    """A row of the request log: a question that was answered."""
    latency = changes.pop("latency_ms", 400.0)
    row: Row = {
        "request_id": name, "attempt": 1, "conversation_id": name, "unit": "u1", "key": "demo", "endpoint": ENDPOINT,
        "experiment": "", "arm": "champion", "model": MODEL, "prompt_version": "", "kind": "chat",
        "started": written(started), "ended": written(started + timedelta(milliseconds=400)),
        "messages": [{"role": "user", "content": "My laptop does not start."}], "parameters": "{}", "features": "{}",
        "response": '{"product":"laptop","queue":"hardware"}', "status": "answered", "http_status": 200, "error": "",
        "finish_reason": "stop", "prompt_tokens": 12, "completion_tokens": 14, "latency_ms": latency,
        "first_token_ms": 80.0, "sampling_probability": 1.0, "redactions": 0, "mirrored": False,
    }  # fmt: skip
    return {**row, **changes}


def a_word(request: Row, at: datetime, **changes: Any) -> Row:
    """A row of feedback on a request; by the one who asked, saying that it was right, unless something else is said."""
    name = f"f-{request['request_id']}-{changes.get('unit', request['unit'])}-{at:%H%M%S%f}"
    row: Row = {
        "feedback_id": name, "request_id": request["request_id"], "unit": request["unit"], "key": "demo",
        "role": "user", "endpoint": ENDPOINT, "at": written(at), "good": True, "correction": None, "comment": None,
        "redactions": 0,
    }  # fmt: skip
    return {**row, **changes}


def traffic(
    count: int, seed: int, world: World | None = None, since: datetime = START, model: str = MODEL
) -> tuple[list[Row], list[Row]]:
    """``count`` requests spread over a week from ``since`` on, and the feedback on them."""
    draw, world = random.Random(seed), world or World()
    asked, said = [], []
    for number in range(count):
        started = since + (WEEK - timedelta(hours=1)) * (number / max(count, 1))
        made, right = ticket(draw, world), draw.random() < world.accuracy
        answer = made.right if right else made.wrong
        latency = world.slower * draw.lognormvariate(6, 0.4)
        row = a_request(
            f"r-{seed}-{number}",
            started,
            unit=f"u{draw.randrange(world.users)}",
            model=model,
            messages=[{"role": "user", "content": made.text}],
            response=answer,
            ended=written(started + timedelta(milliseconds=latency)),
            latency_ms=latency,
            first_token_ms=latency / 5,
            prompt_tokens=len(made.text) // 4,
            completion_tokens=len(answer) // 3,
            finish_reason="length" if draw.random() < world.cut_short else "stop",
        )
        if draw.random() < world.failed:
            row |= {"status": "failed", "http_status": 502, "response": None, "finish_reason": None}
        asked.append(row)
        if row["status"] == "answered" and draw.random() < world.feedback:
            said.append(_opinion(row, made, right, draw, world))
    return asked, said


def _opinion(row: Row, made: Ticket, right: bool, draw: random.Random, world: World) -> Row:
    at = datetime.fromisoformat(row["started"]) + timedelta(minutes=5)
    correction = None if right or draw.random() >= world.corrects else made.right
    return a_word(row, at, good=right, correction=correction)


def conversations(count: int, seed: int, world: World | None = None) -> list[Row]:
    """What a model for this world would be trained on."""
    draw, world = random.Random(seed), world or World()
    found = []
    for number in range(count):
        made = ticket(draw, world)
        messages = [{"role": "user", "content": made.text}, {"role": "assistant", "content": made.right}]
        found.append({"id": f"c-{seed}-{number}", "messages": messages, "group": "", "meta": "{}"})
    return found


def write_partition(
    log: RequestLog,
    table: Table,
    rows: Sequence[Row],
    sealed: datetime,
    name: str = "gateway-1",
    endpoint: str = ENDPOINT,
) -> str:
    """Puts rows into the log as one partition, and says its key."""
    key = log.key(endpoint, table, sealed, name)
    log.write(key, [json.dumps(row).encode() for row in rows])
    return key


def write_week(
    log: RequestLog, number: int, count: int, seed: int, world: World | None = None, model: str = MODEL
) -> datetime:
    """Puts a week of traffic into the log, the first being number 0; says when it ends."""
    since = START + number * WEEK
    asked, said = traffic(count, seed, world, since, model)
    until = since + WEEK
    write_partition(log, Table.REQUESTS, asked, until - timedelta(minutes=30))
    if said:
        write_partition(log, Table.FEEDBACK, said, until - timedelta(minutes=29))
    return until


def written(moment: datetime) -> str:
    """A moment as the log has it."""
    return moment.isoformat(timespec="microseconds")


def trained_model(store: Store, trained_on: Sequence[Row], folder: Path) -> Manifest:
    """A model in the store, made from conversations through tokens as the lifecycle makes one."""
    attempt = Attempt(store, "format")
    with attempt.rows(Kind.CONVERSATIONS) as rows:
        for row in trained_on:
            rows.append(row)
    data = attempt.commit(
        {"conversations": Draft(Kind.CONVERSATIONS, rows)}, settings=StepSettings(), created=rows.rows
    ).manifests["conversations"]
    attempt = Attempt(store, "tokenise")
    with attempt.rows(Kind.TOKENS) as tokens:
        tokens.append({"id": "c", "input_ids": [1], "loss_mask": [1]})
    made = attempt.commit(
        {"tokens": Draft(Kind.TOKENS, tokens)}, settings=StepSettings(), inputs={"conversations": data}, created=1
    ).manifests["tokens"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_text(data.digest)
    facts = ModelFacts(base="scratch", tokenizer_digest="t", template_digest="c")
    parent = {"tokens": made}
    for step, role in (("finetune", "trained"), ("export", "exported")):
        attempt = Attempt(store, step)
        draft = Draft(Kind.MODEL, attempt.upload(role, folder), model=facts)
        parent = attempt.commit({role: draft}, settings=StepSettings(), inputs=parent).manifests
    return parent["exported"]


def serves(endpoints: str, model: Reference | None, changed: datetime = START, endpoint: str = ENDPOINT) -> None:
    """Says in the endpoint's record that the model should serve from that moment on."""
    state = open_endpoints(endpoints).read(endpoint)
    update = {"generation": state.generation + 1, "champion": model, "previous": state.champion}
    decision = sha256(f"{endpoint}{state.generation}")
    new: EndpointState = state.model_copy(update={**update, "decision": decision, "changed": changed.isoformat()})
    open_endpoints(endpoints).compare_and_set(new)


def changed(world: World | None = None, **changes: Any) -> World:
    """The world, with something else about it."""
    return replace(world or World(), **changes)
