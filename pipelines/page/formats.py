"""The formats that a graph is drawn in, for wide and narrow windows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """How wide a drawing is: the columns before it wraps, and its measures in pixels."""

    name: str
    columns: int
    node_width: float
    gap: float
    node_height: float = 60
    line_gap: float = 46
    stack_gap: float = 16
    margin: float = 22
    text_at: float = 40
    letter: float = 8.4

    @property
    def width(self) -> float:
        """The drawing's width."""
        return self.columns * self.node_width + (self.columns - 1) * self.gap + 2 * self.margin

    @property
    def letters(self) -> int:
        """How many letters of a title fit into a node."""
        return int((self.node_width - self.text_at - 6) / self.letter)


FORMATS = (
    Format("wide", columns=5, node_width=176, gap=49, margin=24),
    Format("middle", columns=3, node_width=176, gap=44),
    Format("narrow", columns=2, node_width=148, gap=28, margin=13, text_at=31, letter=7.6),
)
