"""The environments as Terraform plans them, and the files as a person reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.environment import VertexEnvironment, environment_from
from pipelines.recipe import load_recipe
from tests.infra.terraform import ENVIRONMENTS, IMAGES, SOURCE, Terraform, resources

Plan = Callable[[str], dict[str, Any]]
TAKING = ("_iam_binding", "_iam_policy", "google_service_account_key", "google_storage_bucket_acl")
"""Kinds of resources that take rights from others, or give a key out of hand."""
TOO_MUCH = re.compile(r"roles/(owner|editor|viewer|.*[aA]dmin|iam\.serviceAccount(TokenCreator|KeyAdmin))$")
EVERYBODY = ("allUsers", "allAuthenticatedUsers")


def test_all_files_are_formatted(terraform: Terraform) -> None:
    assert terraform.run(".", "fmt", "-check", "-recursive") == ""


@pytest.mark.parametrize("folder", ["bootstrap", *(f"envs/{name}" for name in ENVIRONMENTS)])
def test_what_is_applied_is_valid_and_is_what_it_says(terraform: Terraform, folder: str) -> None:
    terraform.test(folder)
    terraform.run(folder, "validate", "-no-color")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_file_is_written_from_the_outputs_alone(plan_of: Plan, name: str) -> None:
    told = plan_of(name)["planned_values"]["outputs"]["sluice_environment"]["value"]
    known = {field: value for field, value in told.items() if value is not None}
    environment = environment_from(known | {"images": {"sluice/data": IMAGES["dispatch"]}})
    assert isinstance(environment, VertexEnvironment)
    assert environment.account_of("release") != environment.account_of("lifecycle") == environment.service_account
    assert {"release", "monitor"} <= set(environment.keys)
    # All that an environment file says is told, but for what is not the place's.
    fields = set(VertexEnvironment.model_fields) - {"api_endpoint", "example", "prices", "runs", "images", "image_code"}
    assert fields - set(known) == set()


def test_an_environment_is_not_planned_without_a_word_about_images(terraform: Terraform) -> None:
    """Nobody takes MLflow and the dispatcher away because a file is missing."""
    with pytest.raises(AssertionError, match="No value for required variable"):
        terraform.plan("envs/dev")
    (terraform.root / "envs/dev/images.auto.tfvars.json").write_text('{"images": null}')
    try:
        kinds = {one["type"] for one in resources(terraform.plan("envs/dev"))}
    finally:
        (terraform.root / "envs/dev/images.auto.tfvars.json").unlink()
    assert "google_cloud_run_v2_service" not in kinds


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_right_is_taken_from_others_and_none_opens_everything(plan_of: Plan, name: str) -> None:
    found = resources(plan_of(name))
    assert len(found) > 150
    assert [one["address"] for one in found if one["type"].endswith(TAKING)] == []
    granted = [one for one in found if one["type"].endswith("_iam_member")]
    assert [one["address"] for one in granted if TOO_MUCH.match(one["values"]["role"])] == []
    assert [one["address"] for one in granted if one["values"]["member"] in EVERYBODY] == []


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_who_may_do_what_is_known_from_the_plan(plan_of: Plan, name: str) -> None:
    granted = [one for one in resources(plan_of(name)) if one["type"].endswith("_iam_member")]
    assert [one["address"] for one in granted if not {"role", "member"} <= set(one["values"])] == []


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_recipe_that_is_dispatched_starts_from_documents_of_its_environment(plan_of: Plan, name: str) -> None:
    sources = plan_of(name)["planned_values"]["outputs"]["deployment"]["value"]["sources"]
    recipes = sorted((SOURCE / "envs" / name / "recipes").glob("*.yaml"))
    assert recipes
    for path in recipes:
        assert load_recipe(path).resolve.root.startswith(f"{sources}/")


def test_environments_differ_in_values_only() -> None:
    def of(file: str) -> set[str]:
        return {(SOURCE / "envs" / name / file).read_text().replace(f'"{name}"', '"NAME"') for name in ENVIRONMENTS}

    assert [len(of(file)) for file in ("versions.tf", "variables.tf", "outputs.tf")] == [1, 1, 1]
    asked = {tuple(re.findall(r"^  (\w+) +=", text, re.MULTILINE)) for text in of("main.tf")}
    assert len(asked) == 1


def test_a_lock_that_is_kept_has_the_real_providers_hashes() -> None:
    # The registry signs a zip, whose hash begins with zh: the stand-in has none.
    locks = [path for path in SOURCE.rglob(".terraform.lock.hcl") if ".terraform" not in path.parts]
    assert [str(path) for path in locks if "zh:" not in path.read_text()] == []


def test_an_exception_of_checkovs_has_its_reason_beside_it() -> None:
    skips = [line for path in SOURCE.rglob("*.tf") for line in path.read_text().splitlines() if "checkov:skip" in line]
    assert skips
    assert [line for line in skips if not re.search(r"checkov:skip=CKV2?_GCP_\d+: (\S+ ){4,}\S+$", line)] == []
