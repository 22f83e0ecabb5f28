"""Whether a process that was recorded by its number still is that process."""

from __future__ import annotations

from typing import Any

import psutil


def living_process(pid: Any, started: Any) -> psutil.Process | None:
    """The process of that number, if it lives and began then (seconds since 1970); a number is given away again.

    None also for what is no number: such a record is damaged.
    """
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (TypeError, ValueError, OverflowError, psutil.Error):
        return None
