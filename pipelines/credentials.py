"""Secrets are written by reference (``secret://NAME``); a literal that looks like one is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipelines.located_yaml import Located, Route

_LOOKS_SECRET = re.compile(
    r"hf_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|AIza[0-9A-Za-z_-]{30,}|sk-[A-Za-z0-9_-]{20,}"
    r"|ya29\.[0-9A-Za-z_-]{20,}|xox[baprs]-[0-9A-Za-z-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@]+:[^/\s@]+@"
)
_SECRET_NAME = re.compile(r"(^|_)(token|password|passwd|secret|api_key|access_key|private_key|credentials?)$")


def complaints(located: Located) -> list[str]:
    """A line for each value that looks like a credential; the value is not repeated."""
    return [
        f"{located.place(route)}: {'.'.join(map(str, route))}: looks like a secret in clear; put it where the"
        " environment keeps secrets and write secret://NAME here"
        for route, text in _texts(located.value, ())
        if _is_secret(route, text)
    ]


def _is_secret(route: Route, text: str) -> bool:
    if text.startswith(("secret://", "env://")) or not text:
        return False
    named = bool(route) and isinstance(route[-1], str) and bool(_SECRET_NAME.search(route[-1].lower()))
    return named or bool(_LOOKS_SECRET.search(text))


def _texts(value: Any, route: Route) -> Iterator[tuple[Route, str]]:
    if isinstance(value, str):
        yield route, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*route, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*route, index))
