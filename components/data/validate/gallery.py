"""Great Expectations, kept to what is wanted here: one expectation over one column, in memory, silent, offline."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from components.core.errors import InvalidInput, did_you_mean
from components.data.validate.settings import Expectation

_ACROSS_ROWS = frozenset(
    {
        "expect_column_values_to_be_unique",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_decreasing",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_not_be_outliers",
    }
)


@dataclass(frozen=True)
class Verdict:
    """What an expectation found in some values: how many were looked at, and which (by position) did not meet it; or,
    for one about the column as a whole, whether it was met and what was observed."""

    about_rows: bool
    looked_at: int
    unmet: tuple[int, ...]
    met: bool
    observed: Any = None


class Gallery:
    """All expectations that Great Expectations has for one column."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is imported, which takes seconds
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig
        from great_expectations.expectations import expectation, registry

        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        asset = context.data_sources.add_pandas("documents").add_dataframe_asset("documents")
        self._batches = asset.add_batch_definition_whole_dataframe("documents")
        self._about_rows = expectation.ColumnMapExpectation
        kinds = {
            name: registry.get_expectation_impl(name) for name in registry.list_registered_expectation_implementations()
        }
        one_column = (expectation.ColumnMapExpectation, expectation.ColumnAggregateExpectation)
        self._known = {name: kind for name, kind in kinds.items() if issubclass(kind, one_column)}

    def is_row_by_row(self, expectation: Expectation) -> bool:
        """Whether each row is judged without the others, so that batches may be judged apart."""
        return self._is_about_rows(expectation) and expectation.type not in _ACROSS_ROWS

    def judge(self, expectation: Expectation, values: Sequence[Any]) -> Verdict:
        """Holds an expectation against the values of its column.

        Raises InvalidInput when there is no such expectation, or it cannot be evaluated.
        """
        about_rows = self._is_about_rows(expectation)
        result = self._validate(expectation, values, about_rows)
        if not about_rows:
            observed = result.result.get("observed_value")
            observed = float(observed) if isinstance(observed, Real) else observed  # of numpy's types
            return Verdict(False, len(values), (), bool(result.success), observed)
        found = result.result
        looked_at = found["element_count"] - found.get("missing_count", 0)
        return Verdict(True, looked_at, tuple(found.get("unexpected_index_list") or ()), bool(result.success))

    def _validate(self, expectation: Expectation, values: Sequence[Any], about_rows: bool) -> Any:
        import pandas as pd  # type: ignore[import-untyped]

        # Values keep their types row by row; a column as a whole must be one of numbers to have a mean.
        frame = pd.DataFrame({expectation.column: pd.Series(values, dtype=object if about_rows else None)})
        batch = self._batches.get_batch(batch_parameters={"dataframe": frame})
        try:
            form = self._implementation(expectation)(column=expectation.column, **expectation.kwargs)
        except (TypeError, ValueError) as error:
            raise _unusable(expectation, " ".join(str(error).split())) from error
        result = batch.validate(form, result_format={"result_format": "COMPLETE"})
        if not result.result:
            raise _unusable(expectation, _message(result.exception_info))
        return result

    def _is_about_rows(self, expectation: Expectation) -> bool:
        return issubclass(self._implementation(expectation), self._about_rows)

    def _implementation(self, expectation: Expectation) -> Any:
        if expectation.type not in self._known:
            raise InvalidInput(
                f"validate.expectations: Great Expectations has no {expectation.type} for one column"
                f"{did_you_mean(expectation.type, self._known) or '; look into its gallery'}"
            )
        return self._known[expectation.type]


def _unusable(expectation: Expectation, why: str) -> InvalidInput:
    return InvalidInput(
        f"validate.expectations: {expectation.type} on {expectation.column} cannot be evaluated: {why}; mend its kwargs"
    )


def _message(info: dict[str, Any]) -> str:
    """The message in an exception's description, which is nested by metric in some releases."""
    if "exception_message" in info:
        return str(info["exception_message"])
    return next((_message(inner) for inner in info.values() if isinstance(inner, dict)), "no reason was given")
