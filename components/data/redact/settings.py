"""Settings of ``redact``."""

from __future__ import annotations

from components.core.personal_data import PersonalData


class Redact(PersonalData):
    """What counts as personal data. Numbers with ``+`` and a country's code are found whatever the regions."""
