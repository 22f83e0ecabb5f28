from __future__ import annotations

import pytest

from components.core.errors import InvalidInput
from components.core.personal_data import check_regions, masked, personal_data, replaced, without_personal_data
from components.data.redact.settings import Redact

SETTINGS = Redact(regions=("US", "GB", "DE", "FR", "IN"))

PERSONAL = [
    ("Write to anna.schmidt+news@mail.example.co.uk please", "Write to <EMAIL> please"),
    ("mail:bob@example.org.", "mail:<EMAIL>."),
    ("<carol_1@example.com>, or Dave <dave@example.com>", "<<EMAIL>>, or Dave <<EMAIL>>"),
    ("jürgen@münchen.example", "<EMAIL>"),
    ("12345678@example.com", "<EMAIL>"),
    ("Call +1 202-555-0143 now", "Call <PHONE> now"),
    ("Call (202) 555-0143 now", "Call <PHONE> now"),
    ("my number is 202.555.0143", "my number is <PHONE>"),
    ("my number is 2025550143.", "my number is <PHONE>."),
    ("ring 020 7946 0018 after six", "ring <PHONE> after six"),
    ("ring +44 20 7946 0018, or 07700 900123", "ring <PHONE>, or <PHONE>"),
    ("Tel. 030 23125 123", "Tel. <PHONE>"),
    ("Tel.: 030/23125123", "Tel.: <PHONE>"),
    ("mobil 0151 23456789", "mobil <PHONE>"),
    ("+49 (0)30 23125-123", "<PHONE>"),
    ("tél 01 42 68 53 00", "tél <PHONE>"),
    ("WhatsApp +91 98765 43210", "WhatsApp <PHONE>"),
    ("phone no. 098765 43210", "phone no. <PHONE>"),
    ("order 4711: call +12025550143", "order 4711: call <PHONE>"),
    ("+81 3-1234-5678 in Tokyo, though Japan is not listed", "<PHONE> in Tokyo, though Japan is not listed"),
]
HARMLESS = [
    "order 2025550143 is late",
    "Order no. 2025550143",
    "order number: 02079460018",
    "invoice #2025550143",
    "INV-2025550143",
    "ticket 030 23125123 is open",
    "my tracking number is 2025550143",
    "reference 0151-23456789",
    "on 2026-01-31 10:30:00 it broke",
    "from 31.01.2026 to 28.02.2026",
    "31/01/2026 or 01-31-2026",
    "it cost $2025550143",
    "a budget of 2025550143 EUR",
    "€ 1.234.567,89 in total",
    "1.234.567 people",
    "pi is 3.14159265358",
    "the host 192.168.100.12 is down",
    "at 1700000000 seconds",
    "1700000000000 ms since the epoch",
    "card 4111 1111 1111 1111",
    "4111 1111 1111 1111 was charged",
    "sha 5d41402abc4b2a76b9719d911017c592",
    "version 2.10.3.20250143",
    "rooms 101 102 103 104",
    "12 of 1500 rows in 20 seconds",
    "isbn 978-3-16-148410-0",
    "price@home and @handle",
    "a@b",
]


@pytest.mark.parametrize(("text", "expected"), PERSONAL)
def test_addresses_and_numbers_are_found(text: str, expected: str) -> None:
    assert without_personal_data(text, SETTINGS) == expected


@pytest.mark.parametrize("text", HARMLESS)
def test_orders_dates_and_amounts_are_left_alone(text: str) -> None:
    assert without_personal_data(text, SETTINGS) == text


def test_a_masked_text_shows_where_and_not_what() -> None:
    text = "call 202-555-0143 or bob@example.org"
    assert replaced(text, personal_data(text, SETTINGS), masked) == "call •••-•••-•••• or •••@•••••••.•••"


def test_own_words_for_other_numbers_can_be_given() -> None:
    assert without_personal_data("Zähler 030 23125123", SETTINGS) == "Zähler <PHONE>"
    assert without_personal_data("Zähler 030 23125123", SETTINGS.model_copy(update={"other_numbers": ("zähler",)})) == (
        "Zähler 030 23125123"
    )


def test_an_unknown_country_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"redact.regions: 'Germany' is no country's code"):
        check_regions(Redact(regions=("Germany",)))
