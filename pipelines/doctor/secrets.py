"""The secrets that an environment names: whether each is there and can be read. What they hold is looked at by nobody.

The token for a server counts as its login, and is checked there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from components.core.errors import InvalidInput, Refused
from components.core.google_errors import Absent
from components.core.masking import SCHEME
from pipelines.backends.vertex import secret_version
from pipelines.doctor.check import Check, NotChecked, is_forbidden
from pipelines.environment import Environment, KubeflowEnvironment, VertexEnvironment
from pipelines.references import value_of

VARIABLE = "env://"


def checks(environment: Environment) -> Iterator[Check]:
    """All that is looked at for an environment."""
    for name, reference in environment.secrets.items():
        yield Check(f"secret {name}", partial(_of_steps, environment, reference))
    if environment.webhook:
        yield Check("secret of webhook", partial(_of_webhook, environment, environment.webhook))
    if isinstance(environment, KubeflowEnvironment):
        for name in environment.image_pull_secrets:
            yield Check(f"image pull secret {name}", partial(_in_cluster, environment, name))


def _of_steps(environment: Environment, reference: str) -> str:
    """A recipe's secret, as the environment's backend gets it to a step."""
    if isinstance(environment, VertexEnvironment):
        return _in_vault(environment, secret_version(reference, environment), environment.service_account)
    if isinstance(environment, KubeflowEnvironment):
        secret, _, key = reference.removeprefix(SCHEME).partition("/")
        if not reference.startswith(SCHEME) or not key:
            raise InvalidInput(f"{reference} names no key of a Kubernetes Secret; write secret://SECRET/KEY")
        return _in_cluster(environment, secret, key)
    if not reference.startswith(VARIABLE):
        raise InvalidInput(f"{reference} cannot be read on this machine; write env://VARIABLE")
    variable = reference.removeprefix(VARIABLE)
    if not os.environ.get(variable):
        raise NotChecked(f"the variable {variable} is not set here; export it before a recipe that wants it is run")
    return f"the variable {variable} is set"


def _of_webhook(environment: Environment, reference: str) -> str:
    """The address that notifications go to, as whoever follows or dispatches reads it: from here."""
    if isinstance(environment, VertexEnvironment) and reference.startswith(SCHEME):
        return _in_vault(environment, secret_version(reference, environment), "whoever follows or dispatches")
    value_of(reference, environment)
    return f"{reference} is set here"


def _in_vault(environment: VertexEnvironment, reference: str, reader: str) -> str:
    """A version of a secret in Secret Manager. It is read, for no other permission says whether it can be."""
    from pipelines.doctor.google import Google

    version = reference.removeprefix(SCHEME)
    secret = version.partition("/versions/")[0]
    project, name = secret.split("/")[1::2]
    try:
        Google(environment).ask("secretmanager", f"/v1/{version}:access", asked=f"read {version}")
    except Absent as error:
        raise InvalidInput(
            f"there is no {version}; `gcloud secrets create {name} --project {project} --data-file FILE` (`gcloud"
            f" secrets versions add` for another version), or correct the environment file"
        ) from error
    except InvalidInput as error:
        raise InvalidInput(f"{version} cannot be read: {error}; enable that version, or name another") from error
    except Refused as error:
        if not is_forbidden(error):
            raise
        raise NotChecked(
            f"whoever asks here may not read {version}; see that {reader} may, with roles/secretmanager.secretAccessor:"
            f" `gcloud secrets get-iam-policy {name} --project {project}`"
        ) from error
    return f"{version} can be read from here; that {reader} may is for its policy to say"


def _in_cluster(environment: KubeflowEnvironment, secret: str, key: str = "") -> str:
    """A Secret of the cluster, and that it has a key."""
    from pipelines.doctor.kubeflow import TIMEOUT, ask_cluster

    space = environment.namespace
    found = ask_cluster(
        lambda cluster: cluster.read_namespaced_secret(secret, space, _request_timeout=TIMEOUT),
        absent=f"there is no Secret {secret} in namespace {space}; `kubectl create secret generic {secret} --namespace"
        f" {space} …`, or correct its name in the environment file",
        look=f"kubectl describe secret {secret} --namespace {space}",
    )
    keys = sorted(found.data or ())
    if key and key not in keys:
        raise InvalidInput(
            f"the Secret {secret} in namespace {space} has no key {key}, it has {', '.join(keys) or 'none'}; add it, or"
            " correct the environment file"
        )
    return f"{secret} is in namespace {space}" + (f" and has the key {key}" if key else "")
