"""Holds documents against what is expected of them: rows that do not meet it are rejected, or the input is refused."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from components.core.attempt import Attempt, Draft, Outcome
from components.core.canonical import canonical_json
from components.core.errors import InvalidInput, did_you_mean
from components.core.manifest import Kind, Manifest
from components.core.report import Figure
from components.core.rows import SCHEMAS, Row
from components.data.validate.gallery import Gallery, Verdict
from components.data.validate.settings import Expectation, Validate

_COLUMNS = SCHEMAS[Kind.DOCUMENTS].names
_META = "meta."
_EXAMPLES = 3
_SHOWN = 60  # characters of a value in a sentence


@dataclass
class Check:
    """An expectation and what has been found of it so far."""

    expectation: Expectation
    name: str
    order: int
    looked_at: int = 0
    unmet: int = 0
    met: bool = True
    about_rows: bool = True
    observed: Any = None
    examples: list[str] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Counts what one batch gave."""
        self.looked_at += verdict.looked_at
        self.unmet += len(verdict.unmet)
        self.about_rows = verdict.about_rows
        self.met = self.met and verdict.met
        self.observed = verdict.observed

    @property
    def share(self) -> float:
        """The share of rows with a value that meet the expectation (fraction)."""
        return 1 - self.unmet / self.looked_at if self.looked_at else 1.0

    @property
    def failed(self) -> bool:
        """Whether the input must be refused."""
        if not self.about_rows:
            return not self.met
        mostly = self.expectation.mostly
        least = mostly if mostly is not None else float(self.expectation.action == "fail")
        return self.share < least


class Unfit:
    """Reason and detail for each row, by its position, that is to be rejected; the first expectation gives them."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[int, str, str]] = {}

    def add(self, position: int, check: Check, value: Any) -> None:
        """Marks a row that does not meet a check."""
        found = (check.order, check.name, f"{check.expectation.column} is {_shown(value)}")
        self._found[position] = min(found, self._found.get(position, found))

    def take(self, position: int) -> tuple[str, str] | None:
        """Reason and detail for a row, None for a good one."""
        found = self._found.pop(position, None)
        return found[1:] if found else None


def validate(attempt: Attempt, documents: Manifest, settings: Validate) -> Outcome:
    """Keeps the documents that meet every expectation. Output: ``validated``, documents.

    Raises InvalidInput when an expectation whose action is ``fail`` is not met, when one is met by fewer rows than
    its ``mostly``, and when it names a column that there is not.
    """
    _refuse_unknown_columns(attempt, documents, settings)
    gallery, checks, unfit = Gallery(), _checks(settings), Unfit()
    by_row = [check for check in checks if gallery.is_row_by_row(check.expectation)]
    for check in checks:
        if check not in by_row:
            _judge_whole_column(attempt, documents, check, gallery, unfit)
    with attempt.rows(Kind.DOCUMENTS, "validated") as validated:
        start = 0
        for batch in attempt.read(documents):
            rows = batch.to_pylist()
            for check in by_row:
                _judge(check, [_cell(row, check.expectation.column) for row in rows], start, gallery, unfit)
            for position, row in enumerate(rows, start):
                if reason := unfit.take(position):
                    attempt.reject(row, *reason)
                else:
                    validated.append(row)
            start += len(rows)
    _account(attempt, checks)
    return attempt.commit(
        {"validated": Draft(Kind.DOCUMENTS, validated, sources=documents.sources)},
        settings=settings,
        inputs={"documents": documents},
        rows_in=documents.rows,
    )


def short_name(expectation: Expectation) -> str:
    """What a rejection is called: `text_match_regex` for `expect_column_values_to_match_regex` on `text`."""
    kind = expectation.type
    for start in ("expect_column_values_to_", "expect_column_value_", "expect_column_"):
        kind = kind.removeprefix(start)
    return f"{expectation.column}_{kind}"


def _checks(settings: Validate) -> list[Check]:
    checks: list[Check] = []
    for order, expectation in enumerate(settings.expectations):
        name = short_name(expectation)
        same = sum(1 for check in checks if short_name(check.expectation) == name)
        checks.append(Check(expectation, f"{name}_{same + 1}" if same else name, order))
    return checks


def _refuse_unknown_columns(attempt: Attempt, documents: Manifest, settings: Validate) -> None:
    known = set(_COLUMNS)
    if any(expectation.column.startswith(_META) for expectation in settings.expectations):
        for batch in attempt.read(documents, ["meta"]):
            for meta in batch.column(0).to_pylist():
                known.update(f"{_META}{key}" for key in json.loads(meta))
    for expectation in settings.expectations:
        if expectation.column not in known:
            columns = ", ".join(sorted(known))
            raise InvalidInput(
                f"validate.expectations: {expectation.type}: no column {expectation.column}; there are {columns}"
                f"{did_you_mean(expectation.column, known)}"
            )


def _judge_whole_column(attempt: Attempt, documents: Manifest, check: Check, gallery: Gallery, unfit: Unfit) -> None:
    """Holds one expectation that needs all rows against its column, the only one that is held in memory."""
    column = check.expectation.column
    name = "meta" if column.startswith(_META) else column
    values = [_cell(row, column) for batch in attempt.read(documents, [name]) for row in batch.to_pylist()]
    _judge(check, values, 0, gallery, unfit)


def _judge(check: Check, values: list[Any], start: int, gallery: Gallery, unfit: Unfit) -> None:
    expectation = check.expectation
    verdict = gallery.judge(expectation, values)
    check.add(verdict)
    unmet = list(verdict.unmet)
    if expectation.type.endswith("_to_be_unique") and expectation.action == "reject":
        unmet = _behind_the_first(unmet, values)
    for index in unmet:
        if len(check.examples) < _EXAMPLES:
            check.examples.append(f"row {start + index + 1}: {_shown(values[index])}")
        if expectation.action == "reject":
            unfit.add(start + index, check, values[index])


def _behind_the_first(indices: list[int], values: list[Any]) -> list[int]:
    """All but the first of each value: a duplicate is rejected, and what it duplicates is kept."""
    seen: set[str] = set()
    behind = []
    for index in indices:
        if canonical_json(values[index]) in seen:
            behind.append(index)
        seen.add(canonical_json(values[index]))
    return behind


def _cell(row: Row, column: str) -> Any:
    return json.loads(row["meta"]).get(column[len(_META) :]) if column.startswith(_META) else row[column]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _account(attempt: Attempt, checks: list[Check]) -> None:
    """Leaves a figure for each expectation: the share that meets it, or what was observed.

    Raises InvalidInput, naming all that failed, when one did.
    """
    for check in checks:
        if check.about_rows:
            attempt.figures[check.name] = Figure(value=round(100 * check.share, 4), unit="%")
        elif isinstance(check.observed, float) and math.isfinite(check.observed):
            attempt.figures[check.name] = Figure(value=check.observed)
    failed = [_sentence(check) for check in checks if check.failed]
    if failed:
        raise InvalidInput(f"validate: {'; '.join(failed)}; mend the source, or the expectation in the recipe")


def _sentence(check: Check) -> str:
    name = f"{check.expectation.type} on {check.expectation.column}"
    if not check.about_rows:
        return f"{name} is not met: observed {_shown(check.observed)}"
    return f"{name} is not met by {check.unmet} of {check.looked_at} rows ({'; '.join(check.examples)})"
