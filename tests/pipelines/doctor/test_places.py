from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import InvalidInput
from components.core.signing import vault_key
from components.core.store import Store
from pipelines.doctor.check import Finding, Health, examine
from pipelines.doctor.places import checks
from pipelines.environment import Environment, LocalEnvironment, environment_from, load_environment
from pipelines.keys import add_key, key_address, prepare
from tests.contract.google.kms import Kms
from tests.contract.google.server import Server
from tests.contract.google.storage import Storage

VERSION = "projects/sluice-example/locations/europe-west4/keyRings/sluice/cryptoKeys/release/cryptoKeyVersions/{0}"


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Storage, Kms]]:
    storage, kms = Storage("desk"), Kms()
    with Server(storage, kms).running() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        monkeypatch.setenv("KMS_EMULATOR_HOST", server.address)
        yield server, storage, kms


def look(environment: Environment) -> dict[str, Finding]:
    return {one.about: one for one in examine(checks(environment))}


def cloud(**changes: Any) -> Environment:
    """The shipped example for Vertex AI with its things in the bucket desk."""
    places = {"store": "gs://desk/store", "requests": "gs://desk/requests", "endpoints": "gs://desk/endpoints"}
    given = load_environment("vertex").model_dump(mode="json") | places | {"trust": "", "keys": {}} | changes
    return environment_from(given)


def test_a_project_that_was_run_in_is_well_and_a_probe_leaves_nothing(environment: LocalEnvironment) -> None:
    prepare(environment)
    found = look(environment)
    assert {one.health for one in found.values()} == {Health.OK}, found
    assert set(found) == {"store", "request log", "endpoints", "trust roots", "key release", "key monitor"}
    assert found["trust roots"].said.endswith("3 active keys")
    assert found["key release"].said.endswith("release.pem signs as release")
    assert Store(environment.store).list("") == []


def test_a_project_that_nothing_was_run_in_yet_is_missing_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = look(load_environment("local"))
    not_yet = {"trust roots", "key release", "key monitor"}
    assert {name for name, one in found.items() if one.health is Health.NOT_CHECKED} == not_yet
    assert all("the first `sluice run` makes it" in found[name].said for name in not_yet)
    assert Health.MISSING not in {one.health for one in found.values()}


def test_trust_roots_that_were_lost_are_missed(environment: LocalEnvironment) -> None:
    prepare(environment)
    Path(environment.trust).unlink()
    found = look(environment)
    assert found["trust roots"].health is Health.MISSING
    assert "bring it back from a copy" in found["trust roots"].said


def test_keys_that_cannot_sign(environment: LocalEnvironment) -> None:
    prepare(environment)
    release, monitor = (Path(environment.keys[name].removeprefix("file2:")) for name in ("release", "monitor"))
    release.chmod(0o644)
    monitor.unlink()
    found = look(environment)
    assert "others can read it (mode 0644), so it proves nothing; `chmod 600" in found["key release"].said
    assert "there is none; make it with `sluice keys new monitor`" in found["key monitor"].said
    assert found["trust roots"].health is Health.OK


def test_a_key_that_is_another_than_the_trusted_one(environment: LocalEnvironment) -> None:
    prepare(environment)
    release, monitor = (Path(environment.keys[name].removeprefix("file2:")) for name in ("release", "monitor"))
    release.write_bytes(monitor.read_bytes())
    found = look(environment)["key release"]
    assert found.health is Health.MISSING
    assert "release" in found.said


def test_a_store_that_is_a_file(environment: LocalEnvironment) -> None:
    Path(environment.store).parent.mkdir(parents=True, exist_ok=True)
    Path(environment.store).write_text("in the way")
    found = look(environment)["store"]
    assert found.health is Health.MISSING
    assert ";" in found.said


