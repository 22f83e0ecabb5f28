"""``python -m components.serve.gateway CONFIG.json``: serves until SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path

from components.core.errors import ExitCode, ended
from components.core.log_lines import log_json


def main(arguments: list[str]) -> int:
    """Serves as a file says. Returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m components.serve.gateway CONFIG.json", file=sys.stderr)
        return int(ExitCode.INVALID_INPUT)
    log_json()

    def serve() -> int:
        from components.serve.gateway.config import read_config
        from components.serve.gateway.server import run

        run(read_config(Path(arguments[0])))
        return int(ExitCode.DONE)

    return ended(serve)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
