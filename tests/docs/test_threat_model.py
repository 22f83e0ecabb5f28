"""The threat model names tests; each is there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.commands import ROOT

TEXT = (ROOT / "docs" / "guides" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", TEXT)))
THREATS = TEXT.split("\n## ")[1:]


@pytest.mark.parametrize("node", NAMED)
def test_a_test_that_is_named_is_there(node: str) -> None:
    file, _, name = node.partition("::")
    assert name.startswith("test_")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


@pytest.mark.parametrize("threat", THREATS, ids=lambda threat: threat.partition("\n")[0])
def test_of_each_who_it_is_said_what_stops_them_by_which_test_and_what_does_not(threat: str) -> None:
    rows = [line for line in threat.splitlines() if line.startswith("| ") and "|---" not in line][1:]
    assert rows
    assert [row for row in rows if "`tests/" not in row] == []
    assert threat.count("**Not stopped:**") == 1
