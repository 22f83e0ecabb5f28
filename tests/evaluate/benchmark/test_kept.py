from __future__ import annotations

import pytest

from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.evaluate.benchmark.kept import Kept, keep, kept_answers

MODEL, SETTINGS = sha256("model"), sha256("settings")


def part(*questions: str, answer: str = "yes") -> list[Kept]:
    return [Kept(sha256(question), answer, 1.0, False) for question in questions]


def test_of_two_who_ask_the_same_at_once_the_first_one_counts(store) -> None:
    first = keep(store, MODEL, SETTINGS, part("a", "b", answer="first"))
    second = keep(store, MODEL, SETTINGS, part("a", "b", answer="second"))
    assert [kept.answer for kept in second] == ["first", "first"]
    assert second == first
    assert set(kept_answers(store, MODEL, SETTINGS).values()) == set(first)


def test_answers_are_of_one_model_and_one_way_to_ask(store) -> None:
    keep(store, MODEL, SETTINGS, part("a"))
    assert kept_answers(store, MODEL, sha256("other settings")) == {}
    assert kept_answers(store, sha256("other model"), SETTINGS) == {}


def test_any_text_comes_back_as_it_was(store) -> None:
    said = [Kept(sha256(text), text, 0.5, True) for text in ("", "{{$ }}", "naïve 🙂\u2028", "\0")]
    keep(store, MODEL, SETTINGS, said)
    assert sorted(kept_answers(store, MODEL, SETTINGS).values()) == sorted(said)


@pytest.mark.parametrize("cut", [0, 7, -9])
def test_a_damaged_part_is_named(store, cut: int) -> None:
    keep(store, MODEL, SETTINGS, part(*(f"question {index}" for index in range(99))))
    (key,) = store.list("answers")
    data = bytearray(store.read(key))
    store.write(key, bytes(data[:cut]) if cut != 7 else bytes(data[:60] + b"\x00\x01\x02" + data[63:]))
    with pytest.raises(InvalidInput, match=r"is damaged .* remove it"):
        kept_answers(store, MODEL, SETTINGS)
