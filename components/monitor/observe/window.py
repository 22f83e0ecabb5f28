"""Takes what the request log gained since the last window, and what people said of it meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from components.core.attempt import Attempt, Draft, Outcome
from components.core.manifest import Kind
from components.core.moment import minute, parse_moment
from components.core.report import Example, Figure
from components.core.request_log import RequestLog, Table
from components.core.rows import Row
from components.core.wording import counted
from components.monitor.figures import Fault
from components.monitor.observe.asked import Asked, earlier_requests, leave_out_known, survey, write
from components.monitor.observe.records import HEAD, Head, Window, window_key
from components.monitor.observe.said import Said, Voice, Word, join, last_words, listen, voice_of, write_corrected
from components.monitor.observe.settings import Observe
from components.monitor.observe.taking import Taking, take


def observe(attempt: Attempt, settings: Observe, now: str, endpoint: str, requests: str) -> Outcome:
    """The window of ``endpoint`` that ends at ``now``, out of the request log at the address ``requests``.

    Outputs: ``window``, one row a request; ``labelled``, what was said since the last window, joined to its request,
    which may be of an earlier one; ``corrected``, all corrections of the last ``learn_days``. The word names
    ``corrected``. Partitions that cannot be read are left for the next window, and named. Raises InvalidInput where
    no log is named, or ``now`` is no moment.
    """
    until = parse_moment(now)
    log, future = RequestLog(requests), timedelta(minutes=settings.future_minutes)
    taking = take(attempt.store, log, endpoint, until, settings)
    with attempt.timed("read"):
        asked = survey(attempt, log, taking, endpoint, future)
        said = listen(attempt, log, taking, endpoint, future)
    gone: dict[str, str] = {}
    joinable = until - timedelta(days=settings.join_days)
    with attempt.timed("join"):
        known, before = _look_back(attempt, taking, asked, said, joinable, gone)
    with attempt.timed("write"), attempt.rows(Kind.REQUESTS, "window") as window:
        talked_about = known | write(log, asked, window, said.requests)
    with attempt.timed("write"), attempt.rows(Kind.FEEDBACK, "labelled") as labelled:
        patient = until - timedelta(minutes=settings.wait_minutes)
        rows = join(attempt, said, talked_about, before, labelled, patient, taking.since)
    corrected = write_corrected(attempt, rows, taking.earlier, settings, until, gone)
    head = _head(attempt, endpoint, taking, gone)
    _tell(attempt, taking, asked, said, gone)
    outcome = attempt.commit(
        {
            "window": Draft(Kind.REQUESTS, window, extra=(attempt.attach("window", HEAD, head.to_bytes()),)),
            "labelled": Draft(Kind.FEEDBACK, labelled),
            "corrected": Draft(Kind.FEEDBACK, corrected),
        },
        settings=settings,
        rows_in=asked.rows + said.rows,
        created=corrected.rows,
        merged=asked.merged,
    )
    _remember(attempt, outcome, head, taking, said)
    return replace(outcome, word=outcome.manifests["corrected"].reference())


def _look_back(
    attempt: Attempt, taking: Taking, asked: Asked, said: Said, since: datetime, gone: dict[str, str]
) -> tuple[dict[str, Row], dict[Voice, Word]]:
    """Requests of earlier windows that are talked about now, and what the same users last said of the same ones."""
    sought = asked.late(taking.since) | (said.requests - set(asked.places))
    known = earlier_requests(attempt, taking.earlier, since, sought, gone)
    leave_out_known(asked, known)
    voices = {voice_of(row) for _, row in said.words}
    return known, last_words(attempt, taking.earlier, since, voices, gone)


def _remember(attempt: Attempt, outcome: Outcome, head: Head, taking: Taking, said: Said) -> None:
    """Written last: a crash before leaves the partitions to whoever takes the window again."""
    record = Window(
        endpoint=head.endpoint,
        since=head.since,
        until=head.until,
        requests=taking.taken(Table.REQUESTS),
        feedback=taking.taken(Table.FEEDBACK),
        waiting={key: tuple(ids) for key, ids in said.waiting.items()},
        outputs={role: manifest.named for role, manifest in outcome.manifests.items()},
    )
    attempt.store.create(window_key(head.endpoint, taking.until), record.to_bytes())


def _head(attempt: Attempt, endpoint: str, taking: Taking, gone: dict[str, str]) -> Head:
    since, until = taking.since.isoformat(), taking.until.isoformat()
    return Head(endpoint=endpoint, since=since, until=until, faults=_faults(attempt, taking, gone))


def _faults(attempt: Attempt, taking: Taking, gone: dict[str, str]) -> tuple[Fault, ...]:
    found = []
    if taking.unreadable:
        text = f"{counted(len(taking.unreadable), 'partition')} of the request log cannot be read:"
        text += f" {_named(taking.unreadable)}; bring back from a copy what is broken, or move it away."
        found.append(Fault(code="unreadable", text=text))
    if taking.damaged:
        text = f"{counted(len(taking.damaged), 'record')} of earlier windows cannot be read:"
        text += f" {_named(taking.damaged)} in the store. Bring back from a copy what is damaged, or remove it; until"
        text += " then no window takes what was sealed in that time."
        found.append(Fault(code="damaged_record", text=text))
    ahead = attempt.rejected["from_the_future"]
    if ahead or taking.ahead:
        text = f"From the future: {counted(ahead, 'row')} and {counted(len(taking.ahead), 'partition')} of the log;"
        found.append(Fault(code="from_the_future", text=f"{text} set the clock of the machine that wrote them."))
    if gone:
        text = f"The store has lost what {counted(len(gone), 'earlier window')} held, the last of"
        text += f" {minute(max(gone))}; late feedback on what was asked then cannot be joined."
        found.append(Fault(code="earlier_gone", text=text))
    return tuple(found)


def _named(keys: Collection[str]) -> str:
    """The first three, and how many more."""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"{', '.join(sorted(keys)[:3])}{more}"


def _tell(attempt: Attempt, taking: Taking, asked: Asked, said: Said, gone: dict[str, str]) -> None:
    partitions = sum(len(keys) for keys in taking.keys.values())
    numbers = {
        "requests": (len(asked.places), "requests"),
        "late_feedback": (said.late, "words about earlier windows"),
        "partitions": (partitions, "partitions"),
        "unreadable": (len(taking.unreadable), "partitions"),
        "hours": ((taking.until - taking.since).total_seconds() / 3600, "h"),
    }
    attempt.figures |= {name: Figure(value=value, unit=unit) for name, (value, unit) in numbers.items()}
    troubles = [
        *(taking.unreadable | taking.damaged | gone).items(),
        *((key, "sealed in the future") for key in taking.ahead),
    ]
    attempt.examples += [Example(title=name, before=why, good=False) for name, why in troubles[:20]]
