"""Settings of ``redact``."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StepSettings


class Redact(StepSettings):
    """What counts as personal data. Numbers with ``+`` and a country's code are found whatever the regions."""

    regions: tuple[str, ...] = Field(
        default=("US", "GB"),
        description="Countries whose phone numbers are found as they are written there, without a country's code"
        " (ISO 3166, two letters); each one more also makes more other numbers look like phones.",
    )
    other_numbers: tuple[str, ...] = Field(
        default=(
            "account", "amount", "article", "bill", "booking", "card", "case", "claim", "contract", "customer", "ean",
            "iban", "id", "imei", "invoice", "isbn", "item", "model", "order", "parcel", "part", "policy", "po", "ref",
            "reference", "serial", "shipment", "sku", "ticket", "total", "tracking", "transaction", "vat",
        ),
        description="Words before a number that say that it is no phone number; in any case of letters.",
    )  # fmt: skip
