"""Signs decisions and verifies them: DSSE envelopes (https://github.com/secure-systems-lab/dsse), canonical bytes only.

The signers are securesystemslib's, and ours for Cloud KMS (``google_kms``). A key is named by its address:
``file2:PATH`` for a private key in PEM, ``gcpkms:…``, ``awskms:…`` or ``azurekms:…`` for one in a cloud's vault.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from components.core.canonical import canonical_json, sha256
from components.core.decision import Decision, decision_key
from components.core.errors import Failed, InvalidInput, Refused, SluiceError
from components.core.signers import GOOGLE, load_signers
from components.core.store import Store
from components.core.trust import TrustedKey, TrustRoots

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
FILE = "file2:"
SKEW = timedelta(minutes=5)
"""How far two honest clocks may differ."""


def sign(decision: Decision, key_address: str, trust: TrustRoots) -> bytes:
    """The envelope of a decision, signed by the key at ``key_address`` as ``decision.signer``.

    Raises InvalidInput when the key cannot be used, is readable by others, or is not the one that the trust roots
    name, Failed when the vault that holds it does not sign.
    """
    data = sign_payload(decision.statement(), PAYLOAD_TYPE, key_address, trust.active_key(decision.signer))
    try:
        verify(data, trust, key_address)
    except Refused as error:
        raise InvalidInput(
            f"key {key_address}: what it signs does not count as {decision.signer}'s: {error}"
        ) from error
    return data


def signer_fields(trust: TrustRoots, name: str, moment: datetime, hours: float) -> dict[str, str]:
    """What a decision says of who signs it and how long it may be acted on. Raises InvalidInput without a key."""
    return {
        "issued": moment.isoformat(),
        "expires": (moment + timedelta(hours=hours)).isoformat(),
        "signer": name,
        "key_id": trust.active_key(name).key_id,
    }


def sign_payload(payload: bytes, payload_type: str, key_address: str, trusted: TrustedKey) -> bytes:
    """The canonical envelope of any payload, signed by the key at ``key_address``; raises as ``sign`` does."""
    load_signers(key_address)
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import Error as LibraryError
    from securesystemslib.signer import Signer

    path = key_file(key_address)
    if path:
        _check_key_file(path)
    envelope = Envelope(payload, payload_type, {})
    try:
        envelope.sign(Signer.from_priv_key_uri(key_address, _public(trusted)))
    except SluiceError:
        raise
    except (LibraryError, ValueError, TypeError, OSError) as error:
        raise InvalidInput(f"key {key_address}: cannot sign as {trusted.name}: {error}; name another key") from error
    except Exception as error:
        # Each cloud's client has errors of its own, and none of them may pass for a signature.
        raise Failed(
            f"key {key_address}: did not sign as {trusted.name}: {error}; look at the vault and at the rights to it"
        ) from error
    return canonical_json(envelope.to_dict()).encode()


def verify(envelope: bytes, trust: TrustRoots, where: str) -> Decision:
    """The decision in an envelope, once it is sure that somebody signed it who may.

    Raises Refused for bytes that are not canonical, a signature that is wrong, and a key that may not. It does not
    look at the clock: ``check_moment`` does.
    """
    document = _canonical(envelope, where, PAYLOAD_TYPE)
    decision = Decision.from_statement(base64.b64decode(document["payload"]), where)
    try:
        key = trust.key_for(document["signatures"][0]["keyid"], decision.kind, decision.environment, decision.issued_at)
    except Refused as error:
        raise Refused(f"{where}: {error}") from error
    if (decision.signer, decision.key_id) != (key.name, key.key_id):
        raise Refused(f"{where}: says that {decision.signer} signed it, but {key.name} did")
    _check_signature(document, key, where)
    return decision


def verify_payload(envelope: bytes, payload_type: str, key: TrustedKey, where: str) -> bytes:
    """The payload of an envelope, once it is sure that this key signed it. Raises Refused as ``verify`` does."""
    document = _canonical(envelope, where, payload_type)
    _check_signature(document, key, where)
    return base64.b64decode(document["payload"])


def _check_signature(document: dict[str, Any], key: TrustedKey, where: str) -> None:
    load_signers()
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        Envelope.from_dict(document).verify([_public(key)], 1)
    except VerificationError as error:
        raise Refused(f"{where}: the signature is not that of {key.name}: it was forged or changed") from error


def held_at(decision: Decision, moment: datetime) -> bool:
    """Whether a decision could be acted on at a moment: it was signed by then, and had not expired."""
    return decision.issued_at - SKEW <= moment < decision.expires_at


def check_moment(decision: Decision, now: datetime, where: str) -> None:
    """Raises Refused for a decision that has expired, or that was signed in the future."""
    if decision.issued_at > now + SKEW:
        raise Refused(
            f"{where}: was signed at {decision.issued}, and here it is {now.isoformat(timespec='seconds')}: one of the"
            " two clocks is wrong; set it and decide again"
        )
    if decision.expires_at <= now:
        raise Refused(f"{where}: expired at {decision.expires}; decide again")


def read_decision(store: Store, decision: str, trust: TrustRoots) -> Decision:
    """The verified decision of that id. Raises Refused when it does not verify or is another than its name says."""
    where = decision_key(decision)
    found = verify(store.read(where), trust, where)
    if found.id != decision:
        raise Refused(f"{where}: holds another decision ({found.id[:12]}…) than its name says")
    return found


def key_file(address: str) -> Path | None:
    """The file that an address names, read as the library reads it; None for a key in a vault."""
    if not address.startswith(FILE):
        return None
    named = urlparse(address)
    if named.netloc or named.query or named.fragment or not named.path:
        raise InvalidInput(f"key {address}: is no path of a file that can be read; write {FILE}PATH, without ? and #")
    return Path(os.environ.get("CRYPTO_SIGNER_PATH_PREFIX", "")) / named.path


def make_key_file(path: Path) -> dict[str, str]:
    """Makes a private key (Ed25519, RFC 8032) that its owner alone can read; returns the fields of its public part.

    Raises InvalidInput where there is a file already (a key is never written over), Failed when it cannot be written.
    """
    load_signers()
    from securesystemslib.signer import CryptoSigner

    signer = CryptoSigner.generate_ed25519()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write_or_remove(path, descriptor, signer.private_bytes)
    except FileExistsError as error:
        raise InvalidInput(f"key {path}: there is one already; a key is never written over: move it away") from error
    except OSError as error:
        raise Failed(f"key {path}: cannot be written: {error.strerror}; free some space, or see who may") from error
    return public_fields(signer.public_key)


def vault_key(address: str) -> dict[str, str]:
    """The fields of the public part of a key that lies in a vault, as the vault gives it; it signs nothing for that.

    Raises InvalidInput for a key that cannot sign, or in a vault whose public parts cannot be fetched here, and Failed
    where the vault does not answer.
    """
    if not address.startswith(GOOGLE):
        raise InvalidInput(
            f"key {address}: its public part cannot be fetched from there; save it as a file, and let that be trusted:"
            " `sluice keys add NAME --public FILE.pem`"
        )
    load_signers(address)
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    from components.core.google_kms import public_part

    part = public_part(address)
    try:
        return public_fields(SSlibKey.from_crypto(load_pem_public_key(part.pem), scheme=part.scheme))
    except ValueError as error:
        raise InvalidInput(f"key {address}: its public part is none: {error}; name another version") from error


def public_fields(key: SSlibKey) -> dict[str, str]:
    """What a ``TrustedKey`` takes from a public key."""
    return {"key_id": key.keyid, "key_type": key.keytype, "scheme": key.scheme, "public": key.keyval["public"]}


def _write_or_remove(path: Path, descriptor: int, data: bytes) -> None:
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _canonical(envelope: bytes, where: str, payload_type: str) -> dict[str, Any]:
    """The envelope as a document. Base64 has bits that nothing depends on, so only the one way to write it counts."""
    try:
        document = json.loads(envelope)
        (signature,) = document["signatures"]
        rebuilt = {
            "payload": _rewritten(document["payload"]),
            "payloadType": payload_type,
            "signatures": [{"keyid": str(signature["keyid"]), "sig": _rewritten(signature["sig"])}],
        }
        canonical = canonical_json(rebuilt).encode()
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused(f"{where}: is no envelope of a decision ({error}); take it as it was signed") from error
    if canonical != envelope:
        raise Refused(f"{where}: was changed after it was signed: an envelope counts byte by byte, as it was written")
    return rebuilt


def _rewritten(text: str) -> str:
    return base64.b64encode(base64.b64decode(text, validate=True)).decode()


def _public(key: TrustedKey) -> SSlibKey:
    load_signers()
    from securesystemslib.signer import SSlibKey

    return SSlibKey(key.key_id, key.key_type, key.scheme, {"public": key.public})


def _check_key_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InvalidInput(f"key {path}: there is none; make it with `sluice keys new {path.stem}`") from error
    except OSError as error:
        raise InvalidInput(f"key {path}: cannot be read: {error.strerror}; name another file") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidInput(
            f"key {path}: others can read it (mode {stat.S_IMODE(mode):04o}), so it proves nothing; `chmod 600 {path}`,"
            f" and if somebody may have read it, `sluice keys revoke {path.stem}`"
        )


def policy_digest(policy: str) -> str:
    """The digest by which a decision names the policy that it was decided by."""
    return sha256(policy)
