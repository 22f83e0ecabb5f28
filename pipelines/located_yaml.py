"""YAML whose every value knows the file and line that it came from, so that an error can say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from components.core.canonical import canonical_json
from components.core.errors import InvalidInput, did_you_mean

Model = TypeVar("Model", bound=BaseModel)
Route = tuple[str | int, ...]
"""The way to a value: keys and list positions from the root."""


@dataclass
class Located:
    """A document and where each of its values was written."""

    value: dict[str, Any]
    places: dict[Route, str] = field(default_factory=dict)

    def place(self, route: Route) -> str:
        """``file:line`` of a value, or of the nearest thing around it."""
        below = (where for found, where in self.places.items() if found[: len(route)] == route)
        if route and route not in self.places and (inside := next(below, None)):
            return inside
        for length in range(len(route), -1, -1):
            if route[:length] in self.places:
                return self.places[route[:length]]
        return "?"

    def over(self, base: Located) -> Located:
        """This document laid over ``base``: mappings merge, everything else replaces."""
        return Located(_merged(base.value, self.value), {**base.places, **self.places})

    def set(self, assignment: str) -> None:
        """Applies ``train.0.finetune.learning_rate=3e-4``; the value is YAML.

        Raises InvalidInput when it is no assignment or a list has no such position.
        """
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise InvalidInput(f"--set {assignment}: not an assignment; write it as step.setting=value")
        route: Route = tuple(
            int(part) if part.isdecimal() and part.isascii() else part for part in path.strip().split(".")
        )
        holder: Any = self.value
        for part, following in pairwise(route):
            holder = _enter(holder, part, following, assignment)
        _assign(holder, route[-1], _value(text, assignment), assignment)
        self.places[route] = f"--set {path.strip()}"


def load(path: Path) -> Located:
    """Reads one YAML mapping. Raises InvalidInput with file and line for what is no YAML or no mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: no such file; `sluice init` writes one to start from") from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{str(path)!r}: cannot be read as text: {error}; give a text file's path") from error
    return _located(text, str(path))


def _located(text: str, path: str) -> Located:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
        twice = [f"{path}:{line}: {key}: stands twice; remove one" for key, line in (_keys_twice(node) if node else ())]
        places = dict(_places(node, (), path)) if isinstance(value, dict) and node else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise InvalidInput(f"{path}:{line}: not YAML: {getattr(error, 'problem', error)}; mend the syntax") from error
    except RecursionError as error:
        raise InvalidInput(f"{path}:1: nested without end, or too deeply; write it out plainly") from error
    except (ValueError, OverflowError, TypeError) as error:
        raise InvalidInput(f"{path}:1: a value that cannot be read: {error}; put it in quotes") from error
    if not isinstance(value, dict) or node is None:
        raise InvalidInput(f"{path}:1: not a mapping of keys to values; see docs/reference for what it may hold")
    if twice:
        raise InvalidInput("\n".join(twice))
    return Located(value, places)


def validate(
    model: type[Model], located: Located, also: Sequence[str] = (), hints: Mapping[str, str] | None = None
) -> Model:
    """The document as ``model``.

    ``also`` are complaints that were found before, ``hints`` say of an unknown key what was probably meant. Raises
    InvalidInput with one line an error, in the order of the file: ``file:line: path: what is wrong; what to do``.
    """
    lines = list(also)
    try:
        found = model.model_validate(located.value)
    except ValidationError as error:
        lines += [_sentence(model, located, detail, hints or {}) for detail in error.errors()]
    if lines:
        raise InvalidInput("\n".join(sorted(dict.fromkeys(lines), key=_in_the_files_order)))
    return found


def _in_the_files_order(line: str) -> tuple[str, int]:
    file, _, rest = line.partition(":")
    number = rest.partition(":")[0]
    return (file, int(number)) if number.isdigit() else (file, 0)


