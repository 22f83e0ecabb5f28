from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.core.attempt import Attempt, Draft
from components.core.endpoint import Phase
from components.core.manifest import Kind, Manifest, ModelFacts
from components.core.settings import StepSettings
from components.core.store import Store
from components.serve.api_keys import new_key
from components.serve.processes import MARK, free_port
from pipelines.endpoint_changes import break_glass, endpoints_of
from pipelines.environment import LocalEnvironment

SLUICE = [sys.executable, "-c", "from pipelines.cli import main; main()"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `sluice …` in the project, as a process of its own; ends it, and what it left, after the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        path = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [*SLUICE, *words], env=path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
    for left in still_running(tmp_path):
        os.kill(left, signal.SIGKILL)


def still_running(project: Path) -> list[int]:
    """Processes that serve for the project."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(str(project)) and process.status() != "zombie":
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serve", "nowhere"), "there is no such environment"),
        (("serve", "kubeflow"), "works on this machine alone"),
        (("serve", "local", "helpdsek"), r"did you mean helpdesk?"),
        (("serve", "local", "--port", "0"), "0 is not in the range"),
    ],
)
def test_bad_input_is_a_sentence(environment, serving: Manifest, sluice, words: tuple[str, ...], said: str) -> None:
    code, out, complaint = sluice(*words)
    assert (code, out) == (2, "")
    assert said in complaint


def test_of_several_endpoints_one_must_be_said(environment, serving: Manifest, add_model, sluice) -> None:
    break_glass(environment, "payments", add_model("other").key, name="anna", reason="x", unused=True)
    code, _, complaint = sluice("serve", "local")
    assert (code, "several endpoints here: helpdesk, payments" in complaint) == (2, True)


def test_what_would_not_be_logged_is_not_served(environment, serving: Manifest, sluice) -> None:
    document = json.loads(Path("environments/local.yaml").read_text())
    Path("environments/local.yaml").write_text(json.dumps({**document, "requests": ""}))
    code, _, complaint = sluice("serve", "local")
    assert (code, "request log: the environment names none" in complaint) == (2, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_the_first_release_it_waits_says_so_and_ends_well_when_told_to(environment, start, number) -> None:
    process = start("serve", "local")
    assert "nothing has been released yet: waiting" in process.stdout.readline()
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(30) == 0


# The whole with a real model server.


def tiny_model(folder: Path) -> Path:
    """A Llama with random weights and a vocabulary of words, made here."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<pad>", "<s>", "</s>", "<unk>", *(f"w{number}" for number in range(60))]
    inner = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **special)
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }} {% endfor %}"
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def add_real_model(environment: LocalEnvironment, folder: Path) -> Manifest:
    attempt = Attempt(Store(environment.store), "export")
    facts = ModelFacts(base="scratch", tokenizer_digest="t", template_digest="c")
    draft = Draft(Kind.MODEL, attempt.upload("exported", tiny_model(folder)), model=facts)
    return attempt.commit({"exported": draft}, settings=StepSettings()).manifests["exported"]


def until_steady(environment: LocalEnvironment, generation: int, seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while True:
        seen = endpoints_of(environment).observed("helpdesk")
        if seen and (seen.phase, seen.generation) == (Phase.STEADY, generation):
            return
        assert time.monotonic() < until, seen
        time.sleep(0.1)


@pytest.mark.long
def test_transformers_serve_answers_a_release_and_a_rollback_move_it_and_ctrl_c_leaves_nothing(
    environment: LocalEnvironment, start, sluice, tmp_path: Path
) -> None:
    from openai import OpenAI

    key, port = new_key(Path(environment.serving.keys), "tests"), free_port()
    first, second = (add_real_model(environment, tmp_path / name) for name in ("first", "second"))
    why = {"name": "anna", "reason": "the first one"}
    break_glass(environment, "helpdesk", first.key, **why, unused=True)
    process = start("serve", "local", "helpdesk", "--port", str(port))
    client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key)

    def answered_by() -> str:
        asked = [{"role": "user", "content": "w1 w2 w3"}]
        answer = client.chat.completions.with_raw_response.create(model="helpdesk", messages=asked, max_tokens=4)
        assert answer.parse().choices[0].message.content is not None
        return answer.headers["x-sluice-model"]

    until_steady(environment, 1)
    assert answered_by() == first.digest
    break_glass(environment, "helpdesk", second.key, **why)
    until_steady(environment, 2)
    assert answered_by() == second.digest
    assert sluice("rollback", "helpdesk", "--as", "anna", "--reason", "back")[0] == 0
    until_steady(environment, 3)
    assert answered_by() == first.digest
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert still_running(tmp_path) == []
    assert f"generation 3 serves {first.digest[:12]}… at http://127.0.0.1:{port}/v1" in process.stdout.read()
