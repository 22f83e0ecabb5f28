"""Who must be trusted before a graph is submitted to a service, and what is typed where that one is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.core.decision import DecisionKind
from components.core.errors import InvalidInput
from pipelines.environment import CloudEnvironment, LocalEnvironment, environment_from, load_environment
from pipelines.keys import add_key, new_key, retire_key, rotate_key
from pipelines.signers import check_signer
from tests.contract.kubeflow.server import Server as Kubeflow
from tests.pipelines.small import RECIPE

AWS = "awskms:alias/sluice-release"
ADVICE = (
    "save its public part as release.pem (`aws kms get-public-key --key-id alias/sluice-release --query PublicKey"
    " --output text | openssl base64 -d -A | openssl pkey -pubin -inform DER -out release.pem`), and let that be"
    " trusted: `sluice keys add release --public release.pem --env kubeflow`"
)

GOOGLE_ADVICE = "let its public part be trusted: `sluice keys add release --env vertex`"


def cloud(tmp_path: Path, backend: str = "kubeflow", **changes: object) -> CloudEnvironment:
    """The shipped example, with trust roots on this machine."""
    document = load_environment(backend).model_dump(mode="json")
    made = environment_from({**document, "trust": str(tmp_path / "trust.json"), **changes})
    assert isinstance(made, CloudEnvironment)
    return made


def public_key(environment: LocalEnvironment) -> dict[str, str]:
    """The public part of a key that nobody trusts elsewhere."""
    key, _ = new_key(environment, "somebody")
    return key.model_dump(include={"key_id", "key_type", "scheme", "public"})


def test_trust_roots_that_are_not_there_are_told_with_what_begins_them(tmp_path: Path) -> None:
    for backend, remedy in (("kubeflow", ADVICE), ("vertex", GOOGLE_ADVICE)):
        with pytest.raises(InvalidInput) as refused:
            check_signer(cloud(tmp_path, backend), "lifecycle")
        assert str(refused.value).startswith(f"environment {backend}: there are no trust roots {tmp_path}/trust.json")
        assert str(refused.value).endswith(f"where there never were any, {remedy}")


def test_a_graph_needs_the_key_of_who_decides_in_it_and_no_other(tmp_path: Path, environment: LocalEnvironment) -> None:
    there = cloud(tmp_path)
    add_key(there, "release", public_key(environment))
    check_signer(there, "lifecycle")
    check_signer(there, "release")
    with pytest.raises(InvalidInput, match=r"name no active key of monitor.*`sluice keys add monitor --public"):
        check_signer(there, "monitoring")
    retire_key(there, "release")
    with pytest.raises(InvalidInput, match="name no active key of release, so nothing that is decided would count"):
        check_signer(there, "lifecycle")


def test_a_key_that_may_not_sign_what_the_graph_decides_is_told(tmp_path: Path, environment: LocalEnvironment) -> None:
    there = cloud(tmp_path)
    add_key(there, "release", public_key(environment), signs=(DecisionKind.GATE,))
    with pytest.raises(InvalidInput, match=r"may not sign release; end it with `sluice keys retire release --env kub"):
        check_signer(there, "lifecycle")


def test_a_key_that_is_trusted_elsewhere_alone_is_told(tmp_path: Path, environment: LocalEnvironment) -> None:
    there = cloud(tmp_path)
    add_key(there, "release", public_key(environment), environments=("production",))
    with pytest.raises(InvalidInput, match="does not count there"):
        check_signer(there, "lifecycle")


def test_an_environment_that_names_no_key_or_no_trust_roots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"says nowhere where release's key is, which lifecycle needs"):
        check_signer(cloud(tmp_path, keys={}), "lifecycle")
    with pytest.raises(InvalidInput, match="the environment names none; add `trust: PATH`"):
        check_signer(cloud(tmp_path, trust=""), "lifecycle")


def test_trust_roots_that_cannot_be_read_are_no_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "trust.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"trust.json"):
        check_signer(cloud(tmp_path), "lifecycle")


def test_what_decides_nothing_needs_no_key_and_a_first_run_here_makes_its_own(
    tmp_path: Path, environment: LocalEnvironment
) -> None:
    check_signer(cloud(tmp_path, keys={}), "smoke")
    check_signer(environment.model_copy(update={"keys": {}}), "lifecycle")


def test_a_key_in_another_cloud_s_vault_is_trusted_by_its_public_part_from_the_first_time_on(
    tmp_path: Path, sluice
) -> None:
    Path("environments/kubeflow.yaml").write_text(json.dumps(cloud(tmp_path).model_dump(mode="json")))
    code, _, said = sluice("keys", "add", "release", "--env", "kubeflow")
    assert (code, said.strip().removeprefix("error: ")) == (
        2, f"key {AWS}: its public part cannot be fetched from there; {ADVICE}"
    )  # fmt: skip


def test_such_a_key_is_replaced_by_retiring_it_first(tmp_path: Path, environment: LocalEnvironment) -> None:
    there = cloud(tmp_path)
    add_key(there, "release", public_key(environment))
    with pytest.raises(InvalidInput, match=r"end the old one with `sluice keys retire release --env kubeflow`, then"):
        rotate_key(there, "release")


def test_a_run_whose_word_would_not_count_is_not_submitted(tmp_path: Path, sluice) -> None:
    Path("recipe.yaml").write_text(RECIPE)
    with Kubeflow().running() as service:
        there = cloud(tmp_path, host=service.address, store=str(tmp_path / "store"))
        Path("environments/kubeflow.yaml").write_text(json.dumps(there.model_dump(mode="json")))
        for command in ("run", "monitor"):
            code, _, said = sluice(command, "recipe.yaml", "--env", "kubeflow")
            assert (code, "there are no trust roots" in said) == (2, True)
        assert service.asked == []
