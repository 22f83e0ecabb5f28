from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from securesystemslib.signer import CryptoSigner

from components.core.canonical import canonical_json
from components.core.decision import Decision, DecisionKind, Permits, keep_decision
from components.core.errors import InvalidInput, Refused
from components.core.signing import (
    FILE,
    SKEW,
    check_moment,
    key_file,
    make_key_file,
    policy_digest,
    public_fields,
    read_decision,
    sign,
    verify,
)
from components.core.store import Store
from components.core.trust import TrustedKey, TrustRoots
from tests.core.keyring import NOW, Keyring, moment


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys")


@pytest.fixture
def key(ring: Keyring) -> TrustedKey:
    return ring.add("release")


def refused(envelope: bytes, trust: TrustRoots) -> str:
    """What is said when an envelope is refused; "" when it is believed."""
    try:
        verify(envelope, trust, "here")
    except Refused as error:
        return str(error)
    return ""


def test_what_is_signed_is_what_is_read(ring: Keyring, key: TrustedKey) -> None:
    signed = verify(ring.signed(key), ring.trust, "here")
    assert signed.model_dump() == ring.decision(key).model_dump()


def test_the_same_decision_signed_twice_is_the_same_bytes(ring: Keyring, key: TrustedKey) -> None:
    assert ring.signed(key) == ring.signed(key)


def changes(envelope: bytes, place: int) -> list[bytes]:
    """An envelope with one byte changed in each of ten ways."""
    before, byte, rest = envelope[:place], envelope[place], envelope[place + 1 :]
    others = {byte ^ 1, byte ^ 2, byte ^ 4, byte ^ 0x20, byte ^ 0x80, ord("A"), ord("="), ord(" ")} - {byte}
    return [before + bytes([other]) + rest for other in others] + [
        before + rest,
        before + bytes([byte, byte]) + rest,
        before + b"\n" + bytes([byte]) + rest,
    ]


def test_every_byte_of_an_envelope_changed_in_ten_ways_is_refused(ring: Keyring, key: TrustedKey) -> None:
    envelope = ring.signed(key)
    tried = [changed for place in range(len(envelope)) for changed in changes(envelope, place)]
    assert len(tried) > 10 * len(envelope)
    assert envelope not in tried
    assert [changed for changed in tried if not refused(changed, ring.trust).startswith("here: ")] == []


def test_every_bit_of_what_was_signed_is_refused_when_it_is_written_canonically(ring: Keyring, key: TrustedKey) -> None:
    document = json.loads(ring.signed(key))
    believed = []
    for field, holder in (("payload", document), ("sig", document["signatures"][0])):
        original = holder[field]
        data = base64.b64decode(original)
        for place in range(len(data)):
            changed = data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]
            holder[field] = base64.b64encode(changed).decode()
            believed += [(field, place)] * (not refused(canonical_json(document).encode(), ring.trust))
        holder[field] = original
    assert believed == []
    assert refused(canonical_json(document).encode(), ring.trust) == ""


