"""The tree that a verification makes: what was looked at, what was found, and where it breaks first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Mark(StrEnum):
    """What became of a check."""

    HOLDS = "holds"
    BROKEN = "broken"
    NOTE = "note"  # told, and not proven


SIGNS = {Mark.HOLDS: "✓", Mark.BROKEN: "✗", Mark.NOTE: "·"}
ABOVE = "see above"
MOST_DEPTH = 200
"""A real chain has about twenty; a deeper one was made to exhaust whoever follows it."""


class Broken(Exception):
    """A check that failed; the text is a sentence for a person."""


@dataclass
class Node:
    """Something that was looked at, and what it rests on."""

    title: str
    said: str = ""
    mark: Mark = Mark.HOLDS
    children: list[Node] = field(default_factory=list)
    again: bool = False  # told in full further up

    @property
    def holds(self) -> bool:
        """Whether neither this nor anything below it is broken."""
        return self.mark is not Mark.BROKEN and all(child.holds for child in self.children)

    def sign(self) -> str:
        """A tick only where everything below holds too."""
        return SIGNS[self.mark if self.holds else Mark.BROKEN]


def broken(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """All breaks with the titles that lead there; what lies nearer to the sources comes first."""
    path = (*path, node.title)
    for child in node.children:
        yield from broken(child, path)
    if node.mark is Mark.BROKEN and not node.again:
        yield path, node.said


def noted(node: Node) -> int:
    """How many nodes are told and not proven."""
    return (node.mark is Mark.NOTE and not node.again) + sum(noted(child) for child in node.children)


def lines(node: Node, depth: int = 0) -> Iterator[str]:
    """The tree as a person reads it, a line a node."""
    below = node.mark is not Mark.BROKEN and not node.holds
    said = " – ".join(filter(None, [node.said, "broken below" if below else ""]))
    yield f"{'  ' * depth}{node.sign()} {one_line(node.title)}{f'  {one_line(said)}' if said else ''}"
    for child in node.children:
        yield from lines(child, depth + 1)


def as_document(node: Node) -> dict[str, Any]:
    """The tree as plain data: title, mark, holds (with all below), said, children."""
    return {
        "title": node.title,
        "mark": node.mark.value,
        "holds": node.holds,
        "said": node.said,
        "children": [as_document(child) for child in node.children],
    }


def see_above(node: Node) -> Node:
    """A node for what was told already."""
    return Node(node.title, ABOVE, node.mark if node.holds else Mark.BROKEN, again=True)


def checked(title: str, check: Callable[[], str], damage: tuple[type[Exception], ...]) -> Node:
    """A node for one check; an error of the kinds in ``damage`` is a break in the tree and no error."""
    try:
        return Node(title, check())
    except damage as error:
        return Node(title, sentence(error), Mark.BROKEN)


def sentence(error: Exception) -> str:
    """An error in words; one that is not made for a person keeps its kind."""
    from components.core.errors import SluiceError

    text = str(error)
    return text if isinstance(error, (Broken, SluiceError)) else f"cannot be read ({type(error).__name__}: {text})"


def one_line(text: str) -> str:
    """Text from elsewhere, without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def short(digest: str) -> str:
    """The beginning of a digest, as a person compares it."""
    return f"{digest[:12]}…" if digest else "nothing"


def size(count: int) -> str:
    """Bytes in a unit that a person reads."""
    value, units = float(count), iter(("B", "kB", "MB", "GB", "TB", "PB"))
    unit = next(units)
    while value >= 1000 and unit != "PB":
        value, unit = value / 1000, next(units)
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def counted(count: int, thing: str) -> str:
    """``1 object``, ``2 objects``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
