"""Google's matcher of phone numbers, asked only about what the numbering plans leave possible.

``phonenumbers`` takes 30 µs for a candidate, and a text can be all candidates. One regular expression for each calling
code, made of the library's own patterns, says first whether a valid number could be in there at all; what that lets
through the library decides, so that what is found is what it finds.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberMatcher
from phonenumbers.re_util import enable_pattern_cache

_TYPES = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan",
    "voicemail",
)  # fmt: skip
_LONGEST_CODE = 3
_NOTHING = re.compile(r"(?!)")
# Python keeps 512 expressions and the world's plans have more: numbers of many countries took 70 µs a character.
enable_pattern_cache()


class Matcher(PhoneNumberMatcher):
    """The valid phone numbers in ``text``, which holds digits and what separates them; as the library finds them."""

    def __init__(self, text: str, region: str | None) -> None:
        super().__init__(text, region)
        self._region = region

    def _extract_match(self, candidate: str, offset: int) -> Any:
        return super()._extract_match(candidate, offset) if may_hold_phone(candidate, self._region) else None

    def _parse_and_verify(self, candidate: str, offset: int) -> Any:
        return super()._parse_and_verify(candidate, offset) if _may_be(candidate, self._region) else None


def may_hold_phone(text: str, region: str | None) -> bool:
    """Whether a valid number could be somewhere in ``text``, which holds digits and what separates them."""
    digits = _digits(text)
    if text.startswith("+"):
        code = _calling_code(digits)
        if code is None or _plan(code).transforms or _plan(code).inside.search(digits):
            return True
    plan = _plan_of(region)
    return bool(plan.transforms or plan.inside.search(digits) or plan.abroad.search(digits))


def _may_be(text: str, region: str | None) -> bool:
    """Whether ``text`` as a whole could be a valid number."""
    digits, own = _digits(text), _plan_of(region)
    code = _calling_code(digits) if text.startswith("+") else None
    if code is None and (abroad := own.abroad.match(digits)):
        digits = digits[abroad.end() :]
        code = _calling_code(digits)
    plan = own if code is None else _plan(code)
    return bool(plan.transforms or plan.whole.fullmatch(digits))


class _Plan:
    """The valid numbers of a calling code: ``inside`` other digits, and ``whole`` as they are dialled.

    ``transforms``: what is dialled may be unlike the number, so that only the library can say.
    """

    def __init__(self, code: int, main: Any = None) -> None:
        patterns = set()
        for region in COUNTRY_CODE_TO_REGION_CODE.get(code, ()):
            metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
            found = [getattr(metadata, name) for name in _TYPES]
            patterns |= {one.national_number_pattern for one in found if one and one.national_number_pattern}
        number = "|".join(sorted(patterns)) or "(?!)"
        prefix = (main and main.national_prefix_for_parsing) or ""
        self.inside = re.compile(number)
        self.whole = re.compile(rf"(?:{code})?(?:{prefix})?(?:{number})")
        self.abroad = re.compile(main.international_prefix) if main and main.international_prefix else _NOTHING
        self.transforms = bool(main and main.national_prefix_transform_rule)


@cache
def _plan(code: int) -> _Plan:
    region = COUNTRY_CODE_TO_REGION_CODE[code][0]
    return _Plan(code, PhoneMetadata.metadata_for_region_or_calling_code(code, region))


@cache
def _plan_of(region: str | None) -> _Plan:
    """The plan of a country; without one, nothing is a number that has no code before it."""
    metadata = PhoneMetadata.metadata_for_region(region, None) if region else None
    return _Plan(metadata.country_code or 0, metadata) if metadata else _Plan(0)


def _calling_code(digits: str) -> int | None:
    """The country's code that digits begin with: none is the beginning of another."""
    for length in range(1, _LONGEST_CODE + 1):
        code = int(digits[:length] or 0)
        if code in COUNTRY_CODE_TO_REGION_CODE and digits[0] != "0":
            return code
    return None


def _digits(text: str) -> str:
    digits = "".join(filter(str.isdecimal, text))
    return digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)
