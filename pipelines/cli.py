"""``sluice``: the command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from typing import Any

import click

from components.core.errors import ExitCode, SluiceError
from components.core.masking import masked_output
from pipelines.commands.api_keys import api_keys
from pipelines.commands.doctor import doctor, smoke
from pipelines.commands.endpoint import audit, break_glass, endpoints, freeze, rollback, thaw
from pipelines.commands.env import env
from pipelines.commands.gc import gc
from pipelines.commands.keys import keys
from pipelines.commands.look import compare, logs, report, runs, status, why
from pipelines.commands.make import init, new
from pipelines.commands.people import approve, refuse
from pipelines.commands.proof import bundle_, verify
from pipelines.commands.registry import registry
from pipelines.commands.serve import serve
from pipelines.commands.watch import dispatch, schedule, schedules
from pipelines.commands.work import cancel, compile_, demo, lint, monitor, run

EXIT_CODES = "Exit codes: 0 done, 2 invalid input, 3 held or refused, 4 failed, 5 conflict, 130 broken off by Ctrl-C."


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def sluice() -> None:
    """Text goes in; only what passes every gate reaches production.

    \b
    Start with:  sluice init my-project    or look at the whole loop:  make demo
    """


for command in (
    init,
    lint,
    compile_,
    run,
    monitor,
    schedule,
    schedules,
    dispatch,
    runs,
    status,
    logs,
    cancel,
    env,
    doctor,
    smoke,
    report,
    compare,
    why,
    new,
    demo,
    approve,
    refuse,
    keys,
    api_keys,
    freeze,
    thaw,
    serve,
    rollback,
    break_glass,
    endpoints,
    audit,
    registry,
    verify,
    bundle_,
    gc,
):
    sluice.add_command(command)


def main() -> Any:
    """Runs a command, and prints nothing of the secrets that it knows."""
    with masked_output():
        return _main()


def _main() -> Any:
    """An error that is meant for a person is printed as sentences, with its exit code."""
    try:
        code = sluice.main(standalone_mode=False)
    except SluiceError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(int(error.exit_code))
    except click.ClickException as error:
        error.show()
        sys.exit(int(ExitCode.INVALID_INPUT))
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        click.echo(f"error: {error.filename or 'the file system'}: {error.strerror}; choose another place", err=True)
        wrong_path = isinstance(error, (FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError))
        sys.exit(int(ExitCode.INVALID_INPUT if wrong_path else ExitCode.FAILED))
    sys.exit(code if isinstance(code, int) else 0)
