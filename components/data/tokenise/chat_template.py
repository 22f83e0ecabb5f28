"""Renders conversations as the model's own chat template says, and finds what the assistant said in the text.

The template runs in a sandbox as in transformers (``render_jinja_template``): it comes with a model, so it is not to be
trusted. It has no clock here: a template that prints the date falls back to the date that it was written with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from components.core.errors import InvalidInput

Message = Mapping[str, str]
Span = tuple[int, int]


class TemplateRefusal(Exception):
    """The template does not take this conversation."""


class _Generation(Extension):
    """``{% generation %}`` marks what the assistant says; for rendering it is nothing."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class ChatTemplate:
    """A chat template with the special tokens that it may name. Raises InvalidInput when it cannot be parsed."""

    def __init__(self, text: str, special_tokens: Mapping[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        self._special_tokens = dict(special_tokens)
        try:
            self._template = environment.from_string(text)
        except jinja2.TemplateError as error:
            raise InvalidInput(f"the model's chat template is not Jinja: {error}; give another to base") from error

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> str:
        """The text of a conversation. Raises TemplateRefusal when the template does not take it."""
        try:
            return self._template.render(
                messages=list(messages),
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self._special_tokens,
            )
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise TemplateRefusal(str(error)) from error

    def render_with_spans(self, messages: Sequence[Message]) -> tuple[str, list[Span]]:
        """The text, and where in it each turn of the assistant stands: what it said and the token that ends it.

        A turn begins where the prompt for it ends, and ends where the conversation up to it does. Raises InvalidInput
        for a template that writes a turn differently once another follows, because then there is no such place.
        """
        whole = self.render(messages)
        spans = []
        for index, message in enumerate(messages):
            if message["role"] == "assistant":
                prompt = self.render(messages[:index], add_generation_prompt=True)
                said = whole if index + 1 == len(messages) else self.render(messages[: index + 1])
                _check_prefixes(prompt, said, whole, index)
                spans.append((len(prompt), _without_line_ends(said, len(prompt))))
        return whole, spans


def _check_prefixes(prompt: str, said: str, whole: str, index: int) -> None:
    if not said.startswith(prompt):
        raise InvalidInput(
            f"the model's chat template does not begin turn {index + 1} with its own generation prompt, so nobody can"
            " say what the assistant said; give base.chat_template one that does"
        )
    if not whole.startswith(said):
        raise InvalidInput(
            f"the model's chat template writes turn {index + 1} differently when another turn follows, so nobody can"
            " say what the assistant said; give base.chat_template one that does not, or train on single turns"
        )


def _without_line_ends(said: str, begin: int) -> int:
    """The end of a turn without the line ends that separate it from the next: no model has to say those."""
    return max(begin, len(said.rstrip("\n")))


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)
