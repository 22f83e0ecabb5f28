"""Finds e-mail addresses and phone numbers in a text.

A cheap pattern finds what may be one; only that reaches ``phonenumbers``, Google's library, which knows the numbering
plans of all countries. What looks like a date, an amount, an order's number or a network address is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from pydantic import Field

from components.core.errors import InvalidInput
from components.core.settings import StepSettings

EMAIL, PHONE = "<EMAIL>", "<PHONE>"
_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[^\W_](?:[\w-]{0,62}\.))+[^\W\d_]{2,24}(?!\w)")
_NUMBER = re.compile(r"(?<![\w#@+])(?:\+[ ]?)?\(?\d(?:[ \u00a0.()/\u2010-\u2013-]{0,3}\d){6,}(?!\w)")
_ENOUGH_DIGITS = re.compile(r"(?:\D*+\d){7}")  # a quick look first, in one pass
_SOMETHING_ELSE = re.compile(
    r"\d{4}[-./]\d{1,2}[-./]\d{1,2}(?!\d)"  # 2026-01-31, also with a time behind it
    r"|\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d\d(?!\d)"  # 31.01.2026
    r"|\d{1,3}(?:\.\d{3})+$"  # 1.234.567
    r"|\d{1,3}(?:\.\d{1,3}){3}$"  # 192.168.10.12
    r"|\d+\.\d+$"  # 3.14159265
)
_MONEY_BEFORE = re.compile(r"(?:[$€£¥₹]|\b(?:eur|usd|gbp|chf|inr)) ?$", re.IGNORECASE)
_MONEY_BEHIND = re.compile(r",\d| ?(?:[$€£¥₹%]|(?:eur|usd|gbp|chf|inr)\b)", re.IGNORECASE)
_CONTEXT = 40  # characters before a number in which a word may say what it is
_MOST_DIGITS = 15  # of a phone number (ITU-T E.164)


class PersonalData(StepSettings):
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


class Span(NamedTuple):
    """A piece of personal data in a text, and what takes its place."""

    start: int
    end: int
    tag: str


def may_hold(text: str) -> bool:
    """A quick look: whether there could be any in ``text``, or in strings that JSON text holds unescaped."""
    return "@" in text or _ENOUGH_DIGITS.match(text) is not None


def personal_data(text: str, settings: PersonalData) -> list[Span]:
    """The e-mail addresses and phone numbers in ``text``, in their order, none over another."""
    if not may_hold(text):
        return []
    found = [Span(*match.span(), EMAIL) for match in _EMAIL.finditer(text)] if "@" in text else []
    taken = [(span.start, span.end) for span in found]
    for span in _phones(text, settings):
        if all(span.end <= start or span.start >= end for start, end in taken):
            found.append(span)
    return sorted(found)


def replaced(text: str, spans: list[Span], instead: Callable[[str, Span], str] = lambda _, span: span.tag) -> str:
    """``text`` with each span's words replaced."""
    parts, end = [], 0
    for span in spans:
        parts += [text[end : span.start], instead(text[span.start : span.end], span)]
        end = span.end
    return "".join([*parts, text[end:]])


def masked(words: str, _: Span) -> str:
    """As many dots as there are letters and digits: what a person may see of personal data."""
    return re.sub(r"\w", "•", words)


def without_personal_data(text: str, settings: PersonalData | None = None) -> str:
    """``text`` with tags in the place of personal data."""
    return replaced(text, personal_data(text, settings or PersonalData()))


def check_regions(settings: PersonalData) -> None:
    """Raises InvalidInput for a region without a numbering plan."""
    import phonenumbers

    for region in settings.regions:
        if region not in phonenumbers.SUPPORTED_REGIONS:
            raise InvalidInput(f"redact.regions: {region!r} is no country's code; use two capital letters, such as DE")


def _phones(text: str, settings: PersonalData) -> Iterator[Span]:
    from components.core.phone_numbers import Matcher, may_hold_phone

    for match in _NUMBER.finditer(text):
        words, start = match.group(), match.start()
        regions = [region for region in settings.regions or (None,) if may_hold_phone(words, region)]
        if not regions or _is_something_else(text, match, settings):
            continue
        inside: set[tuple[int, int]] = set()
        for region in regions:
            inside |= {(phone.start, phone.end) for phone in Matcher(words, region)}
            if (0, len(words)) in inside:  # no other reading is wider
                break
        yield from (Span(start + first, start + last, PHONE) for first, last in _widest(inside))


def _is_something_else(text: str, match: re.Match[str], settings: PersonalData) -> bool:
    words, start = match.group(), match.start()
    if words.startswith("+"):
        return False
    before = text[max(0, start - _CONTEXT) : start]
    return bool(
        sum(map(str.isdigit, words)) > _MOST_DIGITS
        or _SOMETHING_ELSE.match(words)
        or _MONEY_BEFORE.search(before)
        or _MONEY_BEHIND.match(text, match.end())
        or _label(settings.other_numbers).search(before)
    )


@lru_cache
def _label(words: tuple[str, ...]) -> re.Pattern[str]:
    """A word that names another sort of number, such as ``order``, at the end of what stands before a number."""
    names = "|".join(map(re.escape, words)) or r"(?!)"
    return re.compile(
        rf"(?:\b(?:{names})(?:[ _-]?(?:no|nr|num|number|id|code))?\b[\s.:#=\"'-]*(?:is |was |of )?|[\w][-_/]|#\s?)$",
        re.IGNORECASE,
    )


def _widest(spans: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans that no earlier or longer one overlaps: two regions may read one number differently."""
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept
