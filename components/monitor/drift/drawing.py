"""A window's evidence for a person: faults, accuracy over windows, and what has moved, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.page import templates
from components.monitor.describe.features import meaning
from components.monitor.drift.pictures import (
    CHART_HEIGHT,
    CHART_WIDTH,
    HEIGHT,
    LEFT,
    WIDTH,
    Pictures,
    chart,
    farthest,
    moment,
    told,
)
from components.monitor.figures import Figures, Shift

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent


def drift_section(figures: Figures, pictures: Pictures, earlier: Sequence[Figures] | None = None) -> str:
    """The evidence as a fragment of HTML: a heading of level 2 and what follows, without script, id or address.

    It brings its style along and takes the colours of the page around it where that names them. All texts are escaped.
    ``earlier`` are the figures of the windows before, the first one first; None where the page draws them itself.
    """
    shifts = sorted(figures.shifts, key=farthest)
    moved = [one for one in shifts if one.drifted]
    return _environment().get_template("drawing.html").render(
        figures=figures,
        look="fault" if figures.faults else "moved" if moved else "still",
        title=_title(figures, moved),
        moved=moved,
        pictures=pictures.drawn,
        shifts=shifts,
        chart=None if earlier is None else chart([*earlier, figures]),
        alpha=pictures.alpha,
        quality=told(figures.quality),
        reference=told(figures.reference),
        size={"width": WIDTH, "height": HEIGHT, "wide": CHART_WIDTH, "high": CHART_HEIGHT, "left": LEFT},
    )  # fmt: skip


def _title(figures: Figures, moved: Sequence[Shift]) -> str:
    names = len({one.feature for one in moved})
    drift = f"{names} feature{'s have' if names != 1 else ' has'} moved" if moved else "nothing has moved"
    if figures.faults:
        return f"This window cannot be relied on; {drift if figures.shifts else 'nothing was compared'}"
    if not figures.shifts:
        return "There was too little to compare"
    return drift[:1].upper() + drift[1:]


@cache
def _environment() -> Environment:
    environment = templates(FOLDER)
    environment.filters["probability"] = _probability
    environment.filters["moment"] = moment
    environment.filters["meaning"] = meaning
    return environment


def _probability(value: float) -> str:
    return "below 0.0001" if value < 0.0001 else f"{value:.2g}"
