from __future__ import annotations

import itertools

from components.core.manifest import Parent, Reference
from components.core.report import Figure, Report, Rows
from pipelines.page.flow import MOST_REASONS, RIVER, Note, river
from tests.pipelines.page import a_run


def told(step: str, rows: Rows, read: str = "") -> Report:
    return Report(
        step=step,
        attempt="a",
        started="",
        rows=rows,
        inputs=(Parent(role="documents", digest=read, content_digest=read),) if read else (),
        outputs={role: Reference(key=role, digest=role, content_digest=role) for role in rows.out},
    )


def test_the_river_is_the_way_from_the_sources_to_what_is_learned_from() -> None:
    run, reports = a_run.lifecycle()
    reaches = river([step.name for step in run.steps], reports)
    assert [reach.step for reach in reaches] == [
        "ingest", "validate", "curate", "deduplicate", "redact", "split", "decontaminate", "format", "tokenise",
    ]  # fmt: skip
    assert all(one.onward == following.into for one, following in itertools.pairwise(reaches))


def test_every_row_of_a_step_goes_on_or_leaves_for_a_reason() -> None:
    run, reports = a_run.lifecycle()
    for reach in river([step.name for step in run.steps], reports):
        assert reach.into == reach.onward + sum(left.rows for left in reach.leaving)


def test_what_is_set_aside_is_no_reject() -> None:
    run, reports = a_run.lifecycle()
    split = next(reach for reach in river([step.name for step in run.steps], reports) if reach.step == "split")
    assert [(left.name, left.how, left.rows) for left in split.leaving] == [("held_out", "aside", 700)]


def test_what_was_merged_and_what_was_changed_is_told_by_kind() -> None:
    run, reports = a_run.lifecycle()
    reaches = {reach.step: reach for reach in river([step.name for step in run.steps], reports)}
    (merged,) = reaches["deduplicate"].leaving
    assert (merged.rows, merged.notes) == (778, (Note("exact", 402), Note("near", 376)))
    assert reaches["deduplicate"].changed == ()
    assert reaches["redact"].changed == (Note("redacted", 201), Note("emails", 118), Note("phones", 96))


def test_figures_that_count_no_rows_or_nothing_are_not_told_of_rows() -> None:
    figures = {"bytes": Figure(value=9, unit="bytes"), "redacted": Figure(value=0, unit="documents")}
    redact = told("redact", Rows(in_=9, out={"b": 9}), read="a").model_copy(update={"figures": figures})
    reports = {"ingest": told("ingest", Rows(created=9, out={"a": 9})), "redact": redact}
    assert river(["ingest", "redact"], reports)[1].changed == ()


def test_where_the_run_broke_the_river_ends_and_no_side_stream_passes_for_it() -> None:
    run, reports = a_run.failed()
    last = river([step.name for step in run.steps], reports)[-1]
    assert (last.step, last.onward, [left.name for left in last.leaving]) == ("split", 4310, ["held_out"])


def test_many_reasons_are_counted_together_and_none_is_lost() -> None:
    rejected = {f"reason_{index}": index for index in range(1, 12)}
    many = told("curate", Rows(in_=100, out={"b": 34}, rejected=rejected), read="a")
    reaches = river(["ingest", "curate"], {"ingest": told("ingest", Rows(created=100, out={"a": 100})), "curate": many})
    leaving = reaches[1].leaving
    assert len(leaving) == MOST_REASONS
    assert sum(left.rows for left in leaving) == sum(rejected.values())
    assert leaving[-1].name == "for 6 other reasons"


def test_the_river_is_as_wide_as_its_rows() -> None:
    reports = {
        "ingest": told("ingest", Rows(created=200, out={"a": 200})),
        "curate": told("curate", Rows(in_=200, out={"b": 50}, merged=150), read="a"),
    }
    assert [reach.width for reach in river(["ingest", "curate"], reports)] == [RIVER, RIVER / 4]


def test_a_run_without_rows_has_no_river() -> None:
    assert river(["resolve", "request"], {"resolve": told("resolve", Rows())}) == []
