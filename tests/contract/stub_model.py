"""A model server in OpenAI's shape without a model: ``python -m tests.contract.stub_model --port 9001``.

It answers ``/v1/chat/completions`` and ``/v1/completions``, whole or as a stream, with the same words for the same
prompt: ``echo: PROMPT``, one token a word, at most ``max_tokens`` of them. A prompt that begins with a word of the
list below behaves as that says; what follows the word is the prompt. All of it is on loopback and holds no weights.

    !garbage            200, and a body (or an event) that is no JSON
    !wrong              200, and JSON that is no answer
    !not-http           bytes that are no HTTP
    !hang               never answers
    !hang-mid-stream    sends half of the words, and then nothing more
    !close              closes before the first byte
    !close-once         closes before the first byte the first time that it sees the prompt
    !close-mid-stream   sends half of the words (without a stream: half of the body), and closes
    !error-mid-stream   sends half of the words, and an event with an error
    !no-done            a stream that ends without ``[DONE]``, as that of `transformers serve` does
    !slow S             waits S seconds before it answers
    !drip S             waits S seconds before each word
    !long N             answers N words
    !status N           answers with that status and OpenAI's error
    !null               an answer with a message without content
    !tool               an answer that calls a tool

``GET /counts`` says how often the generation of each prompt began, ``GET /last`` what came in last,
``GET /health`` and ``GET /v1/models`` that it lives. It does not imitate: tokens, templates, context lengths, batching,
and a model server's own checks of a request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from typing import Any

from aiohttp import web

WORD = re.compile(r"!(?P<word>[a-z-]+)(?: (?P<value>\d+(?:\.\d+)?))?(?:\s|$)")
TAKES_VALUE = {"slow", "drip", "long", "status"}


class StubModel:
    """What was asked of it so far, and the routes that answer."""

    def __init__(self, name: str = "stub") -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self.last: dict[str, Any] = {}

    def application(self) -> web.Application:
        """All routes."""
        application = web.Application(client_max_size=64 * 1024**2)
        application.router.add_post("/v1/chat/completions", self._answer)
        application.router.add_post("/v1/completions", self._answer)
        application.router.add_get("/v1/models", self._models)
        application.router.add_get("/health", self._health)
        application.router.add_get("/counts", self._counts)
        application.router.add_get("/last", self._last)
        return application

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self.name, "object": "model"}]})

    async def _counts(self, request: web.Request) -> web.Response:
        return web.json_response(self.counts)

    async def _last(self, request: web.Request) -> web.Response:
        return web.json_response(self.last)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.last = {"body": body, "path": request.path, "headers": dict(request.headers)}
        prompt = _prompt(body)
        self.counts[prompt] += 1
        word, value, rest = _steering(prompt)
        if word == "slow":
            await asyncio.sleep(value)
        elif word == "hang":
            await asyncio.Event().wait()
        elif word == "close" or (word == "close-once" and self.counts[prompt] == 1):
            return _closed(request)
        elif word == "not-http":
            return _closed(request, b"\x00\x01 this is no HTTP \r\n\r\n")
        elif word == "status":
            error = {"message": f"the stub was told to answer {value:.0f}", "type": "stub", "param": None, "code": None}
            return web.json_response({"error": error}, status=int(value))
        reply = Reply(body, request.path, self.name, word, value, rest)
        return await (_stream if body.get("stream") else _whole)(request, reply)


class Reply:
    """The words of one answer, as the bodies and events that carry them."""

    def __init__(self, body: dict[str, Any], path: str, name: str, word: str, value: float, rest: str) -> None:
        self.word, self.pause = word, value if word == "drip" else 0.0
        words = ["word"] * int(value) if word == "long" else f"echo: {rest}".split(" ")
        most = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
        self.words, self.finish = words[:most], "length" if len(words) > most else "stop"
        self.chat = path.endswith("chat/completions")
        self.prompt_tokens = len(_prompt(body).split())
        self.with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self.head = {"id": "stub-1", "created": int(time.time()), "model": name}

    @property
    def usage(self) -> dict[str, int]:
        given, made = self.prompt_tokens, len(self.words)
        return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}

    def whole(self) -> bytes:
        """The answer in one body."""
        text = " ".join(self.words)
        message: dict[str, Any] = {"role": "assistant", "content": None if self.word in ("null", "tool") else text}
        if self.word == "tool":
            call = {"id": "call-1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
            message["tool_calls"] = [call]
        choice = {"index": 0, "finish_reason": self.finish, "logprobs": None}
        choice |= {"message": message} if self.chat else {"text": text}
        kind = "chat.completion" if self.chat else "text_completion"
        return json.dumps(self.head | {"object": kind, "choices": [choice], "usage": self.usage}).encode()

    def event(self, text: str | None, finish: str | None = None) -> bytes:
        """One event of a stream."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
        if self.chat:
            choice["delta"] = {"content": text} if text is not None else {}
        else:
            choice["text"] = text or ""
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return _event(self.head | {"object": kind, "choices": [choice]})


