from __future__ import annotations

import multiprocessing
import uuid
from pathlib import Path

import pytest

from components.core.errors import InvalidInput
from components.serve.gateway.identity import Identity, read_secret


def test_an_id_is_known_by_all_gateways_of_its_endpoint_and_by_no_other() -> None:
    ours = Identity(b"s" * 32, "helpdesk")
    name = ours.request_id("")
    assert Identity(b"s" * 32, "helpdesk").known(name) == name
    assert Identity(b"s" * 32, "other").known(name) is None
    assert Identity(b"t" * 32, "helpdesk").known(name) is None


@pytest.mark.parametrize("written", [str, lambda number: number.hex, lambda number: str(number).upper()])
def test_a_routers_uuid_is_kept_however_it_is_written(written) -> None:
    number = uuid.uuid4()
    assert Identity(b"s" * 32, "helpdesk").request_id(written(number)).startswith(f"{number.hex}-")


def test_no_users_name_makes_what_proves_an_id() -> None:
    identity = Identity(b"s" * 32, "helpdesk")
    number, tag = identity.request_id("").split("-")
    for name in (f"helpdesk|{number}", f"request|helpdesk|{number}", number):
        assert identity.unit(name, "app")[:16] != tag
        assert identity.unit(None, name)[:16] != tag


def test_a_user_is_another_than_a_key_of_the_same_name_and_the_same_with_every_key() -> None:
    identity = Identity(b"s" * 32, "helpdesk")
    assert identity.unit("app", "app") != identity.unit(None, "app") == identity.unit("", "app")
    assert identity.unit("anna", "app") == identity.unit("anna", "other")


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    assert read_secret(path) == read_secret(path)
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_of_many_that_make_a_secret_at_once_all_have_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert len(set(pool.map(read_secret, [tmp_path / "secret"] * 16))) == 1


def test_a_file_of_another_length_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x" * 31)
    with pytest.raises(InvalidInput, match="31 bytes and not 32"):
        read_secret(tmp_path / "secret")
