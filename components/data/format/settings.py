"""Settings of ``format``."""

from __future__ import annotations

from components.core.conversation import ConversationFormat


class Format(ConversationFormat):
    """How a text and its answer are put to the model. The exam is put in the same words, unless it says otherwise."""
