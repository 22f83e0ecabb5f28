"""A bill of materials of each image, CycloneDX, from the locks that it is made of."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from components.core.errors import Failed
from pipelines.images.context import ROOT
from pipelines.images.lock import LockedImage
from pipelines.images.spec import Image


def write_bom(image: Image, locked: LockedImage, torch: str, folder: Path, root: Path = ROOT) -> Path:
    """Writes an image's bill of materials beside the images lock. Raises Failed where the tool for it fails."""
    locks = [root / "containers" / image.name / "requirements.txt"]
    locks += [root / "locks" / f"torch-{torch}.txt"] if image.torch else []
    command = (root / "containers" / "tools.sh", "cyclonedx-py", "requirements", "--output-reproducible")
    requirements = "\n".join(path.read_text() for path in locks)
    done = subprocess.run(
        (*command, "--output-format", "JSON", "-"), input=requirements, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"{image.name}: no bill of materials: {done.stderr.strip()}; see containers/tools")
    bill = json.loads(done.stdout)
    name, _, digest = locked.reference.partition("@")
    bill["metadata"]["component"] = {"type": "container", "bom-ref": image.logical, "name": name, "version": digest}
    path = folder / f"{image.name}.cdx.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")
    return path
