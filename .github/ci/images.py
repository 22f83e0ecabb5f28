"""Images between registries: signed and listed where they were built, looked at and copied to an environment.

``images.py sign`` comes after ``make images-push``, ``images.py promote REGISTRY`` before a deployment. A digest stays
what it is on the way, so what was signed is what runs.
"""

from __future__ import annotations

import argparse
import sys

from programs import call, succeeds

from components.core.errors import ExitCode, InvalidInput, ended
from pipelines.images.build import LOCK, LOGS
from pipelines.images.lock import ImagesLock

ISSUER = "https://token.actions.githubusercontent.com"
BUILDS = ".github/workflows/main.yml@refs/heads/main"
"""The only workflow whose signature counts, on the only branch."""


def sign() -> None:
    """Signs each image of the lock as the workflow that runs, and attests to its bill of materials."""
    for name, reference in ImagesLock.load(LOCK).references(LOCK, pushed=True).items():
        bom = LOGS / f"{name.removeprefix('sluice/')}.cdx.json"
        if not bom.is_file():
            raise InvalidInput(f"{name}: has no bill of materials at {bom}; `make images` writes it")
        call("cosign", "sign", "--yes", reference)
        call("cosign", "attest", "--yes", "--type", "cyclonedx", "--predicate", bom, reference)
        print(f"signed {reference}")


def verify(references: list[str], repository: str, commit: str) -> None:
    """Raises Failed where an image was not signed by the build of this commit on main."""
    identity = f"https://github.com/{repository}/{BUILDS}"
    for reference in references:
        call(
            *("cosign", "verify", "--output", "json", "--certificate-oidc-issuer", ISSUER),
            *("--certificate-identity", identity, "--certificate-github-workflow-sha", commit, reference),
        )
        print(f"built by {BUILDS} of {commit[:12]}: {reference}")


def source_of(lock: ImagesLock, repository: str) -> list[str]:
    """The images of a lock where they were built: the same digests in the repository's own registry."""
    built = f"ghcr.io/{repository.lower()}"
    return [f"{built}/{name}@{image.reference.rpartition('@')[2]}" for name, image in lock.images.items()]


def promote(registry: str, repository: str, commit: str) -> None:
    """Copies all images of the lock to an environment's registry, and writes their references there into it."""
    lock = ImagesLock.load(LOCK)
    lock.references(LOCK, pushed=True)
    sources = source_of(lock, repository)
    verify(sources, repository, commit)
    images = dict(lock.images)
    for (name, image), source in zip(lock.images.items(), sources, strict=True):
        digest = source.rpartition("@")[2]
        # By a tag too: a registry clears away what has none. No tag moves there, so what is there is not written again.
        tag = digest.removeprefix("sha256:")[:12]
        if not succeeds("skopeo", "inspect", "--raw", f"docker://{registry}/{name}@{digest}"):
            call(
                "skopeo",
                "copy",
                "--quiet",
                "--preserve-digests",
                f"docker://{source}",
                f"docker://{registry}/{name}:{tag}",
            )
        images[name] = image.model_copy(update={"reference": f"{registry}/{name}@{digest}"})
        print(images[name].reference)
    ImagesLock.of(images).save(LOCK)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="images.py", description=__doc__)
    parser.add_argument("what", choices=("sign", "promote"))
    parser.add_argument("registry", nargs="?", default="", help="Of the environment: host/project/repository.")
    parser.add_argument("--commit", default="", help="Whose build it is, all 40 digits.")
    parser.add_argument("--repository", default="", help="OWNER/NAME on GitHub.")
    asked = parser.parse_args()
    if asked.what == "sign":
        sign()
    elif not (asked.registry and asked.commit and asked.repository):
        raise InvalidInput("promote: wants REGISTRY, COMMIT and REPOSITORY; see docs/guides/delivery.md")
    else:
        promote(asked.registry, asked.repository, asked.commit)
    return int(ExitCode.DONE)


if __name__ == "__main__":
    sys.exit(ended(main))
