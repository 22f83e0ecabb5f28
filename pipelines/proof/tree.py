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
MOST_DEPTH = 10_000
"""One release has about twenty, and each adaptation of a champion adds three: sixty years of weekly ones. A deeper
chain was made to exhaust whoever follows it."""
MOST_INDENT = 40
"""Levels that are shown by indenting; deeper ones by their number, or each line were longer than the one above."""
MOST_TITLES = 12
"""Of those that lead to a break, the nearest ones."""


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
    _settled: bool | None = None

    @property
    def holds(self) -> bool:
        """Whether neither this nor anything below it is broken."""
        if self._settled is not None:
            return self._settled
        return self.mark is not Mark.BROKEN and all(child.holds for child in self.children)

    def settle(self) -> None:
        """Says that nothing changes any more in it or below it: then nobody need look below it again."""
        self._settled = self.holds

    def sign(self) -> str:
        """A tick only where everything below holds too."""
        return SIGNS[self.mark if self.holds else Mark.BROKEN]


def broken(tree: Node) -> Iterator[tuple[tuple[str, ...], str]]:
    """All breaks with the titles that lead there, the nearest dozen; what lies nearer to the sources comes first."""
    path = [(tree, iter(tree.children))]
    while path:
        node, children = path[-1]
        child = next(children, None)
        if child is not None:
            path.append((child, iter(child.children)))
            continue
        if node.mark is Mark.BROKEN and not node.again:
            yield tuple(above.title for above, _ in path[-MOST_TITLES:]), node.said
        path.pop()


def walk(tree: Node) -> Iterator[tuple[int, Node]]:
    """All nodes in the order in which they are read, each with its depth; a deep tree exhausts no stack."""
    waiting = [(0, tree)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        waiting += [(depth + 1, child) for child in reversed(node.children)]


def noted(tree: Node) -> int:
    """How many nodes are told and not proven."""
    return sum(node.mark is Mark.NOTE and not node.again for _, node in walk(tree))


def lines(tree: Node) -> Iterator[str]:
    """The tree as a person reads it, a line a node."""
    for depth, node in walk(tree):
        below = node.mark is not Mark.BROKEN and not node.holds
        said = " – ".join(filter(None, [node.said, "broken below" if below else ""]))
        place = f"{'  ' * min(depth, MOST_INDENT)}{f'[{depth}] ' if depth > MOST_INDENT else ''}"
        yield f"{place}{node.sign()} {one_line(node.title)}{f'  {one_line(said)}' if said else ''}"


def as_document(tree: Node) -> list[dict[str, Any]]:
    """The tree as plain data, a record a node in the order of ``lines``: nested, no parser would read a deep one."""
    return [
        {"depth": depth, "title": node.title, "mark": node.mark.value, "holds": node.holds, "said": node.said}
        for depth, node in walk(tree)
    ]


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
