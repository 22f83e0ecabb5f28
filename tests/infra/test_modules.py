"""Each module keeps what its own tests say, and its README shows what they plan."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

from tests.infra.terraform import MODULES, SOURCE, Terraform


@pytest.mark.parametrize("name", MODULES)
def test_a_module_keeps_its_promises_and_refuses_bad_input(terraform: Terraform, name: str) -> None:
    terraform.test(f"modules/{name}")


@pytest.mark.parametrize("name", MODULES)
def test_the_example_of_a_readme_is_what_is_tested(name: str) -> None:
    readme = (SOURCE / "modules" / name / "README.md").read_text()
    tested = (SOURCE / "modules" / name / "tests" / f"{name}.tftest.hcl").read_text()
    shown = re.search(rf'```hcl\nmodule "{name}" {{\n  source = "../{name}"\n\n(.*?)\n}}\n```', readme, re.DOTALL)
    planned = re.search(r"^variables {\n(.*?)\n^}", tested, re.DOTALL | re.MULTILINE)
    assert shown is not None
    assert planned is not None
    assert dedent(shown[1]) == dedent(planned[1])


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_four_files_and_says_what_it_takes_and_gives(name: str) -> None:
    place = SOURCE / "modules" / name
    assert {"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"} <= {
        file.name for file in place.iterdir()
    }
    for file in ("variables.tf", "outputs.tf"):
        blocks = re.findall(
            r'^(?:variable|output) "(\w+)" {\n(.*?)^}', (place / file).read_text(), re.DOTALL | re.MULTILINE
        )
        assert [found for found, body in blocks if "description" not in body] == []
