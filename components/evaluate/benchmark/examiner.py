"""Asks a model through lm-evaluation-harness: greedy generation, or log-likelihood of choices.

Nothing that an exported model brings along changes how it answers: sampling, penalties and lengths of its
generation settings are left out, only the tokens that end a turn are taken. No network is used.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import datasets
import torch
from jinja2 import TemplateError
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from components.core.attempt import Attempt
from components.core.errors import InvalidInput
from components.core.manifest import Manifest
from components.core.rows import Row
from components.core.suites import Scorer, Suite
from components.evaluate.benchmark.kept import Kept
from components.evaluate.benchmark.settings import Benchmark

_PROBE = "Zq7"
_TASK = "suite"
logging.getLogger("lm_eval").setLevel(logging.ERROR)


class _Quiet(HFLM):
    """Without a bar a part: in a log each would be a thousand characters."""

    def generate_until(self, requests: Any, disable_tqdm: bool = True) -> list[str]:
        answers: list[str] = super().generate_until(requests, disable_tqdm=disable_tqdm)
        return answers

    def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        likelihoods: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        return likelihoods


@dataclass(frozen=True)
class Examiner:
    """A loaded model that can be asked."""

    lm: HFLM
    tokenizer: Any
    turn_ends: tuple[str, ...]

    @classmethod
    def load(cls, attempt: Attempt, model: Manifest, settings: Benchmark) -> Self:
        """Copies the model out of the store and loads it.

        Raises InvalidInput when it has no chat template, no end-of-text token or cannot be loaded.
        """
        with TemporaryDirectory(prefix="sluice-benchmark-") as folder:
            attempt.download(model, Path(folder))
            tokenizer, network = _load(Path(folder), settings, model.key)
        ends = _turn_ends(tokenizer, model.key)
        _answer_greedily(network, tokenizer, ends)
        # With the template's own special tokens and no others, as in training.
        lm = _Quiet(pretrained=network, tokenizer=tokenizer, batch_size=settings.batch_size, add_bos_token=False)
        return cls(lm, tokenizer, ends)

    def ask(self, suite: Suite, questions: Sequence[Row]) -> list[Kept]:
        """The model's answers to questions (rows of kind suites) of one suite, each with its score.

        Raises InvalidInput when the model's context cannot hold an answer of the suite's length.
        """
        room = self._room_for_prompts(suite)
        prompts = [self._prompt(question) for question in questions]
        task = ConfigurableTask(config=_task_config(suite, questions, prompts, self.turn_ends))
        results = evaluate(lm=self.lm, task_dict={_TASK: task}, bootstrap_iters=0, log_samples=True)
        answers = _generated if suite.scorer is Scorer.EXACT_MATCH else _chosen
        return [
            Kept(question["question"], *answers(sample), cut=self._is_cut(prompt, question["choices"], room))
            for question, prompt, sample in zip(questions, prompts, results["samples"][_TASK], strict=True)
        ]

    def _room_for_prompts(self, suite: Suite) -> int:
        longest = suite.generation.max_new_tokens if suite.scorer is Scorer.EXACT_MATCH else 0
        room: int = self.lm.max_length - longest
        if room < 1:
            raise InvalidInput(
                f"suite {suite.id}: answers of up to {longest} tokens do not fit into the model's context of"
                f" {self.lm.max_length}; lower the suite's max_new_tokens or take a model with a longer context"
            )
        return room

    def _prompt(self, question: Row) -> str:
        """The question as the model's template renders it, up to where the answer begins."""
        try:
            text: str = self.tokenizer.apply_chat_template(
                question["messages"], tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise InvalidInput(
                f"suite {question['suite']}: the model's chat template cannot render question"
                f" {question['question'][:12]}…: {error}; change the suite's messages or the template"
            ) from error
        return text

    def _is_cut(self, prompt: str, choices: list[str] | None, room: int) -> bool:
        longest = max(choices or [""], key=len)
        return len(self.tokenizer.encode(prompt + longest, add_special_tokens=False)) > room


def _load(folder: Path, settings: Benchmark, key: str) -> tuple[Any, Any]:
    device = settings.device if settings.device != "auto" else "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network = AutoModelForCausalLM.from_pretrained(
            folder, dtype=settings.dtype, use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput(
            f"model {key}: cannot be loaded: {error}; benchmark takes a whole model (no adapter) in the format of"
            " transformers with safetensors weights: look at how it was exported"
        ) from error
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        missing = "chat template" if not tokenizer.chat_template else "end-of-text token"
        raise InvalidInput(f"model {key}: its tokenizer has no {missing}; give the base model one and export again")
    tokenizer.clean_up_tokenization_spaces = False
    return tokenizer, network.to(device)


def _turn_ends(tokenizer: Any, key: str) -> tuple[str, ...]:
    """The tokens that end an answer: end of text, and what the template puts after an assistant's message."""
    turns = [{"role": "user", "content": _PROBE}, {"role": "assistant", "content": _PROBE}]
    try:
        rendered: str = tokenizer.apply_chat_template(turns, tokenize=False)
    except TemplateError as error:
        raise InvalidInput(f"model {key}: its chat template fails on a question and an answer: {error}") from error
    tail = rendered.rpartition(_PROBE)[2].lstrip()
    added = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)
    after = next((token for token in added if tail.startswith(token)), tokenizer.eos_token)
    return tuple(sorted({tokenizer.eos_token, after}))


