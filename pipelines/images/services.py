"""The images that Terraform's services run: which of ours, which published one, each by digest."""

from __future__ import annotations

import json
from pathlib import Path

from components.core.errors import InvalidInput
from components.core.whole_file import whole_file
from pipelines.images import bases
from pipelines.images.lock import BUILD, PUSH, ImagesLock
from pipelines.images.spec import IMAGES

OURS = {"mlflow": IMAGES["release"], "dispatch": IMAGES["dispatch"]}
"""By service. What registers models has all of MLflow, its server too."""
PUBLISHED = {"proxy": "cloud-sql-proxy"}
"""By service, as ``containers/bases.json`` calls them."""


def service_images(lock: Path) -> dict[str, str]:
    """By service the image that it runs.

    Raises InvalidInput where the lock lacks one, one is in no registry, or a published one has no digest yet.
    """
    built = ImagesLock.load(lock).images
    wanted = {service: image.logical for service, image in OURS.items()}
    if missing := sorted({name for name in wanted.values() if name not in built}):
        raise InvalidInput(f"{lock}: has no {', '.join(missing)}, which Terraform's services run; `{BUILD}`, `{PUSH}`")
    ours = ImagesLock.of({name: built[name] for name in wanted.values()}).shipped(lock)
    theirs = {service: bases.base(name, path=bases.PATH).name for service, name in PUBLISHED.items()}
    return {service: ours[name] for service, name in wanted.items()} | theirs


def as_variables(images: dict[str, str]) -> str:
    """A file of Terraform's variables, in JSON."""
    return json.dumps({"images": images}, indent=1) + "\n"


def write(images: dict[str, str], path: Path) -> None:
    """Writes such a file whole: Terraform takes half of one for what should be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_text(as_variables(images))