class Part(BaseModel):
    """A part of a file that people write by hand."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Table(Part):
    """A file of facts, of which there has been one version so far."""

    version: int = Field(ge=1)

    @field_validator("version")
    @classmethod
    def _is_known(cls, version: int) -> int:
        return known_version(version, 1)


def known_version(found: int, newest: int) -> int:
    """A file's version; a newer one than this code knows is refused."""
    if found > newest:
        raise ValueError(f"version {found} is newer than this Sluice reads ({newest}); upgrade Sluice")
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean …?`` for the known name that is nearest, or the list of what is known."""
    names = sorted(map(str, known))
    return did_you_mean(name, names).removeprefix("; ") or f"known: {', '.join(names)}"


def _sentence(model: type[BaseModel], located: Located, detail: Any, hints: Mapping[str, str]) -> str:
    route = _written(located.value, detail)
    where = f"{located.place(route)}: {'.'.join(str(part) for part in route) or 'document'}"
    if detail["type"] == "extra_forbidden":
        key = str(route[-1])
        hint = hints.get(key) if len(route) == 1 else None
        return f"{where}: unknown key; {hint or nearest(key, _fields_at(model, detail['loc']))}"
    if detail["type"] == "missing":
        return f"{where}: missing; add it"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message[0].lower() + message[1:]
    if ";" in message:
        return f"{where}: {message}"
    given = "" if isinstance(detail["input"], (dict, list)) else f"{detail['input']!r}: "
    return f"{where}: {given}{message}; change it to fit (docs/reference lists type, unit and range)"


def _written(value: Any, detail: Any) -> Route:
    """The way to an error by what stands in the document: pydantic names validators and branches of unions besides."""
    route: Route = ()
    for part in detail["loc"]:
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            route, value = (*route, part), value[part]
    return (*route, detail["loc"][-1]) if detail["type"] == "missing" else route


def _fields_at(model: type[BaseModel], loc: Route) -> list[str]:
    """The names that the model knows where ``loc`` has its last part, a key that stands there and is unknown.

    Where one of several models may stand, a key that another one knows is wrong beside what makes it this one.
    """
    models, branch = [model], model
    for part in loc[:-1]:
        named = next((found for found in models if found.__name__ == part), None)
        inside = next((found.model_fields[part] for found in models if part in found.model_fields), None)
        if named:
            branch = named
        elif inside:
            models = list(_models_in(inside.annotation))
            branch = models[0] if models else BaseModel
    elsewhere = {name for found in models for name in found.model_fields}
    return list(branch.model_fields if loc[-1] in elsewhere else elsewhere)


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def _places(node: yaml.Node, route: Route, file: str) -> Iterable[tuple[Route, str]]:
    yield route, f"{file}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*route, key.value)
            yield from _places(value, below, file)
            yield below, f"{file}:{key.start_mark.line + 1}"
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _places(item, (*route, index), file)


def _keys_twice(node: yaml.Node) -> Iterable[tuple[str, int]]:
    """Keys that stand twice in one mapping, which YAML's reader answers with the last, and their lines."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield str(key.value), key.start_mark.line + 1
            seen.add(str(key.value))
            yield from _keys_twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _keys_twice(item)


def _merged(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _value(text: str, assignment: str) -> Any:
    """The YAML value of an assignment; text that is no YAML value is itself, so that `{{$` needs no quotes."""
    try:
        value = yaml.safe_load(text) if text else None
        canonical_json(value)  # a value that goes in a circle, or that JSON has not, ends here
    except yaml.YAMLError as error:
        if text.lstrip().startswith("{{"):
            return text
        raise InvalidInput(f"--set {assignment}: the value is not YAML; put it in quotes") from error
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise InvalidInput(f"--set {assignment}: a value that cannot be read: {error}; put it in quotes") from error
    return value


def _enter(holder: Any, part: str | int, following: str | int, assignment: str) -> Any:
    if isinstance(holder, list):
        return holder[_position(holder, part, assignment)]
    if not isinstance(holder, dict):
        raise InvalidInput(f"--set {assignment}: there is a single value above {part}; set that instead")
    if holder.get(str(part)) is None:
        holder[str(part)] = [] if isinstance(following, int) else {}
    return holder[str(part)]


def _assign(holder: Any, part: str | int, value: Any, assignment: str) -> None:
    if isinstance(holder, list):
        holder[_position(holder, part, assignment)] = value
    elif isinstance(holder, dict):
        holder[str(part)] = value
    else:
        raise InvalidInput(f"--set {assignment}: there is a single value above {part}; set that instead")


def _position(holder: list[Any], part: str | int, assignment: str) -> int:
    if not isinstance(part, int) or part >= len(holder):
        raise InvalidInput(f"--set {assignment}: a list of {len(holder)} has no {part}; count from 0")
    return part
