"""How a tree is read, by a person and by a script."""

from __future__ import annotations

import json
import sys

import pytest

from components.core.errors import ExitCode
from components.core.manifest import Kind, Manifest
from pipelines.proof import artifacts
from pipelines.proof.tree import MOST_TITLES, Mark, Node, broken, lines, noted, one_line, see_above, size
from pipelines.proof.walk import verify_model
from tests.pipelines.proof.chain import Chain


def test_a_whole_chain_verifies_down_to_its_sources(whole: Chain) -> None:
    found = whole.verify()
    said = "\n".join(found.lines())
    assert found.exit_code is ExitCode.DONE, said
    assert "✗" not in said
    assert "the file is as it was read" in said
    assert f"verified: {found.ledger.objects} objects" in said.splitlines()[-1]
    for part in (
        "generation 3",
        "policy",
        "approval",
        "card",
        "gate, worked out again",
        "suites",
        "held_out",
        "source",
    ):
        assert any(line.lstrip().startswith(f"✓ {part}") for line in said.splitlines()), part


def test_every_object_is_hashed_once_and_counted_once(whole: Chain) -> None:
    found = whole.verify()
    lengths = sum(whole.store.size(key) for key in found.ledger.hashed)
    assert found.ledger.length == lengths + (whole.folder / "tickets.jsonl").stat().st_size


def test_what_several_rest_on_is_shown_once(whole: Chain) -> None:
    said = list(whole.verify().lines())
    shown = [line for line in said if whole.suites.digest[:12] in line]
    assert len(shown) > 2
    assert [line.endswith("see above") for line in shown] == [False] + [True] * (len(shown) - 1)


def test_the_newest_generation_comes_first(whole: Chain) -> None:
    said = [line.split()[2] for line in whole.verify().lines() if line.startswith("  ✓ generation")]
    assert said == ["3", "2", "1"]


def test_the_document_for_scripts_says_the_same(chain: Chain) -> None:
    chain.flip(chain.first.key)
    found = chain.verify()
    document = json.loads(json.dumps(found.as_document()))
    assert document["verified"] is False
    assert document["tree"][0]["holds"] is False
    assert [record["depth"] for record in document["tree"]][:3] == [0, 1, 1]
    assert chain.first.key in document["breaks"][0]["said"]
    assert document["summary"] == list(found.lines())[-1]


def test_a_break_is_followed_from_the_root_by_its_crosses(chain: Chain) -> None:
    chain.flip(chain.documents.shards[0].uri)
    crossed = [line for line in chain.verify().lines() if "✗" in line and "see above" not in line]
    depths = [len(line) - len(line.lstrip()) for line in crossed]
    assert depths[:6] == [0, 2, 4, 6, 8, 10]
    assert "was changed" in "\n".join(crossed)


def test_the_break_nearest_to_the_sources_is_told_first() -> None:
    tree = Node("top", "late", Mark.BROKEN, [Node("below", "early", Mark.BROKEN)])
    assert [said for _, said in broken(tree)] == ["early", "late"]


def test_what_was_told_above_is_neither_broken_nor_noted_twice() -> None:
    first = Node("one", "gone", Mark.BROKEN)
    note = Node("two", "not looked at", Mark.NOTE)
    tree = Node("top", children=[first, note, see_above(first), see_above(note)])
    assert len(list(broken(tree))) == 1
    assert noted(tree) == 1
    assert [line.strip()[0] for line in lines(tree)] == ["✗", "✗", "·", "✗", "·"]


def test_a_name_from_elsewhere_moves_no_cursor() -> None:
    assert one_line("a\x1b[2Kb\nc") == "a [2Kb c"


def test_lengths_are_told_in_units_that_a_person_reads() -> None:
    assert [size(count) for count in (999, 1500, 2_000_000)] == ["999 B", "1.5 kB", "2.0 MB"]


def deepened(chain: Chain, levels: int) -> Manifest:
    deep = chain.documents
    for _ in range(levels):
        deep = chain.rows("redact", "redacted", Kind.DOCUMENTS, [], documents=deep)
    return deep


def test_a_chain_that_is_deeper_than_pythons_stack_is_walked_to_its_sources(chain: Chain) -> None:
    levels = sys.getrecursionlimit() + 100
    deep = deepened(chain, levels)
    found = verify_model(chain.scene(), [deep.named])
    said = list(found.lines())
    assert found.exit_code is ExitCode.DONE, said[-1]
    assert any("the file is as it was read" in line and line.lstrip().startswith(f"[{levels + 2}]") for line in said)
    assert max(map(len, said)) < 250
    json.dumps(found.as_document())
    chain.flip(chain.documents.shards[0].uri)
    found = verify_model(chain.scene(), [deep.named])
    ((path, broke),) = broken(found.tree)
    assert (found.exit_code, len(path)) == (ExitCode.REFUSED, MOST_TITLES)
    assert chain.documents.digest[:12] in path[-1]
    assert "was changed" in broke


def test_a_chain_that_is_deeper_than_any_real_one_is_refused(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MOST_DEPTH", 10)
    deep = deepened(chain, 11)
    found = verify_model(chain.scene(), [deep.named])
    assert found.exit_code is ExitCode.REFUSED
    assert "lies more than 10 artifacts deep" in found.summary
    just = Manifest.read(chain.store.read(deep.parents[0].key), deep.parents[0].key)
    assert verify_model(chain.scene(), [just.named]).exit_code is ExitCode.DONE


def test_a_source_that_changed_or_is_away_is_told_and_breaks_nothing(chain: Chain) -> None:
    source = chain.folder.parent / "tickets.jsonl"
    source.write_text("old")
    given = chain.source.model_copy(update={"uri": str(source)})
    read = chain.rows("ingest", "documents", Kind.DOCUMENTS, [], sources=(given,))
    for said, act in (("has changed since it was read", lambda: None), ("is not there any more", source.unlink)):
        act()
        found = verify_model(chain.scene(), [read.named])
        assert found.exit_code is ExitCode.DONE
        assert any(line.lstrip().startswith("· source") and said in line for line in found.lines())
