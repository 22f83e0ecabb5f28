"""Who signs what a graph decides, and how that one's key comes to be trusted where it lies in a vault."""

from __future__ import annotations

from components.core.errors import InvalidInput
from components.core.signers import GOOGLE
from components.core.signing import key_file
from components.core.trust import SERVICES, TrustRoots, read_trust
from pipelines.environment import Environment, LocalEnvironment
from pipelines.typed import typed

AMAZON = "awskms:"
SIGNERS = {"lifecycle": "release", "release": "release", "monitoring": "monitor"}
"""Who signs what a graph decides; a lifecycle ends with the request for a release."""


def check_signer(environment: Environment, graph: str) -> None:
    """Before a graph is submitted to a service: that whoever decides in it has a key, and that its word will count.

    A local environment's keys are made by its first run. Raises InvalidInput, with the command that mends it, and
    Failed where the trust roots cannot be read now.
    """
    name = SIGNERS.get(graph)
    if name is None or isinstance(environment, LocalEnvironment):
        return
    where = f"environment {environment.name}"
    if name not in environment.keys:
        raise InvalidInput(f"{where}: says nowhere where {name}'s key is, which {graph} needs; name it under `keys`")
    trusting = how_to_trust(environment, name, environment.keys[name])
    found = next((key for key in _read_roots(environment, trusting).keys if key.name == name and key.active), None)
    if found is None:
        raise InvalidInput(
            f"{where}: its trust roots {environment.trust} name no active key of {name}, so nothing that is decided"
            f" would count; {trusting}"
        )
    missing = [kind for kind in SERVICES[name] if kind not in found.signs]
    if missing or not found.counts_in(environment.name):
        lacks = f"may not sign {', '.join(missing)}" if missing else "does not count there"
        raise InvalidInput(
            f"{where}: the key of {name} that its trust roots {environment.trust} name {lacks}; end it with"
            f" `{typed(f'keys retire {name}', environment.name)}`, then {trusting}"
        )


def how_to_trust(environment: Environment, name: str, address: str) -> str:
    """How the key that an environment names for somebody, or the one at an address, comes to be trusted."""
    file = f"{name}.pem"
    if address.startswith(GOOGLE):
        given = f" --from {address}" if address != environment.keys.get(name) else ""
        return f"let its public part be trusted: `{typed(f'keys add {name}{given}', environment.name)}`"
    if path := key_file(address):
        if "://" not in environment.trust:
            return f"make it with `{typed(f'keys new {name}', environment.name)}`"
        save = f" (`openssl pkey -in {path} -pubout -out {file}`)"
    elif address.startswith(AMAZON):
        ask = f"aws kms get-public-key --key-id {address.removeprefix(AMAZON)} --query PublicKey --output text"
        save = f" (`{ask} | openssl base64 -d -A | openssl pkey -pubin -inform DER -out {file}`)"
    else:
        save = " with the vault's own tools"
    add = typed(f"keys add {name} --public {file}", environment.name)
    return f"save its public part as {file}{save}, and let that be trusted: `{add}`"


def _read_roots(environment: Environment, trusting: str) -> TrustRoots:
    """The trust roots of an environment that a graph is about to be submitted to."""
    try:
        return read_trust(environment.trust)
    except InvalidInput as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        raise InvalidInput(
            f"environment {environment.name}: there are no trust roots {environment.trust}, so nothing that is decided"
            f" would count; bring them back from a copy, or, where there never were any, {trusting}"
        ) from error
