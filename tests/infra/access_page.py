"""``make infra-access``: writes docs/reference/access.md anew, by the plan of the last environment.

It is here, and no part of `make generate`, because it needs Terraform.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipelines import catalogue
from pipelines.terraform import access_page, promise, roles
from pipelines.terraform.plan import Plan
from pipelines.terraform.promise import Check
from pipelines.terraform.reach import Reach
from tests.infra.terraform import ENVIRONMENTS, planned, prepared

PAGE = catalogue.ROOT.parent / "docs/reference/access.md"
OF = ENVIRONMENTS[-1]
"""The environment that the page is about: the one that users are answered from."""


def checked(document: dict[str, Any]) -> Check:
    """The rules held against a plan, as ``terraform show -json`` tells it."""
    return Check(Reach(Plan(json.dumps(document)), roles.listed()), promise.written())


def page(document: dict[str, Any]) -> str:
    """The page that a plan makes."""
    return access_page.page(checked(document), OF, str(roles.listed().date))


def main() -> None:
    """Plans the environment in a copy, and writes the page; says why where Terraform or its provider cannot be had."""
    import pytest

    with tempfile.TemporaryDirectory() as place:
        try:
            PAGE.write_text(page(planned(prepared(Path(place)), OF)))
        except pytest.skip.Exception as reason:
            sys.exit(f"{PAGE.name}: is left as it was: {reason}")
    print(PAGE)


if __name__ == "__main__":
    main()
