"""No byte under a decision can be changed, and no object taken away, without the tree saying where."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.core.attempt import Attempt, Draft
from components.core.errors import ExitCode
from components.core.manifest import Kind, Manifest
from components.core.settings import StepSettings
from components.core.store import Store
from pipelines.proof import ledger
from pipelines.proof.artifacts import Artifacts
from pipelines.proof.decisions import Decisions
from pipelines.proof.ledger import Ledger
from pipelines.proof.links import Links
from pipelines.proof.tree import Mark
from pipelines.proof.walk import Verification, verify_model
from tests.pipelines.proof.chain import ENVIRONMENT, Chain

TOLD_ONLY = "report.json"
"""No digest names a report: its step writes it before the manifests. It is held against them, and told."""


class Flipped(Store):
    """A store in which one byte of one object is another."""

    def __init__(self, store: Store, key: str) -> None:
        super().__init__(store.uri)
        self.key, self.data, self.at = key, store.read(key), 0

    def read(self, key: str) -> bytes:
        data = super().read(key) if key != self.key else self.data
        return data if key != self.key else data[: self.at] + bytes([data[self.at] ^ 1]) + data[self.at + 1 :]


def touched(found: Verification, ending: str = "") -> list[str]:
    """Keys of the objects that a verification hashed."""
    assert found.exit_code is ExitCode.DONE, found.summary
    return sorted(key for key in found.ledger.hashed if key.endswith(ending))


def each_byte(flipped: Flipped, step: int = 1) -> Iterator[int]:
    for at in range(0, len(flipped.data), step):
        flipped.at = at
        yield at


def test_every_byte_of_every_manifest_counts(whole: Chain) -> None:
    keys = touched(whole.verify(), "/manifest.json")
    assert len(keys) == 17
    for key in keys:
        named = Manifest.read(whole.store.read(key), key).named
        flipped = Flipped(whole.store, key)
        missed = [
            at for at in each_byte(flipped) if Artifacts(Ledger(flipped)).node("x", named).mark is not Mark.BROKEN
        ]
        assert missed == [], key


def test_a_byte_of_what_came_after_a_decision_counts(whole: Chain) -> None:
    steps = ("card", "decide")
    keys = [key for key in touched(whole.verify(), "/manifest.json") if key.startswith(steps)]
    assert len(keys) == 4
    for key in keys:
        flipped, missed = Flipped(whole.store, key), []
        for at in each_byte(flipped, 31):
            links = Links.of(flipped)
            cards = [links.cards_of(decision) for decision in (whole.released, whole.approved)]
            nodes = [Artifacts(Ledger(flipped)).node("card", card) for found in cards for card in found]
            if all(cards) and all(node.holds for node in nodes):
                missed.append(at)
        assert missed == [], key


def test_every_byte_of_every_decision_counts(whole: Chain) -> None:
    for decision in (whole.released, whole.approved, whole.frozen):
        flipped = Flipped(whole.store, f"decisions/{decision}.json")
        missed = []
        for at in each_byte(flipped):
            found = Decisions(Artifacts(Ledger(flipped)), whole.keys.trust, ENVIRONMENT).verified(decision)
            if found.decision is not None or found.node.mark is not Mark.BROKEN:
                missed.append(at)
        assert missed == [], decision


def test_a_byte_of_any_object_breaks_the_tree(chain: Chain) -> None:
    keys = [key for key in touched(chain.verify()) if not key.endswith(TOLD_ONLY)]
    assert {key.split("/")[0] for key in keys} >= {"decisions", "approvals", "gate", "decide", "card", "benchmark"}
    for key in keys:
        whole = chain.path(key).read_bytes()
        for at in {0, len(whole) // 3, len(whole) - 1}:
            chain.flip(key, at)
            assert chain.verify().exit_code is ExitCode.REFUSED, (key, at)
            chain.path(key).write_bytes(whole)


def test_an_object_that_is_gone_breaks_the_tree(chain: Chain) -> None:
    keys = touched(chain.verify())
    for key in keys:
        away = chain.path(key).rename(chain.folder / "away")
        found = chain.verify()
        if not key.startswith("transition/"):
            assert found.exit_code is ExitCode.REFUSED, key
        else:
            assert "no report tells of it" in "\n".join(found.lines())
        away.rename(chain.path(key))


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_an_object_that_was_cut_is_no_traceback(chain: Chain, cut: int) -> None:
    for key in touched(chain.verify()):
        whole = chain.path(key).read_bytes()
        chain.path(key).write_bytes(whole[: min(cut, len(whole) - 1)])
        found = chain.verify()
        assert found.exit_code is ExitCode.REFUSED or key.startswith("transition/"), key
        chain.path(key).write_bytes(whole)


def test_two_objects_that_changed_places_break_the_tree(chain: Chain) -> None:
    one, other = (chain.path(f"decisions/{decision}.json") for decision in (chain.released, chain.approved))
    one.rename(chain.folder / "away")
    other.rename(one)
    (chain.folder / "away").rename(other)
    assert "holds another decision" in chain.verify().summary


def test_a_model_in_the_place_of_another_breaks_the_tree(chain: Chain) -> None:
    chain.path(chain.second.key).write_bytes(chain.path(chain.first.key).read_bytes())
    assert f"{chain.second.key} was changed" in chain.verify().summary


def test_a_manifest_that_lies_elsewhere_than_it_says_is_found(chain: Chain) -> None:
    copied = chain.first.named.model_copy(update={"key": "finetune/copied/trained/manifest.json"})
    chain.store.write(copied.key, chain.store.read(chain.first.key))
    found = verify_model(chain.scene(), [copied])
    assert "was put in the place of another" in found.summary


def test_a_manifest_of_another_content_than_it_is_named_with_is_found(chain: Chain) -> None:
    named = chain.first.named.model_copy(update={"content_digest": "0" * 64})
    assert "has another content digest" in verify_model(chain.scene(), [named]).summary


def test_a_report_that_tells_of_something_else_breaks_the_tree(chain: Chain) -> None:
    first, second = (f"{'/'.join(model.key.split('/')[:2])}/report.json" for model in (chain.first, chain.second))
    chain.path(first).write_bytes(chain.path(second).read_bytes())
    assert "does not name it among its outputs" in chain.verify().summary


def test_rejected_rows_are_hashed_too(chain: Chain) -> None:
    attempt = Attempt(chain.store, "curate")
    with attempt.rows(Kind.DOCUMENTS, "curated") as writer:
        pass
    attempt.reject({"id": "d0", "text": "!!!"}, "few_letters")
    draft = {"curated": Draft(Kind.DOCUMENTS, writer)}
    made = attempt.commit(draft, settings=StepSettings(), created=1).manifests["curated"]
    assert verify_model(chain.scene(), [made.named]).exit_code is ExitCode.DONE
    chain.flip(next(key for key in chain.store.list("curate") if "rejects" in key))
    assert verify_model(chain.scene(), [made.named]).exit_code is ExitCode.REFUSED


def test_a_document_that_is_larger_than_any_is_not_read(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_DOCUMENT", 100)
    assert "more than Sluice ever writes there" in chain.verify().summary
