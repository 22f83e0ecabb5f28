"""How numbers stand in sentences for people."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """A number of things: `1 request`, `2,000 requests`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
