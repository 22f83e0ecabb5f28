"""Takes e-mail addresses and phone numbers out of documents: out of the text and out of all strings in ``meta``."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from components.core.attempt import Attempt, Draft, Outcome
from components.core.canonical import canonical_json, sha256
from components.core.manifest import Kind, Manifest
from components.core.personal_data import EMAIL, PHONE, check_regions, masked, personal_data, replaced
from components.core.report import Example, Figure
from components.data.redact.settings import Redact

_EXAMPLES = 5
_AROUND = 80  # characters before the first find that an example shows
_SHOWN = 300
_NESTED = 4  # strings that hold JSON that holds strings that hold JSON, and so on


def redact(attempt: Attempt, documents: Manifest, settings: Redact) -> Outcome:
    """Replaces personal data by tags. Output: ``redacted``, as many documents as came in.

    Raises InvalidInput for an unknown region.
    """
    check_regions(settings)
    counts: Counter[str] = Counter()
    examples: list[tuple[str, Example]] = []
    with attempt.rows(Kind.DOCUMENTS, "redacted") as kept:
        for row in attempt.read_rows(documents):
            before = sum(counts.values())
            text = redacted_text(row["text"], settings, counts)
            meta = redacted_meta(row["meta"], settings, counts)
            counts["rows"] += 0 if sum(counts.values()) == before else 1
            if text != row["text"]:
                _keep_example(examples, row["id"], row["text"], settings)
            kept.append({**row, "text": text, "meta": meta})
    attempt.examples.extend(example for _, example in examples)
    for name, unit in ((EMAIL, "addresses"), (PHONE, "numbers"), ("rows", "documents")):
        attempt.figures[{EMAIL: "emails", PHONE: "phones"}.get(name, "redacted")] = Figure(
            value=counts[name], unit=unit
        )
    draft = Draft(Kind.DOCUMENTS, kept, sources=documents.sources)
    return attempt.commit(
        {"redacted": draft}, settings=settings, inputs={"documents": documents}, rows_in=documents.rows
    )


def redacted_text(text: str, settings: Redact, counts: Counter[str]) -> str:
    """``text`` with tags in the place of personal data; ``counts`` is raised by tag."""
    spans = personal_data(text, settings)
    counts.update(span.tag for span in spans)
    return replaced(text, spans) if spans else text


def redacted_meta(meta: str, settings: Redact, counts: Counter[str]) -> str:
    """A JSON object, its string values redacted. What names a group stays different for each: a tag and a digest.

    Names of columns and plain numbers are left as they are.
    """
    if "@" not in meta and not any(map(str.isdigit, meta)):
        return meta
    values: dict[str, Any] = json.loads(meta)
    clean = {name: _redacted(value, settings, counts) for name, value in values.items()}
    if clean.get("group") != values.get("group"):
        clean["group"] = f"{clean['group']}-{sha256(canonical_json(values['group']))[:16]}"
    return canonical_json(clean) if clean != values else meta


def _redacted(value: Any, settings: Redact, counts: Counter[str], depth: int = 0) -> Any:
    if isinstance(value, dict):
        return {name: _redacted(item, settings, counts, depth) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, settings, counts, depth) for item in value]
    if not isinstance(value, str):
        return value
    inner = _json_inside(value) if depth < _NESTED else None
    if inner is None:
        return redacted_text(value, settings, counts)
    return _rewritten(value, inner, _redacted(inner, settings, counts, depth + 1), settings)


def _json_inside(text: str) -> dict[str, Any] | list[Any] | None:
    """The object or list that a string holds as JSON, None when it is just text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None


def _rewritten(text: str, inner: Any, clean: Any, settings: Redact) -> str:
    """JSON text with the redacted values: as it was laid out where tags in place give just that, else laid out anew."""
    if clean == inner:
        return text
    in_place = replaced(text, personal_data(text, settings))
    return in_place if _json_inside(in_place) == clean else json.dumps(clean, ensure_ascii=False)


def _keep_example(examples: list[tuple[str, Example]], name: str, text: str, settings: Redact) -> None:
    """Keeps the examples with the smallest ids, so that they are the same whatever the order of the rows."""
    if len(examples) == _EXAMPLES and name > examples[-1][0]:
        return
    spans = personal_data(text, settings)
    start = max(0, spans[0].start - _AROUND)
    before, after = replaced(text, spans, masked), replaced(text, spans)
    shown = Example(title=name, before=before[start : start + _SHOWN], after=after[start : start + _SHOWN])
    examples.append((name, shown))
    examples.sort(key=lambda item: item[0])
    del examples[_EXAMPLES:]
