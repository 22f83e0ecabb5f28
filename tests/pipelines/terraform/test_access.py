"""`sluice env access`: who can reach what, by a plan's file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from components.core.errors import InvalidInput, Refused
from pipelines.cli import sluice
from tests.pipelines.terraform.small_plan import GOOD, on_key, on_project, written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"\xff\xfe{\0}\0", "terraform plan: is no UTF-8 .*; run `terraform plan"),
        (
            b'{"resource_changes": [1], "configuration": {}, "planned_values": {}, "complete": true}',
            "is not as Terraform",
        ),
        (json.dumps({**json.loads(written(*GOOD)), "resource_changes": []}).encode(), "there is no key release"),
        (
            written(*GOOD, (*on_project("roles/viewer", "train")[:2], {"member": 5})).encode(),
            "is not as Terraform writes",
        ),
    ],
)
def test_a_file_that_terraform_did_not_write_is_a_sentence(tmp_path: Path, text: bytes, said: str) -> None:
    plan = tmp_path / "plan.json"
    plan.write_bytes(text)
    with pytest.raises(InvalidInput, match=said):
        sluice.main(["env", "access", str(plan), "--check"], standalone_mode=False)


def test_the_command_says_the_page_and_refuses_what_breaks_the_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(written(*GOOD))
    bad.write_text(written(*GOOD, on_key("release", "signer", "train")))
    sluice.main(["env", "access", str(good), "--check"], standalone_mode=False)
    assert re.fullmatch(r"The first promise holds: \d+ rules, \d+ grants\n", capsys.readouterr().out)
    sluice.main(["env", "access", str(good)], standalone_mode=False)
    page = capsys.readouterr().out
    assert "| sign | key release | release | submit | release |" in page
    assert "| submit | key release | sign | release |" in page
    assert "| train | bucket store, store/checkpoints/… | read, create, replace |  |" in page
    assert "| sign | key anna | anna@example.com | | |" in page
    with pytest.raises(Refused, match=r"(?s)breaks the first promise in 1 ways; apply nothing:\n  train → sign: key"):
        sluice.main(["env", "access", str(bad), "--check"], standalone_mode=False)
