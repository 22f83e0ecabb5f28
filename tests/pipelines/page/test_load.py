from __future__ import annotations

import json

import pytest

from components.core.errors import InvalidInput
from pipelines.page.load import write_page
from tests.pipelines.page import a_run


@pytest.fixture
def run_folder(tmp_path, store):
    """``run_folder(run, reports)``: a run's folder, its reports in the store."""

    def make(run, reports):
        folder = tmp_path / "runs" / run.run
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(run.to_bytes())
        for step in run.steps:
            if step.name in reports:
                store.write(step.report, reports[step.name].to_bytes())
        return folder

    return make


def test_a_page_is_made_from_the_folder_and_the_store(run_folder, store) -> None:
    folder = run_folder(*a_run.lifecycle())
    page = write_page(folder, store)
    assert page == folder / "report.html"
    assert "too short" in page.read_text()
    assert [path.name for path in folder.iterdir() if path.suffix == ".part"] == []


def test_a_run_and_the_release_that_it_asked_for_are_one_page(run_folder, store) -> None:
    lifecycle, release = run_folder(*a_run.lifecycle()), run_folder(*a_run.release())
    text = write_page(lifecycle, store, followed=[release]).read_text()
    assert a_run.LIFECYCLE in text
    assert a_run.RELEASE in text
    assert "92.4 %" in text


def test_runs_that_were_asked_for_get_the_page_that_nobody_has_written(run_folder, store) -> None:
    lifecycle, release = run_folder(*a_run.lifecycle()), run_folder(*a_run.release())
    write_page(lifecycle, store, followed=[release])
    text = (release / "report.html").read_text()
    assert a_run.RELEASE in text
    assert a_run.LIFECYCLE not in text
    (release / "report.html").write_text("written when the run had ended")
    write_page(lifecycle, store, followed=[release])
    assert (release / "report.html").read_text() == "written when the run had ended"


def test_what_was_planted_and_found_is_told_where_its_file_lies(run_folder, store) -> None:
    folder = run_folder(*a_run.lifecycle())
    assert "Planted and found" not in write_page(folder, store).read_text()
    (folder / "findings.json").write_text(json.dumps([found.model_dump() for found in a_run.findings()]))
    assert "Planted and found" in write_page(folder, store).read_text()


@pytest.mark.parametrize("text", ["{", "{}", '[{"step": "curate", "kind": "too_short", "planted": -1, "found": 0}]'])
def test_faulty_findings_are_refused_with_their_place(run_folder, store, text) -> None:
    folder = run_folder(*a_run.lifecycle())
    (folder / "findings.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"findings\.json.*run the demo again"):
        write_page(folder, store)


def test_a_report_that_is_gone_from_the_store_is_left_out(run_folder, store) -> None:
    run, reports = a_run.lifecycle()
    folder = run_folder(run, {name: report for name, report in reports.items() if name != "finetune"})
    assert "It left no report." in write_page(folder, store).read_text()


def test_a_folder_without_a_record_is_refused(tmp_path, store) -> None:
    with pytest.raises(InvalidInput, match="there is no such run"):
        write_page(tmp_path, store)


def test_the_same_run_makes_the_same_page(run_folder, store) -> None:
    folder = run_folder(*a_run.lifecycle())
    first = write_page(folder, store).read_bytes()
    assert write_page(folder, store).read_bytes() == first
