"""One request from its acceptance to the last byte of its answer, which is sent after the log has it."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Protocol

from components.core.columns import REQUESTS, Row
from components.core.errors import InvalidInput, SluiceError
from components.core.request_log import Status
from components.serve.api_keys import ApiKey
from components.serve.gateway.answer import Answer
from components.serve.gateway.asked import Asked
from components.serve.gateway.call import Call
from components.serve.gateway.config import GatewayConfig
from components.serve.gateway.errors import CLIENT_LEFT, ApiError
from components.serve.gateway.identity import PREFIXES, Identity
from components.serve.gateway.metrics import Metrics
from components.serve.gateway.upstream import DONE, Upstream, garbage
from components.serve.log.redaction import COLUMNS

_LOG = logging.getLogger(__name__)
LEAST_SECONDS = 1.0
"""For redacting what was said until its time was over."""
_LAST = b"data: [DONE]\n\n"
TOKEN_BYTES = 128
"""The longest token of the usual vocabularies, a row of spaces. A longer answer is logged if there is room then."""
_MOST_ATTEMPTS = 1_000_000
_ATTEMPT = re.compile(r"[0-9]{1,9}")


class Journal(Protocol):
    """What writes the request log; ``components.serve.log.journal`` does."""

    @property
    def has_room(self) -> bool:
        """Whether a new request could be logged."""

    def begin(self, row: Row, answer_bytes: int) -> None:
        """Notes a request before it is worked on, and reserves room for its end with an answer of so many bytes."""

    async def look(self, row: Row) -> None:
        """Redacts what a request that began is to end with; cancelled when that takes too long."""

    async def finish(self, row: Row) -> None:
        """Writes a request that began; it is durable when this returns. Where it raises, the request has ended too."""

    async def feedback(self, row: Row, seconds: float | None = None) -> None:
        """Writes a person's word; it is durable when this returns. Raises TimeoutError where redacting takes longer."""

    async def close(self) -> None:
        """Ends it; all rows go into partitions."""


