"""A plan of Terraform's, as ``terraform show -json`` writes it: its resources, and what a value that is not known yet
refers to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from components.core.errors import InvalidInput, SluiceError
from pipelines.terraform import OUTPUT

AGAIN = "run `terraform plan -out=FILE`, and hand on all of `terraform show -json FILE`"
_STEP = re.compile(r'module\.([\w-]+)(?:\[("(?:[^"\\]|\\.)*"|\d+)\])?\.?')
Way = tuple[str, ...]
"""The modules that a resource lies in, from the root, without what tells their instances apart."""


@contextmanager
def as_terraform_writes(what: str = "plan", again: str = AGAIN) -> Iterator[None]:
    """Within it, what stumbles over a document of Terraform's raises InvalidInput: its shape is Terraform's own, so
    what a hand or another program made of it is said here once, and not for each attribute."""
    try:
        yield
    except SluiceError:
        raise
    except UnicodeDecodeError as error:
        raise InvalidInput(f"terraform {what}: is no UTF-8 ({error.reason}); {again}") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        said = f"{type(error).__name__}: {str(error)[:80]}"
        raise InvalidInput(f"terraform {what}: is not as Terraform writes it ({said}); {again}") from error


@dataclass(frozen=True)
class Resource:
    """A resource as it will be."""

    address: str
    way: Way
    type: str
    name: str
    values: dict[str, Any]
    unknown: dict[str, Any]

    def text(self, attribute: str) -> str | None:
        """An attribute's value, a string; None where it is empty, or not known before it is applied."""
        value = self.values.get(attribute)
        return str(value) if value not in (None, "") else None

    def waits(self, attribute: str) -> bool:
        """Whether an attribute, or a part of it, is known only when it is applied."""
        return _any_true(self.unknown.get(attribute))


class Plan:
    """A plan. Raises InvalidInput for what is none, and for one that does not say everything."""

    def __init__(self, text: str) -> None:
        self._document = _document(text)
        self._root: dict[str, Any] = self._document["configuration"].get("root_module", {})
        self.resources = tuple(_resources(self._document["resource_changes"]))

    def of_type(self, *types: str) -> list[Resource]:
        """The resources of some types."""
        return [one for one in self.resources if one.type in types]

    @property
    def environment(self) -> dict[str, Any]:
        """What is known of the environment that the plan makes, as its output tells it; empty where it makes none."""
        told = self._document.get("output_changes", {}).get(OUTPUT, {}).get("after")
        return told if isinstance(told, dict) else {}

    def constant(self, variable: str) -> str | None:
        """What a variable of the plan or of a module is given, the same wherever it is given; None where nothing is."""
        given = {value for module in _modules(self._root) for value in _constants(module, variable)}
        if isinstance(told := self._document.get("variables", {}).get(variable, {}).get("value"), str):
            given.add(told)
        return given.pop() if len(given) == 1 else None

    def referred(self, resource: Resource, attribute: str, types: tuple[str, ...]) -> list[Resource]:
        """The resources of some types that an attribute's expression refers to, through variables and outputs.

        Raises InvalidInput where a reference leads nowhere that can be read: a local's expression is in no plan.
        """
        module = self._module(resource.way)
        written: dict[str, Any] = next(
            (
                one
                for one in module.get("resources", [])
                if (one["type"], one["name"]) == (resource.type, resource.name)
            ),
            {},
        )
        found: dict[str, Resource] = {}
        for reference in _references(written.get("expressions", {}).get(attribute)):
            there = list(self._follow(resource.way, reference, types, 0))
            if not there and not self._is_constant(resource.way, reference):
                raise self._lost(resource, attribute, reference)
            found |= {one.address: one for one in there}
        if not found:
            raise self._lost(resource, attribute, "nothing")
        return list(found.values())

    def _lost(self, resource: Resource, attribute: str, reference: str) -> InvalidInput:
        return InvalidInput(
            f"{resource.address}: {attribute} is not known before it is applied, and what it is made of ({reference})"
            " does not say what it will be; compose it from names that are known, as modules/identities does"
        )

    def _is_constant(self, way: Way, reference: str) -> bool:
        """Whether a reference is to a variable that is given as it stands, or from outside: then it is known."""
        first, _, rest = reference.partition(".")
        given = self._module(way[:-1]).get("module_calls", {}).get(way[-1], {}).get("expressions", {}) if way else {}
        return first == "var" and (not way or "constant_value" in given.get(rest, {}))

    def _module(self, way: Way) -> dict[str, Any]:
        module = self._root
        for name in way:
            module = module.get("module_calls", {}).get(name, {}).get("module", {})
        return module

    def _follow(self, way: Way, reference: str, types: tuple[str, ...], depth: int) -> Iterator[Resource]:
        first, _, rest = reference.partition(".")
        expression: Any = None
        if depth > 50:
            return
        if first == "var" and way:
            call = self._module(way[:-1]).get("module_calls", {}).get(way[-1], {})
            expression, way = call.get("expressions", {}).get(re.split(r"[.\[]", rest)[0]), way[:-1]
        elif first == "module" and (matched := re.match(r"([\w-]+)(?:\[[^]]*\])?\.([\w-]+)", rest)):
            way = (*way, matched[1])
            expression = self._module(way).get("outputs", {}).get(matched[2], {}).get("expression")
        elif first in types:
            yield from self._named(way, reference, first)
        for one in _references(expression):
            yield from self._follow(way, one, types, depth + 1)

    def _named(self, way: Way, reference: str, kind: str) -> Iterator[Resource]:
        name, index = re.fullmatch(r"[\w-]+\.([\w-]+)(\[(?:\"[^\"]*\"|\d+)\])?.*", reference).groups()  # type: ignore[union-attr]
        for one in self.resources:
            if (one.way, one.type, one.name) == (way, kind, name) and (not index or one.address.endswith(index)):
                yield one


