"""What is said, printed and written, without the secrets that this process knows: libraries print and log what they
were given, and a service repeats in its error what it was sent.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import quote

SCHEME = "secret://"
"""What begins a reference to a secret, which is none itself."""
SHORTEST = 8
"""Characters that a value must have to be looked for in a text: a shorter one is part of many words."""
_HOLDS_ONE = re.compile(r"SLUICE_SECRET_\w+|\w*(TOKEN|PASSWORD|PASSWD|SECRET|KEY|WEBHOOK\w*)")
_SHOWN = re.compile(r"(?P<before>\b[Bb]earer\s+)[\w.~+/=%-]{16,}|\bya29\.[\w.+/=%-]+|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
"""Tokens that a client fetches and renews by itself: in a header, Google's, and those that are signed JSON."""
_given: set[str] = set()
"""Values that came from a vault or a file: no variable has them."""


def remember(value: str) -> str:
    """Takes note of a secret that no variable has; gives it back."""
    _given.add(value)
    return value


def masked(text: str) -> str:
    """A text that others may quote without the secrets that this process knows, as they are or as in an address."""
    for value in sorted(set(_values()), key=len, reverse=True):
        text = text.replace(value, "[secret]")
    return _SHOWN.sub(lambda found: f"{found['before'] or ''}[secret]", text)


def quoted(text: str, limit: int = 300) -> str:
    """What somebody else says, for a sentence of ours: one line, masked before it is cut, for half a secret is one."""
    return " ".join(masked(text).split())[:limit]


def _values() -> Iterator[str]:
    held = {value for name, value in os.environ.items() if _HOLDS_ONE.fullmatch(name)}
    for value in held | _given:
        if len(value) >= SHORTEST and not value.startswith(SCHEME):
            yield value
            yield quote(value, safe="")


class Masked:
    """A stream whose texts are masked on their way to another one; a value that is written in pieces is not known."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes a text."""
        self._stream.write(masked(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def masked_output() -> Iterator[None]:
    """Masks what is printed and logged while the block runs, and what Python prints of an error that ends it."""
    out: Any = Masked(sys.stdout)
    err: Any = Masked(sys.stderr)
    streams = {id(sys.stdout): out, id(sys.stderr): err}
    with ExitStack() as stack:
        for handler in logging.root.handlers:
            if isinstance(handler, logging.StreamHandler) and id(handler.stream) in streams:
                stack.callback(handler.setStream, handler.setStream(streams[id(handler.stream)]))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        try:
            yield
        except Exception:
            sys.excepthook = _print_masked  # nobody catches it: the process ends
            raise


def _print_masked(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(masked("".join(traceback.format_exception(kind, error, trace))))
