"""What a model must be before training starts from it; each refusal is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoConfig, AutoTokenizer

from components.core.errors import InvalidInput

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
CHAT_TEMPLATE = "chat_template.jinja"


def check_weights(name: str, files: list[str], allow_pickle: bool) -> None:
    """Refuses a model without weights, an adapter, and one whose weights are only pickles."""
    root = [file for file in files if "/" not in file]
    if any(file.endswith(".safetensors") for file in root if not file.startswith("adapter_")):
        return
    if "adapter_config.json" in root:
        raise InvalidInput(f"{name} is an adapter, not a model; name the model that it was made for")
    pickles = [file for file in root if file.endswith(PICKLES) and file.startswith("pytorch_model")]
    if not pickles:
        raise InvalidInput(f"{name} has no weights: none of its {len(files)} files is a *.safetensors; name another")
    if not allow_pickle:
        raise InvalidInput(
            f"{name} has its weights only as a pickle ({pickles[0]}), which can run code when it is read; name a"
            " revision with safetensors, or set base.allow_pickle if you trust it"
        )


def check_code(name: str, folder: Path, allow_remote_code: bool) -> None:
    """Refuses a model that brings Python code, unless that is allowed; never takes code of another repository."""
    for file in ("config.json", "tokenizer_config.json"):
        named = _read_json(name, folder / file).get("auto_map") if (folder / file).exists() else None
        if not named:
            continue
        if not allow_remote_code:
            raise InvalidInput(
                f"{name} brings code of its own (auto_map in {file}), which would run wherever it is loaded; name a"
                " model that needs none, or set base.allow_remote_code if you have read it"
            )
        if "--" in json.dumps(named):
            raise InvalidInput(
                f"{name} takes code from another repository (auto_map in {file}), which no commit pins; name another"
            )


def check_configuration(name: str, folder: Path, remote_code: bool = False) -> int:
    """The rows of the embedding. Refuses a model without configuration, or of a type that nobody here knows."""
    if not (folder / "config.json").exists():
        raise InvalidInput(f"{name} has no config.json; name a model that transformers can load")
    _read_json(name, folder / "config.json")
    try:
        text = AutoConfig.from_pretrained(folder, trust_remote_code=remote_code).get_text_config()
    except (ValueError, KeyError, OSError) as error:
        raise InvalidInput(
            f"{name}: transformers cannot read its config.json: {_sentence(error)}; name another"
        ) from error
    return int(text.vocab_size)


def check_tokenizer(name: str, folder: Path, embedding: int) -> None:
    """Refuses a model whose tokenizer is missing, or makes tokens that its embedding has no row for."""
    path = folder / "tokenizer.json"
    if not path.exists():
        raise InvalidInput(f"{name} has no tokenizer.json; name a revision with a fast tokenizer")
    try:
        vocabulary = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
    except Exception as error:  # the library raises nothing narrower
        raise InvalidInput(f"{name}: its tokenizer.json cannot be read: {_sentence(error)}; name another") from error
    largest = max(vocabulary.values(), default=-1)
    if largest >= embedding:
        raise InvalidInput(
            f"{name}: its tokenizer does not fit: it makes token {largest}, the embedding has {embedding} rows;"
            " name a revision where both belong together"
        )


def check_template(name: str, folder: Path, remote_code: bool = False) -> str:
    """The chat template as transformers finds it. Refuses a model without one, or with one that renders nothing."""
    tokenizer = _load_tokenizer(name, folder, remote_code)
    if not tokenizer.chat_template:
        raise InvalidInput(f"{name} has no chat template; give one in base.chat_template, or name a chat model")
    try:
        template = tokenizer.get_chat_template()
        messages = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]
        rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    except Exception as error:  # a template may raise anything
        raise InvalidInput(
            f"{name}: its chat template does not render a question and an answer: {_sentence(error)};"
            " give another in base.chat_template"
        ) from error
    if "question" not in rendered or "answer" not in rendered:
        raise InvalidInput(f"{name}: its chat template leaves out what is said; give another in base.chat_template")
    return str(template)


def _load_tokenizer(name: str, folder: Path, remote_code: bool) -> Any:
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=remote_code)
    except Exception as error:  # each tokenizer raises its own
        raise InvalidInput(
            f"{name}: transformers cannot load its tokenizer: {_sentence(error)}; name another"
        ) from error


def _read_json(name: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidInput(f"{name}: {path.name} is not JSON: {error}; name another revision") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{name}: {path.name} is no JSON object; name another revision")
    return found


def _sentence(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
