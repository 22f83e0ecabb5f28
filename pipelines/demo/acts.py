"""The acts of the demo: what is trained, and what the release must come to."""

from __future__ import annotations

from dataclasses import dataclass

from components.core.run import State

BUDGET_SECONDS = 300


@dataclass(frozen=True)
class Act:
    """One act: how the recipe is changed for it, and how its release ends."""

    number: int
    title: str
    ends: State
    assignments: tuple[str, ...] = ()
    shuffled: bool = False
    """Whether the tickets' labels are shuffled: what is learned from them is wrong."""
    budget_seconds: int = 120

    @property
    def folder(self) -> str:
        """The folder of its data."""
        return "shuffled" if self.shuffled else "data"


ACTS = (
    Act(1, "a first model, released by the floor", State.DONE, ("train.0.finetune.epochs=2",)),
    Act(2, "a better one, released by comparison", State.DONE),
    Act(3, "one from shuffled labels, refused", State.REFUSED, ("train.0.finetune.epochs=1",), shuffled=True),
)
"""The second and the third are compared with what serves, so the first one is played before them where nothing does."""
