"""An environment on Google Cloud as the workflows see it: planned, applied, described.

``place.py plan ENV`` writes what a pull request shows; ``place.py variable ENV`` prints what the repository's variable
SLUICE_ENV holds, out of ``terraform output``, so that nobody copies a name by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from programs import OUT, ROOT, call

from components.core.errors import ExitCode, Failed, InvalidInput, did_you_mean, ended

ENVIRONMENTS = ROOT / "infra" / "terraform" / "envs"
MOST_CHARACTERS = 18_000
"""Of one plan in a comment; GitHub takes 65,536 for all three."""


class Place:
    """One environment's Terraform."""

    def __init__(self, name: str) -> None:
        known = sorted(path.parent.name for path in ENVIRONMENTS.glob("*/main.tf"))
        if name not in known:
            raise InvalidInput(
                f"there is no environment {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}"
            )
        self.name, self.folder, self.out = name, ENVIRONMENTS / name, OUT / name
        self.out.mkdir(parents=True, exist_ok=True)

    def terraform(self, *arguments: str) -> str:
        """What Terraform prints."""
        return call("terraform", f"-chdir={self.folder}", *arguments)

    def begin(self, bucket: str) -> None:
        """Connects with the state, which lies in the bucket that ``infra/terraform/bootstrap`` made."""
        if not bucket:
            raise InvalidInput(f"{self.name}: STATE names no bucket of Terraform's state; see docs/guides/delivery.md")
        self.terraform("init", "-input=false", "-no-color", "-reconfigure", f"-backend-config=bucket={bucket}")

    def outputs(self) -> dict[str, Any]:
        """What Terraform says of the place as it is."""
        found: dict[str, Any] = json.loads(self.terraform("output", "-json"))
        if "deployment" not in found:
            raise InvalidInput(
                f"{self.name}: was never applied; an admin does so once by hand, see infra/terraform/envs/{self.name}"
            )
        return found

    def plan(self, images: dict[str, str] | None, *options: str) -> int:
        """Plans into ``build/ci/ENV``: file, JSON, page. Returns the exit code of the look at who could reach what."""
        file = self.out / "tfplan"
        given = f"-var=images={json.dumps(images)}"  # null where there are none yet; unsaid it is an error
        self.terraform("plan", "-input=false", "-no-color", f"-out={file}", *options, given)
        (self.out / "plan.json").write_text(self.terraform("show", "-json", str(file)))
        text = self.terraform("show", "-no-color", str(file))
        done = subprocess.run(
            (ROOT / ".venv" / "bin" / "sluice", "env", "access", "--check", self.out / "plan.json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        (self.out / "plan.md").write_text(page(self.name, text, done.stdout, done.returncode))
        print(text, done.stdout, sep="\n")
        return done.returncode


def page(name: str, plan: str, access: str, code: int) -> str:
    """A plan and the check of access, for the pull request and the job's page."""
    verdict = "nobody reaches what they must not" if code == 0 else f"**refused** (exit {code}): it may not be applied"
    parts = [f"### Terraform: {name}\n\nAccess: {verdict}\n"]
    for title, text, opened in (("Plan", plan, False), ("Access", access, code != 0)):
        if len(text) > MOST_CHARACTERS:
            text = text[:MOST_CHARACTERS] + "\n… cut here; the job's log has the rest"
        fence = "`" * 6  # longer than any that a description of a resource would hold
        mark = " open" if opened else ""
        parts.append(f"<details{mark}><summary>{title}</summary>\n\n{fence}\n{text.strip()}\n{fence}\n\n</details>\n")
    return "\n".join(parts)


def variable(place: Place, deployer: str) -> dict[str, str]:
    """What the workflows have to know of a place before they can ask it anything."""
    state = place.folder / ".terraform" / "terraform.tfstate"
    if not state.is_file():
        raise InvalidInput(
            f"{place.name}: `terraform init` was not run in {place.folder.relative_to(ROOT)}; run it there"
        )
    found = place.outputs()["deployment"]["value"]
    return {
        "provider": found["ci"]["provider"],
        "ci": found["ci"]["push"],
        "plan": found["ci"]["plan"],
        "deploy": deployer,
        "registry": found["registry"],
        "state": json.loads(state.read_text())["backend"]["config"]["bucket"],
    }


def summarise(text: str) -> None:
    """Puts a page where GitHub shows it beside the job."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a") as file:
            file.write(text)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="place.py", description=__doc__)
    parser.add_argument("what", choices=("plan", "variable"))
    parser.add_argument("environment")
    parser.add_argument("--state", default="", help="Bucket of Terraform's state.")
    parser.add_argument("--deployer", default="", help="E-mail of the account that applies.")
    asked = parser.parse_args()
    place = Place(asked.environment)
    if asked.what == "variable":
        if "@" not in asked.deployer:
            raise InvalidInput("variable: DEPLOYER is no account's e-mail; see docs/guides/delivery.md")
        print(json.dumps(variable(place, asked.deployer)))
        return int(ExitCode.DONE)
    place.begin(asked.state)
    running = place.outputs()["deployment"]["value"].get("images")
    # Reads only: it may not lock what somebody else applies.
    code = place.plan(running, "-lock=false")
    summarise((place.out / "plan.md").read_text())
    if code not in (ExitCode.DONE, ExitCode.REFUSED):
        raise Failed(f"{place.name}: who can reach what could not be worked out; it says why above")
    return code


if __name__ == "__main__":
    sys.exit(ended(main))
