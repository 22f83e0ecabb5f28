"""What a step prints, without the secrets that it knows: libraries print and log what they were given."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from types import TracebackType
from typing import Any, TextIO

from components.core.secrets import masked


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
