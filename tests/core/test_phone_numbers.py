"""What is left to the library, and that nothing is lost by it."""

from __future__ import annotations

import random

import phonenumbers
import pytest

from components.core import phone_numbers
from components.core.personal_data import PersonalData, personal_data
from components.core.phone_numbers import Matcher

REGIONS = ("US", "GB", "DE", "IN", "IT", "AU", "BR", "MX", "AR", "AG", None)
BETWEEN = ("", "", "", " ", "-", "/", ".", " (", ") ", "\u00a0")
EXAMPLES = [phonenumbers.example_number(region) for region in sorted(phonenumbers.SUPPORTED_REGIONS)]


def found(matcher: phonenumbers.PhoneNumberMatcher) -> list[tuple[int, int]]:
    return [(phone.start, phone.end) for phone in matcher]


def a_number(choice: random.Random) -> str:
    """One that somebody may have, as it may be dialled, or digits and what may separate them."""
    digits = "".join(choice.choice("0123456789") + choice.choice(BETWEEN) for _ in range(choice.randint(6, 16)))
    if choice.random() < 0.5:
        return digits
    number = phonenumbers.format_number(choice.choice(EXAMPLES), choice.randrange(3))
    if choice.random() < 0.4:
        number = choice.choice(("00", "011", "0011", "00 ", "0", "1")) + number.lstrip("+")
    return number[:-1] + choice.choice("0123456789") if choice.random() < 0.3 else number


@pytest.mark.parametrize("region", REGIONS)
def test_the_library_itself_finds_nothing_else(region: str | None) -> None:
    choice = random.Random(f"numbers of {region}")
    count = 0
    for _ in range(800):
        text = a_number(choice) + choice.choice((" ", "/", "-")) + choice.choice(("1", a_number(choice)))
        text = choice.choice(("", "", "+", "+ ")) + text.replace("+", "")
        ours = found(Matcher(text, region))
        assert ours == found(phonenumbers.PhoneNumberMatcher(text, region)), text
        count += len(ours)
    assert count > 50


@pytest.mark.parametrize("text", ["+006478622724", "+004958323320", "٠٢٠ ٧٩٤٦ ٠٠١٨", "+١٢٠٢٥٥٥٠١٤٣", "00 49 30 23125"])
def test_odd_ways_to_write_one_are_found(text: str) -> None:
    assert found(Matcher(text, "GB")) == [(0, len(text))]


@pytest.mark.parametrize("text", ["+" + "1/" * 5000, "1234567;" * 1000, "12/34-56 7;" * 1000, "+" + "9 " * 5000])
def test_what_no_plan_allows_is_not_parsed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that are all candidates took 40 µs a character."""
    parsed = []

    def parse(self: Matcher, candidate: str, offset: int) -> None:
        parsed.append((candidate, offset))

    monkeypatch.setattr(phone_numbers.PhoneNumberMatcher, "_parse_and_verify", parse)
    assert personal_data(text, PersonalData()) == []
    assert len(parsed) <= 2
