"""What the documents say already about texts that users corrected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from components.core.conversation import ConversationFormat, columns_of, exchange
from components.core.rows import Row
from components.data.normalise import normalised


class Said(NamedTuple):
    """A document and its answer, spelt as the model gives it."""

    document: str
    answer: str


@dataclass
class Known:
    """The documents with one of the texts, and the answers that documents have."""

    texts: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))
    labels: dict[str, str] = field(default_factory=dict)
    """Of the answers that were asked about, those that there are, as the documents write them."""

    def against(self, text: str, answer: str) -> list[str]:
        """Ids of documents with this text and another answer."""
        return [said.document for said in self.texts.get(text, ()) if said.answer != answer]

    def says(self, text: str, answer: str) -> bool:
        """Whether a document has this text with this answer."""
        return any(said.answer == answer for said in self.texts.get(text, ()))

    def label(self, answer: str) -> str:
        """The answer as the documents write it; as it is, where none has it."""
        return self.labels.get(answer, answer)


def look_up(documents: Iterable[Row], wanted: Mapping[str, str], style: ConversationFormat) -> Known:
    """Goes through the documents once; ``wanted`` are answers by normalised text."""
    known, answers = Known(), set(wanted.values())
    if not wanted:
        return known
    for row in documents:
        columns = columns_of(row["meta"])
        made = exchange(row["text"], columns, style)
        if isinstance(made, str):
            continue
        answer, text = made.answer.strip(), normalised(row["text"])
        if text in wanted:
            known.texts[text].append(Said(row["id"], answer))
        if answer in answers:
            written = columns[style.column]
            label = written if isinstance(written, str) else answer
            known.labels[answer] = min(label, known.labels.get(answer, label))
    return known