def test_a_store_that_creates_twice(environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    create = Store.create

    def twice(store: Store, key: str, data: bytes) -> bool:
        return create(store, key, data) or True

    monkeypatch.setattr(Store, "create", twice)
    assert "does not keep `create if absent`, so two runs could claim the same" in look(environment)["store"].said
    assert Store(environment.store).list("") == []


def test_a_bucket_is_probed_and_left_as_it_was(google: tuple[Server, Storage, Kms]) -> None:
    found = look(cloud())
    assert {one.about: one.health for one in found.values() if one.health is not Health.OK} == {
        "trust roots": Health.MISSING
    }
    assert "add `trust: PATH` to its file" in found["trust roots"].said
    assert google[1].buckets["desk"] == {}


def test_a_bucket_that_is_not_there(google: tuple[Server, Storage, Kms]) -> None:
    found = look(cloud(store="gs://gone/store", requests="gs://gone/requests", endpoints="gs://gone/endpoints"))
    for name in ("store", "request log", "endpoints"):
        assert found[name].health is Health.MISSING, found[name]
        assert "bucket" in found[name].said


def test_a_store_that_may_not_be_deleted_from_is_told(google: tuple[Server, Storage, Kms]) -> None:
    google[0].fail("objects.delete", 403, times=99)
    found = look(cloud())["store"]
    assert found.health is Health.MISSING
    assert "cannot remove doctor-" in found.said


def test_who_may_only_read_is_told_so_and_misses_nothing(google: tuple[Server, Storage, Kms]) -> None:
    google[0].fail("objects.insert", 403, times=99)
    found = look(cloud())["store"]
    assert found.health is Health.NOT_CHECKED
    assert "can be read, and who asks may not write there" in found.said


@pytest.mark.parametrize(
    ("about", "health"),
    [("store", Health.MISSING), ("request log", Health.NOT_CHECKED), ("endpoints", Health.MISSING)],
)
def test_a_bucket_that_may_not_be_looked_into(google: tuple[Server, Storage, Kms], about: str, health: Health) -> None:
    for operation in ("objects.insert", "objects.list", "objects.get"):
        google[0].fail(operation, 403, times=99)
    assert look(cloud())[about].health is health


def test_what_lies_where_steps_run_is_not_looked_for_here() -> None:
    found = look(cloud(store="./store", requests="/mnt/log", endpoints="sqlite:////mnt/endpoints.db"))
    assert found["store"].health is Health.MISSING
    assert "is a folder of this machine, which no step on vertex sees; name gs://" in found["store"].said
    assert (found["request log"].health, found["endpoints"].health) == (Health.NOT_CHECKED, Health.NOT_CHECKED)
    assert look(cloud(store="./store", requests="", endpoints=""))["endpoints"].health is Health.NOT_CHECKED


def test_a_file_of_a_key_that_lies_where_steps_run(environment: LocalEnvironment) -> None:
    found = look(cloud(store="./store", requests="", endpoints="", keys={"release": "file2:/mnt/release.pem"}))
    assert found["key release"].health is Health.NOT_CHECKED


def test_a_file_of_a_services_key_is_refused_where_steps_run_elsewhere(environment: LocalEnvironment) -> None:
    prepare(environment)
    away = {"api_endpoint": "https://elsewhere.example", "example": False, "store": "./store"}
    keys = {"release": environment.keys["release"], "monitor": "file2:/mnt/monitor.pem"}
    found = look(cloud(**away, requests="", endpoints="", trust=environment.trust, keys=keys))
    for name, address in keys.items():
        assert found[f"key {name}"].health is Health.MISSING
        assert f"{address} is a file of this machine, which no step on vertex sees; name a key in a vault" in (
            found[f"key {name}"].said
        )


def test_a_persons_key_is_looked_at_where_that_person_is(environment: LocalEnvironment) -> None:
    here = key_address(environment, "anna")
    places = {"store": "./store", "requests": "", "endpoints": "", "trust": environment.trust, "example": False}
    for address in ("", "https://elsewhere.example"):
        api = {"api_endpoint": address} if address else {}
        found = look(cloud(**places, **api, name="far", keys={"anna": here, "ben": "file2:ben.pem"}))
        assert found["key anna"] == Finding("key anna", Health.OK, f"{here} signs as anna")
        assert found["key ben"].health is Health.NOT_CHECKED
        assert found["key ben"].said == (
            "file2:ben.pem is a person's own, and not on this machine; look from ben's, and where there is none yet ben"
            " makes it: `sluice keys new ben --env far`"
        )


def test_a_key_in_a_vault_is_held_against_the_trusted_one_and_signs_nothing(
    google: tuple[Server, Storage, Kms], environment: LocalEnvironment
) -> None:
    server, _, kms = google
    for number in (1, 2):
        kms.make(VERSION.format(number))
    address = f"gcpkms:{VERSION.format(1)}"
    given = environment.model_dump() | {"keys": {"release": address}, "trust": "vaults/trust.json"}
    here = LocalEnvironment.model_validate(given)
    Path("vaults").mkdir()
    add_key(here, "release", vault_key(address))
    assert look(here)["key release"] == Finding(
        "key release", Health.OK, f"{address} is the one that is trusted for release"
    )
    another = LocalEnvironment.model_validate(here.model_dump() | {"keys": {"release": f"gcpkms:{VERSION.format(2)}"}})
    found = look(another)["key release"]
    assert found.health is Health.MISSING
    assert "is not the one that the trust roots name for release" in found.said
    gone = LocalEnvironment.model_validate(here.model_dump() | {"keys": {"release": f"gcpkms:{VERSION.format(3)}"}})
    assert "correct the key's address" in look(gone)["key release"].said
    server.fail("getPublicKey", 403, times=9)
    found = look(here)["key release"]
    assert (found.health, "who asks may not look: gcpkms:" in found.said) == (Health.NOT_CHECKED, True)
    assert server.asked("asymmetricSign") == []


def test_a_vault_that_cannot_be_looked_at(environment: LocalEnvironment) -> None:
    prepare(environment)
    given = environment.model_dump() | {"keys": {"release": "awskms:alias/release"}}
    found = look(LocalEnvironment.model_validate(given))["key release"]
    assert found.health is Health.NOT_CHECKED
    assert "see there that the steps may sign" in found.said


def test_the_command_tells_line_by_line_and_ends_by_what_is_missing(
    sluice, environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted-0123456789")
    assert sluice("smoke")[0] == 0
    code, out, complaints = sluice("doctor")
    assert (code, complaints) == (0, "")
    assert all(line.startswith("ok  ") for line in out.splitlines())
    assert "planted" not in out
    Path(environment.trust).unlink()
    code, out, complaints = sluice("doctor", "--json")
    assert (code, complaints) == (4, "")
    found = json.loads(out)
    assert {one["about"] for one in found if one["health"] == "missing"} == {
        "trust roots",
        "key release",
        "key monitor",
    }


def test_an_example_that_is_not_of_this_machine_is_refused_before_anything_is_looked_at(
    sluice, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = load_environment("vertex").model_dump(mode="json") | {"api_endpoint": "https://elsewhere.example"}
    Path("environments/far.yaml").write_text(json.dumps(given))
    with pytest.raises(InvalidInput, match="not a loopback address"):
        load_environment("far")
    code, out, complaints = sluice("doctor", "--env", "far")
    assert (code, out) == (2, "")
    assert (
        "https://elsewhere.example is not a loopback address, and an example's image digests are made up" in complaints
    )
