from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.core.canonical import sha256
from components.core.errors import Conflict, InvalidInput
from components.serve.api_keys import KeyRing, new_key, read_keys, revoke_key
from pipelines.commands.api_keys import api_keys


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "keys.json"


def test_the_file_holds_hashes_alone_and_is_its_owners(path: Path) -> None:
    key = new_key(path, "app", trusted=True, per_minute=5)
    assert key.startswith("sk-")
    assert len(key) == 46
    assert key not in path.read_text()
    (kept,) = read_keys(path).keys
    assert (kept.name, kept.sha256, kept.trusted, kept.per_minute) == ("app", sha256(key), True, 5)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_name_is_used_once_even_after_its_end(path: Path) -> None:
    new_key(path, "app")
    revoke_key(path, "app")
    with pytest.raises(Conflict, match="take another name"):
        new_key(path, "app")


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65])
def test_what_is_no_name_is_refused(path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        new_key(path, name)
    assert not path.exists()


def test_a_key_ends_once(path: Path) -> None:
    new_key(path, "app")
    assert revoke_key(path, "app").revoked
    with pytest.raises(InvalidInput, match="no such key that counts"):
        revoke_key(path, "app")
    new_key(path, "other")
    with pytest.raises(InvalidInput, match="did you mean other"):
        revoke_key(path, "othr")


def test_of_many_that_make_keys_at_once_none_is_lost(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda number: new_key(path, f"app{number}"), range(32)))
    assert {key.sha256 for key in read_keys(path).keys} == {sha256(key) for key in keys}


def test_a_ring_knows_a_change_after_half_a_second(path: Path) -> None:
    clock = Clock()
    ring = KeyRing(path, clock)
    assert ring.empty
    key = new_key(path, "app")
    assert ring.find(key) is None
    clock.now = 0.5
    found = ring.find(key)
    assert found
    assert found.name == "app"
    assert ring.find(key + "x") is None
    revoke_key(path, "app")
    clock.now = 1.0
    assert ring.find(key) is None
    assert ring.empty


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": 1, "keys": [{}]}', '{"version": 99}'])
def test_a_damaged_file_lets_nobody_in_until_it_is_whole_again(path: Path, damage: str) -> None:
    clock = Clock()
    key = new_key(path, "app")
    whole = path.read_bytes()
    path.write_text(damage)
    ring = KeyRing(path, clock)
    assert ring.find(key) is None
    assert str(path) in ring.trouble
    path.write_bytes(whole)
    clock.now = 1.0
    assert ring.find(key)
    assert ring.trouble == ""


def test_a_file_that_cannot_be_read_lets_nobody_in(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)  # a folder
    assert ring.find("sk-x") is None
    assert "cannot be read" in ring.trouble
    below = KeyRing(tmp_path / "file" / "keys.json")
    (tmp_path / "file").write_text("")
    assert below.find("sk-x") is None
    assert "cannot be read" in below.trouble


def test_a_file_that_can_be_read_again_lets_its_keys_in_though_it_was_not_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    clock = Clock()
    key = new_key(path, "app")
    ring = KeyRing(path, clock)
    with monkeypatch.context() as patched:
        patched.setattr("components.serve.api_keys.read_keys", denied)
        assert ring.find(key) is None
        assert "Permission denied" in ring.trouble
    clock.now = 0.5
    assert ring.find(key)
    assert ring.trouble == ""


def test_the_commands_make_list_and_end_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(api_keys, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    assert "there is no key" in said("list")
    key = said("new", "app", "--per-minute", "7").strip()
    assert json.loads(said("new", "desk", "--trusted", "--json"))["name"] == "desk"
    ring = KeyRing(tmp_path / ".sluice" / "api-keys.json")
    assert ring.find(key)
    assert "7 a minute" in said("list")
    assert "trusted" in said("list")
    assert json.loads(said("list", "--json"))[1]["trusted"] is True
    assert said("revoke", "app") == "revoked the key of app\n"
    assert "revoked" in said("list")
