"""What a client may ask, in OpenAI's words: checked here, described in ``/openapi.json``, and written for the server.

Fields that this does not know go on to the model server as they are, except those that reach beyond the answer: a
template or code to run, an address to fetch, a limit to get around.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json, to_json

from components.core.canonical import canonical_json
from components.serve.gateway.errors import ApiError
from components.serve.settings import Limits

DANGEROUS = frozenset(
    (
        "best_of", "chat_template", "chat_template_kwargs", "custom_generate", "generation_config", "guided_grammar",
        "guided_regex", "kv_transfer_params", "logits_processors", "lora_request", "max_new_tokens", "media_io_kwargs",
        "mm_processor_kwargs", "num_beams", "priority", "prompt_embeds", "prompt_logprobs", "request_id",
        "structured_outputs", "use_beam_search", "vllm_xargs", "web_search_options",
    )
)  # fmt: skip
"""Of vLLM's and `transformers serve`'s requests."""
OURS = ("metadata", "store", "user")
"""What the model server has no need to know."""
Parsed = dict[str, Any]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class TextPart(_Asked):
    """A piece of a message; text alone, for anything else would have the server fetch an address."""

    type: Literal["text"]
    text: str


class Message(_Asked):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """Its text, whatever its shape."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(_Asked):
    """What a stream holds besides the answer."""

    include_usage: bool | None = None


Penalty = Annotated[float, Field(ge=-2, le=2)]
Tokens = Annotated[int, Field(ge=1)]


class _Generation(_Asked):
    refused: ClassVar = DANGEROUS | {"max_new_tokens"}
    """Fields that no client may set: dangerous ones, other names of a limit, and what belongs to the other route: a
    server might answer that, and the log would hold what nobody answered."""

    model: str = Field(description="The endpoint's name.")
    max_tokens: Tokens | None = Field(default=None, description="Most tokens of the answer; the limit's, without it.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = Field(default=None, description="One answer to a request.")
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = Field(default=None, description="Whose request it is; hashed.")
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = Field(
        default=None, description="`conversation_id` names the conversation in the log."
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @model_validator(mode="after")
    def _is_harmless(self) -> _Generation:
        refused = self.refused.intersection(self.model_extra or ())
        if refused:
            raise ValueError(f"{', '.join(sorted(refused))}: is not for clients to set here; leave it out")
        return self


class ChatRequest(_Generation):
    """``POST /v1/chat/completions``."""

    refused: ClassVar = _Generation.refused | {"prompt"}
    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Tokens | None = Field(default=None, description="The newer name of `max_tokens`.")
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @property
    def said(self) -> list[dict[str, str]]:
        """The conversation, text alone."""
        return [{"role": message.role, "content": message.text} for message in self.messages]


class CompletionRequest(_Generation):
    """``POST /v1/completions``."""

    refused: ClassVar = _Generation.refused | {"messages", "max_completion_tokens"}
    prompt: str
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @property
    def said(self) -> list[dict[str, str]]:
        """The prompt as one message of the user."""
        return [{"role": "user", "content": self.prompt}]


class FeedbackRequest(BaseModel):
    """``POST /v1/feedback``: what a person says of an answer. At least one of ``good``, ``correction``, ``comment``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: Annotated[str, Field(max_length=128)] = Field(description="The answer's `id`, or its `x-request-id`.")
    good: bool | None = Field(default=None, description="Whether the answer was right.")
    correction: str | None = Field(default=None, description="What it should have been.")
    comment: str | None = None
    user: Annotated[str, Field(max_length=512)] | None = Field(default=None, description="Who says so; hashed.")

    @model_validator(mode="after")
    def _says_something(self) -> FeedbackRequest:
        if self.good is None and self.correction is None and self.comment is None:
            raise ValueError("says nothing; give good, correction or comment")
        return self


KINDS: dict[str, type[ChatRequest] | type[CompletionRequest]] = {"chat": ChatRequest, "completion": CompletionRequest}


@dataclass(frozen=True)
class Asked:
    """A request that may be asked: what the log keeps, and what the model server gets."""

    kind: str  # chat or completion
    user: str | None
    conversation: str
    messages: list[dict[str, str]]
    parameters: str  # canonical JSON
    stream: bool
    with_usage: bool  # whether the stream ends with the tokens' numbers
    body: bytes  # for the model server


def parse(data: bytes) -> Parsed:
    """A body as a JSON object. Raises ApiError (400) for another one, also for one nested 200 deep."""
    try:
        document = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise ApiError(400, f"the body is no JSON that can be read: {error}", "invalid_json") from error
    if not isinstance(document, dict):
        raise ApiError(400, "the body is no JSON object; send {…}", "invalid_json")
    return document


def feedback_from(document: Parsed) -> FeedbackRequest:
    """A person's word. Raises ApiError (400) for what is none."""
    try:
        return FeedbackRequest.model_validate(document)
    except ValidationError as error:
        raise _refused(error) from error


def asked_from(document: Parsed, kind: str, endpoint: str, upstream_model: str, limits: Limits) -> Asked:
    """A request of that kind. Raises ApiError: 400 for what may not be asked, 404 for another model."""
    try:
        request = KINDS[kind].model_validate(document)
    except ValidationError as error:
        raise _refused(error) from error
    if request.model != endpoint:
        raise unknown_model(request.model, endpoint)
    _check_tokens(document, limits)
    return Asked(
        kind=kind,
        user=request.user,
        conversation=(request.metadata or {}).get("conversation_id", ""),
        messages=request.said,
        parameters=_parameters(document),
        stream=bool(request.stream),
        with_usage=bool(request.stream_options and request.stream_options.include_usage),
        body=_for_server(document, upstream_model, limits, stream=bool(request.stream)),
    )


def unknown_model(name: str, endpoint: str) -> ApiError:
    """There is one model behind an endpoint, and it has the endpoint's name."""
    return ApiError(404, f"there is no model {name[:100]!r} here; ask for {endpoint!r}", "model_not_found", "model")


def _refused(error: ValidationError) -> ApiError:
    """What is wrong first, as a sentence; ``param`` is the field."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return ApiError(400, f"{path}: {message}" if path else message, "invalid_value", path[:200] or None)


def _check_tokens(document: Parsed, limits: Limits) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        asked = document.get(name)
        if isinstance(asked, int) and asked > limits.max_tokens:
            raise ApiError(
                400, f"{name}: {asked} is above the limit; ask at most {limits.max_tokens}", "too_many", name
            )


def _parameters(document: Parsed) -> str:
    """All that was asked besides text, model and user; of messages, what they say besides role and content."""
    asked = {name: value for name, value in document.items() if name not in ("model", "messages", "prompt", "user")}
    more = [_besides_text(message) for message in document.get("messages", ())]
    if any(more):
        asked["messages"] = more
    try:
        return canonical_json(asked)
    except ValueError as error:  # such as 1e999, which is read as infinite
        raise ApiError(400, f"the body holds a number that JSON has not: {error}", "invalid_json") from error


def _besides_text(message: Parsed) -> Parsed:
    return {name: value for name, value in message.items() if name not in ("role", "content")}


def _for_server(document: Parsed, model: str, limits: Limits, *, stream: bool) -> bytes:
    body = {name: value for name, value in document.items() if name not in OURS}
    body["model"] = model
    if body.get("max_tokens") is None and body.get("max_completion_tokens") is None:
        body["max_tokens"] = limits.max_tokens
    if stream:  # the log counts tokens, whether the client asked for that or not
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    return to_json(body)
