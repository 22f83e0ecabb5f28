from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.core.decision import DecisionKind
from components.core.errors import InvalidInput, Refused
from components.core.trust import PEOPLE, SERVICES, TrustRoots, read_trust
from tests.core.keyring import NOW, Keyring, moment


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys")


def test_every_kind_of_decision_has_somebody_who_signs_it_and_nobody_signs_for_another() -> None:
    kinds = [kind for signs in (*SERVICES.values(), PEOPLE) for kind in signs]
    assert sorted(kinds) == sorted(DecisionKind)


def test_a_key_signs_what_it_is_trusted_for_and_nothing_else(ring: Keyring) -> None:
    key = ring.add("monitor")
    assert ring.trust.key_for(key.key_id, DecisionKind.RETRAIN, "local", NOW) == key
    for kind in set(DecisionKind) - {DecisionKind.RETRAIN}:
        with pytest.raises(Refused, match=f"monitor may sign retrain, and this is a decision of kind {kind}"):
            ring.trust.key_for(key.key_id, kind, "local", NOW)


def test_a_key_counts_in_its_environments_alone(ring: Keyring) -> None:
    key = ring.add("release", environments=("dev", "staging"))
    assert ring.trust.key_for(key.key_id, DecisionKind.RELEASE, "staging", NOW) == key
    with pytest.raises(Refused, match="release is not trusted in the environment prod"):
        ring.trust.key_for(key.key_id, DecisionKind.RELEASE, "prod", NOW)


def test_after_a_rotation_the_old_key_holds_for_what_it_signed_before(ring: Keyring) -> None:
    old = ring.add("release")
    ring.trust = ring.change(old, retired=moment())
    new = ring.add("release")
    assert ring.trust.active_key("release") == new
    assert ring.trust.key_for(old.key_id, DecisionKind.RELEASE, "local", NOW.replace(hour=8)).key_id == old.key_id
    with pytest.raises(Refused, match="retired before that"):
        ring.trust.key_for(old.key_id, DecisionKind.RELEASE, "local", NOW)


def test_a_revoked_key_proves_nothing_whenever_it_signed(ring: Keyring) -> None:
    key = ring.add("release")
    ring.trust = ring.change(key, revoked=moment(), why="stolen")
    for hours in (-23, 23):
        with pytest.raises(Refused, match=r"revoked on 2026-12-01.*\(stolen\)"):
            ring.trust.key_for(key.key_id, DecisionKind.RELEASE, "local", NOW.replace(day=2 if hours > 0 else 1))


def test_a_key_that_nobody_trusts_is_refused_and_its_id_cannot_write_on_the_terminal(ring: Keyring) -> None:
    with pytest.raises(Refused, match="a key that nobody trusts") as error:
        ring.trust.key_for("\x1b[2Jevil", DecisionKind.RELEASE, "local", NOW)
    assert "\x1b" not in str(error.value)


def test_nobody_has_two_active_keys(ring: Keyring) -> None:
    ring.add("anna")
    with pytest.raises(ValidationError, match="anna has two active keys"):
        ring.add("anna")


def test_one_key_cannot_be_two_people(ring: Keyring) -> None:
    anna = ring.add("anna")
    for same in ({}, {"key_id": "f" * 64}, {"key_id": "f" * 64, "public": anna.public + "\n"}):
        with pytest.raises(ValidationError, match="a key stands there twice"):
            TrustRoots(keys=(anna, anna.model_copy(update={"name": "ben", **same})))


def test_an_unknown_name_gets_the_nearest_and_what_to_do(ring: Keyring) -> None:
    ring.add("release")
    with pytest.raises(InvalidInput, match=r"relase has no active key; did you mean release\?; make one with"):
        ring.trust.active_key("relase")


def test_a_retired_key_is_nobodys_active_one(ring: Keyring) -> None:
    ring.trust = ring.change(ring.add("anna"), retired=moment())
    with pytest.raises(InvalidInput, match="anna has no active key"):
        ring.trust.active_key("anna")


def test_trust_roots_are_read_back(ring: Keyring, tmp_path: Path) -> None:
    ring.add("release")
    (tmp_path / "trust.json").write_bytes(ring.trust.to_bytes())
    assert read_trust(str(tmp_path / "trust.json")).keys == ring.trust.keys


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"retired": "yesterday"}, "no moment"),
        ({"added": "2026-12-01"}, "no moment"),
        ({"signs": ["everything"]}, "signs"),
        ({"name": "Anna!"}, "name"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_trust_file_that_says_nonsense_is_invalid(ring: Keyring, tmp_path: Path, change: dict, said: str) -> None:
    ring.add("anna")
    document = json.loads(ring.trust.to_bytes())
    document["keys"][0] |= change
    (tmp_path / "trust.json").write_text(json.dumps(document))
    with pytest.raises(InvalidInput, match=said):
        read_trust(str(tmp_path / "trust.json"))


@pytest.mark.parametrize("damage", ["", '{"version": 1, "ke', '{"version": 0}', '{"version": 1, "keys": [{}]}', "\x00"])
def test_damaged_trust_roots_are_brought_back_and_never_made_again(tmp_path: Path, damage: str) -> None:
    (tmp_path / "trust.json").write_text(damage)
    with pytest.raises(InvalidInput, match=r"trust.json: not a TrustRoots: .*bring it back from a copy$") as refused:
        read_trust(str(tmp_path / "trust.json"))
    assert "make it again" not in str(refused.value)


def test_a_trust_file_that_is_missing_unnamed_a_folder_or_elsewhere_unknown_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"there is no .*trust.json; bring it back from a copy"):
        read_trust(str(tmp_path / "trust.json"))
    with pytest.raises(InvalidInput, match="environment names none"):
        read_trust("")
    for address in (str(tmp_path), "nowhere://trust.json"):
        with pytest.raises(InvalidInput, match=f"trust roots: {address} cannot be read"):
            read_trust(address)
