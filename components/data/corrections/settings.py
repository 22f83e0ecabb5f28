"""Settings of ``corrections``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Corrections(StepSettings):
    """What may be learned from traffic. Feedback is an attack surface: what does not pass stays in quarantine.

    Who owns A accounts has a part in A · ``rows_a_user`` texts at most, and a row takes ``agree`` accounts: so
    A · ``rows_a_user`` / ``agree`` rows at most are theirs, and never more than ``share`` of the set.
    """

    learn: bool = Field(
        default=False,
        description="Whether corrections become training data at all; the training side is cleaned once more then.",
    )
    agree: int = Field(default=2, ge=1, le=100, description="Users who must say the same; one, if trusted (users).")
    rows_a_user: int = Field(default=20, ge=1, description="Most rows that one user has a part in (rows).")
    rows_a_trusted_user: int = Field(
        default=500, ge=1, description="The same for who speaks with a trusted key: a stolen one is no blank cheque."
    )
    share: float = Field(default=0.3, ge=0, le=1, description="Largest share of the set from traffic (fraction).")
    longest: int = Field(
        default=4000, ge=1, description="Longest correction (characters); a longer one is no correction but an essay."
    )
    new_value_users: int = Field(
        default=0,
        ge=0,
        description="Users who must have given an answer that no document has, in whatever rows, before untrusted ones"
        " may teach it (users). 0, the default: a text's answer is nearly always new; set it for labels.",
    )
    licence: str = Field(
        default="LicenseRef-terms-of-use",
        min_length=1,
        description="Licence of what users write, as your terms of use say, by an SPDX identifier.",
    )
