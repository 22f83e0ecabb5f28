"""A service's log lines: JSON, one object a line, as Cloud Logging reads it (severity, message, time)."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """A record as one line; an exception's trace is part of its message, where Error Reporting looks for it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        line = {"severity": record.levelname, "time": moment, "logger": record.name, "message": message}
        return json.dumps(line)  # in ASCII: what a client sent may be no text that UTF-8 can hold


def log_json() -> None:
    """Logs warnings and worse to standard error as JSON, unless this process has set up its logging already."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def message_of(line: str) -> str:
    """The message of such a line as one printable line, also of another program's; a line that is none is its own."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    text = str(found["message"]) if isinstance(found, dict) and "message" in found else line
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
