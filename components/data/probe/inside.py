"""What a run rests on, seen from where steps run: the store, who they are there, what they print, and the cache."""

from __future__ import annotations

from components.core.attempt import Attempt, Outcome
from components.core.errors import Failed, InvalidInput
from components.core.report import REPORT, Report
from components.core.settings import StepSettings
from components.core.store import Store
from components.data.probe.identity import who_am_i

LINE = "sluice smoke: this line is looked for, "
"""What a step prints before the run's own word; whoever submitted it finds the whole line in the log."""


def probe(attempt: Attempt, settings: StepSettings, nonce: str, first: str, second: str, account: str) -> Outcome:
    """Checks store and account, prints the line that is looked for, and names this attempt by its word.

    ``nonce`` is new with every run, so that only this run's own second task can be answered from the cache; ``first``
    and ``second`` are the words of two equal tasks, or empty; ``account`` is who steps are to run as. Raises Failed and
    InvalidInput for the first thing that is not as it should be.
    """
    print(f"{LINE}{nonce}", flush=True)
    said = [_check_store(attempt), _check_account(account)]
    if first or second:
        said.append(_check_cache(attempt.store, first, second))
    return attempt.commit({}, settings=settings, word=attempt.id, said="; ".join(said))


def _check_store(attempt: Attempt) -> str:
    """Writes, reads and creates below the attempt, where nothing names it: a sweep takes it away."""
    store, written, created = attempt.store, f"{attempt.folder}/written", f"{attempt.folder}/created"
    store.write(written, attempt.id.encode())
    if store.read(written) != attempt.id.encode():
        raise Failed(f"store {store.uri}: gives back other bytes than were written; see what stands between")
    if not store.create(created, b"first") or store.create(created, b"second") or store.read(created) != b"first":
        raise Failed(
            f"store {store.uri}: does not keep `create if absent`, so two runs could claim the same; use a store that"
            " does: a folder, gs://… or s3://…"
        )
    return f"{store.uri} is written, read, and created in once"


def _check_account(account: str) -> str:
    """Who the step runs as. Raises InvalidInput where that is known, and not who it is to be."""
    found = who_am_i(account)
    if account and found and found != account:
        raise InvalidInput(
            f"service_account: this step runs as {found}, and the environment names {account}; see which account the"
            " service takes, or correct it in the environment file"
        )
    return f"it runs as {found}" if found else "as whom it runs cannot be told here"


def _check_cache(store: Store, first: str, second: str) -> str:
    """Two tasks of one input are one attempt, whose report every other machine can read."""
    if first != second:
        raise Failed(
            "cache: the second of two equal tasks was worked on anew; have caching enabled on the service (and run"
            " without --no-cache), or each run does everything again"
        )
    key = f"probe/{first}/{REPORT}"
    if Report.read(store.read(key), key).attempt != first:
        raise Failed(f"store {store.uri}: {key} is not the report of the task that wrote it; use another store")
    return "the second of two equal tasks came from the cache"
