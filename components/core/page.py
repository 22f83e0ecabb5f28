"""The page of one step, for the consoles of KFP and Vertex: what its report says, for a person."""

from __future__ import annotations

import re
from html import escape as as_html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.report import Report

if TYPE_CHECKING:
    from jinja2 import Environment

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;padding:0 1.25rem;"
    "max-width:64rem;color:#1b1f24;background:#fff;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .9rem .25rem 0;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}pre{white-space:pre-wrap;background:#f4f5f7;padding:.6rem}"
    "@media(prefers-color-scheme:dark){body{color:#e3ecec;background:#0c1315}pre{background:#182327}}"
)


_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def legible(text: str) -> str:
    """The text, with what would act on its surroundings unseen written out.

    These are control characters, halves of characters, and those that turn the direction of reading (Boucher and
    Anderson 2021, Trojan Source, arXiv:2111.00169).
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escape(text: str) -> str:
    """A text as HTML."""
    return as_html(legible(text))


def templates(folder: Path) -> Environment:
    """The templates in a folder: what they fill in is escaped and legible, and nothing in them may be undefined."""
    # Imported here: a step in a notebook and the command line need none.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """Texts as they may be shown; what a template made itself is not a plain text."""
    return legible(value) if type(value) is str else value


def step_page(report: Report, section: str = "") -> str:
    """The report as one HTML page without scripts or addresses; ``section`` is the step's own part of it, as HTML."""
    rows = [("in", report.rows.in_), ("created", report.rows.created), ("merged", report.rows.merged)]
    rows += [(f"out: {role}", count) for role, count in report.rows.out.items()]
    rows += [(f"rejected: {reason}", count) for reason, count in report.rows.rejected.items()]
    figures = [(name, f"{figure.value:g} {figure.unit}") for name, figure in report.figures.items()]
    examples = "".join(
        f"<h3>{escape(example.title)}</h3><pre>{escape(example.before)}</pre><pre>{escape(example.after)}</pre>"
        for example in report.examples
    )
    error = f"<p><strong>{escape(report.error.message)}</strong></p>" if report.error else ""
    said = f"<p>{escape(report.said)}</p>" if report.said and not section else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy"'
        f' content="{_POLICY}"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.step)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(report.step)}</h1>{error}{said}{section}<h2>Rows</h2>{_table(rows)}<h2>Figures</h2>{_table(figures)}"
        f"<p>{report.cost.wall_seconds:g} s, {report.cost.cpu_seconds:g} s of CPU,"
        f" {report.cost.peak_memory_bytes / 1e6:.0f} MB at most.</p>{examples}"
    )


def _table(rows: list[tuple[str, int]] | list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td class=n>{escape(str(value))}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"
