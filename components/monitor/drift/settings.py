"""Settings of ``drift``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Drift(StepSettings):
    """When a feature counts as drifted: significant over all features together, and far enough apart."""

    alpha: float = Field(
        default=0.001,
        gt=0,
        lt=0.5,
        description="Family-wise error a window (probability); Holm 1979.",
    )
    reference_windows: int = Field(
        default=1, ge=1, le=52, description="Windows after a release that later ones are compared with (windows)."
    )
    against_training: bool = Field(
        default=True, description="Whether a window is compared with what the model was trained on, and must be."
    )
    training_rows: int = Field(
        default=4000, ge=100, le=200_000, description="Most conversations of the training data that are looked at."
    )
    least_rows: int = Field(
        default=50, ge=10, le=100_000, description="Fewest rows on either side that a feature is compared on."
    )
    least_amount: float = Field(
        default=0.2,
        gt=0,
        description="Least effect of a number: Wasserstein distance in standard deviations of the reference, of"
        " log(1 + x); 0.2 is a small effect by Cohen 1988, section 2.2.",
    )
    least_share: float = Field(
        default=0.02, gt=0, lt=1, description="Least effect of a share of a text: Wasserstein distance (fraction)."
    )
    least_category: float = Field(
        default=0.1,
        gt=0,
        lt=0.83,
        description="Least effect of a category: Jensen-Shannon distance (0 to 0.83); 0.1 is about w = 0.3, a medium"
        " effect by Cohen 1988, section 7.2.",
    )
    categories: int = Field(
        default=30, ge=2, le=1000, description="Most classes of a category that are compared; rarer ones are `other`."
    )
    fields: int = Field(
        default=8, ge=0, le=32, description="Most fields of JSON answers that are each a feature; the most frequent."
    )
    stale_hours: float = Field(
        default=48, gt=0, le=8760, description="Age of the last request at the window's end above which it is stale."
    )
    one_user_share: float = Field(
        default=0.9, gt=0.5, le=1, description="Share of requests, or of words about answers, that is `one user`."
    )
    one_user_least: int = Field(
        default=20, ge=2, le=10_000, description="Fewest requests, or words, of which such a share says anything."
    )
