"""A recipe: one YAML file that says what to make. A section a step; ``train`` is a list of stages."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from components.core.canonical import canonical_json, sha256
from components.core.errors import InvalidInput
from components.core.settings import StepSettings
from pipelines import catalogue, credentials, located_yaml
from pipelines.located_yaml import Located
from pipelines.resources import Resources

VERSION = 1
TRAINERS = ("finetune",)
"""Steps that may stand in the list of training stages."""


HINTS = {
    **{trainer: f"it is a stage of training: write train.0.{trainer}" for trainer in TRAINERS},
    "resources": "it belongs inside a step's section, such as curate.resources",
}


class Stage(BaseModel):
    """One stage of training: its name and exactly one trainer with its settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", pattern=r"^[a-z][a-z0-9-]{0,39}$|^$", description="Default: the trainer's name.")

    @model_validator(mode="before")
    @classmethod
    def _one_trainer(cls, value: Any) -> Any:
        if isinstance(value, dict):
            value = {key: {} if key in TRAINERS and given is None else given for key, given in value.items()}
            given = [trainer for trainer in TRAINERS if trainer in value]
            unknown = [str(key) for key in value if key not in (*TRAINERS, "name")]
            if not given and unknown:
                raise ValueError(f"{unknown[0]}: unknown key; {located_yaml.nearest(unknown[0], TRAINERS)}")
            if len(given) != 1:
                raise ValueError(f"a stage of training names exactly one of {', '.join(TRAINERS)}; it has {len(given)}")
            value = {"name": given[0], **value}
        return value

    @property
    def trainer(self) -> str:
        """The step that does it."""
        return next(trainer for trainer in TRAINERS if getattr(self, trainer, None) is not None)


class RecipeBase(BaseModel):
    """What every recipe has; ``recipe_model`` adds a section for each step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, description="Version of the recipe's format.")
    extends: str | None = Field(default=None, description="One recipe that this one changes; a path beside it.")
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="Lower-case letters, digits and hyphens.")
    description: str = ""
    endpoint: str = Field(
        default="", pattern=r"^[a-z][a-z0-9-]{0,39}$|^$", description="Where the model is to serve; default: the name."
    )
    train: tuple[Stage, ...] = Field(default=(), description="Stages of training, in order.")

    @field_validator("version")
    @classmethod
    def _is_known(cls, version: int) -> int:
        return located_yaml.known_version(version, VERSION)

    @property
    def digest(self) -> str:
        """SHA-256 of all that the recipe says, defaults included; not of its comments or layout."""
        return sha256(canonical_json(self.model_dump(mode="json", exclude={"extends", "description"})))

    @property
    def served_at(self) -> str:
        """The endpoint that its models are released to."""
        return self.endpoint or self.name

    def section(self, name: str) -> Any:
        """The section of a step, or of a stage of training by its name."""
        for stage in self.train:
            if stage.name == name:
                return getattr(stage, stage.trainer)
        return getattr(self, name)

    def settings(self, name: str) -> StepSettings:
        """The settings of a step or of a stage of training."""
        stage = next((stage for stage in self.train if stage.name == name), None)
        step = catalogue.step(stage.trainer if stage else name)
        given = self.section(name).model_dump(mode="json", exclude={"resources"})
        return step.settings().model_validate(given)

    def resources(self, name: str) -> Resources:
        """What a step or a stage of training asks of its machine."""
        found: Resources = self.section(name).resources
        return found

    def resources_of_task(self, title: str) -> Resources:
        """What the task with a title asks of its machine; nothing where no section describes it."""
        names = (title.lower().replace(" ", "-"), title.lower().replace(" ", "_"))
        known = {stage.name for stage in self.train} | {name for name in catalogue.steps() if hasattr(self, name)}
        return next((self.resources(name) for name in names if name in known), Resources())


def _section(step: catalogue.Step) -> Any:
    """The step's settings with ``resources`` beside them."""
    settings = step.settings()
    return create_model(
        f"{settings.__name__}Section", __base__=settings, __doc__=settings.__doc__, resources=(Resources, Resources())
    )


