from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner

from components.core.decision import DecisionKind
from components.core.errors import Failed, InvalidInput, Refused
from components.core.signing import sign, verify
from components.core.trust import PEOPLE, SERVICES, TrustRoots, read_trust
from pipelines.environment import LocalEnvironment, environment_from, load_environment
from pipelines.keys import (
    add_key,
    key_address,
    kinds,
    new_key,
    prepare,
    read_public,
    retire_key,
    revoke_key,
    rotate_key,
)
from tests.core.keyring import Keyring

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
VAULT = "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalEnvironment:
    """The shipped local environment with one service alone, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    shipped = load_environment("local").model_dump(mode="json")
    shipped["keys"].pop("monitor")
    Path("environments").mkdir()
    Path("environments/local.yaml").write_text(json.dumps(shipped))
    return load_environment("local")


def with_keys(environment: LocalEnvironment, **keys: str) -> LocalEnvironment:
    return environment_from({**environment.model_dump(mode="json"), "keys": keys})


def roots(environment: LocalEnvironment) -> TrustRoots:
    return read_trust(environment.trust)


def signed_by(environment: LocalEnvironment, name: str, kind: DecisionKind, at: datetime = NOW) -> bytes:
    """A decision without effect, signed as that name in that environment."""
    trust = roots(environment)
    given = {"kind": kind, "permits": "nothing", "issued": at.isoformat()}
    given["expires"] = (at + timedelta(days=7)).isoformat()
    decision = Keyring(Path()).decision(trust.active_key(name), **given)
    return sign(decision, key_address(environment, name), trust)


def test_the_shipped_environment_has_two_services_and_each_gets_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = load_environment("local")
    assert len(prepare(shipped)) == 2
    assert {key.name: key.signs for key in roots(shipped).keys} == SERVICES
    assert prepare(shipped) == []


def test_a_first_run_makes_the_key_of_the_service_and_the_trust_roots(environment: LocalEnvironment) -> None:
    (said,) = prepare(environment)
    assert said.startswith("made the key of release: .sluice/keys/release.pem; it signs gate, release")
    (key,) = roots(environment).keys
    assert (key.name, key.signs) == ("release", SERVICES["release"])
    assert Path(".sluice/keys/release.pem").stat().st_mode & 0o777 == 0o600
    assert signed_by(environment, "release", DecisionKind.RELEASE, datetime.now(UTC))


def test_a_second_run_makes_nothing(environment: LocalEnvironment) -> None:
    prepare(environment)
    before = {path: path.read_bytes() for path in Path(".sluice").rglob("*") if path.is_file()}
    assert prepare(environment) == []
    assert {path: path.read_bytes() for path in Path(".sluice").rglob("*") if path.is_file()} == before


def test_every_service_that_the_environment_names_gets_a_key_and_nobody_else(environment: LocalEnvironment) -> None:
    named = with_keys(
        environment, release="file2:./k/release.pem", monitor="file2:./k/monitor.pem", anna="file2:./k/anna.pem"
    )
    assert len(prepare(named)) == 2
    assert sorted(key.name for key in roots(named).keys) == ["monitor", "release"]
    assert sorted(path.name for path in Path("k").iterdir()) == ["monitor.pem", "release.pem"]


def test_a_key_in_a_vault_is_not_made_here(environment: LocalEnvironment) -> None:
    assert prepare(with_keys(environment, release=VAULT)) == []
    assert prepare(with_keys(environment)) == []
    assert not Path(".sluice").exists()


def test_an_environment_in_the_cloud_is_left_alone() -> None:
    assert prepare(load_environment("vertex")) == []


def test_a_key_whose_trust_roots_are_gone_is_not_made_anew(environment: LocalEnvironment) -> None:
    prepare(environment)
    key = Path(".sluice/keys/release.pem").read_bytes()
    Path(environment.trust).unlink()
    with pytest.raises(InvalidInput, match=r"release.pem: is a key, and the trust roots .* are gone; bring them back"):
        prepare(environment)
    assert Path(".sluice/keys/release.pem").read_bytes() == key
    assert not Path(environment.trust).exists()


def test_trust_roots_whose_key_is_gone_are_not_written_over(environment: LocalEnvironment) -> None:
    prepare(environment)
    trust = Path(environment.trust).read_bytes()
    Path(".sluice/keys/release.pem").unlink()
    with pytest.raises(InvalidInput, match=r"no such key of release.*bring it back, or .*`sluice keys rotate release`"):
        prepare(environment)
    assert Path(environment.trust).read_bytes() == trust
    rotate_key(environment, "release")
    assert prepare(environment) == []


def test_a_service_that_is_named_later_is_made_by_hand(environment: LocalEnvironment) -> None:
    prepare(environment)
    more = with_keys(environment, **environment.keys, monitor="file2:./.sluice/keys/monitor.pem")
    with pytest.raises(InvalidInput, match=r"no such key of monitor.*make it with `sluice keys new monitor`"):
        prepare(more)
    new_key(more, "monitor")
    assert prepare(more) == []


def test_a_person_who_is_first_is_no_obstacle_to_the_first_run(environment: LocalEnvironment) -> None:
    new_key(environment, "anna")
    assert sorted(key.name for key in roots(environment).keys) == ["anna", "release"]
    assert prepare(environment) == []


def test_many_first_runs_at_once_make_one_key(environment: LocalEnvironment) -> None:
    script = (
        "from pipelines.environment import load_environment\nfrom pipelines.keys import prepare\n"
        "print(len(prepare(load_environment('local'))))"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    running = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=path) for _ in range(6)
    ]
    assert sorted(process.communicate()[0].strip() for process in running) == ["0"] * 5 + ["1"]
    assert len(roots(environment).keys) == 1
    assert signed_by(environment, "release", DecisionKind.GATE, datetime.now(UTC))


def test_many_keys_made_at_once_are_all_trusted(environment: LocalEnvironment) -> None:
    names = [f"person{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: new_key(environment, name), names))
    assert sorted(key.name for key in roots(environment).keys) == sorted([*names, "release"])
    leftovers = {path.name for path in Path(".sluice").iterdir()} - {"trust.json", "keys", ".trust.json.lock"}
    assert leftovers == set()


@pytest.mark.parametrize(
    ("name", "signs"), [("anna", PEOPLE), ("release", SERVICES["release"]), ("monitor", SERVICES["monitor"])]
)
def test_a_name_says_what_its_key_signs(environment: LocalEnvironment, name: str, signs: tuple) -> None:
    key, path = new_key(environment, name, now=NOW)
    assert (key.signs, key.added, path) == (signs, NOW.isoformat(), Path(f".sluice/keys/{name}.pem"))
    assert verify(signed_by(environment, name, signs[0]), roots(environment), "here").signer == name


def test_what_a_key_signs_and_where_it_counts_can_be_said(environment: LocalEnvironment) -> None:
    key, _ = new_key(environment, "anna", signs=kinds("freeze, thaw"), environments=("prod",))
    assert (key.signs, key.environments) == ((DecisionKind.FREEZE, DecisionKind.THAW), ("prod",))


def test_a_kind_that_there_is_not_gets_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"--signs frezee: .*did you mean freeze\?"):
        kinds("gate,frezee")


def test_where_a_key_lies(environment: LocalEnvironment, tmp_path: Path) -> None:
    assert key_address(environment, "release") == "file2:./.sluice/keys/release.pem"
    assert key_address(environment, "anna") == "file2:.sluice/keys/anna.pem"
    named = with_keys(environment, anna=VAULT)
    assert key_address(named, "anna") == VAULT
    moved = environment.model_copy(update={"trust": str(tmp_path / "else" / "roots.json")})
    assert key_address(moved, "anna") == f"file2:{tmp_path}/else/keys/anna.pem"


@pytest.mark.parametrize("name", ["", "Anna", "../anna", "a/b", "anna\n", "1anna", "a" * 41, "anna@x", ".anna"])
def test_a_name_that_could_leave_the_folder_or_cannot_be_typed_is_invalid(
    environment: LocalEnvironment, name: str
) -> None:
    for use in (key_address, new_key):
        with pytest.raises(InvalidInput, match="cannot be the name of a key"):
            use(environment, name)
    assert not Path(".sluice").exists()


def test_an_active_key_is_not_replaced_by_a_new_one(environment: LocalEnvironment) -> None:
    new_key(environment, "anna")
    with pytest.raises(InvalidInput, match=r"anna: has an active key; .*keys rotate anna"):
        new_key(environment, "anna")


def test_a_key_file_that_nobody_trusts_is_not_written_over(environment: LocalEnvironment) -> None:
    new_key(environment, "ben")
    Path(".sluice/keys/anna.pem").write_text("mine")
    with pytest.raises(InvalidInput, match=r"anna.pem: there is one already"):
        new_key(environment, "anna")
    assert Path(".sluice/keys/anna.pem").read_text() == "mine"
    assert [key.name for key in roots(environment).keys] == ["release", "ben"]


def test_after_a_rotation_the_old_word_holds_and_the_new_key_signs(environment: LocalEnvironment) -> None:
    old, path = new_key(environment, "anna", signs=kinds("approval"), environments=("local",), now=NOW)
    before = signed_by(environment, "anna", DecisionKind.APPROVAL)
    new, same = rotate_key(environment, "anna", now=NOW + timedelta(hours=1))
    assert same == path
    assert (new.signs, new.environments) == (old.signs, old.environments)
    assert new.key_id != old.key_id
    after = signed_by(environment, "anna", DecisionKind.APPROVAL, NOW + timedelta(hours=2))
    for envelope, key in ((before, old), (after, new)):
        assert verify(envelope, roots(environment), "here").key_id == key.key_id
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith("anna")] == ["anna.pem"]


def test_a_rotation_cut_short_is_healed_by_another(
    environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_key(environment, "anna")
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.keys.sync_folder", lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(Path, "replace", replace_all_but_keys(Path.replace))
        with pytest.raises(KeyboardInterrupt):
            rotate_key(environment, "anna")
    with pytest.raises(InvalidInput, match="does not match public key"):
        signed_by(environment, "anna", DecisionKind.APPROVAL)
    rotate_key(environment, "anna")
    assert signed_by(environment, "anna", DecisionKind.APPROVAL, datetime.now(UTC))


def replace_all_but_keys(replace):
    def replaced(path: Path, target: Path) -> None:
        if target.suffix != ".pem":
            replace(path, target)

    return replaced


def test_a_retired_key_signs_nothing_more_its_file_goes_and_the_name_can_have_another(
    environment: LocalEnvironment,
) -> None:
    new_key(environment, "anna", now=NOW)
    before = signed_by(environment, "anna", DecisionKind.APPROVAL)
    ended = retire_key(environment, "anna", why="left", now=NOW + timedelta(hours=1))
    assert (ended.key.why, ended.removed) == ("left", Path(".sluice/keys/anna.pem"))
    assert verify(before, roots(environment), "here").signer == "anna"
    with pytest.raises(InvalidInput, match="anna has no active key"):
        signed_by(environment, "anna", DecisionKind.APPROVAL)
    with pytest.raises(InvalidInput, match="anna has no active key"):
        retire_key(environment, "anna")
    new_key(environment, "anna")


def test_a_revoked_key_proves_nothing_and_another_one_can_follow(environment: LocalEnvironment) -> None:
    new_key(environment, "anna", now=NOW)
    before = signed_by(environment, "anna", DecisionKind.APPROVAL)
    ended = revoke_key(environment, "anna", why="laptop stolen")
    assert ended.removed == Path(".sluice/keys/anna.pem")
    with pytest.raises(Refused, match=r"revoked on .*\(laptop stolen\)"):
        verify(before, roots(environment), "here")
    new_key(environment, "anna")
    with pytest.raises(Refused, match="revoked"):
        verify(before, roots(environment), "here")


def test_an_old_key_is_revoked_by_its_id_and_the_new_one_stays(environment: LocalEnvironment) -> None:
    old, path = new_key(environment, "anna")
    new, _ = rotate_key(environment, "anna")
    ended = revoke_key(environment, old.key_id[:8], why="found on a disk")
    assert (ended.key.key_id, ended.removed, path.exists()) == (old.key_id, None, True)
    assert roots(environment).active_key("anna") == new


def test_a_revocation_says_why_and_of_whom(environment: LocalEnvironment) -> None:
    key, _ = new_key(environment, "anna")
    with pytest.raises(InvalidInput, match="--reason: is empty"):
        revoke_key(environment, "anna", why="  ")
    for who, said in (("annna", r"did you mean anna\?"), (key.key_id[:7], "no key has this name")):
        with pytest.raises(InvalidInput, match=said):
            revoke_key(environment, who, why="stolen")
    assert roots(environment).active_key("anna") == key
    revoke_key(environment, "anna", why="stolen")
    with pytest.raises(InvalidInput, match=rf"no active key; name one of the others by its id: {key.key_id[:8]}"):
        revoke_key(environment, "anna", why="again")
    with pytest.raises(InvalidInput, match="no id of one that counts"):
        revoke_key(environment, key.key_id, why="again")


def test_a_file_that_holds_another_key_outlives_the_end_of_this_one(environment: LocalEnvironment) -> None:
    _, path = new_key(environment, "anna")
    path.write_bytes(CryptoSigner.generate_ed25519().private_bytes)
    assert retire_key(environment, "anna").removed is None
    assert path.exists()


def public_pem(signer: CryptoSigner) -> bytes:
    return signer._private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("make", "scheme", "expected"),
    [
        (CryptoSigner.generate_ed25519, "", "ed25519"),
        (CryptoSigner.generate_ecdsa, "", "ecdsa-sha2-nistp256"),
        (lambda: CryptoSigner.generate_rsa(size=2048), "", "rsassa-pss-sha256"),
        (
            lambda: CryptoSigner.generate_rsa(size=2048, scheme="rsa-pkcs1v15-sha256"),
            "rsa-pkcs1v15-sha256",
            "rsa-pkcs1v15-sha256",
        ),
    ],
)
def test_a_public_key_from_elsewhere_is_trusted_and_its_private_part_signs(
    environment: LocalEnvironment, tmp_path: Path, make, scheme: str, expected: str
) -> None:
    signer, path = make(), tmp_path / "elsewhere.pem"
    path.touch(mode=0o600)
    path.write_bytes(signer.private_bytes)
    named = with_keys(environment, release=f"file2:{path}")
    key = add_key(named, "release", read_public(public_pem(signer), scheme), signs=kinds("gate,release"))
    assert (key.scheme, key.signs) == (expected, SERVICES["release"])
    assert verify(signed_by(named, "release", DecisionKind.GATE, datetime.now(UTC)), roots(named), "here")


def test_a_key_in_a_vault_is_added_and_neither_made_nor_rotated_here(environment: LocalEnvironment) -> None:
    named = with_keys(environment, release="awskms:alias/release")
    with pytest.raises(InvalidInput, match=r"lies in a vault .*keys add release --public release.pem`"):
        new_key(named, "release")
    add_key(named, "release", read_public(public_pem(CryptoSigner.generate_ecdsa()), ""))
    with pytest.raises(
        InvalidInput, match=r"key awskms:alias/release: .* cannot be fetched.*`sluice keys retire release`, then"
    ):
        rotate_key(named, "release")
    assert retire_key(named, "release").removed is None
    add_key(named, "release", read_public(public_pem(CryptoSigner.generate_ecdsa()), ""))


@pytest.mark.parametrize(
    ("pem", "scheme", "said"),
    [
        (b"", "", "no public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "", "no public key"),
        (CryptoSigner.generate_ed25519().private_bytes, "", "is a private key"),
        (public_pem(CryptoSigner.generate_ecdsa()), "ed25519", "none of a key of type ecdsa: ecdsa-sha2-nistp256"),
    ],
)
def test_what_is_no_public_key_is_invalid(environment: LocalEnvironment, pem: bytes, scheme: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=f"--public: .*{said}"):
        add_key(environment, "anna", read_public(pem, scheme))
    assert not Path(environment.trust).exists()


def test_one_key_is_not_trusted_under_two_names(environment: LocalEnvironment) -> None:
    public = read_public(public_pem(CryptoSigner.generate_ed25519()), "")
    add_key(environment, "anna", public)
    with pytest.raises(InvalidInput, match="a key belongs to one name; nothing was changed"):
        add_key(environment, "ben", public)
    assert [key.name for key in roots(environment).keys] == ["anna"]


def test_trust_roots_are_written_whole_or_not_at_all_and_no_private_key_is_left(
    environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_key(environment, "anna")
    before = Path(environment.trust).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.trust_file.os.fsync", full)
        with pytest.raises(Failed, match=r"trust.json: cannot be written: No space left on device"):
            add_key(environment, "ben", read_public(public_pem(CryptoSigner.generate_ed25519()), ""))
        with pytest.raises(Failed, match=r"ben.pem: cannot be written: No space left on device"):
            new_key(environment, "ben")
    assert Path(environment.trust).read_bytes() == before
    assert sorted(path.name for path in Path(".sluice/keys").iterdir()) == ["anna.pem", "release.pem"]
    new_key(environment, "ben")


def test_damaged_trust_roots_are_never_written_over(environment: LocalEnvironment) -> None:
    new_key(environment, "anna")
    Path(environment.trust).write_text('{"version": 1, "keys": [')
    for use in (
        lambda: new_key(environment, "ben"),
        lambda: rotate_key(environment, "anna"),
        lambda: retire_key(environment, "anna"),
    ):
        with pytest.raises(InvalidInput, match="not a TrustRoots"):
            use()
    assert Path(environment.trust).read_text() == '{"version": 1, "keys": ['
    assert sorted(path.name for path in Path(".sluice/keys").iterdir()) == ["anna.pem", "release.pem"]


def test_trust_roots_where_no_change_can_be_held_against_another_are_not_changed_from_here(
    environment: LocalEnvironment,
) -> None:
    remote = environment.model_copy(update={"trust": "https://bucket/trust.json"})
    with pytest.raises(InvalidInput, match="says nowhere where anna's key is; name it under `keys`"):
        new_key(remote, "anna")
    with pytest.raises(InvalidInput, match=r"lie at https://bucket/trust.json, where they cannot be changed"):
        new_key(remote, "release")
    with pytest.raises(InvalidInput, match="names no trust roots"):
        new_key(environment.model_copy(update={"trust": ""}), "anna")


# The command line.


def test_a_keys_life_on_the_command_line(environment: LocalEnvironment, sluice) -> None:
    code, out, _ = sluice("keys", "new", "anna")
    assert code == 0
    assert "made the key of anna: .sluice/keys/anna.pem" in out
    assert "approval, rollback, freeze, thaw, break_glass" in out
    old = roots(environment).active_key("anna")
    assert sluice("keys", "rotate", "anna")[0] == 0
    assert sluice("keys", "revoke", old.key_id[:8], "--reason", "found on a disk")[0] == 0
    assert sluice("keys", "retire", "anna", "--reason", "left")[0] == 0
    keys = json.loads(sluice("keys", "list", "--json")[1])
    states = {(key["name"], bool(key["retired"]), bool(key["revoked"])) for key in keys}
    assert states == {("release", False, False), ("anna", True, True), ("anna", True, False)}
    text = sluice("keys", "list")[1]
    assert "revoked 20" in text
    assert "retired 20" in text


def test_a_public_key_is_trusted_on_the_command_line(environment: LocalEnvironment, sluice) -> None:
    Path("release.pub").write_bytes(public_pem(CryptoSigner.generate_ecdsa()))
    words = ("--public", "release.pub", "--signs", "gate,release", "--only-in", "prod", "--json")
    code, out, _ = sluice("keys", "add", "release", *words)
    assert code == 0
    said = json.loads(out)
    assert (said["scheme"], said["environments"]) == ("ecdsa-sha2-nistp256", ["prod"])
    assert roots(environment).active_key("release").key_id == said["key_id"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "Anna"), "cannot be the name of a key"),
        (("new", "anna", "--signs", "releas"), "did you mean release?"),
        (("retire", "anna"), "anna has no active key"),
        (("list",), "there is no ./.sluice/trust.json; bring it back from a copy"),
        (("revoke", "anna"), "Missing option '--reason'"),
        (("add", "anna", "--public", "nowhere.pem"), "does not exist"),
    ],
)
def test_bad_input_on_the_command_line_is_a_sentence_and_exit_2(
    environment: LocalEnvironment, sluice, words: tuple, said: str
) -> None:
    code, out, complaint = sluice("keys", *words)
    assert (code, out) == (2, "")
    assert said in complaint
