"""What a model server answered: the words for the log, and the same answer under the endpoint's name for the client."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from components.core.canonical import canonical_json
from components.serve.gateway.upstream import MOST_BYTES, garbage

_MOST = 2**31
Parsed = dict[str, Any]


class Answer:
    """One answer, from a body or from the events of a stream. ``kind`` is chat or completion."""

    def __init__(self, kind: str, answer_id: str, model: str) -> None:
        self._part, self._head = ("message" if kind == "chat" else "text"), {"id": answer_id, "model": model}
        self._words: list[str] = []
        self._size = 0
        self._besides: dict[str, Any] = {}
        self.finish_reason: str | None = None
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None

    @property
    def text(self) -> str:
        """What it says; of one that calls tools or refuses, canonical JSON of the whole message."""
        text = "".join(self._words)
        return canonical_json({"content": text, **self._besides}) if self._besides else text

    def whole(self, data: bytes) -> bytes:
        """Takes a body, and returns it for the client. Raises ApiError (502) for what is no answer."""
        document = _object(data)
        choice = _choice(document)
        part = choice.get(self._part)
        if not isinstance(part, dict if self._part == "message" else str):
            raise garbage("no answer")
        self._note(part)
        self._note_end(document, choice)
        return to_json(document | self._head)

    def event(self, data: bytes, *, with_usage: bool) -> bytes | None:
        """Takes the data of an event, and returns the event for the client; None where it has nothing for it.

        Raises ApiError (502) for what is no part of an answer, and for an error of the server's.
        """
        document = _object(data)
        if "error" in document:
            raise garbage("an error in the middle of its answer")
        choices = document.get("choices")
        if choices:
            choice = _choice(document)
            self._note(choice.get("delta") if self._part == "message" else choice.get("text"))
            self._note_end(document, choice)
        else:
            self._note_end(document, {})
        if not with_usage:
            if not choices:
                return None
            document.pop("usage", None)
        return b"data: " + to_json(document | self._head) + b"\n\n"

    def _note(self, part: Any) -> None:
        if isinstance(part, dict):
            self._note_besides({name: value for name, value in part.items() if name not in ("role", "content")})
            part = part.get("content")
        if isinstance(part, str):
            self._words.append(part)
            self._size += len(part)
        if self._size > MOST_BYTES:
            raise garbage(f"more than {MOST_BYTES} characters")

    def _note_besides(self, said: Parsed) -> None:
        """Calls of tools and the like; the pieces of a stream are kept one after the other."""
        for name, value in said.items():
            if value in (None, [], ""):
                continue
            try:
                self._size += len(canonical_json(value))
            except ValueError as error:  # such as 1e999, which is read as infinite: the log could not hold it
                raise garbage("a number that JSON has not") from error
            before = self._besides.get(name)
            together = isinstance(before, (str, list)) and type(before) is type(value)
            self._besides[name] = before + value if together else value

    def _note_end(self, document: Parsed, choice: Parsed) -> None:
        finish, usage = choice.get("finish_reason"), document.get("usage")
        if isinstance(finish, str):
            self.finish_reason = finish[:64]
        if isinstance(usage, dict):
            self.prompt_tokens = _count(usage.get("prompt_tokens"))
            self.completion_tokens = _count(usage.get("completion_tokens"))


def _object(data: bytes) -> Parsed:
    try:
        document = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise garbage("no JSON") from error
    if not isinstance(document, dict):
        raise garbage("no JSON object")
    return document


def _choice(document: Parsed) -> Parsed:
    choices = document.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise garbage("no answer")
    choice: Parsed = choices[0]
    return choice


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else None