@cache
def recipe_model() -> type[RecipeBase]:
    """The recipe's model, with a section for each step that there is."""
    sections: dict[str, Any] = {}
    trainers: dict[str, Any] = {}
    for name, step in catalogue.steps().items():
        section = _section(step)
        if name in TRAINERS:
            trainers[name] = (section | None, None)
            continue
        needed = any(field.is_required() for field in section.model_fields.values())
        sections[name] = (section, ...) if needed else (section, Field(default_factory=section))
    stage = create_model("TrainingStage", __base__=Stage, __doc__=Stage.__doc__, **trainers)
    stages = (tuple[stage, ...], RecipeBase.model_fields["train"])
    with warnings.catch_warnings():
        # A step is named as it is, also where pydantic has a deprecated method of that name (`validate`).
        warnings.filterwarnings("ignore", message="Field name .* shadows an attribute")
        return create_model("Recipe", __base__=RecipeBase, train=stages, **sections)


def load_recipe(path: Path, assignments: tuple[str, ...] = ()) -> RecipeBase:
    """Reads a recipe, what it extends, and ``--set`` assignments over it.

    Raises InvalidInput with all that is wrong, a line each.
    """
    located = _with_base(path, ())
    wrong = []
    for assignment in assignments:
        try:
            located.set(assignment)
        except InvalidInput as error:
            wrong.append(str(error))
    wrong += [*credentials.complaints(located), *_twice_named(located)]
    _share_with_suites(located)
    return located_yaml.validate(recipe_model(), located, wrong, HINTS)


def recipe_from(document: dict[str, Any]) -> RecipeBase:
    """A recipe that was resolved before, as a run's folder keeps it."""
    return located_yaml.validate(recipe_model(), Located(document))


def as_document(recipe: RecipeBase) -> dict[str, Any]:
    """The recipe as plain data that ``recipe_from`` reads back; stages keep only the trainer that they name."""
    document: dict[str, Any] = json.loads(recipe.model_dump_json(exclude={"extends"}))
    document["train"] = [
        {key: value for key, value in stage.items() if value is not None} for stage in document["train"]
    ]
    return document


def _twice_named(located: Located) -> list[str]:
    """A line for each stage of training that has the name of an earlier one."""
    stages = located.value.get("train")
    seen: dict[str, int] = {}
    lines = []
    for index, stage in enumerate(stages if isinstance(stages, list) else []):
        if isinstance(stage, dict):
            name = str(stage.get("name") or next((trainer for trainer in TRAINERS if trainer in stage), index))
            if name in catalogue.steps() and name not in stage:
                lines.append(
                    f"{located.place(('train', index))}: train.{index}: {name} is the name of a step; give the stage"
                    " another `name`"
                )
            if name in seen:
                lines.append(
                    f"{located.place(('train', index))}: train.{index}: two stages are named {name}; give one of them"
                    " another `name`"
                )
            seen.setdefault(name, index)
    return lines


def _share_with_suites(located: Located) -> None:
    """Exam questions are read and put as the training side is, so a recipe says it once."""
    suites, ingest, style = (located.value.get(name) or {} for name in ("suites", "ingest", "format"))
    if not all(isinstance(section, dict) for section in (suites, ingest, style)):
        return
    shared = {name: ingest[name] for name in ("text", "group") if name in ingest}
    if style:
        shared["format"] = {key: value for key, value in style.items() if key != "resources"}
    located.value["suites"] = {**shared, **suites}


def _with_base(path: Path, seen: tuple[Path, ...]) -> Located:
    path = path.absolute() if path.is_absolute() else path
    located = located_yaml.load(path)
    base = located.value.get("extends")
    if base is None:
        return located
    if not isinstance(base, str) or "\0" in base:
        raise InvalidInput(f"{located.place(('extends',))}: extends: one path, no list; extend a recipe that extends")
    chain = (*seen, path.resolve())
    target = path.parent / base
    if target.resolve() in chain:
        circle = " → ".join(step.name for step in (*chain, target))
        raise InvalidInput(f"{located.place(('extends',))}: extends: goes in a circle ({circle}); remove one of them")
    return located.over(_with_base(target, chain))


def shipped() -> list[Path]:
    """The recipes that come with Sluice."""
    return sorted((Path(__file__).parent / "recipes").glob("*.yaml"))


def of_project(folder: Path = Path()) -> list[Path]:
    """A project's own recipes, ``recipe*.yaml``; empty where the folder is no project."""
    return sorted(folder.glob("recipe*.yaml"))
