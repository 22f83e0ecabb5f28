"""What a pull request is shown of a place, and what the repository knows of it."""

from __future__ import annotations

import json
import re

import pytest

from tests.ci.conftest import REGISTRY, Checkout

ROOT_FOLDERS = {"bootstrap", "modules/environment", "modules/federation", "envs/dev", "envs/prod"}


@pytest.mark.parametrize("access", [0, 3])
def test_a_plan_is_shown_with_its_verdict_and_changes_nothing(checkout: Checkout, access: int) -> None:
    images = {"mlflow": "m", "proxy": "p", "dispatch": "d"}
    checkout.plays |= {"access": access, "outputs": checkout.outputs(images=images)}
    done = checkout.make("ci-plan", ENV="dev", STATE="a-state")
    assert (done.returncode == 0) == (access == 0), "a plan that breaks the promise is a red check"
    page = (checkout.folder / "build/ci/dev/plan.md").read_text()
    assert page.startswith("### Terraform: dev\n")
    assert "Plan: 1 to add." in page
    assert "who can reach what" in page
    assert ("**refused** (exit 3)" in page) == (access == 3)
    plan = next(call for call in checkout.asked("terraform") if "plan" in call)
    assert "-lock=false" in plan
    assert f"-var=images={json.dumps(images)}" in plan, "with the images that run, or the plan would say they go"
    assert not any("apply" in call for call in checkout.asked("terraform"))


def test_a_place_whose_services_have_no_images_yet_is_planned_without_them(checkout: Checkout) -> None:
    assert checkout.make("ci-plan", ENV="dev", STATE="a-state").returncode == 0
    (plan,) = (call for call in checkout.asked("terraform") if "plan" in call)
    assert "-var=images=null" in plan, "the variable has no value of its own"


def test_a_check_that_could_not_be_made_is_no_verdict(checkout: Checkout) -> None:
    checkout.plays["access"] = 2
    assert "who can reach what could not be worked out" in checkout.make("ci-plan", ENV="dev", STATE="a-state").stderr


def test_a_plan_too_long_for_a_comment_is_cut_and_says_so(checkout: Checkout) -> None:
    checkout.plays["plan"] = "x" * 70_000
    assert checkout.make("ci-plan", ENV="dev", STATE="a-state").returncode == 0
    page = (checkout.folder / "build/ci/dev/plan.md").read_text()
    assert "… cut here; the job's log has the rest" in page
    assert len(page) * 3 < 65_536, "the plans of three environments are one comment"


def test_the_repositorys_variable_is_what_terraform_says(checkout: Checkout) -> None:
    state = checkout.folder / "infra/terraform/envs/dev/.terraform/terraform.tfstate"
    asked = {"ENV": "dev", "DEPLOYER": "sluice-deploy@a-project.iam.gserviceaccount.com"}
    assert "`terraform init` was not run in infra/terraform/envs/dev" in checkout.make("ci-variable", **asked).stderr
    state.parent.mkdir()
    state.write_text(json.dumps({"backend": {"type": "gcs", "config": {"bucket": "a-state"}}}))
    try:
        made = json.loads(checkout.make("ci-variable", **asked).stdout)
        assert "DEPLOYER is no account's e-mail" in checkout.make("ci-variable", ENV="dev").stderr
    finally:
        state.unlink()
        state.parent.rmdir()
    assert made == {
        "provider": "projects/1/p",
        "ci": "sluice-ci@a-project.iam.gserviceaccount.com",
        "plan": "sluice-plan@a-project.iam.gserviceaccount.com",
        "deploy": asked["DEPLOYER"],
        "registry": REGISTRY,
        "state": "a-state",
    }
    # What the workflows take out of it is what it holds.
    workflows = "".join(path.read_text() for path in (checkout.folder / ".github/workflows").glob("*.yml"))
    assert set(re.findall(r"fromJSON\(inputs\.place\)\.(\w+)", workflows)) == made.keys()


def test_all_of_terraform_is_formatted_valid_and_tested(checkout: Checkout) -> None:
    done = checkout.make("ci-terraform")
    assert done.returncode == 0, done.stderr
    asked = checkout.asked("terraform")
    assert asked[0][1:3] == ["fmt", "-check"]
    validated = {call[1].removeprefix("-chdir=") for call in asked if "validate" in call}
    assert validated >= ROOT_FOLDERS
    tested = {call[1].removeprefix("-chdir=") for call in asked if "test" in call}
    assert tested
    assert tested <= validated


@pytest.mark.parametrize("step", ["fmt", "init", "validate", "test"])
def test_a_step_of_terraform_that_fails_fails_all(checkout: Checkout, step: str) -> None:
    checkout.plays["fails"] = [step]
    assert checkout.make("ci-terraform").returncode != 0