def _answer_greedily(network: Any, tokenizer: Any, ends: tuple[str, ...]) -> None:
    given = network.generation_config.eos_token_id
    known = {given} if isinstance(given, int) else set(given or ())
    ids = sorted(known | {tokenizer.convert_tokens_to_ids(end) for end in ends})
    network.generation_config = GenerationConfig(eos_token_id=ids, do_sample=False)


def _task_config(
    suite: Suite, questions: Sequence[Row], prompts: Sequence[str], turn_ends: tuple[str, ...]
) -> dict[str, Any]:
    """A suite as a task of the harness; prompts are rendered already, so nothing is put between them and an answer."""
    chooses = suite.scorer is Scorer.MULTIPLE_CHOICE
    documents = [
        {"prompt": prompt, "reference": question["reference"]}
        | ({"choices": question["choices"], "target": _place(question)} if chooses else {})
        for question, prompt in zip(questions, prompts, strict=True)
    ]
    config: dict[str, Any] = {
        "task": _TASK,
        "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(documents)},
        "test_split": "test",
        "doc_to_text": "prompt",
        "target_delimiter": "",
        "num_fewshot": 0,
    }
    return config | (_choice_task() if chooses else _generation_task(suite, turn_ends))


def _generation_task(suite: Suite, turn_ends: tuple[str, ...]) -> dict[str, Any]:
    return {
        "output_type": "generate_until",
        "doc_to_target": "reference",
        "generation_kwargs": {
            "until": [*suite.generation.stop, *turn_ends],
            "max_gen_toks": suite.generation.max_new_tokens,
            "do_sample": False,
        },
        "process_results": _exact_match,
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }


def _choice_task() -> dict[str, Any]:
    return {
        "output_type": "multiple_choice",
        "doc_to_choice": "choices",
        "doc_to_target": "target",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }


def _place(question: Row) -> int:
    try:
        return int(question["choices"].index(question["reference"]))
    except ValueError as error:
        raise InvalidInput(
            f"suite {question['suite']}: the reference {question['reference'][:80]!r} of question"
            f" {question['question'][:12]}… is none of its choices; mend the suite's source"
        ) from error


def _exact_match(document: Row, answers: Sequence[str]) -> dict[str, float]:
    """White space around an answer does not count: many templates trim what they are given."""
    return {"exact_match": float(answers[0].strip() == document["reference"].strip())}


def _generated(sample: dict[str, Any]) -> tuple[str, float]:
    return sample["filtered_resps"][0], float(sample["exact_match"])


def _chosen(sample: dict[str, Any]) -> tuple[str, float]:
    likelihoods = [likelihood for likelihood, _ in sample["filtered_resps"]]
    return sample["doc"]["choices"][likelihoods.index(max(likelihoods))], float(sample["acc"])
