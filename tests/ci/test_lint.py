"""`make ci-lint` finds what it is there for."""

from __future__ import annotations

import pytest

from tests.ci.conftest import Checkout

UNSAFE = """
name: unsafe
on: {pull_request_target: }
permissions: {}
jobs:
  unsafe:
    runs-on: ubuntu-24.04
    permissions: {}
    steps:
      - run: echo "${{ github.event.pull_request.title }}"
      - run: echo "${{ github.no_such_thing }}"
"""


@pytest.mark.parametrize("tool", ["actionlint", "zizmor"])
def test_the_workflows_are_clean_and_what_is_not_is_found(checkout: Checkout, tool: str) -> None:
    done = checkout.make("ci-lint")
    if f"ci-lint: {tool} cannot be had" in done.stderr:
        pytest.skip("a linter of workflows cannot be had here")
    assert f"{tool}: no objection" in done.stdout, done.stdout + done.stderr
    file = checkout.folder / ".github/workflows/unsafe.yml"
    file.write_text(UNSAFE)
    try:
        done = checkout.make("ci-lint")
    finally:
        file.unlink()
    assert done.returncode != 0
    assert f"{tool}: no objection" not in done.stdout
    assert {"zizmor": "template-injection", "actionlint": "no_such_thing"}[tool] in done.stdout + done.stderr
