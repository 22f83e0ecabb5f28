"""Keys: made, rotated, retired and revoked. The private part is a file beside the trust roots, or never seen here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.decision import DecisionKind
from components.core.errors import InvalidInput, did_you_mean
from components.core.signers import GOOGLE
from components.core.signing import FILE, key_file, make_key_file, public_fields, vault_key
from components.core.trust import NAME, PEOPLE, SERVICES, TrustedKey, TrustRoots
from components.core.whole_file import beside, sync_folder
from pipelines.environment import Environment, LocalEnvironment
from pipelines.signers import how_to_trust
from pipelines.trust_file import TrustPlace, open_trust
from pipelines.typed import typed

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

KEYS = "keys"
"""The folder of the private keys, beside the trust roots."""
LEAST_ID = 8
"""Digits of a key's id that name it."""


@dataclass(frozen=True)
class Ended:
    """A key that was retired or revoked, and its file where that was removed."""

    key: TrustedKey
    removed: Path | None = None


def key_address(environment: Environment, name: str) -> str:
    """Where the private key of a service or a person lies: what ``keys`` in the environment names, else a file.

    Raises InvalidInput for a name that cannot be one, and where there is no place for a file.
    """
    if not re.fullmatch(NAME, name) or name.endswith("\n"):
        raise InvalidInput(
            f"{name!r} cannot be the name of a key; use small letters, digits, dots and hyphens, a letter first"
        )
    if name in environment.keys:
        return environment.keys[name]
    if "://" in environment.trust:
        raise InvalidInput(f"environment {environment.name}: says nowhere where {name}'s key is; name it under `keys`")
    return f"{FILE}{Path(open_trust(environment).place).parent / KEYS / f'{name}.pem'}"


def prepare(environment: Environment) -> list[str]:
    """Makes the services' keys and the trust roots of a local environment that has neither; says what it made.

    Raises InvalidInput when only one of the two is there: what was lost must be brought back, not made anew.
    """
    files = _services(environment)
    if not files:
        return []
    trust = open_trust(environment)
    if trust.exists() and all(path.exists() for path in files.values()):
        return []
    with trust.alone():
        if not trust.exists() and not any(path.exists() for path in files.values()):
            return [_describe(_make(trust, name, path), path, trust) for name, path in files.items()]
        _check_whole(environment, trust, files)
    return []


def new_key(
    environment: Environment,
    name: str,
    *,
    signs: Sequence[DecisionKind] = (),
    environments: Sequence[str] = (),
    now: datetime | None = None,
) -> tuple[TrustedKey, Path]:
    """Makes a key for a service or a person who has no active one; returns its public part and its file.

    ``signs`` is what a service or person of that name signs, unless it is said. Trust roots begin with the services,
    so that a person's key made first is no obstacle. Raises InvalidInput when there is an active key, or a file in the
    way.
    """
    path, trust = _file_of(environment, name), open_trust(environment)
    if name not in SERVICES and not trust.exists():
        prepare(environment)
    with trust.alone():
        _check_free(environment, trust.roots, name)
        return _make(trust, name, path, signs=signs, environments=environments, now=now), path


def add_key(
    environment: Environment,
    name: str,
    public: dict[str, str],
    *,
    signs: Sequence[DecisionKind] = (),
    environments: Sequence[str] = (),
    now: datetime | None = None,
) -> TrustedKey:
    """Trusts a public key (``read_public``, ``vault_key``) whose private part lies in a vault or with somebody else."""
    key_address(environment, name)
    trust = open_trust(environment)
    key = _trusted(name, public, signs, environments, now)
    with trust.alone():
        _check_free(environment, trust.roots, name)
        trust.write(lambda roots: (*roots.keys, key))
    return key


def fetch_public(environment: Environment, name: str, address: str) -> dict[str, str]:
    """The public part of a name's key, as its vault gives it.

    Raises InvalidInput, with what to type, where only the vault's own tools fetch it, and else as ``vault_key`` does.
    """
    if not address.startswith(GOOGLE):
        raise InvalidInput(
            f"key {address}: its public part cannot be fetched from there; {how_to_trust(environment, name, address)}"
        )
    return vault_key(address)