def _document(text: str) -> dict[str, Any]:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"terraform plan: is no JSON ({error}); {AGAIN}") from error
    if not isinstance(document, dict) or not {"resource_changes", "configuration"} <= document.keys():
        raise InvalidInput(f"terraform plan: is no plan, for it has no resources or no configuration; {AGAIN}")
    if document.get("errored") or document.get("complete") is False:
        raise InvalidInput("terraform plan: says only a part of what will be; make it again without -target")
    return document


def _resources(changes: list[dict[str, Any]]) -> Iterator[Resource]:
    for change in changes:
        after = change["change"].get("after")
        if change.get("mode") == "managed" and after is not None:
            way = tuple(name for name, _ in _STEP.findall(change.get("module_address", "")))
            unknown = change["change"].get("after_unknown") or {}
            yield Resource(change["address"], way, change["type"], change["name"], after, unknown)


def _modules(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield module
    for call in module.get("module_calls", {}).values():
        yield from _modules(call.get("module", {}))


def _constants(module: dict[str, Any], variable: str) -> Iterator[str]:
    for call in module.get("module_calls", {}).values():
        value = call.get("expressions", {}).get(variable, {}).get("constant_value")
        if isinstance(value, str):
            yield value


def _references(expression: Any) -> list[str]:
    """What an expression refers to, each once and in full: Terraform lists ``a.b.c`` and ``a.b`` besides."""
    if isinstance(expression, list):
        return [one for part in expression for one in _references(part)]
    if not isinstance(expression, dict):
        return []
    listed = expression.get("references")
    if listed is None:
        return [one for part in expression.values() for one in _references(part)]
    whole = [
        one for one in listed if not any(other.startswith((f"{one}.", f"{one}[")) for other in listed if other != one)
    ]
    return [one for one in whole if not one.startswith(("each.key", "count.", "path.", "terraform."))]


def _any_true(unknown: Any) -> bool:
    if isinstance(unknown, dict):
        return any(_any_true(one) for one in unknown.values())
    if isinstance(unknown, list):
        return any(_any_true(one) for one in unknown)
    return unknown is True
