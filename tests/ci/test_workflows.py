"""What holds of every workflow: rights, pins, identities, and that whatever is longer than three lines is tested."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.conftest import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.name: yaml.load(path.read_text(), yaml.BaseLoader) for path in sorted(FOLDER.glob("*.yml"))}
PINNED = re.compile(r"uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v[0-9]+\.[0-9]+\.[0-9]+)$")
STEPS = [
    (file, job, step)
    for file, workflow in WORKFLOWS.items()
    for job, told in workflow["jobs"].items()
    for step in told.get("steps", [])
]
READS = {"read", "none"}
# Who may write what, and why, is said at each place; this is the list of places.
WRITES = {
    ("check.yml", "dev"): {"id-token"},
    ("check.yml", "staging"): {"id-token"},
    ("check.yml", "prod"): {"id-token"},
    ("check.yml", "comment"): {"pull-requests"},
    ("plan.yml", "plan"): {"id-token"},
    ("main.yml", "images"): {"packages", "id-token"},
    ("main.yml", "dev"): {"id-token"},
    ("deploy.yml", "deploy"): {"id-token"},
    ("release.yml", "staging"): {"id-token"},
    ("release.yml", "prod"): {"id-token"},
    ("rollback.yml", "again"): {"id-token"},
}


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file, workflow in WORKFLOWS.items():
        for name, job in workflow["jobs"].items():
            yield file, name, job


def test_actions_are_pinned_by_commit_and_one_action_has_one_commit() -> None:
    found = defaultdict(set)
    for path in FOLDER.glob("*.yml"):
        for line in path.read_text().splitlines():
            if "uses:" in line and "./.github/workflows/" not in line:
                pinned = PINNED.search(line)
                assert pinned, f"{path.name}: {line.strip()}"
                found[pinned[1]].add((pinned[2], pinned[3]))
    assert len(found) >= 6
    assert {name: pins for name, pins in found.items() if len(pins) > 1} == {}


@pytest.mark.parametrize("file", WORKFLOWS)
def test_a_workflow_has_no_rights_that_a_job_does_not_name(file: str) -> None:
    assert WORKFLOWS[file]["permissions"] == {}


def test_a_job_writes_what_is_listed_and_nothing_else() -> None:
    written = {
        (file, name): {right for right, how in job["permissions"].items() if how not in READS}
        for file, name, job in jobs()
    }
    assert {place: rights for place, rights in written.items() if rights} == WRITES


def test_every_job_ends_by_itself_and_deployments_wait_for_each_other() -> None:
    for file, name, job in jobs():
        assert "uses" in job or 0 < int(job["timeout-minutes"]) <= 120, (file, name)
    for file, cancels in (("check.yml", "true"), ("main.yml", "false"), ("release.yml", "false")):
        assert WORKFLOWS[file]["concurrency"]["cancel-in-progress"] == cancels
    concurrency = WORKFLOWS["deploy.yml"]["jobs"]["deploy"]["concurrency"]
    assert concurrency == {"group": "deploy-${{ inputs.environment }}", "cancel-in-progress": "false"}


def test_what_is_longer_than_three_lines_is_a_make_target_that_is_run_here() -> None:
    makefile = (ROOT / "Makefile").read_text()
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    called = set[str]()
    for file, _, step in STEPS:
        run = step.get("run", "")
        assert len(run.strip().splitlines()) <= 3, (file, run)
        called |= set(re.findall(r"\bmake ([\w-]+)", run))
    assert {"check", "test", "images-lint", "images-push"} <= called
    for target in called:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        assert not target.startswith("ci-") or f'"{target}"' in tests, f"no test runs {target}"


def test_nothing_that_somebody_else_wrote_is_put_into_a_command() -> None:
    for file, _, step in STEPS:
        assert "${{" not in step.get("run", ""), (file, step["run"])


def test_there_is_no_key_and_no_secret() -> None:
    for path in FOLDER.glob("*.yml"):
        text = path.read_text()
        assert "secrets." not in text
        assert "credentials_json" not in text
        assert "pull_request_target" not in text
        assert "secrets: inherit" not in text


def identities(job: dict[str, Any]) -> list[str]:
    """As whom a job speaks to Google."""
    steps = [step for step in job.get("steps", []) if step.get("uses", "").startswith("google-github-actions/auth@")]
    return [
        re.fullmatch(r"\$\{\{ fromJSON\(inputs\.place\)\.(\w+) \}\}", step["with"]["service_account"])[1]
        for step in steps
    ]


def test_a_pull_request_is_the_identity_that_reads_and_a_forks_is_nobody() -> None:
    check = WORKFLOWS["check.yml"]
    assert check["on"] == {"pull_request": ""}
    for name, job in check["jobs"].items():
        if job["permissions"].get("id-token") or job["permissions"].get("pull-requests"):
            assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"], name
        assert job.get("uses") in (None, "./.github/workflows/tests.yml", "./.github/workflows/plan.yml")
        assert identities(job) == []
    assert identities(WORKFLOWS["plan.yml"]["jobs"]["plan"]) == ["plan"]
    assert identities(WORKFLOWS["deploy.yml"]["jobs"]["deploy"]) == ["ci", "deploy"]


def test_who_writes_on_the_pull_request_runs_nothing_that_comes_from_it() -> None:
    for step in WORKFLOWS["check.yml"]["jobs"]["comment"]["steps"]:
        assert "checkout" not in step.get("uses", "")
        assert not step.get("run", "").startswith(("make", "./", "bash", "python"))


def test_images_are_pushed_as_ci_and_everything_else_as_who_applies() -> None:
    order = [
        step.get("run", step.get("uses", "")).split()[:2]
        for step in WORKFLOWS["deploy.yml"]["jobs"]["deploy"]["steps"]
        if "auth@" in step.get("uses", "") or step.get("run", "").startswith("make ci-")
    ]
    names = [words[1] if words[0] == "make" else "auth" for words in order]
    assert names == ["ci-lock", "auth", "ci-promote", "auth", "ci-deploy"]


def test_nothing_of_a_commit_runs_with_rights_that_was_never_on_main(tmp_path: Path) -> None:
    checkout, guard, *_ = WORKFLOWS["deploy.yml"]["jobs"]["deploy"]["steps"]
    assert checkout["uses"].startswith("actions/checkout@")
    assert checkout["with"]["fetch-depth"] == "0"
    me = ("-c", "user.name=ci", "-c", "user.email=ci@example.com")
    git = ("git", "-C", str(tmp_path), *me)
    commit = (*git, "commit", "--quiet", "--allow-empty", "--message", "m")
    for command in (
        ("git", "init", "--quiet", str(tmp_path)),
        commit,
        (*git, "update-ref", "refs/remotes/origin/main", "HEAD"),
    ):
        subprocess.run(command, check=True)
    run = ("bash", "-e", "-c", guard["run"])
    assert subprocess.run(run, cwd=tmp_path, check=False).returncode == 0
    subprocess.run(commit, check=True)
    subprocess.run((*git, "tag", "origin/main"), check=True)  # a name that Git would take first
    refused = subprocess.run(run, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "was never on main" in refused.stdout


def test_prod_comes_after_staging_and_only_from_a_tag_or_by_hand() -> None:
    release = WORKFLOWS["release.yml"]
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert release["jobs"]["prod"]["needs"] == "staging"
    # GitHub skips what waits for a job that was skipped.
    assert release["jobs"]["no-staging"]["if"] == "vars.SLUICE_PROD != '' && vars.SLUICE_STAGING == ''"
    (says,) = release["jobs"]["no-staging"]["steps"]
    said = subprocess.run(("bash", "-e", "-c", says["run"]), check=False, capture_output=True, text=True)
    assert said.returncode == 2
    assert "::error::nothing goes to prod that was not in staging" in said.stdout
    assert WORKFLOWS["main.yml"]["on"] == {"push": {"branches": ["main"]}}
    assert {job["with"]["environment"] for job in WORKFLOWS["main.yml"]["jobs"].values() if "with" in job} == {"dev"}
    assert WORKFLOWS["rollback.yml"]["on"].keys() == {"workflow_dispatch"}
    assert WORKFLOWS["rollback.yml"]["jobs"]["again"]["with"]["again"] == "true"
    # The approval is that of the repository's environment, so the job has to name it.
    assert WORKFLOWS["deploy.yml"]["jobs"]["deploy"]["environment"] == "${{ inputs.environment }}"


def test_the_signature_that_counts_is_that_of_the_workflow_that_signs() -> None:
    builds = re.search(r'^BUILDS = "(.*)@refs/heads/(.*)"$', (ROOT / ".github/ci/images.py").read_text(), re.MULTILINE)
    assert builds
    signing = {file for file, _, step in STEPS if "ci-sign" in step.get("run", "")}
    assert {f".github/workflows/{file}" for file in signing} == {builds[1]}
    assert WORKFLOWS[Path(builds[1]).name]["on"]["push"]["branches"] == [builds[2]]


def test_the_refs_that_google_believes_are_those_that_deploy() -> None:
    for name, ref in (("dev", "refs/heads/main"), ("staging", "refs/tags/v*"), ("prod", "refs/tags/v*")):
        values = (ROOT / "infra/terraform/envs" / name / "main.tf").read_text()
        assert re.search(rf'refs\s*=\s*\["{re.escape(ref)}"\]', values), name


def test_what_is_checked_out_keeps_no_token() -> None:
    for file, _, step in STEPS:
        if "actions/checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] == "false", file


def test_the_guide_names_what_a_repository_needs() -> None:
    guide = (ROOT / "docs/guides/delivery.md").read_text()
    workflows = "".join(path.read_text() for path in FOLDER.glob("*.yml"))
    for name in {*re.findall(r"vars\.(SLUICE_\w+)", workflows)}:
        assert f"`{name}`" in guide, name
    makefile = (ROOT / "Makefile").read_text()
    for target in {*re.findall(r"make (?:-s )?(ci-[a-z-]+)", guide)}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for test in {*re.findall(r"`(test_\w+\.py)`", guide)}:
        assert (Path(__file__).parent / test).is_file(), test
