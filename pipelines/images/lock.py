"""The images lock: which image a logical name such as ``sluice/data`` is, and which code is in it.

``make images`` writes it and ``make images-push`` puts the registry's digests in. An environment file names it as
``images: build/images.lock.json`` in place of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from components.core.canonical import canonical_json, sha256
from components.core.contract import Contract
from components.core.errors import InvalidInput, Refused
from components.core.whole_file import whole_file

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
PLATFORM = "linux/amd64"
"""What the locks are made for: a wheel of torch has one hash a platform."""
BUILD, PUSH = "make images", "make images-push REGISTRY=…"


class LockedImage(Contract):
    """One image."""

    reference: str = Field(
        pattern=r"^[^@\s]+@sha256:[0-9a-f]{64}$",
        description="Name and digest: a registry's once it is pushed, before that the image's id on the machine.",
    )
    platform: str = Field(pattern=r"^[a-z0-9]+/[a-z0-9/]+$", description="Such as linux/amd64.")
    base: Digest = Field(description="Digest of the base image.")
    stand_in: bool = Field(default=False, description="Whether the base stands in for the published one.")
    code: str = Field(default="", description="Digest of the code in it (`code_digest`); empty where there is none.")
    context: str = Field(
        default="", description="Digest of all that it was built from (`context_digest`); empty where none was taken."
    )
    size_bytes: int = Field(default=0, ge=0, description="What it takes unpacked (bytes).")
    pushed: bool = Field(default=False, description="Whether the reference is a registry's.")

    @property
    def at_hand(self) -> str:
        """What the daemon that built or pulled it calls it: before it is pushed its id, which has no name."""
        return self.reference if self.pushed else self.reference.rpartition("@")[2]


class ImagesLock(Contract):
    """All images that were built together."""

    images: dict[str, LockedImage]
    check: str = Field(default="", description="SHA-256 of all images, so that a change by hand is seen.")

    @classmethod
    def of(cls, images: Mapping[str, LockedImage]) -> ImagesLock:
        """The lock of these images."""
        return cls(images=dict(sorted(images.items())), check=_check(images))

    @classmethod
    def load(cls, path: Path) -> ImagesLock:
        """Reads a lock. Raises InvalidInput where there is none, or it was changed by hand into something else."""
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise InvalidInput(f"{path}: there is no images lock; `{BUILD}` writes it") from error
        except OSError as error:
            raise InvalidInput(f"{path}: the images lock cannot be read: {error.strerror}") from error
        lock = cls.read(data, str(path))
        if lock.check != _check(lock.images):
            raise InvalidInput(f"{path}: was changed by hand; `{BUILD}` writes it anew")
        return lock

    def save(self, path: Path) -> None:
        """Writes it whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_text(self.model_dump_json(indent=1) + "\n")

    def references(self, path: Path, *, pushed: bool) -> dict[str, str]:
        """Logical name to reference. Raises InvalidInput where a registry's is wanted and an image is not pushed."""
        here = sorted(name for name, image in self.images.items() if not image.pushed)
        if pushed and here:
            raise InvalidInput(
                f"{path}: {', '.join(here)}: not in a registry yet, and no other machine has it; `{PUSH}`"
            )
        return {name: image.reference for name, image in self.images.items()}

    @property
    def on_stand_ins(self) -> str:
        """Why it is not shipped, where images stand on a stand-in; empty where none does."""
        stand_ins = sorted(name for name, image in self.images.items() if image.stand_in)
        if not stand_ins:
            return ""
        return (
            f"{', '.join(stand_ins)}: on a stand-in for the published base, which is for trying and not for shipping;"
            f" `make images-bases`, then `{BUILD}` without STAND_IN"
        )

    def shipped(self, path: Path) -> dict[str, str]:
        """The references for Google Cloud. Raises InvalidInput for what is in no registry, or is not to run there."""
        references = self.references(path, pushed=True)
        if self.on_stand_ins:
            raise InvalidInput(f"{path}: {self.on_stand_ins}")
        for name, image in self.images.items():
            if image.platform != PLATFORM:
                where = f"Google Cloud runs {PLATFORM}; build it on such a machine"
                raise InvalidInput(f"{path}: {name} is for {image.platform}, and {where}")
        return references

    @property
    def code(self) -> dict[str, str]:
        """Logical name to the digest of the code in it, of those that hold code; ``containers/…`` to the context's."""
        held = {name: image for name, image in self.images.items() if image.code}
        contexts = {_folder(name): image.context for name, image in held.items() if image.context}
        return {name: image.code for name, image in held.items()} | contexts


def _check(images: Mapping[str, LockedImage]) -> str:
    # A lock of before there were digests of contexts is still right.
    left_out = {name: None if image.context else {"context"} for name, image in images.items()}
    return sha256(
        canonical_json({name: image.model_dump(mode="json", exclude=left_out[name]) for name, image in images.items()})
    )


def _folder(name: str) -> str:
    return f"containers/{name.rpartition('/')[2]}"


def check_code(images: Mapping[str, str], code: Mapping[str, str]) -> None:
    """Raises Refused where an image was built from other files than are here: a step would not do what was compiled.

    ``images`` are the digests of each image of which they are known (``ImagesLock.code``), ``code`` is that of each
    stage's code here. What else is in an image is looked at in a checkout only: elsewhere nothing could be built anew.
    """
    from pipelines.images.context import ROOT, context_digest
    from pipelines.images.spec import IMAGES

    here = {f"sluice/{stage}": digest for stage, digest in code.items()}
    if (ROOT / ".git").exists():
        here |= {_folder(stage): context_digest(IMAGES[stage]) for stage in code if images.get(_folder(stage))}
    stale = sorted(
        {f"sluice/{name.rpartition('/')[2]}" for name, digest in images.items() if here.get(name, digest) != digest}
    )
    if stale:
        raise Refused(
            f"{', '.join(stale)}: built from other files than are here, so the steps would not do what is compiled;"
            f" `{BUILD}` and `{PUSH}` build and push it again"
        )
