from __future__ import annotations

import itertools

import pytest

from components.core.manifest import Parent, Reference
from components.core.report import Figure, Report, Rows
from pipelines.page.flow import MOST_REASONS, MOUTH, RIVER, Note, river
from tests.pipelines.page import a_run


def told(step: str, rows: Rows, *read: str) -> Report:
    return Report(
        step=step,
        attempt="a",
        started="",
        rows=rows,
        inputs=tuple(Parent(role=name, digest=name, content_digest=name) for name in read),
        outputs={role: Reference(key=role, digest=role, content_digest=role) for role in rows.out},
    )


def test_the_river_is_the_way_from_the_sources_to_what_is_learned_from() -> None:
    run, reports = a_run.lifecycle()
    reaches = river([step.name for step in run.steps], reports)
    assert [reach.step for reach in reaches] == [
        "ingest", "validate", "curate", "deduplicate", "redact", "split", "decontaminate", "format", "tokenise",
    ]  # fmt: skip
    assert all(one.onward == following.into for one, following in itertools.pairwise(reaches))


def retraining(learned: bool = True) -> dict[str, Report]:
    """A lifecycle that also learns what users corrected: 60 corrections beside 80 rows; 20 are merged, 10 refused."""
    more = {"merged": 20, "rejected": {"too_few_agree": 10}} if learned else {}
    figures = {"learned": Figure(value=30, unit="documents"), "corrections": Figure(value=60, unit="corrections")}
    corrections = Rows(in_=140 if learned else 80, out={"extended": 110 if learned else 80}, **more)
    reports = {
        "ingest": told("ingest", Rows(in_=100, out={"documents": 100})),
        "split": told("split", Rows(in_=100, out={"train": 80, "held_out": 20}), "documents"),
        "corrections": told("corrections", corrections, "train", *(["corrected"] if learned else [])),
        "curate-2": told("curate", Rows(in_=corrections.out["extended"], out={"curated": 80}, merged=30), "extended")
        if learned
        else told("curate", Rows(in_=80, out={"curated": 80}), "extended"),
        "suites": told("suites", Rows(in_=20, out={"suites": 20}), "held_out"),
        "decontaminate": told("decontaminate", Rows(in_=80, out={"clean": 80}), "curated", "suites"),
    }
    reports["corrections"] = reports["corrections"].model_copy(update={"figures": figures if learned else {}})
    return reports


@pytest.mark.parametrize("learned", [True, False], ids=["corrections", "none"])
def test_what_users_corrected_joins_the_river_that_comes_from_the_sources(learned: bool) -> None:
    reports = retraining(learned)
    reaches = river(list(reports), reports)
    assert [reach.step for reach in reaches] == ["ingest", "split", "corrections", "curate-2", "decontaminate"]
    joining = {reach.step: reach.joining for reach in reaches if reach.joining}
    told_of = {step: (one.name, one.rows, one.notes) for step, one in joining.items()}
    assert told_of == ({"corrections": ("corrected", 60, (Note("learned", 30),))} if learned else {})
    for one, following in itertools.pairwise(reaches):
        assert one.onward + (following.joining.rows if following.joining else 0) == following.into
    assert all(reach.into == reach.onward + sum(left.rows for left in reach.leaving) for reach in reaches)


def test_what_became_of_what_joined_is_not_told_of_what_was_merged() -> None:
    reports = retraining()
    corrections = river(list(reports), reports)[2]
    assert [(left.name, left.rows, left.notes) for left in corrections.leaving] == [
        ("merged", 20, ()),
        ("too_few_agree", 10, ()),
    ]


def test_what_joins_is_drawn_above_what_leaves_and_makes_the_river_wider() -> None:
    reports = retraining()
    split, corrections = river(list(reports), reports)[1:3]
    assert corrections.water == f"M0,0 H{split.width:.2f} V{MOUTH:g} H{corrections.width:.2f} V100 H0 Z"
    assert corrections.joining
    assert corrections.joining.path.startswith(f"M{split.width:.2f},{MOUTH:g} ")
    assert all(f",{MOUTH:g} " in left.path for left in corrections.leaving)
    assert split.water == f"M0,0 H{split.width:.2f} V100 H0 Z"


def test_more_rows_than_the_step_before_wrote_join_only_where_something_was_read_from_outside() -> None:
    reports = {
        "ingest": told("ingest", Rows(created=100, out={"documents": 100})),
        "suites": told("suites", Rows(created=20, out={"suites": 20})),
        "curate": told("curate", Rows(in_=120, out={"curated": 120}), "documents", "suites"),
        "format": told("format", Rows(in_=120, out={"conversations": 120}), "curated"),
    }
    assert [reach.step for reach in river(list(reports), reports)] == ["curate", "format"]


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
    redact = told("redact", Rows(in_=9, out={"b": 9}), "a").model_copy(update={"figures": figures})
    reports = {"ingest": told("ingest", Rows(created=9, out={"a": 9})), "redact": redact}
    assert river(["ingest", "redact"], reports)[1].changed == ()


def test_where_the_run_broke_the_river_ends_and_no_side_stream_passes_for_it() -> None:
    run, reports = a_run.failed()
    last = river([step.name for step in run.steps], reports)[-1]
    assert (last.step, last.onward, [left.name for left in last.leaving]) == ("split", 4310, ["held_out"])


def test_many_reasons_are_counted_together_and_none_is_lost() -> None:
    rejected = {f"reason_{index}": index for index in range(1, 12)}
    many = told("curate", Rows(in_=100, out={"b": 34}, rejected=rejected), "a")
    reaches = river(["ingest", "curate"], {"ingest": told("ingest", Rows(created=100, out={"a": 100})), "curate": many})
    leaving = reaches[1].leaving
    assert len(leaving) == MOST_REASONS
    assert sum(left.rows for left in leaving) == sum(rejected.values())
    assert leaving[-1].name == "for 6 other reasons"


def test_the_river_is_as_wide_as_its_rows() -> None:
    reports = {
        "ingest": told("ingest", Rows(created=200, out={"a": 200})),
        "curate": told("curate", Rows(in_=200, out={"b": 50}, merged=150), "a"),
    }
    assert [reach.width for reach in river(["ingest", "curate"], reports)] == [RIVER, RIVER / 4]


def test_a_run_without_rows_has_no_river() -> None:
    assert river(["resolve", "request"], {"resolve": told("resolve", Rows())}) == []
