"""How the KFP face of a step calls its method: manifests in, manifests out, the report beside them.

The last line that a step prints is JSON: Cloud Logging reads its severity, and a backend finds the report by it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.core.attempt import Attempt, Outcome
from components.core.errors import ExitCode, SluiceError
from components.core.manifest import Manifest
from components.core.masking import masked, masked_output
from components.core.page import step_page
from components.core.settings import StepSettings
from components.core.store import Store

Artifact = Any
"""``kfp.dsl.Artifact``: a path or address, and metadata. Core does not import kfp."""


def run_step(
    method: Callable[..., Outcome],
    settings: StepSettings,
    *,
    step: str,
    store: str,
    code: str,
    page: Artifact,
    figures: Artifact,
    inputs: Mapping[str, Artifact] | None = None,
    outputs: Mapping[str, Artifact] | None = None,
    values: Mapping[str, Any] | None = None,
) -> str:
    """Calls ``method(attempt=…, settings=…, **manifests, **values)`` and hands its outcome to KFP.

    ``inputs`` and ``outputs`` are artifacts by role, each a copy of a manifest; ``values`` are parameters that the
    method takes besides. Returns the word that the graph branches on. An error that is meant for a person is printed
    as one sentence and ends the process with its exit code.
    """
    with masked_output():
        attempt = Attempt(Store(store), step, code=code, owns_process=True)
        try:
            manifests = {role: Manifest.from_file(artifact.path) for role, artifact in (inputs or {}).items()}
            outcome = method(attempt=attempt, settings=settings, **manifests, **(values or {}))
            for role, artifact in (outputs or {}).items():
                _hand_on(outcome.manifests[role], artifact)
            _show(outcome, attempt.report_key, page, figures)
        except Exception as error:
            _leave(attempt, error)
            raise
        _say("INFO", f"{step}: {outcome.report.said or outcome.report.rows.sentence()}", attempt.report_key)
        return outcome.word


def _hand_on(manifest: Manifest, artifact: Artifact) -> None:
    Path(artifact.path).parent.mkdir(parents=True, exist_ok=True)
    Path(artifact.path).write_bytes(manifest.to_bytes())
    artifact.metadata.update(
        {
            "manifest": manifest.key,
            "digest": manifest.digest,
            "content_digest": manifest.content_digest,
            "identity": manifest.identity,
        }
    )


def _show(outcome: Outcome, report_key: str, page: Artifact, figures: Artifact) -> None:
    """Leaves the page and the figures for the consoles; a metrics file must exist, or the step never hits a cache."""
    Path(page.path).parent.mkdir(parents=True, exist_ok=True)
    Path(page.path).write_text(step_page(outcome.report, outcome.section))
    page.metadata["report"] = report_key
    Path(figures.path).write_text("{}")
    for name, figure in outcome.report.figures.items():
        figures.log_metric(name, figure.value)


def _leave(attempt: Attempt, error: Exception) -> None:
    """Reports an error; ends the process when the error is a sentence for a person."""
    key = ""
    try:
        attempt.fail(error)
        key = attempt.report_key
    except SluiceError as unwritable:
        print(f"the report could not be written either: {unwritable}", file=sys.stderr)
    message = str(error) if isinstance(error, SluiceError) else f"{type(error).__name__}: {error}"
    code = error.exit_code if isinstance(error, SluiceError) else ExitCode.FAILED
    _say("ERROR", masked(message), key, code)  # before it is JSON, where a value may stand escaped
    if isinstance(error, SluiceError):
        sys.exit(int(code))


def _say(severity: str, message: str, report_key: str, code: ExitCode = ExitCode.DONE) -> None:
    line = {"severity": severity, "message": message, "report": report_key, "exit_code": int(code)}
    print(json.dumps(line, ensure_ascii=False), flush=True)
