from __future__ import annotations

import pytest

from components.core.attempt import Attempt, Draft
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.settings import StepSettings
from components.core.suites import HEADS, Generation, Scorer, Suite, read_heads, write_heads


def a_head(name: str = "held-out", max_new_tokens: int = 8) -> Suite:
    generation = Generation(max_new_tokens=max_new_tokens)
    return Suite(id=name, content_digest="0" * 64, questions=0, scorer=Scorer.EXACT_MATCH, generation=generation)


def committed(store, *heads: Suite):
    attempt = Attempt(store, "suites")
    with attempt.rows(Kind.SUITES) as questions:
        pass
    extra = (attempt.attach("suites", HEADS, write_heads(heads)),)
    draft = Draft(Kind.SUITES, questions, extra=extra)
    return attempt.commit({"suites": draft}, settings=StepSettings()).manifests["suites"]


def test_the_heads_of_suites_are_read_back_sorted(store) -> None:
    read = read_heads(store, committed(store, a_head("two"), a_head("one")))
    assert [head.to_bytes() for head in read] == [a_head("one").to_bytes(), a_head("two").to_bytes()]


def test_how_a_suite_is_asked_is_part_of_the_artifact_s_content(store) -> None:
    assert committed(store, a_head()).content_digest == committed(store, a_head()).content_digest
    assert committed(store, a_head()).content_digest != committed(store, a_head(max_new_tokens=9)).content_digest


def test_an_artifact_without_heads_is_refused(store, commit_texts) -> None:
    with pytest.raises(InvalidInput, match="holds no suites"):
        read_heads(store, commit_texts("a text"))
