from __future__ import annotations

import hashlib
import json
from pathlib import Path

import fsspec
import pytest

from components.core.attempt import Attempt, Outcome
from components.core.errors import InvalidInput
from components.core.sources import PinnedSource, pinned_sources
from components.data.resolve.pin import resolve
from components.data.resolve.settings import Resolve

NOW = "2026-11-24T09:00:00+00:00"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "more").mkdir(parents=True)
    for name in ["train.csv", "test.csv", "more/a.jsonl.gz", "more/b.jsonl"]:
        (folder / name).write_text(f"text\n{name}\n")
    return folder


@pytest.fixture
def run(store, root: Path):
    """Resolves the given sources below the folder, or below another root."""

    def resolve_sources(*sources: dict[str, str], at: str = str(root), now: str = NOW) -> Outcome:
        return resolve(Attempt(store, "resolve"), Resolve(root=at, sources=sources), now)

    return resolve_sources


def _pinned(outcome: Outcome) -> list[PinnedSource]:
    return list(pinned_sources(outcome.word))


def test_each_file_is_pinned_by_address_size_and_digest(run, root: Path) -> None:
    outcome = run({"path": "train.csv", "licence": "CC-BY-4.0"}, {"path": "test.csv", "role": "benchmark"})
    test, train = _pinned(outcome)
    data = (root / "train.csv").read_bytes()
    assert train.model_dump() == {
        "uri": str(root / "train.csv"),
        "role": "train",
        "name": "train",
        "format": "csv",
        "licence": "CC-BY-4.0",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "generation": "",
    }
    assert (test.role, test.name) == ("benchmark", "test")
    assert outcome.report.figures["files"].value == 2
    assert outcome.report.figures["bytes"].value == train.bytes + test.bytes


def test_the_same_files_give_the_same_string_whenever_and_in_whatever_order(run) -> None:
    one, two = {"path": "train.csv"}, {"path": "test.csv", "role": "benchmark"}
    assert run(one, two).word == run(two, one, now="2027-01-01T00:00:00Z").word


def test_a_changed_file_gives_another_string(run, root: Path) -> None:
    before = run({"path": "train.csv"}).word
    (root / "train.csv").write_text("text\nother\n")
    assert run({"path": "train.csv"}).word != before


def test_a_pattern_names_many_files(run) -> None:
    found = _pinned(run({"path": "**/*.jsonl*"}))
    assert [(source.name, source.format) for source in found] == [("a", "jsonl"), ("b", "jsonl")]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(run, root: Path) -> None:
    (root / "rows[1].csv").write_text("text\none\n")
    assert [source.name for source in _pinned(run({"path": "rows[1].csv"}))] == ["rows[1]"]