def shortened(text: str) -> str:
    """The same bytes in base64 whose last digit has other unused bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body, padding = text.rstrip("="), text[len(text.rstrip("=")) :]
    assert padding
    return body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + padding


def other_base64(envelope: bytes) -> bytes:
    document = json.loads(envelope)
    signature = document["signatures"][0]
    again = shortened(signature["sig"])
    assert base64.b64decode(again) == base64.b64decode(signature["sig"])
    signature["sig"] = again
    return canonical_json(document).encode()


def edited(change: Callable[[dict], object], dumps: Callable[[dict], str] = canonical_json) -> Callable[[bytes], bytes]:
    def apply(envelope: bytes) -> bytes:
        document = json.loads(envelope)
        change(document)
        return dumps(document).encode()

    return apply


def nothing(document: dict) -> None:
    """Changes nothing."""


def url_safe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_")


WRITTEN_OTHERWISE = {
    "a space": edited(nothing, lambda document: json.dumps(document, sort_keys=True)),
    "indented": edited(nothing, lambda document: json.dumps(document, sort_keys=True, indent=1)),
    "a newline at the end": lambda envelope: envelope + b"\n",
    "a byte order mark": lambda envelope: b"\xef\xbb\xbf" + envelope,
    "UTF-16": lambda envelope: envelope.decode().encode("utf-16"),
    "other order of keys": edited(
        nothing, lambda document: json.dumps(dict(reversed(document.items())), separators=(",", ":"))
    ),
    "an escape": lambda envelope: envelope.replace(b"payloadType", b"payload\\u0054ype"),
    "a field twice": lambda envelope: envelope.replace(b'{"payload":', b'{"payload":"","payload":', 1),
    "other base64": other_base64,
    "base64 with a line break": edited(lambda document: document.update(payload="\n" + document["payload"])),
    "base64 without padding": lambda envelope: envelope.replace(b'=="}', b'"}'),
    "another payload type": edited(lambda document: document.update(payloadType="application/json")),
    "a further field": edited(lambda document: document.update(extra=1)),
    "a further field of the signature": edited(lambda document: document["signatures"][0].update(cert="")),
    "the same signature twice": edited(lambda document: document["signatures"].append(document["signatures"][0])),
    "no signature": edited(lambda document: document["signatures"].clear()),
}


@pytest.mark.parametrize("change", WRITTEN_OTHERWISE.values(), ids=WRITTEN_OTHERWISE)
def test_an_envelope_that_is_written_another_way_is_refused(ring: Keyring, key: TrustedKey, change) -> None:
    envelope = ring.signed(key)
    assert change(envelope) != envelope
    assert refused(change(envelope), ring.trust)


def test_base64_for_addresses_is_refused(ring: Keyring, key: TrustedKey) -> None:
    reasons = (ring.decision(key).reasons[0].model_copy(update={"text": "???>>>~~~"}),)
    document = json.loads(ring.signed(key, reasons=reasons))
    document["payload"], before = url_safe(document["payload"]), document["payload"]
    assert document["payload"] != before
    assert "no envelope" in refused(canonical_json(document).encode(), ring.trust)


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\x80\x04",
        b"[" * 100_000,
        b'{"payload":{},"payloadType":1,"signatures":[{"keyid":1,"sig":"AA=="}]}',
        b'{"payload":"AA==","payloadType":"","signatures":{"keyid":"a"}}',
        b'{"payload":"AA==","payloadType":"","signatures":["ab"]}',
        b'{"payload":"AA==","payloadType":"","signatures":[{"keyid":"\\ud800","sig":"AA=="}]}',
        b'{"payload":"\xc3\xa9","payloadType":"","signatures":[{"keyid":"a","sig":"AA=="}]}',
    ],
)
def test_what_is_no_envelope_is_refused_with_a_sentence(ring: Keyring, envelope: bytes) -> None:
    assert refused(envelope, ring.trust).startswith("here: ")


def test_a_second_persons_signature_beside_the_first_is_refused(ring: Keyring, key: TrustedKey) -> None:
    other = ring.add("release-two", signs=key.signs)
    first, second = (json.loads(ring.signed(one)) for one in (key, other))
    first["signatures"] += second["signatures"]
    assert "no envelope" in refused(canonical_json(first).encode(), ring.trust)


def test_a_key_that_nobody_trusts_proves_nothing(ring: Keyring, key: TrustedKey) -> None:
    envelope = ring.signed(key)
    assert "a key that nobody trusts" in refused(envelope, TrustRoots())


@pytest.mark.parametrize("kind", sorted(set(DecisionKind) - {DecisionKind.RETRAIN}))
def test_a_key_of_another_kind_cannot_sign(ring: Keyring, kind: DecisionKind) -> None:
    monitor = ring.add("monitor")
    with pytest.raises(InvalidInput, match=f"does not count as monitor's.*kind {kind}"):
        ring.signed(monitor, kind=kind, permits=Permits.NOTHING)


def test_a_key_whose_rights_were_taken_no_longer_counts(ring: Keyring, key: TrustedKey) -> None:
    envelope = ring.signed(key)
    fewer = ring.change(key, signs=(DecisionKind.GATE,))
    assert "release may sign gate" in refused(envelope, fewer)


def test_a_key_of_another_environment_cannot_sign(ring: Keyring) -> None:
    key = ring.add("release", environments=("staging",))
    assert verify(ring.signed(key, environment="staging"), ring.trust, "here").environment == "staging"
    with pytest.raises(InvalidInput, match="release is not trusted in the environment local"):
        ring.signed(key)


def test_a_retired_key_holds_for_what_it_signed_before_and_signs_nothing_more(ring: Keyring, key: TrustedKey) -> None:
    before, after = ring.signed(key), ring.signed(key, issued=moment(2))
    ring.trust = ring.change(key, retired=moment(1))
    assert refused(before, ring.trust) == ""
    assert "retired before that" in refused(after, ring.trust)
    with pytest.raises(InvalidInput, match="release has no active key"):
        sign(ring.decision(key), f"{FILE}{ring.folder}/release-0.pem", ring.trust)


def test_after_a_rotation_old_and_new_decisions_hold(ring: Keyring, key: TrustedKey) -> None:
    before = ring.signed(key)
    ring.trust = ring.change(key, retired=moment(1))
    new = ring.add("release")
    assert refused(before, ring.trust) == ""
    assert refused(ring.signed(new, issued=moment(2)), ring.trust) == ""


def test_a_revoked_key_proves_nothing(ring: Keyring, key: TrustedKey) -> None:
    envelope = ring.signed(key)
    assert "revoked" in refused(envelope, ring.change(key, revoked=moment(1), why="stolen"))


def test_a_signer_who_gives_another_name_is_refused(ring: Keyring, key: TrustedKey) -> None:
    anna, ben = ring.add("anna"), ring.add("ben")
    word = {"kind": DecisionKind.APPROVAL, "permits": Permits.NOTHING}
    forged = raw_envelope(ring, anna, ring.decision(ben, **word, key_id=anna.key_id))
    assert "says that ben signed it, but anna did" in refused(forged, ring.trust)
    under_bens_id = raw_envelope(ring, anna, ring.decision(ben, **word), keyid=ben.key_id)
    assert "the signature is not that of ben: it was forged or changed" in refused(under_bens_id, ring.trust)
    with pytest.raises(InvalidInput, match="does not count as anna's"):
        sign(ring.decision(anna, **word, key_id=ben.key_id), ring.address(anna), ring.trust)


def raw_envelope(ring: Keyring, key: TrustedKey, decision: Decision, keyid: str = "") -> bytes:
    """An envelope by a forger who has a key of his own and takes no advice."""
    private = serialization.load_pem_private_key(Path(ring.address(key).removeprefix(FILE)).read_bytes(), None)
    payload, kind = decision.statement(), b"application/vnd.in-toto+json"
    signature = private.sign(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": kind.decode(),
            "signatures": [{"keyid": keyid or key.key_id, "sig": base64.b64encode(signature).decode()}],
        }
    ).encode()


def test_our_envelopes_are_what_the_dsse_specification_says(ring: Keyring, key: TrustedKey) -> None:
    assert raw_envelope(ring, key, ring.decision(key)) == ring.signed(key)


def test_a_signature_over_the_bare_statement_is_refused(ring: Keyring, key: TrustedKey) -> None:
    document = json.loads(ring.signed(key))
    private = serialization.load_pem_private_key((ring.folder / "release-0.pem").read_bytes(), None)
    bare = private.sign(base64.b64decode(document["payload"]))
    document["signatures"][0]["sig"] = base64.b64encode(bare).decode()
    assert "forged or changed" in refused(canonical_json(document).encode(), ring.trust)


def test_a_signature_moved_to_another_decision_is_refused(ring: Keyring, key: TrustedKey) -> None:
    mine, other = json.loads(ring.signed(key)), json.loads(ring.signed(key, endpoint="payments"))
    other["signatures"] = mine["signatures"]
    assert "forged or changed" in refused(canonical_json(other).encode(), ring.trust)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777])
def test_a_key_that_others_can_read_signs_nothing(ring: Keyring, key: TrustedKey, mode: int) -> None:
    path = ring.folder / "release-0.pem"
    path.chmod(mode)
    with pytest.raises(InvalidInput, match=rf"others can read it \(mode 0{mode:o}\).*chmod 600.*keys revoke"):
        ring.signed(key)
    path.chmod(0o600)
    assert ring.signed(key)


def test_a_link_to_a_key_that_others_can_read_signs_nothing(ring: Keyring, key: TrustedKey, tmp_path: Path) -> None:
    (tmp_path / "link.pem").symlink_to(ring.folder / "release-0.pem")
    (ring.folder / "release-0.pem").chmod(0o644)
    with pytest.raises(InvalidInput, match="others can read it"):
        sign(ring.decision(key), f"{FILE}{tmp_path}/link.pem", ring.trust)


def encrypted(path: Path) -> None:
    private = CryptoSigner.generate_ed25519()._private_key
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    path.write_bytes(private.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is none; make it with `sluice keys new other`"),
        (lambda path: path.mkdir(mode=0o700), "Is a directory"),
        (lambda path: path.write_bytes(b""), "cannot sign as release"),
        (lambda path: path.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "cannot sign"),
        (encrypted, "encrypted"),
        (lambda path: path.write_bytes(CryptoSigner.generate_ed25519().private_bytes), "does not match public key"),
        (lambda path: path.write_bytes(CryptoSigner.generate_ecdsa().private_bytes), "invalid ed25519 key"),
    ],
    ids=["missing", "folder", "empty", "damaged", "encrypted", "another key", "another type"],
)
def test_a_key_file_that_cannot_be_used_gets_a_sentence(ring: Keyring, key: TrustedKey, make, said: str) -> None:
    path = ring.folder / "other.pem"
    make(path)
    if path.is_file():
        path.chmod(0o600)
    with pytest.raises(InvalidInput, match=said):
        sign(ring.decision(key), f"{FILE}{path}", ring.trust)


@pytest.mark.parametrize(
    "address", ["", "release.pem", "file:release.pem", "vault:x", "file2:", "file2://host/a", "file2:a?b", "file2:a#b"]
)
def test_an_address_that_names_no_key_is_invalid(ring: Keyring, key: TrustedKey, address: str) -> None:
    with pytest.raises(InvalidInput, match=r"^key "):
        sign(ring.decision(key), address, ring.trust)


def test_the_file_that_is_looked_at_is_the_one_that_the_library_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_file("file2:./keys/release.pem") == Path("keys/release.pem")
    assert key_file("gcpkms:projects/p") is None
    monkeypatch.setenv("CRYPTO_SIGNER_PATH_PREFIX", "/vault")
    assert key_file("file2:release.pem") == Path("/vault/release.pem")
    assert key_file("file2:/keys/release.pem") == Path("/keys/release.pem")


def test_a_new_key_file_is_its_owners_alone_whatever_the_umask_and_is_never_written_over(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = make_key_file(tmp_path / "keys" / "anna.pem")
    finally:
        os.umask(old)
    assert (tmp_path / "keys" / "anna.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    content = (tmp_path / "keys" / "anna.pem").read_bytes()
    with pytest.raises(InvalidInput, match="never written over"):
        make_key_file(tmp_path / "keys" / "anna.pem")
    assert (tmp_path / "keys" / "anna.pem").read_bytes() == content
    assert made["key_type"] == "ed25519"


def test_no_private_part_is_in_the_trust_roots_or_the_envelope(ring: Keyring, key: TrustedKey) -> None:
    private = serialization.load_pem_private_key((ring.folder / "release-0.pem").read_bytes(), None)
    secret = private.private_bytes_raw()
    for text in (ring.trust.to_bytes(), ring.signed(key)):
        assert secret.hex().encode() not in text
        assert base64.b64encode(secret) not in text


@pytest.mark.parametrize(
    ("hours_off", "said"),
    [(0, ""), (-1, "one of the two clocks is wrong"), (1, ""), (23.9, ""), (24, "expired at"), (25, "expired at")],
)
def test_a_clock_that_is_off_is_told(ring: Keyring, key: TrustedKey, hours_off: float, said: str) -> None:
    decision, now = ring.decision(key), NOW + timedelta(hours=hours_off)
    if said:
        with pytest.raises(Refused, match=said):
            check_moment(decision, now, "here")
    else:
        check_moment(decision, now, "here")


def test_a_clock_an_hour_ahead_ends_a_decision_that_holds_for_an_hour(ring: Keyring, key: TrustedKey) -> None:
    with pytest.raises(Refused, match="expired"):
        check_moment(ring.decision(key, expires=moment(1)), NOW + timedelta(hours=1), "here")


def test_honest_clocks_may_differ_by_minutes(ring: Keyring, key: TrustedKey) -> None:
    decision = ring.decision(key)
    check_moment(decision, NOW - SKEW, "here")
    with pytest.raises(Refused, match="clocks"):
        check_moment(decision, NOW - SKEW - timedelta(seconds=1), "here")


def test_a_decision_is_read_by_its_id_and_one_under_anothers_id_is_refused(
    ring: Keyring, key: TrustedKey, store: Store
) -> None:
    decision, envelope = ring.decision(key), ring.signed(key)
    keep_decision(store, decision, envelope)
    assert read_decision(store, decision.id, ring.trust).id == decision.id
    store.write(f"decisions/{'0' * 64}.json", envelope)
    with pytest.raises(Refused, match="holds another decision"):
        read_decision(store, "0" * 64, ring.trust)
    with pytest.raises(InvalidInput, match="there is no decisions/"):
        read_decision(store, "1" * 64, ring.trust)


def test_a_policys_digest_is_that_of_its_bytes() -> None:
    assert policy_digest("{}") == hashlib.sha256(b"{}").hexdigest()
    assert policy_digest("{}") != policy_digest("{ }")


def test_a_key_file_of_each_common_type_signs(ring: Keyring, tmp_path: Path) -> None:
    for number, signer in enumerate(
        (CryptoSigner.generate_ecdsa(), CryptoSigner.generate_rsa(size=2048), CryptoSigner.generate_ed25519())
    ):
        path = tmp_path / f"{number}.pem"
        path.touch(mode=0o600)
        path.write_bytes(signer.private_bytes)
        fields = public_fields(signer.public_key)
        key = TrustedKey(name="release", signs=(DecisionKind.RELEASE,), added=moment(), **fields)
        trust = TrustRoots(keys=(key,))
        assert verify(sign(ring.decision(key), f"{FILE}{path}", trust), trust, "here").signer == "release"


LOADED = """
import sys
from components.core.signers import load_signers
for address in ("", "file2:anna.pem", "gcpkms:projects/p"):
    load_signers(address)
    from securesystemslib.signer import SIGNER_FOR_URI_SCHEME
    print("google.cloud.kms" in sys.modules, SIGNER_FOR_URI_SCHEME["gcpkms"].__name__)
"""


def test_the_client_of_a_vault_is_loaded_for_a_key_that_lies_there_and_for_no_other() -> None:
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["False GCPSigner", "False GCPSigner", "True KmsSigner"]
