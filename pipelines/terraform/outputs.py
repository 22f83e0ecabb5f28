"""An environment file out of ``terraform output -json``, so that nobody copies a name by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from components.core.errors import Conflict, InvalidInput
from components.core.whole_file import whole_file
from pipelines.environment import VertexEnvironment
from pipelines.images.lock import ImagesLock
from pipelines.terraform import OUTPUT

HEAD = "# Written by `sluice env from-terraform`; what is changed by hand here is lost when it is written again.\n"
AGAIN = "run `terraform apply` in infra/terraform/envs/ENV, and hand on all of `terraform output -json`"


def environment_of(text: str, images: Path) -> dict[str, Any]:
    """The environment that Terraform's outputs describe, with the images of a lock.

    Raises InvalidInput for what is no output of Terraform's, for one that lacks something and for one that is no
    environment, each naming what is missing.
    """
    value = _value(text)
    document = {"version": 1, "backend": "vertex", **value}
    try:
        VertexEnvironment.model_validate({**document, "images": {}})
    except ValidationError as error:
        lines = "\n".join(_sentence(one) for one in error.errors())
        raise InvalidInput(f"terraform output: {OUTPUT} makes no environment; {AGAIN}:\n{lines}") from error
    if images.exists():  # it may be made later; what is there must be right
        ImagesLock.load(images).shipped(images)
    return {**document, "images": str(images)}


def write(document: dict[str, Any], path: Path) -> None:
    """Writes an environment file. Raises Conflict where somebody else's stands in its place."""
    if path.exists() and not path.read_text(errors="replace").startswith(HEAD):
        raise Conflict(f"{path}: was written by hand; move it away, or give another place with --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_text(HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=200))


def _value(text: str) -> dict[str, Any]:
    try:
        outputs = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"terraform output: is no JSON ({error}); {AGAIN}") from error
    if not isinstance(outputs, dict):
        raise InvalidInput(f"terraform output: is a {type(outputs).__name__}, not its outputs by name; {AGAIN}")
    if OUTPUT not in outputs:
        there = ", ".join(sorted(outputs)) or "nothing"
        raise InvalidInput(f"terraform output: there is no {OUTPUT} (there is {there}); {AGAIN}")
    output = outputs[OUTPUT]
    value = output.get("value") if isinstance(output, dict) else None
    if not isinstance(value, dict):
        raise InvalidInput(f"terraform output: {OUTPUT} has no value that is an object; {AGAIN}")
    # Terraform has one type for an object's every field: what is left out comes as null.
    return {name: one for name, one in value.items() if one is not None}


def _sentence(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    return f"  {where}: {'is missing' if error['type'] == 'missing' else error['msg']}"
