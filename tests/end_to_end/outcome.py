"""What a run left, to hold against what the same run left elsewhere."""

from __future__ import annotations

from components.core.manifest import Manifest
from components.core.store import Store

NAME_OTHERS = {"gate/evidence", "card/card", "decide/decision"}
"""What names a manifest by key and digest, each attempt's own, and when it was signed."""


def outputs(run: dict, store: Store) -> dict[str, dict]:
    """What a run's steps put into the store: their manifests, but for what each attempt has of its own."""
    found = {}
    for step in run["steps"]:
        for role, output in step["outputs"].items():
            manifest = Manifest.read(store.read_verified(output["key"], output["digest"]), role)
            document = manifest.model_dump(mode="json", exclude={"key", "shards", "sources", "parents"})
            parents = [parent.model_dump(include={"role", "content_digest"}) for parent in manifest.parents]
            found[f"{step['name']}/{role}"] = document | {"parents": parents}
    return found
