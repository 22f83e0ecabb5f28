"""What README and guides tell their reader to type: each command is there, and is run by a test or needs a cloud."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.commands import PAGES, ROOT, Block, Command, blocks, commands, fault, inline

LAPTOP = ROOT / "docs" / "guides" / "laptop.md"
COMMANDS = [command for page in PAGES for block in blocks(page) for command in commands(block)]
HERE = sorted({command.name for command in COMMANDS if not command.needs_a_cloud})
WITH_OPTIONS = [one for one in COMMANDS if one.words[0] == "sluice" and any(word[:2] == "--" for word in one.words)]
IN_THE_TEXT = [command for page in PAGES for command in inline(page)]

RUN_BY = {
    "make demo": ("tests/docs/test_laptop.py", "test_the_demo_plays_its_four_acts"),
    "sluice api-keys list": ("tests/serve/test_api_keys.py", "test_the_commands_make_list_and_end_keys"),
    "sluice api-keys revoke": ("tests/serve/test_api_keys.py", "test_the_commands_make_list_and_end_keys"),
    "sluice approve": ("tests/end_to_end/test_release.py", "test_a_held_run_goes_on_when_it_is_approved"),
    "sluice break-glass": ("tests/pipelines/test_endpoint_changes.py", "test_an_incident_on_the_command_line"),
    "sluice cancel": (
        "tests/end_to_end/test_faults.py",
        "test_a_cancelled_run_leaves_no_process_and_is_not_cancelled_twice",
    ),
    "sluice compare": ("tests/end_to_end/test_lifecycle.py", "test_compare_puts_settings_data_and_scores_side_by_side"),
    "sluice compile": (
        "tests/pipelines/test_compile.py",
        "test_compiling_again_in_another_process_gives_the_same_bytes",
    ),
    "sluice dispatch": (
        "tests/pipelines/test_dispatch_service.py",
        "test_killed_in_between_the_next_one_goes_on_and_starts_no_second_run",
    ),
    "sluice env access": (
        "tests/pipelines/terraform/test_access.py",
        "test_the_command_says_the_page_and_refuses_what_breaks_the_promise",
    ),
    "sluice freeze": ("tests/end_to_end/test_release.py", "test_a_frozen_endpoint_takes_no_release_until_the_thaw"),
    "sluice keys list": ("tests/pipelines/test_keys.py", "test_a_keys_life_on_the_command_line"),
    "sluice keys retire": ("tests/pipelines/test_keys.py", "test_a_keys_life_on_the_command_line"),
    "sluice keys revoke": ("tests/pipelines/test_keys.py", "test_a_keys_life_on_the_command_line"),
    "sluice keys rotate": ("tests/pipelines/test_keys.py", "test_a_keys_life_on_the_command_line"),
    "sluice refuse": ("tests/end_to_end/test_release.py", "test_a_held_run_that_is_refused_stays_where_it_is"),
    "sluice registry repair": (
        "tests/end_to_end/test_release.py",
        "test_a_registry_that_was_lost_is_repaired_from_what_should_serve",
    ),
    "sluice schedule": (
        "tests/pipelines/test_watch.py",
        "test_the_graph_runs_at_the_schedules_moment_until_it_is_told_to_stop_and_that_is_a_good_end",
    ),
    "sluice thaw": ("tests/end_to_end/test_release.py", "test_a_frozen_endpoint_takes_no_release_until_the_thaw"),
    "sluice why": ("tests/end_to_end/test_lifecycle.py", "test_why_says_what_changed"),
}
"""Commands that the page for one machine does not type, and the test that does."""

BEFORE_ANY_TEST = {"make setup", "make test"}
"""What tests run in, and what runs them."""


def of(text: str, before: str = "Type:") -> list[Command]:
    """The commands of a block of README."""
    return list(commands(Block(ROOT / "README.md", 1, text, before)))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.where} {command.name}")
def test_a_command_is_one_that_there_is_with_options_that_it_has(command: Command) -> None:
    assert not fault(command), f"{command.where}: {' '.join(command.words)}"


@pytest.mark.parametrize("command", IN_THE_TEXT, ids=lambda command: f"{command.where} {' '.join(command.words)}")
def test_a_command_in_the_text_is_one_that_there_is(command: Command) -> None:
    assert not fault(command, whole=False), f"{command.where}: {' '.join(command.words)}"


@pytest.mark.parametrize("name", HERE)
def test_a_command_that_needs_no_cloud_is_run_by_a_test(name: str) -> None:
    typed = {command.name for block in blocks(LAPTOP) for command in commands(block)} - BEFORE_ANY_TEST
    if name in typed or name in BEFORE_ANY_TEST:
        return
    assert name in RUN_BY, f"{name}: type it in laptop.md, name the test that runs it, or say that it needs a cloud"
    assert f'"{name.rpartition(" ")[2]}"' in source(*RUN_BY[name])


def source(file: str, name: str) -> str:
    """The text of a test."""
    text = (ROOT / file).read_text()
    found = next(one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef) and one.name == name)
    return ast.get_source_segment(text, found) or ""


def test_nobody_is_named_for_a_command_that_no_page_has() -> None:
    assert sorted(set(RUN_BY) - set(HERE)) == []


def test_no_command_with_another_environment_passes_for_one_that_was_run_here() -> None:
    elsewhere = [command for command in COMMANDS if re.search(r"--env (?!vertex|kubeflow)", " ".join(command.words))]
    assert elsewhere
    assert [command.where for command in elsewhere if not command.needs_a_cloud] == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("sluice run recipe.yaml --no-cahce", "No such option"),
        ("sluice runn recipe.yaml", "No such command"),
        ("sluice keys revok ben --reason x", "No such command"),
        ("sluice keys revoke ben", "Missing option"),
        ("sluice lint", "Missing argument"),
        ("sluice keys", "none is named"),
        ("sluice lint recipe.yaml other.yaml", "is more than it takes"),
        ("sluice schedule recipe.yaml --every 7d --graph releases", "is not one of"),
        ("sluice serve local --port 0", "not in the range"),
        ("x=1 | sluice gc --delet", "No such option"),
        ("gh variable set X --body \"$(make ci-varible ENV=dev)\"", "no target ci-varible"),
        ("make images TROCH=cuda", "nothing in the Makefile reads TROCH"),
        ("python -m pipelines.nothing", "no module pipelines.nothing"),
    ],
)  # fmt: skip
def test_a_slip_is_found(typed: str, said: str) -> None:
    assert said in " ".join(map(fault, of(typed)))


@pytest.mark.parametrize("command", WITH_OPTIONS, ids=lambda command: f"{command.where} {command.name}")
def test_a_letter_too_many_in_any_option_of_a_page_is_found(command: Command) -> None:
    """Each page's own commands, with each option misspelt in turn."""
    for at, word in enumerate(command.words):
        if word.startswith("--"):
            bad = (*command.words[:at], f"{word}x", *command.words[at + 1 :])
            assert "No such option" in fault(Command(bad, command.where))


def test_lines_are_read_as_a_shell_does() -> None:
    text = """
        export KEY="$(sluice api-keys new app)"   # sluice nothing
        sluice init p && cd p
        A | sluice env from-terraform - \\
            --out x
    """
    assert [command.name for command in of(text)] == ["sluice api-keys new", "sluice init", "sluice env from-terraform"]
    assert not any(fault(command) for command in of(text))


def test_what_needs_a_cloud_is_said_before_its_block_or_on_its_line() -> None:
    assert [one.needs_a_cloud for one in of("sluice gc\nsluice runs")] == [False, False]
    assert [one.needs_a_cloud for one in of("sluice gc\nsluice runs", "Needs a cloud:")] == [True, True]
    assert [one.needs_a_cloud for one in of("sluice gc\nsluice runs   # needs a cloud")] == [False, True]


def test_a_mark_counts_for_the_block_right_after_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Needs a cloud:\n\n    sluice a\n\nAnd:\n\n    sluice b\n\nNeeds a cloud.\n\nNot this:\n\n"
        "```sh\nsluice c\n```\n"
    )
    assert [block.needs_a_cloud for block in blocks(page)] == [True, False, False]
