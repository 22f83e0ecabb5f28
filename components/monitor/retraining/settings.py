"""Settings of ``retraining``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.core.settings import StepSettings


class Retraining(StepSettings):
    """When the model is trained again. All of it is the policy that the decision names by digest.

    The defaults of the tests are chosen by ``make bench-monitor``: with weekly windows and nothing changing at most
    one needless retraining in ten years, and a fall of ten points found within three windows of 200 labelled answers,
    once there are four such windows to compare with.
    """

    least_requests: int = Field(
        default=100,
        ge=1,
        description="Requests that a window needs to say anything (requests); fewer are an alert.",
    )
    most_failed_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Largest share of requests that may fail or be cut off without an alert (fraction).",
    )
    least_labelled: int = Field(
        default=50,
        ge=5,
        description="Labelled answers that each side of a comparison of accuracy needs (answers).",
    )
    least_drop: float = Field(
        default=0.03,
        ge=0,
        le=1,
        description="The least fall of accuracy that matters (fraction: 0.03 is three points), however sure it is.",
    )
    windows_in_a_row: int = Field(
        default=2, ge=1, le=12, description="Windows that must be suspicious one after the other (windows)."
    )
    suspicious: float = Field(
        default=0.02,
        gt=0,
        lt=0.5,
        description="p-value from which on a window's fall of accuracy is suspicious; Fisher's exact test, one-sided.",
    )
    extreme: float = Field(
        default=0.0003,
        ge=0,
        lt=0.5,
        description="p-value from which on the fall of one window is enough by itself; Fisher's exact test, one-sided.",
    )
    cumulative: float = Field(
        default=0.002,
        ge=0,
        lt=0.5,
        description="p-value, over all moments at which it may have begun (Bonferroni), of a fall that went on since.",
    )
    extreme_effect: float = Field(
        default=3.0,
        ge=1,
        description="A feature that drifted this many times the least effect needs no second window (times).",
    )
    on_data_drift: Literal["retrain", "alert", "wait"] = Field(
        default="alert", description="What follows when the data drifted and too few labels say whether it matters."
    )
    unlabelled_days: float = Field(
        default=42,
        gt=0,
        le=3650,
        description="How long after a release too few labels for a word on accuracy are no alert (days).",
    )
    least_corrections: int = Field(
        default=20,
        ge=0,
        description="Corrected answers since the last retraining without which there is nothing to learn (answers).",
    )
    cool_down_hours: float = Field(default=168, ge=0, description="Least time between two retrainings (hours).")
    runs_a_month: int = Field(default=4, ge=0, description="Most retrainings in 30 days; 0: never, alerts only.")
    cpu_hours_a_month: float = Field(
        default=100, ge=0, description="Most that retrainings may cost in 30 days (CPU-hours, as the reports count)."
    )
    known_faults: tuple[str, ...] = Field(
        default=(), description="Codes of a window's faults that people know of, and that alert nobody."
    )
    look_back: int = Field(
        default=60, ge=1, le=1000, description="Most windows since the release that are looked at (windows)."
    )
    valid_hours: float = Field(
        default=24, gt=0, le=168, description="How long a decision to retrain may be acted on (hours)."
    )
