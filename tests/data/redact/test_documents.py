from __future__ import annotations

import json
import random

import pytest

from components.core.attempt import Attempt
from components.core.canonical import canonical_json
from components.core.errors import InvalidInput
from components.core.manifest import Kind
from components.core.rows import read_batches
from components.data.redact.documents import redact
from components.data.redact.settings import Redact


@pytest.fixture
def redacted(store, commit_rows):
    """Redacts documents given as (text, columns)."""

    def make(*given: tuple[str, dict], settings: Redact | None = None, shuffle: int = 0):
        rows = [
            {
                "id": f"d{at}",
                "text": text,
                "source": "s",
                "licence": "",
                "created": None,
                "meta": canonical_json(columns),
            }
            for at, (text, columns) in enumerate(given)
        ]
        random.Random(shuffle).shuffle(rows)
        documents = commit_rows(Kind.DOCUMENTS, rows)
        outcome = redact(Attempt(store, "redact"), documents, settings or Redact())
        found = [
            row for batch in read_batches(store, outcome.manifests["redacted"].shards) for row in batch.to_pylist()
        ]
        return outcome, sorted(found, key=lambda row: row["id"])

    return make


def test_texts_and_all_strings_in_meta_are_redacted_and_counted(redacted) -> None:
    columns = {
        "completion": "Tell bob@example.org",
        "cc": ["ann@example.org", 7, None],
        "deep": {"er": "+1 202-555-0143"},
    }
    outcome, (row, harmless) = redacted(("Call (202) 555-0143", columns), ("All is well on 2026-01-31", {"a": "b"}))
    assert row["text"] == "Call <PHONE>"
    assert json.loads(row["meta"]) == {
        "completion": "Tell <EMAIL>",
        "cc": ["<EMAIL>", 7, None],
        "deep": {"er": "<PHONE>"},
    }
    assert (harmless["text"], json.loads(harmless["meta"])) == ("All is well on 2026-01-31", {"a": "b"})
    figures = {name: figure.value for name, figure in outcome.report.figures.items()}
    assert figures == {"emails": 2, "phones": 2, "redacted": 1}
    assert (outcome.report.rows.in_, outcome.report.rows.out) == (2, {"redacted": 2})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"mail": "bob@example.org", "n": 1}', '{"mail": "<EMAIL>", "n": 1}'),  # laid out as it was
        ('{"mail":"bob@example.org"}', '{"mail":"<EMAIL>"}'),
        ('{"text": "line\\nbob@example.org"}', '{"text": "line\\n<EMAIL>"}'),
        ('{"phone": 2025550143, "mail": "bob@example.org"}', '{"phone": 2025550143, "mail": "<EMAIL>"}'),
        ('["bob\\u0040example.org"]', '["<EMAIL>"]'),
        ('{"inner": "{\\"mail\\": \\"bob@example.org\\"}"}', '{"inner": "{\\"mail\\": \\"<EMAIL>\\"}"}'),
    ],
)
def test_a_completion_that_is_json_stays_json(redacted, before, after) -> None:
    _, (row,) = redacted(("fine", {"completion": before}))
    assert json.loads(row["meta"])["completion"] == after
    json.loads(after)


def test_text_that_only_looks_like_json_is_redacted_as_text(redacted) -> None:
    _, (row,) = redacted(("fine", {"completion": "{ask bob@example.org}"}))
    assert json.loads(row["meta"])["completion"] == "{ask <EMAIL>}"


def test_people_who_were_groups_stay_different_groups(redacted) -> None:
    _, rows = redacted(*((f"text {name}", {"group": f"{name}@example.org"}) for name in ("ann", "bob", "ann")))
    ann, bob, ann_again = (json.loads(row["meta"])["group"] for row in rows)
    assert ann == ann_again != bob
    assert "example" not in ann + bob


def test_the_report_shows_examples_without_the_personal_data(redacted) -> None:
    text = "Please call Bob on (202) 555-0143 or write to bob@example.org, thanks"
    outcome, _ = redacted((text, {}))
    (example,) = outcome.report.examples
    assert example.before == "Please call Bob on (•••) •••-•••• or write to •••@•••••••.•••, thanks"
    assert example.after == "Please call Bob on <PHONE> or write to <EMAIL>, thanks"
    written = outcome.report.to_bytes().decode()
    assert "555-0143" not in written
    assert "bob@example" not in written


def test_rows_and_examples_do_not_depend_on_the_order(redacted) -> None:
    given = [(f"write to bob{at}@example.org", {}) for at in range(30)]
    outcomes = [redacted(*given, shuffle=seed)[0] for seed in range(3)]
    assert len({outcome.manifests["redacted"].content_digest for outcome in outcomes}) == 1
    assert outcomes[0].report.examples == outcomes[1].report.examples == outcomes[2].report.examples


def test_redacting_twice_changes_nothing_more(redacted) -> None:
    _, (once,) = redacted(("Call (202) 555-0143 or bob@example.org", {"group": "bob@example.org"}))
    _, (twice,) = redacted((once["text"], json.loads(once["meta"])))
    assert (once["text"], once["meta"]) == (twice["text"], twice["meta"])


def test_placeholders_in_texts_survive(redacted) -> None:
    _, (row,) = redacted(("{{$.inputs.x}} and bob@example.org", {"a": "{{$"}))
    assert (row["text"], json.loads(row["meta"])) == ("{{$.inputs.x}} and <EMAIL>", {"a": "{{$"})


def test_an_unknown_region_is_refused(redacted) -> None:
    with pytest.raises(InvalidInput, match="'UK' is no country's code"):
        redacted(("text", {}), settings=Redact(regions=("UK",)))