def read_public(pem: bytes, scheme: str) -> dict[str, str]:
    """The fields of a public key in PEM. Raises InvalidInput for what is none, and for a scheme that it cannot have."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    if b"PRIVATE KEY" in pem:
        raise InvalidInput("--public: is a private key; give its public part: `openssl pkey -in FILE -pubout`")
    try:
        key = SSlibKey.from_crypto(load_pem_public_key(pem), scheme=scheme or None)
        _check_scheme(key)
    except ValueError as error:
        raise InvalidInput(f"--public: is no public key that can verify: {error}; give one in PEM") from error
    return public_fields(key)


def rotate_key(environment: Environment, name: str, *, now: datetime | None = None) -> tuple[TrustedKey, Path | None]:
    """Gives a name a new key with the same rights; the old one signs nothing more, and its file is written over.

    Where the key lies in a vault, it is the version that the environment names by now, and there is no file.
    """
    address, trust = key_address(environment, name), open_trust(environment)
    path = key_file(address)
    with trust.alone():
        old = trust.roots.active_key(name)
        if path is None and not address.startswith(GOOGLE):
            raise InvalidInput(
                f"key {address}: its public part cannot be fetched from there; end the old one with"
                f" `{typed(f'keys retire {name}', environment.name)}`, then {how_to_trust(environment, name, address)}"
            )
        if path is None:
            return _replace_key(trust, old, vault_key(address), now), None
        part = beside(path)
        try:
            new = _replace_key(trust, old, make_key_file(part), now)
            part.replace(path)
            sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    return new, path


def retire_key(environment: Environment, name: str, *, why: str = "", now: datetime | None = None) -> Ended:
    """Ends a key: it signs nothing more, what it signed holds. Its file here is removed."""
    trust = open_trust(environment)
    with trust.alone():
        old = trust.roots.active_key(name)
        ended = old.model_copy(update={"retired": _moment(now), "why": why})
        trust.write(lambda roots: _replaced(roots, old, ended))
        return Ended(ended, _remove_file(environment, ended))


def revoke_key(environment: Environment, who: str, *, why: str, now: datetime | None = None) -> Ended:
    """Ends a key that was stolen: it proves nothing, whenever it signed. Its file here is removed.

    ``who`` is a name, for its active key, or the beginning of a key's id. Raises InvalidInput for an empty reason.
    """
    if not why.strip():
        raise InvalidInput("--reason: is empty; say why the key proves nothing any more, it stands in the audit")
    trust = open_trust(environment)
    with trust.alone():
        old = _find(trust.roots, who)
        ended = old.model_copy(update={"revoked": _moment(now), "why": why.strip()})
        trust.write(lambda roots: _replaced(roots, old, ended))
        return Ended(ended, _remove_file(environment, ended))


def kinds(text: str) -> tuple[DecisionKind, ...]:
    """The kinds of decision in a list with commas. Raises InvalidInput for one that there is not."""
    named = [part.strip() for part in text.split(",") if part.strip()]
    known = [kind.value for kind in DecisionKind]
    for name in named:
        if name not in known:
            raise InvalidInput(f"--signs {name}: is no kind of decision{did_you_mean(name, known)}; {', '.join(known)}")
    return tuple(DecisionKind(name) for name in dict.fromkeys(named))


def _services(environment: Environment) -> dict[str, Path]:
    """The key files of the services that sign in a local environment."""
    if not isinstance(environment, LocalEnvironment) or not environment.trust or "://" in environment.trust:
        return {}
    found = {name: key_file(address) for name, address in sorted(environment.keys.items()) if name in SERVICES}
    return {name: path for name, path in found.items() if path}


def _check_whole(environment: Environment, trust: TrustPlace, files: dict[str, Path]) -> None:
    """Raises InvalidInput when there are trust roots without a key, or a key without trust roots."""
    if not trust.exists():
        present = next(path for path in files.values() if path.exists())
        raise InvalidInput(
            f"{present}: is a key, and the trust roots {trust.place} that should name it are gone; bring them back from"
            " a copy, or, where nothing was ever decided with this key, remove its file and run again"
        )
    roots = trust.roots
    for name, path in files.items():
        if not path.exists():
            active = any(key.name == name and key.active for key in roots.keys)
            rotate, new = (typed(f"keys {does} {name}", environment.name) for does in ("rotate", "new"))
            remedy = f"bring it back, or give {name} a new one: `{rotate}`" if active else f"make it with `{new}`"
            raise InvalidInput(f"{path}: there is no such key of {name}, which the environment names; {remedy}")


def _file_of(environment: Environment, name: str) -> Path:
    address = key_address(environment, name)
    path = key_file(address)
    if path is None:
        raise InvalidInput(
            f"{name}: its key lies in a vault ({address}); make one there, and"
            f" {how_to_trust(environment, name, address)}"
        )
    return path


def _check_free(environment: Environment, roots: TrustRoots, name: str) -> None:
    if any(key.name == name and key.active for key in roots.keys):
        rotate, retire = (typed(f"keys {does} {name}", environment.name) for does in ("rotate", "retire"))
        raise InvalidInput(f"{name}: has an active key; give it another one with `{rotate}`, or end it with `{retire}`")


def _make(
    trust: TrustPlace,
    name: str,
    path: Path,
    *,
    signs: Sequence[DecisionKind] = (),
    environments: Sequence[str] = (),
    now: datetime | None = None,
) -> TrustedKey:
    """The private file first: a key that nobody trusts yet does no harm, and is removed when that fails."""
    fields = make_key_file(path)
    try:
        key = _trusted(name, fields, signs, environments, now)
        trust.write(lambda roots: (*roots.keys, key))
    except BaseException:
        path.unlink()
        raise
    sync_folder(path.parent)
    return key


def _trusted(
    name: str,
    public: dict[str, str],
    signs: Sequence[DecisionKind],
    environments: Sequence[str],
    now: datetime | None,
) -> TrustedKey:
    given = tuple(signs) or SERVICES.get(name, PEOPLE)
    return TrustedKey(name=name, signs=given, environments=tuple(environments), added=_moment(now), **public)


def _check_scheme(key: SSlibKey) -> None:
    from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, SSlibKey

    if KEY_FOR_TYPE_AND_SCHEME.get((key.keytype, key.scheme)) is not SSlibKey:
        known = [
            scheme for (kind, scheme), of in KEY_FOR_TYPE_AND_SCHEME.items() if (kind, of) == (key.keytype, SSlibKey)
        ]
        raise ValueError(f"scheme {key.scheme} is none of a key of type {key.keytype}: {', '.join(known)}")


def _replace_key(trust: TrustPlace, old: TrustedKey, public: dict[str, str], now: datetime | None) -> TrustedKey:
    new = _trusted(old.name, public, old.signs, old.environments, now)
    ended = old.model_copy(update={"retired": _moment(now), "why": "rotated"})
    trust.write(lambda roots: (*_replaced(roots, old, ended), new))
    return new


def _replaced(roots: TrustRoots, old: TrustedKey, new: TrustedKey) -> tuple[TrustedKey, ...]:
    return tuple(new if key == old else key for key in roots.keys)


def _find(roots: TrustRoots, who: str) -> TrustedKey:
    """The active key of a name, or the key whose id begins so."""
    named = [key for key in roots.keys if key.name == who]
    found = [key for key in named if key.active]
    if not named and len(who) >= LEAST_ID:
        found = [key for key in roots.keys if key.key_id.startswith(who) and not key.revoked]
    if len(found) == 1:
        return found[0]
    if not named:
        near = did_you_mean(who, [key.name for key in roots.keys])
        raise InvalidInput(f"{who}: no key has this name, and no id of one that counts begins so{near}")
    ids = ", ".join(f"{key.key_id[:LEAST_ID]} ({'revoked' if key.revoked else 'retired'})" for key in named)
    raise InvalidInput(f"{who}: has no active key; name one of the others by its id: {ids}")


def _remove_file(environment: Environment, key: TrustedKey) -> Path | None:
    """Removes the file of a key that has ended; one that holds another key stays."""
    if key.name not in environment.keys and "://" in environment.trust:
        return None
    path = key_file(key_address(environment, key.name))
    if path is None or not path.is_file() or _public_of(path) != key.public:
        return None
    path.unlink()
    return path


def _public_of(path: Path) -> str:
    """The public part of a private key's file; empty where the file cannot be read as one."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import SSlibKey

    try:
        private = load_pem_private_key(path.read_bytes(), None)
        return public_fields(SSlibKey.from_crypto(private.public_key()))["public"]
    except (ValueError, TypeError, OSError):
        return ""


def _moment(now: datetime | None) -> str:
    return (now or datetime.now(UTC)).isoformat()


def _describe(key: TrustedKey, path: Path, trust: TrustPlace) -> str:
    return (
        f"made the key of {key.name}: {path}; it signs {', '.join(key.signs)}, as the trust roots {trust.place} say."
        " Whoever reads that file can sign: keep it from the steps, and out of version control"
    )
