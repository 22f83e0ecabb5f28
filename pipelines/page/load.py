"""Writes a run's page from the run's folder and the reports in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.core.errors import InvalidInput
from components.core.report import Report
from components.core.run import Run
from components.core.store import Store
from pipelines.runs import RunFolder, replace_text


def write_page(run_folder: Path, store: Store, followed: Sequence[Path] = ()) -> Path:
    """Writes ``report.html`` into a run's folder and returns its path.

    ``followed`` are the folders of the runs that this one asked for; they are told of on the same page, and get theirs
    where nobody has written it: on a service no worker of ours does. A run that is not finished has a page too. Where
    ``findings.json`` lies in the run's folder, the page says what was planted and found. Raises InvalidInput when a
    folder holds no record of a run, or that file is faulty.
    """
    # Imported here: following a run needs no templates until the run has ended.
    from pipelines.page.findings import read_findings
    from pipelines.page.release import read_release
    from pipelines.page.render import render_run
    from pipelines.page.story import story_of

    for folder in followed:
        if RunFolder(folder).page_is_stale:
            write_page(folder, store)
    told = [_told(folder, store) for folder in (run_folder, *followed)]
    findings = read_findings(run_folder)
    releases = {run.run: release for run, _ in told if (release := read_release(run, store))}
    story = story_of(run_folder, store) if told[0][0].graph == "monitoring" else None
    text = render_run(*told[0], followed=told[1:], findings=findings, releases=releases, story=story)
    page = run_folder / "report.html"
    replace_text(page, text.encode("utf-8", "backslashreplace").decode())
    return page


def _told(folder: Path, store: Store) -> tuple[Run, dict[str, Report]]:
    path = folder / "run.json"
    try:
        run = Run.read(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: there is no such run; `sluice runs` lists them") from error
    named = {step.name: step.report for step in run.steps if step.report and store.exists(step.report)}
    return run, {name: Report.read(store.read(key), key) for name, key in named.items()}