def _event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


async def _whole(request: web.Request, reply: Reply) -> web.StreamResponse:
    data = reply.whole()
    if reply.word == "garbage":
        data = b'{"choices": [{"mess'
    elif reply.word == "wrong":
        data = b'{"hello": "world"}'
    response = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(data))})
    await asyncio.sleep(reply.pause * len(reply.words))
    await response.prepare(request)
    if reply.word in ("close-mid-stream", "hang-mid-stream"):
        await response.write(data[: len(data) // 2])
        if reply.word == "hang-mid-stream":
            await asyncio.Event().wait()
        return _closed(request, response=response)
    await response.write(data)
    return response


async def _stream(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    half = len(reply.words) // 2 if reply.word.endswith("-mid-stream") else len(reply.words)
    for number, word in enumerate(reply.words[:half]):
        await asyncio.sleep(reply.pause)
        await response.write(reply.event(word if number == 0 else f" {word}"))
    if reply.word == "close-mid-stream":
        return _closed(request, response=response)
    if reply.word == "hang-mid-stream":
        await asyncio.Event().wait()
    if reply.word == "error-mid-stream":
        await response.write(_event({"error": {"message": "the stub broke", "code": 500}}))
        return response
    if reply.word in ("garbage", "wrong"):
        await response.write(_event(b'{"choices": [{"de' if reply.word == "garbage" else b'"hello"'))
    await response.write(reply.event(None, reply.finish))
    if reply.with_usage:
        await response.write(_event(reply.head | {"object": "usage", "choices": [], "usage": reply.usage}))
    if reply.word != "no-done":
        await response.write(_event(b"[DONE]"))
    return response


def _closed(request: web.Request, data: bytes = b"", response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Closes the connection, after some bytes; aiohttp writes nothing more to it."""
    assert request.transport
    if data:
        request.transport.write(data)
    request.transport.close() if data else request.transport.abort()
    return response or web.Response()


def _prompt(body: dict[str, Any]) -> str:
    """The last message, or the prompt of a completion."""
    content = body["messages"][-1].get("content") if "messages" in body else body.get("prompt", "")
    if isinstance(content, list):
        content = " ".join(part["text"] if isinstance(part, dict) else part for part in content)
    return str(content)


def _steering(prompt: str) -> tuple[str, float, str]:
    """The word that a prompt begins with, its value, and the rest of the prompt."""
    found = WORD.match(prompt)
    if not found:
        return "", 0.0, prompt
    value = found["value"] if found["word"] in TAKES_VALUE else None
    rest = prompt[found.end() if value or not found["value"] else found.end("word") :].strip()
    return found["word"], float(value or 0), rest


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--name", default="stub", help="the model's name in its answers")
    asked = parser.parse_args()
    try:
        import uvloop
    except ImportError:
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    model = StubModel(asked.name).application()
    web.run_app(model, host=asked.host, port=asked.port, print=None, access_log=None, loop=loop, handle_signals=False)


if __name__ == "__main__":
    main()
