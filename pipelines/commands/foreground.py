"""Services in the foreground: they have no end of their own, so being told to stop is how they end well."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def until_stopped(said: str) -> Iterator[None]:
    """Has SIGTERM end what is inside as Ctrl-C does, and makes either a clean end: it says ``said``, exit code 0.

    Whatever is inside has cleaned up by then. Everywhere else Ctrl-C breaks something off, which is 130.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\n{said}", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)