def test_a_relative_root_lies_below_the_working_directory(run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    assert _pinned(run({"path": "train.csv"}, at="data"))[0].uri == str(root / "train.csv")


def test_an_object_store_is_a_root_too(run) -> None:
    for name in ["one.jsonl", "deep/two.jsonl"]:
        with fsspec.open(f"memory://pins/{name}", "wb") as file:
            file.write(b'{"text": "a"}\n')
    found = _pinned(run({"path": "deep/*"}, {"path": "one.jsonl", "role": "benchmark"}, at="memory://pins/"))
    assert [(source.uri, source.role) for source in found] == [
        ("memory://pins/deep/two.jsonl", "train"),
        ("memory://pins/one.jsonl", "benchmark"),
    ]
    with pytest.raises(InvalidInput, match=r"no such file.*did you mean one\.jsonl\?"):
        run({"path": "onne.jsonl"}, at="memory://pins")


@pytest.mark.parametrize(
    ("info", "generation"),
    [
        ({"generation": "17"}, "17"),
        ({"ETag": '"abc"', "VersionId": None}, "abc"),
        ({"ETag": '"abc"', "VersionId": "v1"}, "v1"),
        ({"ETag": '"abc"', "VersionId": "null"}, "abc"),
        ({}, ""),
    ],
)
def test_an_object_stores_generation_is_pinned(run, monkeypatch: pytest.MonkeyPatch, info, generation: str) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/generations/one.jsonl", b"{}")
    plain = memory.info("/generations/one.jsonl")
    monkeypatch.setattr(type(memory), "info", lambda *_args, **_kwargs: {**plain, **info})
    assert _pinned(run({"path": "one.jsonl"}, at="memory://generations"))[0].generation == generation


@pytest.mark.parametrize("path", ["../other.csv", "more/../../other.csv", "/etc/hosts.csv", "~/x.csv", "gs://b/x.csv"])
def test_a_path_that_leaves_its_folder_is_refused(run, root: Path, path: str) -> None:
    (root.parent / "other.csv").write_text("text\nsecret\n")
    with pytest.raises(InvalidInput, match="leaves its folder"):
        run({"path": path})


@pytest.mark.parametrize("path", ["link.csv", "*.csv", "away/other.csv", "away/*.csv"])
def test_a_link_out_of_the_folder_is_refused(run, root: Path, path: str) -> None:
    (root.parent / "elsewhere").mkdir()
    (root.parent / "elsewhere" / "other.csv").write_text("text\nsecret\n")
    (root / "away").symlink_to(root.parent / "elsewhere")
    (root / "link.csv").symlink_to(root.parent / "elsewhere" / "other.csv")
    with pytest.raises(InvalidInput, match=r"a link to .* put the file itself there"):
        run({"path": path})


def test_a_link_within_the_folder_is_followed(run, root: Path) -> None:
    (root / "link.csv").symlink_to(root / "train.csv")
    assert _pinned(run({"path": "link.csv"}))[0].uri == str(root / "link.csv")


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        ([{"path": "trian.csv"}], r"no such file.*did you mean train\.csv\?"),
        ([{"path": "more/c.jsonl"}], r"no such file"),
        ([{"path": "*.parquet"}], r"matches no file in "),
        ([{"path": "more"}], r"unknown format|a folder"),
        ([{"path": "more", "format": "csv"}], r"a folder; name its files"),
        ([{"path": "a**b"}], r"stands alone between slashes"),
        ([{"path": "empty.csv"}], r"empty; give a file with rows"),
        ([{"path": "notes.docx"}], r"unknown format; known suffixes are \.jsonl, .* say which it is with `format`"),
        ([{"path": "train.csv"}, {"path": "t*.csv", "role": "benchmark"}], r"train\.csv is named twice, as "),
        ([{"path": name, "role": "benchmark"} for name in ("test.csv", "more/test.csv")], r"give one a `name`"),
        ([{"path": "**/test.csv", "role": "benchmark"}], r"give one a `name`"),
    ],
)  # fmt: skip
def test_sources_that_cannot_be_pinned_are_refused_in_a_sentence(run, root: Path, sources, sentence: str) -> None:
    (root / "empty.csv").touch()
    (root / "notes.docx").write_text("text")
    (root / "more" / "test.csv").write_text("text\nother\n")
    with pytest.raises(InvalidInput, match=sentence):
        run(*sources)


def test_one_benchmark_may_lie_in_many_files_when_it_is_named(run) -> None:
    assert [source.name for source in _pinned(run({"path": "more/*", "role": "benchmark", "name": "exam"}))] == [
        "exam"
    ] * 2


@pytest.mark.parametrize("at", ["nowhere", "", "{{workspace}}", "nosuch://bucket"])
def test_a_root_that_is_no_folder_is_refused(run, at: str) -> None:
    with pytest.raises(InvalidInput, match=r"resolve\.root"):
        run({"path": "train.csv"}, at=at)


@pytest.mark.parametrize("now", ["{{$.pipeline_job_create_time_utc}}", "2026-11-24T09:00:00"])
def test_a_moment_that_nobody_filled_in_is_refused(run, now: str) -> None:
    with pytest.raises(InvalidInput, match="now is"):
        run({"path": "train.csv"}, now=now)


def test_names_that_kfp_would_substitute_travel_escaped(run, root: Path) -> None:
    (root / "{{$.inputs}}.csv").write_text("text\none\n")
    word = run({"path": "{{$.inputs}}.csv"}).word
    assert "{{$" not in word
    assert json.loads(word)[0]["name"] == "{{$.inputs}}"


def test_more_files_than_a_graph_can_carry_are_refused(run, root: Path) -> None:
    for index in range(400):
        (root / "more" / f"shard-{index:05d}.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(InvalidInput, match="402 files are more than a graph can carry; join them"):
        run({"path": "more/*"})
