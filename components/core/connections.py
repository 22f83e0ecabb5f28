"""Why a connection broke, in a few words: what lies innermost in what a client of HTTP raises."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator


def why_broken(error: BaseException) -> str:
    """``Connection refused``, and not what urllib3, requests, aiohttp and botocore wrap it in."""
    found = [error]
    for one in found:  # grows meanwhile
        found += [inner for inner in _inside(one) if all(inner is not known for known in found)]
    for one in reversed(found):
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {one.verify_message}"
        if isinstance(one, socket.gaierror):
            return str(one.strerror)
        if isinstance(one, OSError) and one.errno is not None and one.errno in errno.errorcode:
            return os.strerror(one.errno)
    if any(isinstance(one, TimeoutError) or "Timeout" in type(one).__name__ for one in found):
        return "no answer in time"
    inmost = next((one for one in reversed(found) if not any(_inside(one))), error)
    return " ".join(str(inmost).split())[:300].rstrip(".") or type(inmost).__name__


def _inside(error: BaseException) -> Iterator[BaseException]:
    """What an error says that it came of; each library keeps it in a place of its own."""
    kept = getattr(error, "kwargs", None)
    named = kept.get("error") if isinstance(kept, dict) else None  # botocore
    for inner in (error.__context__, error.__cause__, named, getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            yield inner
