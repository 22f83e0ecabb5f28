from __future__ import annotations

import pytest

from components.core.canonical import sha256
from components.core.errors import InvalidInput
from components.core.seal import Seal
from components.core.trust import TrustRoots
from components.evaluate.benchmark.kept import Kept, Place
from tests.core.keyring import Keyring

MODEL, SETTINGS = sha256("model"), sha256("settings")


def part(*questions: str, answer: str = "yes") -> list[Kept]:
    return [Kept(sha256(question), answer, 1.0, False) for question in questions]


def test_of_two_who_ask_the_same_at_once_the_first_one_counts(store) -> None:
    first = Place(store, MODEL, SETTINGS).keep(part("a", "b", answer="first"))
    second = Place(store, MODEL, SETTINGS).keep(part("a", "b", answer="second"))
    assert [kept.answer for kept in second] == ["first", "first"]
    assert second == first
    assert set(Place(store, MODEL, SETTINGS).read().values()) == set(first)


def test_answers_are_of_one_model_and_one_way_to_ask(store) -> None:
    Place(store, MODEL, SETTINGS).keep(part("a"))
    assert Place(store, MODEL, sha256("other settings")).read() == {}
    assert Place(store, sha256("other model"), SETTINGS).read() == {}


def test_any_text_comes_back_as_it_was(store) -> None:
    said = [Kept(sha256(text), text, 0.5, True) for text in ("", "{{$ }}", "naïve 🙂\u2028", "\0")]
    Place(store, MODEL, SETTINGS).keep(said)
    assert sorted(Place(store, MODEL, SETTINGS).read().values()) == sorted(said)


@pytest.mark.parametrize("cut", [0, 7, -9])
def test_a_damaged_part_is_named(store, cut: int) -> None:
    Place(store, MODEL, SETTINGS).keep(part(*(f"question {index}" for index in range(99))))
    (key,) = store.list("answers")
    data = bytearray(store.read(key))
    store.write(key, bytes(data[:cut]) if cut != 7 else bytes(data[:60] + b"\x00\x01\x02" + data[63:]))
    with pytest.raises(InvalidInput, match=r"is damaged .* remove it"):
        Place(store, MODEL, SETTINGS).read()


@pytest.fixture
def sealed(store, tmp_path) -> Place:
    """Where a graph's account keeps answers under its seal."""
    ring = Keyring(tmp_path / "keys")
    key = ring.add("release")
    return Place(store, MODEL, SETTINGS, Seal(ring.trust, ring.address(key), "local"))


def test_what_was_asked_under_a_seal_is_not_asked_again(sealed: Place) -> None:
    said = sealed.keep(part("a", "b"))
    assert sorted(sealed.read().values()) == sorted(said)


def test_answers_that_somebody_put_there_do_not_count_and_are_replaced(store, sealed: Place) -> None:
    Place(store, MODEL, SETTINGS).keep(part("a", "b", answer="planted"))
    assert sealed.read() == {}
    assert [kept.answer for kept in sealed.keep(part("a", "b", answer="heard"))] == ["heard", "heard"]
    assert {kept.answer for kept in sealed.read().values()} == {"heard"}


def test_a_seal_is_for_these_bytes_of_this_model_alone(store, sealed: Place) -> None:
    sealed.keep(part("a"))
    (key,) = (key for key in store.list("answers") if key.endswith(".parquet"))
    for other in (sha256("other model"), MODEL):
        for suffix in (".parquet", ".seal"):
            source = key.replace(".parquet", suffix)
            store.write(source.replace(MODEL, other), store.read(source))
    assert Place(store, sha256("other model"), SETTINGS, sealed.seal).read() == {}
    Place(store, sha256("third"), SETTINGS).keep(part("a", answer="planted"))
    store.write(key, store.read(key.replace(MODEL, sha256("third"))))
    assert sealed.read() == {}


def test_a_revoked_key_vouches_for_nothing(store, sealed: Place) -> None:
    sealed.keep(part("a"))
    (key,) = sealed.seal.trust.keys
    revoked = TrustRoots(keys=(key.model_copy(update={"revoked": "2026-12-02T00:00:00+00:00"}),))
    assert Place(store, MODEL, SETTINGS, Seal(revoked, sealed.seal.key, "local")).read() == {}


def test_a_person_cannot_vouch_for_answers(store, sealed: Place, tmp_path) -> None:
    ring = Keyring(tmp_path / "people")
    anna = ring.add("anna")
    theirs = Place(store, MODEL, SETTINGS, Seal(ring.trust, ring.address(anna), "local", signer="anna"))
    theirs.keep(part("a"))
    assert theirs.read() == {}
    assert sealed.read() == {}
