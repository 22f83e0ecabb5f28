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
