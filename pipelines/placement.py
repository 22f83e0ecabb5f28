"""How a graph places a step: its settings, store, code digest, cache, resources and name, in one call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from components.core.canonical import canonical_json
from components.core.settings import encode
from pipelines import catalogue
from pipelines.backends import kubeflow, local, vertex
from pipelines.environment import Environment
from pipelines.recipe import RecipeBase

WORD = "Output"
"""The unnamed output of a step: the one that a branch may look at."""
BACKENDS: dict[str, Any] = {"local": local, "kubeflow": kubeflow, "vertex": vertex}


@dataclass
class Placement:
    """Places steps for one recipe and one environment. Calling it makes a KFP task."""

    recipe: RecipeBase
    environment: Environment
    code: dict[str, str]

    def __call__(self, name: str, *, stage: str = "", **inputs: Any) -> Any:
        """A task of the step ``name``, or of the stage of training ``stage`` that it does."""
        step = catalogue.step(name)
        section = stage or name
        component = step.component()
        given = {
            "settings": self.recipe.settings(section).encode(),
            "store": self.environment.store,
            "code": self.code[step.stage],
            "tracking": self.environment.tracking,
            "endpoint": self.recipe.served_at,
            "environment": self.environment.name,
            "endpoints": self.environment.endpoints,
            "registry": self.environment.registry,
            "trust": self.environment.trust,
            "requests": self.environment.requests,
            "account": getattr(self.environment, "service_account", ""),
            "key": self.environment.keys.get("monitor" if step.stage == "monitor" else "release", ""),
            "policy": policy_of(self.recipe),
        }
        taken = component.component_spec.inputs
        task = component(**{key: value for key, value in given.items() if key in taken} | inputs)
        title = section.replace("_", " ").replace("-", " ").capitalize()
        task.set_display_name(title).set_caching_options(step.cached)
        resources = self.recipe.resources(section)
        backend = BACKENDS[self.environment.backend]
        if resources.retries:
            task.set_retry(resources.retries, backoff_duration=backend.RETRY_AFTER, backoff_factor=2.0)
        wanted = secrets_of(self.recipe, section)
        secrets = {named: self.environment.secrets[named] for named in wanted if named in self.environment.secrets}
        backend.place(task, resources, secrets, self.environment)
        return task


def secrets_of(recipe: RecipeBase, section: str) -> list[str]:
    """The names of the secrets that a section of the recipe refers to."""
    return sorted(
        set(re.findall(r"secret://([a-zA-Z0-9_-]+)", canonical_json(recipe.section(section).model_dump(mode="json"))))
    )


def policy_of(recipe: RecipeBase) -> str:
    """What a release is decided by: the gate's claims and whom decide asks, in canonical JSON."""
    return encode({name: recipe.settings(name).model_dump(mode="json") for name in ("gate", "decide")})
