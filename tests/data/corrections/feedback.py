"""Corrections as observe hands them on."""

from __future__ import annotations

from typing import Any

from components.core.conversation import ConversationFormat

STYLE = ConversationFormat(kind="completion", column="completion")


def correction(
    text: str, answer: str | None, user: str, number: int = 0, *, style: ConversationFormat = STYLE, **changes: Any
) -> dict[str, Any]:
    """A user's correction of the answer to a text; ``number`` tells it from another about the same."""
    turns = [{"role": "system", "content": style.system}] if style.system else []
    row = {
        "feedback_id": f"f-{user}-{number}-{text[:20]}",
        "request_id": f"r-{text[:20]}",
        "unit": user,
        "key": "app",
        "role": "user",
        "endpoint": "desk",
        "at": f"2026-11-02T10:00:{number:02d}.000000+00:00",
        "good": False,
        "correction": answer,
        "comment": None,
        "redactions": 0,
        "messages": [*turns, {"role": "user", "content": style.prompt.replace("{text}", text)}],
        "response": "what the model said",
        "model": "m" * 64,
        "asked": "2026-11-02T09:00:00.000000+00:00",
        "asker": "asker-1",
    }
    return row | changes
