"""Services in the foreground: they have no end of their own, so being told to stop is how they end well."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def until_stopped(said: str) -> Iterator[None]:
    """Has SIGTERM end what is inside as Ctrl-C does, and makes either a clean end: it says ``said``, exit code 0.

    A shell has what it starts in the background ignore Ctrl-C; a service is told to stop there all the same.
    Whatever is inside has cleaned up by then. Everywhere else Ctrl-C breaks something off, which is 130.
    """
    told = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, signal.default_int_handler) for number in told]
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\n{said}", err=True)
    finally:
        for number, handler in zip(told, before, strict=True):
            signal.signal(number, handler)
