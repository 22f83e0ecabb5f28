"""Notifications: a webhook in Slack's shape, for what people want to hear of without looking.

A receiver that is dead, slow or rude fails nothing: it is told in one line on the standard error. The address is a
secret, since whoever knows it can write to the channel, and is never printed.

A run's end is told of once, by whoever sees it first and can: those who follow it, or the dispatcher. The claim is an
object in the store, made before anything is sent: rather never than twice.
"""

from __future__ import annotations

import html
import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from components.core.errors import SluiceError
from components.core.moment import parse_moment
from components.core.run import Run, State
from components.core.store import Store
from pipelines.environment import Environment
from pipelines.references import value_of

T = TypeVar("T")
SECONDS, TRIES = 3.0, 2
VAULT_SECONDS = 15.0
"""How long a vault may take to give the address, Google's client loaded and all."""
NEWS = timedelta(days=1)
"""A dispatcher that was away for a day still tells of what ended meanwhile; one that is new, of nothing older."""
MOST_CHARACTERS = 2_900
"""A block of Slack's holds 3,000 characters of text."""


class What(StrEnum):
    """What people are told of."""

    FAILED = "failed run"
    REFUSED = "refused gate"
    HELD = "held run"
    ALERT = "alert"
    RETRAINING = "retraining"


@dataclass(frozen=True)
class Event:
    """Something that people are told of."""

    what: What
    text: str
    run: str = ""


def events_of(run: Run) -> list[Event]:
    """What people are told of a run that has ended; nothing where all is as it should be, or somebody ended it."""
    if run.state is State.FAILED:
        return [Event(What.FAILED, run.error or "it failed and did not say why", run.run)]
    if run.state is State.REFUSED:
        return [Event(What.REFUSED, run.outcome, run.run)]
    if run.state is State.HELD:
        return [Event(What.ALERT if run.graph == "monitoring" else What.HELD, run.outcome, run.run)]
    if run.state is State.DONE and run.graph == "monitoring" and run.requests:
        return [Event(What.RETRAINING, run.outcome, run.run)]
    return []


def tell_of(run: Run, environment: Environment) -> None:
    """Notifies whom a run's end concerns, unless somebody else did; raises nothing, as ``notify``."""

    def is_ours() -> bool:
        return Store(environment.store).create(f"runs/{run.run}/notified", b"")

    for event in events_of(run):
        notify(environment, event, is_ours)


def is_news(run: Run, now: datetime) -> bool:
    """Whether a run has ended so lately that people want to hear of it from one who did not follow it."""
    return run.state.final and bool(run.ended) and now - parse_moment(run.ended) < NEWS


def notify(environment: Environment, event: Event, is_ours: Callable[[], bool] = lambda: True) -> bool:
    """Tells people of an event, if the environment names a webhook; says whether the receiver took it.

    Takes six seconds at most, besides what a vault takes that has the address, and raises nothing: what goes wrong is a
    line on the standard error. ``is_ours`` claims the event, once it is known that it can be sent from here.
    """
    if not environment.webhook:
        return False
    address, problem = _within(VAULT_SECONDS, lambda: _address(environment), lambda late: ("", late))
    try:
        if not problem and not is_ours():
            return False
    except SluiceError as error:
        problem = str(error)
    body = json.dumps(message(environment.name, event)).encode()
    for _ in range(0 if problem else TRIES):
        problem, again = _within(SECONDS, lambda: _send(address, body), lambda late: (late, True))
        if not again:
            break
    if problem:
        click.echo(f"notification ({event.what}) did not arrive: {problem}", err=True)
    return not problem


def message(environment: str, event: Event) -> dict[str, Any]:
    """The event in Slack's shape. Texts come from models and users: nothing in them is a link, or calls somebody."""
    title = f"Sluice, {environment}: {event.what}"
    text = event.text[:MOST_CHARACTERS] or "(no words)"
    return {
        "text": html.escape(f"{title}: {text}", quote=False),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title[:150]}},
            {"type": "section", "text": {"type": "plain_text", "text": text}},
            *([{"type": "context", "elements": [{"type": "plain_text", "text": event.run}]}] if event.run else []),
        ],
    }


def _address(environment: Environment) -> tuple[str, str]:
    """Where to send, or why nothing can be sent; the address itself stays out of that."""
    reference = environment.webhook or ""
    try:
        address = value_of(reference, environment)
    except SluiceError as error:
        return "", str(error)
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    return (address, "") if sound else ("", f"{reference} holds no address of a webhook; put one there")


def _within(seconds: float, work: Callable[[], T], otherwise: Callable[[str], T]) -> T:
    """What ``work`` gives, or what is given for the sentence that it took longer: who drips an answer gets no more."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else otherwise(f"no answer within {seconds:g} seconds")


def _send(address: str, body: bytes) -> tuple[str, bool]:
    """Posts once, following no redirection: it would carry the message to somebody whom nobody named."""
    parts = urlsplit(address)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=SECONDS)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    try:
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        status = connection.getresponse().status
    except TimeoutError:
        return f"no answer within {SECONDS:g} seconds", True
    except (OSError, http.client.HTTPException, ValueError) as error:
        # An exception's own text may hold the address.
        reason = getattr(error, "strerror", None) or type(error).__name__
        return f"the receiver cannot be reached: {reason}", True
    finally:
        connection.close()
    if 300 <= status < 400:
        return f"the receiver answered {status}, a redirection, which is not followed", False
    return ("", False) if status < 300 else (f"the receiver answered {status}", status >= 500)
