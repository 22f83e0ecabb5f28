"""The serving benchmark: that it would see what it says it does not, and a small run of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.serve import Trial, held_against, share
from benchmarks.serve_load import Kind, Outcome, Prompt, judged, prompts

PLAIN, STREAM = Prompt("load 1: hello", False, 0.0), Prompt("!drip 0.03 load 2: hello", True, 0.0)


def body(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def events(*parts: str | dict) -> bytes:
    data = [
        part
        if part == "[DONE]"
        else json.dumps(part if isinstance(part, dict) else {"choices": [{"delta": {"content": part}}]})
        for part in parts
    ]
    return "".join(f"data: {one}\n\n" for one in data).encode()


ERROR = {"error": {"message": "the model server ended"}}


@pytest.mark.parametrize(
    ("prompt", "status", "data", "fault", "kind"),
    [
        (PLAIN, 200, body("echo: load 1: hello"), "", Kind.ANSWERED),
        (PLAIN, 200, body("echo: load 1: hello") * 2, "", Kind.WRONG),
        (PLAIN, 200, body("echo: load 7: hello"), "", Kind.WRONG),
        (PLAIN, 200, body("echo: load 1: hello")[:-4], "ClientPayloadError", Kind.WRONG),
        (PLAIN, 200, b"", "ClientPayloadError", Kind.FAILED),
        (PLAIN, 503, b'{"error": {}}', "", Kind.FAILED),
        (PLAIN, 0, b"", "ServerDisconnectedError", Kind.FAILED),
        (STREAM, 200, events("echo: load 2:", " hello", "[DONE]"), "", Kind.ANSWERED),
        (STREAM, 200, events("echo: load 2:", " hello", "[DONE]"), "ClientPayloadError", Kind.WRONG),
        (STREAM, 200, events("echo: load 2:", " hello"), "", Kind.WRONG),
        (STREAM, 200, events("echo: load 2:", " hello", "echo: load 2:", " hello", "[DONE]"), "", Kind.WRONG),
        (STREAM, 200, events("echo: load 2:", " hello", "[DONE]", "[DONE]"), "", Kind.WRONG),
        (STREAM, 200, events("echo: load", ERROR), "", Kind.CUT),
        (STREAM, 200, events("echo: load"), "ClientPayloadError", Kind.WRONG),
        (STREAM, 200, events("other words", ERROR), "", Kind.WRONG),
        (STREAM, 200, events("echo: load 2:", " hello", ERROR, "[DONE]"), "", Kind.WRONG),
    ],
)
def test_what_a_client_saw_is_judged_word_by_word(
    prompt: Prompt, status: int, data: bytes, fault: str, kind: Kind
) -> None:
    assert judged(prompt, status, data, fault)[0] is kind


def row(name: str, text: str, status: str = "answered", attempt: int = 1) -> dict:
    return {"request_id": name, "attempt": attempt, "status": status, "messages": [{"role": "user", "content": text}]}


def missed(outcomes: list[Outcome], rows: list[dict]) -> set[str]:
    return {line.name for line in held_against(outcomes, rows) if not line.holds}


def test_what_the_log_lacks_or_holds_twice_is_seen() -> None:
    answered, cut = Outcome(PLAIN, Kind.ANSWERED, 1.0, "a", ""), Outcome(STREAM, Kind.CUT, 1.0, "b", "")
    sound = [row("a", PLAIN.text), row("b", STREAM.text, "cut")]
    assert missed([answered, cut], sound) == set()
    assert missed([answered, cut], [*sound, row("a", PLAIN.text, "lost", 2)]) == set()
    assert missed([answered, cut], sound[1:]) == {"answered, and not in the log exactly once"}
    assert missed([answered, cut], [*sound, sound[0]]) == {"answered, and not in the log exactly once"}
    assert missed([answered, cut], [*sound, row("c", PLAIN.text)]) == {"answered twice"}
    assert missed([answered, cut], [sound[0], row("b", STREAM.text)]) == {"  of them logged as cut"}
    lost = Outcome(PLAIN, Kind.FAILED, 1.0, "", "")
    assert missed([lost], []) == {"failed before a byte"}
    assert missed([Outcome(PLAIN, Kind.WRONG, 1.0, "a", "")], []) == {"wrong words, or words twice"}


def test_prompts_come_at_the_rate_and_are_the_same_again() -> None:
    some = list(prompts("x", 4000, 200.0, slow=0.1))
    assert some == list(prompts("x", 4000, 200.0, slow=0.1))
    assert len({prompt.text for prompt in some}) == 4000
    assert some[-1].due == pytest.approx(20, rel=0.1)
    assert sum(prompt.text.startswith("!drip") for prompt in some) / 4000 == pytest.approx(0.1, abs=0.02)
    assert all(prompt.stream for prompt in some if prompt.text.startswith("!drip"))
    assert sum(prompt.stream for prompt in some) / 4000 == pytest.approx(0.325, abs=0.03)


def test_all_that_is_to_happen_happens_while_there_is_load() -> None:
    class Nobody:
        swap = replace_router = kill_server = None

    events_ = Trial(50_000, 200, 10, 1, 2).events(Nobody())
    assert [after for after, *_ in events_] == sorted({after for after, *_ in events_})
    assert 0 < events_[0][0] < events_[-1][0] < 50_000
    names = [name for _, name, _ in events_]
    assert (names.count("swap"), names.count("hot restart"), names.count("kill")) == (10, 1, 2)
    assert names[0] == names[-1] == "swap"


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert share([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert share([1.0, 2.0], 0.99) == 2.0


@pytest.mark.long
def test_a_small_run_loses_nothing(tmp_path: Path) -> None:
    asked = ["--requests", "2000", "--swaps", "2", "--restarts", "1", "--kills", "1", "--seconds", "0"]
    command = [sys.executable, "-m", "benchmarks.serve", *asked, "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    supervisor = tmp_path / "supervisor.log"
    assert done.returncode == 0, done.stdout + done.stderr + (supervisor.read_text() if supervisor.exists() else "")
    assert "all targets met" in done.stdout
