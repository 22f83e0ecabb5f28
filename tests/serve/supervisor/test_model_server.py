from __future__ import annotations

from pathlib import Path

import pytest

from components.core.errors import InvalidInput
from components.serve import model_server as module
from components.serve.model_server import TRANSFORMERS, VLLM, model_server

FOLDER = Path("/models/abc")


def installed(monkeypatch: pytest.MonkeyPatch, *names: str, gpu: bool) -> None:
    monkeypatch.setattr(module, "_is_there", lambda name: name in names)
    monkeypatch.setattr(module, "_has_gpu", lambda: gpu)


@pytest.mark.parametrize(
    ("names", "gpu", "chosen"),
    [
        (("vllm", "transformers"), True, VLLM),
        (("vllm", "transformers"), False, TRANSFORMERS),
        (("transformers",), True, TRANSFORMERS),
    ],
)
def test_auto_is_vllm_where_there_is_a_gpu_and_it(monkeypatch, names: tuple, gpu: bool, chosen) -> None:
    installed(monkeypatch, *names, gpu=gpu)
    assert model_server("auto") is chosen


def test_what_is_chosen_and_not_installed_is_a_sentence(monkeypatch) -> None:
    installed(monkeypatch, "transformers", gpu=True)
    with pytest.raises(InvalidInput, match=r"serving.server vllm: there is no command vllm here"):
        model_server("vllm")
    installed(monkeypatch, "vllm", gpu=True)
    with pytest.raises(InvalidInput, match="there is no command transformers"):
        model_server("transformers")
    assert model_server("vllm") is VLLM


BATCHING = ("--continuous-batching", "--cb-max-memory-percent", "0.05")


def test_vllms_command_line_names_the_model_and_leaves_room_for_a_second_one() -> None:
    command = VLLM.command(FOLDER, 9001, "helpdesk")
    assert command[1:3] == ["serve", "/models/abc"]
    assert command[3:] == [
        *("--served-model-name", "helpdesk", "--host", "127.0.0.1", "--port", "9001"),
        *("--gpu-memory-utilization", "0.45"),
    ]
    assert VLLM.asked_as(FOLDER, "helpdesk") == "helpdesk"


def test_transformers_is_asked_by_the_folder_that_it_is_pinned_to() -> None:
    command = TRANSFORMERS.command(FOLDER, 9001, "helpdesk")
    assert command[1:] == ["serve", "/models/abc", *BATCHING, "--host", "127.0.0.1", "--port", "9001"]
    assert TRANSFORMERS.asked_as(FOLDER, "helpdesk") == "/models/abc"
    assert Path(command[0]).name == "transformers"


def test_no_server_looks_for_anything_outside_the_store() -> None:
    for server in (VLLM, TRANSFORMERS):
        assert server.environment["HF_HUB_OFFLINE"] == "1"