class Exchange:
    """A request that was accepted. Use: ``begin``, then ``carry_out``."""

    def __init__(
        self,
        call: Call,
        asked: Asked,
        key: ApiKey,
        config: GatewayConfig,
        *,
        identity: Identity,
        upstream: Upstream,
        journal: Journal,
        metrics: Metrics,
    ) -> None:
        self.call, self.asked, self.config = call, asked, config
        self.upstream, self.journal, self.metrics = upstream, journal, metrics
        self.id = identity.request_id(call.header(b"x-request-id"))
        self.row = self._row(key, identity)
        self.answer = Answer(asked.kind, PREFIXES[asked.kind] + self.id, config.endpoint)
        self.trouble: list[str] = []
        """Why each try to reach the server failed."""

    def begin(self) -> None:
        """Notes the request in the journal. Raises ApiError where that cannot be: nothing was asked of a model then."""
        self.call.headers.update({"x-request-id": self.id, "x-sluice-model": self.config.model})
        try:
            self.journal.begin(self.row, self.config.limits.max_tokens * TOKEN_BYTES)
        except InvalidInput as error:
            message = "a request of this x-request-id is being answered; give each its own"
            raise ApiError(409, message, "request_id_in_use") from error
        except SluiceError as error:
            _LOG.error("request %s: %s", self.id, error)
            self.metrics.log_refusals.inc()
            raise log_full() from error

    async def carry_out(self) -> None:
        """Has it answered, logs it, and ends the answer; in this order."""
        error, body = None, b""
        try:
            async with self.call.patience(self.config.limits.request_seconds):
                body = await (self._stream() if self.asked.stream else self._whole())
        except TimeoutError:
            error = self._late()
        except ApiError as refused:
            error = refused
        except Exception:  # noqa: BLE001 - the client gets an error and the log a row, whatever went wrong
            _LOG.exception("request %s", self.id)
            error = ApiError(500, "the gateway failed; ask whoever runs it", "internal_error")
        if error and error.status >= 500:
            self.upstream.ready = False  # whoever asks for readiness has it tried anew
        late = await self._redacted()
        error = error or late
        self._note_end(error)
        error = await self._logged() or error
        if error:
            await self.call.refuse(error)
        elif self.asked.stream:
            await self.call.end(_LAST)
        else:
            await self.call.reply(200, body)

    async def _whole(self) -> bytes:
        data = await self.upstream.whole(self.asked.kind, self.asked.body, self._headers, self.trouble)
        return self.answer.whole(data)

    async def _stream(self) -> bytes:
        done = False
        asked = self.asked
        events = self.upstream.events(asked.kind, asked.body, self._headers, self.trouble)
        async with aclosing(events):
            async for together in events:
                done = DONE in together
                await self._pass_on(together)
                if done:
                    break
        if not self.call.status:
            raise garbage("a stream without an event")
        if not done and not self.answer.finish_reason:  # `transformers serve` ends without [DONE]
            raise ApiError(502, "the model server ended in the middle of its answer", "upstream_cut")
        return b""

    async def _pass_on(self, together: list[bytes]) -> None:
        """Sends events to the client, those that came at once with one write; also those before one that is none."""
        ready = list[bytes]()
        try:
            for data in together:
                if data == DONE:
                    break
                event = self.answer.event(data, with_usage=self.asked.with_usage)
                if event:
                    ready.append(event)
        finally:
            if self.row["first_token_ms"] is None and self.answer.text:
                self.row["first_token_ms"] = 1000 * self.call.seconds
                self.metrics.first_token.observe(self.call.seconds)
            if ready:
                await self.call.event(b"".join(ready))

    @property
    def _headers(self) -> dict[str, str]:
        return {"x-request-id": self.id}

    def _late(self) -> ApiError:
        """Time is over, or the client has left."""
        if self.call.left:
            return ApiError(CLIENT_LEFT, "the client left", "client_left")
        seconds = f"{self.config.limits.request_seconds:g} s"
        if self.trouble and not self.upstream.ready:
            return ApiError(502, f"the model server was not reached within {seconds}; try again", "upstream_away")
        return ApiError(504, f"the answer took longer than {seconds}; ask for fewer tokens", "timeout")

    def _row(self, key: ApiKey, identity: Identity) -> Row:
        """All columns; what is not known yet is null."""
        attempt = self.call.header(b"x-envoy-attempt-count")
        row: Row = dict.fromkeys(REQUESTS)
        row.update(
            request_id=self.id,
            attempt=min(max(int(attempt), 1), _MOST_ATTEMPTS) if _ATTEMPT.fullmatch(attempt) else 1,
            conversation_id=self.asked.conversation,
            unit=identity.unit(self.asked.user, key.name),
            key=key.name,
            endpoint=self.config.endpoint,
            model=self.config.model,
            kind=self.asked.kind,
            started=_now(),
            messages=self.asked.messages,
            parameters=self.asked.parameters,
            features="{}",
            status=str(Status.LOST),  # until it ends
            sampling_probability=1.0,
            mirrored=self.call.header(b"host").partition(":")[0].endswith("-shadow"),  # Envoy marks a copy so
        )
        return row

    def _note_end(self, error: ApiError | None) -> None:
        cut = self.call.left or self.call.status or (error and error.code == "upstream_cut")
        answer, status = self.answer, (Status.CUT if cut else Status.FAILED) if error else Status.ANSWERED
        self.row = self.row | {
            "ended": _now(),
            "status": str(status),
            "http_status": (error.status if error else 200),
            "error": "; ".join([str(error), *self.trouble[-1:]]) if error else None,
            "finish_reason": answer.finish_reason,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "latency_ms": 1000 * self.call.seconds,
        }
        self.metrics.prompt_tokens.inc(answer.prompt_tokens or 0)
        self.metrics.completion_tokens.inc(answer.completion_tokens or 0)

    async def _redacted(self) -> ApiError | None:
        """Has the texts redacted within the time that is left, and leaves them out of the row where that fails."""
        self.row = self.row | {"response": self.answer.text}
        limit = self.config.limits.request_seconds
        try:
            async with asyncio.timeout(max(limit - self.call.seconds, LEAST_SECONDS)):
                await self.journal.look(self.row)
                return None
        except TimeoutError:
            message = f"the request and its answer could not be made ready for the log within {limit:g} s; send less"
            error = ApiError(504, message, "timeout")
        except Exception:  # noqa: BLE001 - whatever it was: what was not redacted is never written
            _LOG.exception("request %s", self.id)
            error = _not_logged()
        self.row = self.row | dict.fromkeys(COLUMNS)
        return error

    async def _logged(self) -> ApiError | None:
        """Writes the row. An answer that cannot be logged is none: what the client gets instead."""
        try:
            await self.journal.finish(self.row)
        except Exception as error:  # noqa: BLE001 - whatever it was, the log has no answer, and the client gets none
            known = isinstance(error, SluiceError)
            _LOG.error("request %s: %s", self.id, error, exc_info=None if known else error)
            self.metrics.log_refusals.inc()
            return _not_logged()
        return None


def log_full() -> ApiError:
    """Nothing is generated that could not be logged. The journal says why on its own."""
    return ApiError(503, "the request log takes nothing now; try again later", "log_full", headers={"retry-after": "5"})


def _not_logged() -> ApiError:
    return ApiError(503, "the answer could not be logged; try again later", "log_failed")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
