"""A service's log lines are JSON, one object a line."""

import json
import subprocess
import sys

import pytest

from components.core.log_lines import message_of

LOGS = """
import logging
from components.core.log_lines import log_json
log_json()
log = logging.getLogger("place")
log.info("not worth a line")
log.warning("half a pair: \\ud800")
log.warning("%s are full,\\nso to speak: ä", "disks")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("odd")
"""


def test_each_record_is_one_line_with_its_severity_moment_and_trace() -> None:
    done = subprocess.run([sys.executable, "-c", LOGS], capture_output=True, text=True, check=True)
    odd, warning, error = (json.loads(line) for line in done.stderr.splitlines())
    assert odd["message"] == "half a pair: \ud800"
    assert (warning["severity"], warning["logger"]) == ("WARNING", "place")
    assert warning["message"] == "disks are full,\nso to speak: ä"
    assert warning["time"].endswith("+00:00")
    assert error["severity"] == "ERROR"
    assert error["message"].startswith("odd\nTraceback")
    assert error["message"].endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"severity": "ERROR", "message": "full\\n  of it"}', "full of it"),
        ("plain", "plain"),
        ('{"message": "\\u001b[2Jgone\\u0085and\\u2028on"}', "[2Jgone and on"),
        ('{"severity": "ERROR"}', '{"severity": "ERROR"}'),
        ("7", "7"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_line_of_another_program_is_its_own_message(line: str, message: str) -> None:
    assert message_of(line) == message
