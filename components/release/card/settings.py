"""Settings of ``card``: what no evidence can say about a model."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Card(StepSettings):
    """The parts of the model card that a person writes; one that is empty refuses the release."""

    licence: str = Field(
        default="",
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9.+-]*$",
        description="Licence of the model, by its SPDX identifier, such as `apache-2.0`.",
    )
    language: str = Field(
        default="en", pattern=r"^[a-z]{2,3}$", description="Language of the model's texts (ISO 639-1, such as `en`)."
    )
    intended_use: str = Field(default="", description="What the model is for, and by whom (Mitchell et al. 2019).")
    limitations: str = Field(default="", description="What it must not be used for, and what it is known to get wrong.")
    contact: str = Field(default="", description="Who answers for it.")
