"""The gateway's routes, and who may use them."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST
from pydantic_core import to_json

from components.core.columns import Row
from components.core.errors import SluiceError
from components.serve.api_keys import ApiKey, KeyRing
from components.serve.gateway.asked import asked_from, feedback_from, parse, unknown_model
from components.serve.gateway.call import Call, Receive, Scope, Send
from components.serve.gateway.config import GatewayConfig
from components.serve.gateway.description import description
from components.serve.gateway.errors import ApiError
from components.serve.gateway.exchange import Exchange, Journal, log_full
from components.serve.gateway.identity import Identity
from components.serve.gateway.metrics import Metrics
from components.serve.gateway.rate import Buckets
from components.serve.gateway.upstream import Upstream

_LOG = logging.getLogger(__name__)
Answering = Callable[[Call], Awaitable[None]]
ONE_MODEL = "/v1/models/"


class Gateway:
    """What stands before one model server. ``draining`` is set by whoever ends it: what still comes is answered, but
    each answer closes its connection."""

    def __init__(self, config: GatewayConfig, journal: Journal, secret: bytes) -> None:
        self.config, self.journal = config, journal
        self.metrics = Metrics()
        self.upstream = Upstream(config.upstream, config.upstream_model, self.metrics.retries.inc)
        self.identity = Identity(secret, config.endpoint)
        self.keys, self.buckets = KeyRing(Path(config.keys)), Buckets(config.limits.burst)
        self.in_flight, self.draining = 0, False
        self._began = int(time.time())
        self._description = to_json(description(config.endpoint))

    async def close(self) -> None:
        """Closes the journal, so that all that was logged is in partitions, and the connections."""
        await self.journal.close()
        await self.upstream.close()

    async def chat(self, call: Call) -> None:
        """``POST /v1/chat/completions``."""
        await self._generate(call, "chat")

    async def completion(self, call: Call) -> None:
        """``POST /v1/completions``."""
        await self._generate(call, "completion")

    async def feedback(self, call: Call) -> None:
        """``POST /v1/feedback``: the word is durable before it is answered."""
        key = self._admit(call)
        with self._counted():
            word = feedback_from(parse(await call.body(self.config.limits)))
            request_id = self.identity.known(word.request_id)
            if request_id is None:
                raise ApiError(
                    404, f"request_id: {word.request_id[:100]!r} is no request of {self.config.endpoint}; give the `id`"
                    " of an answer", "unknown_request", "request_id",
                )  # fmt: skip
            self._check_room()
            row: Row = {
                "feedback_id": uuid.uuid4().hex,
                "request_id": request_id,
                "unit": self.identity.unit(word.user, key.name),
                "key": key.name,
                "role": "trusted" if key.trusted else "user",
                "endpoint": self.config.endpoint,
                "at": datetime.now(UTC).isoformat(timespec="microseconds"),
                "good": word.good,
                "correction": word.correction,
                "comment": word.comment,
                "redactions": None,
            }
            try:
                limit = self.config.limits.request_seconds
                await self.journal.feedback(row, max(0.0, limit - call.seconds))
            except TimeoutError as error:
                message = f"the word could not be made ready for the log within {limit:g} s; send less"
                raise ApiError(504, message, "timeout") from error
            except SluiceError as error:
                _LOG.error("feedback: %s", error)
                raise self._refused() from error
            await call.reply(200, to_json({"id": row["feedback_id"]}))

    async def models(self, call: Call) -> None:
        """``GET /v1/models``."""
        self._key(call)
        await call.reply(200, to_json({"object": "list", "data": [self._model]}))

    async def model(self, call: Call) -> None:
        """``GET /v1/models/{model}``."""
        self._key(call)
        name = call.scope["path"].removeprefix(ONE_MODEL)
        if name != self.config.endpoint:
            raise unknown_model(name, self.config.endpoint)
        await call.reply(200, to_json(self._model))

    async def health(self, call: Call) -> None:
        """``GET /healthz``: the process lives."""
        state = {"status": "ok", "in_flight": self.in_flight, "draining": self.draining}
        await call.reply(200, to_json(state | {"endpoint": self.config.endpoint, "model": self.config.model}))

    async def ready(self, call: Call) -> None:
        """``GET /readyz``: 200 when the model server answers, and this takes requests."""
        if self.draining:
            raise ApiError(503, "this gateway ends; ask again", "draining", headers={"connection": "close"})
        if not await self.upstream.answers():
            raise ApiError(503, "the model server does not answer yet; ask again", "not_ready")
        await call.reply(200, to_json({"status": "ready"}))

    async def metrics_(self, call: Call) -> None:
        """``GET /metrics``."""
        self.metrics.in_flight.set(self.in_flight)
        await call.reply(200, self.metrics.exposed(), CONTENT_TYPE_LATEST)

    async def describe(self, call: Call) -> None:
        """``GET /openapi.json``."""
        await call.reply(200, self._description)

    async def _generate(self, call: Call, kind: str) -> None:
        key = self._admit(call)
        with self._counted():
            document = parse(await call.body(self.config.limits))
            asked = asked_from(document, kind, self.config.endpoint, self.config.upstream_model, self.config.limits)
            self._check_room()
            exchange = Exchange(
                call, asked, key, self.config,
                identity=self.identity, upstream=self.upstream, journal=self.journal, metrics=self.metrics,
            )  # fmt: skip
            exchange.begin()
            await exchange.carry_out()

    @property
    def _model(self) -> dict[str, object]:
        return {"id": self.config.endpoint, "object": "model", "created": self._began, "owned_by": "sluice"}

    def _key(self, call: Call) -> ApiKey:
        """Whose call it is. Raises ApiError (401)."""
        scheme, _, given = call.header(b"authorization").partition(" ")
        key = self.keys.find(given.strip()) if scheme.lower() == "bearer" else None
        if key:
            return key
        if self.keys.trouble:
            _LOG.error("API keys: %s", self.keys.trouble)
            raise ApiError(401, "no API key counts, for their file cannot be read; its gateway says why", "no_keys")
        if self.keys.empty:
            raise ApiError(401, "there is no API key yet; `sluice api-keys new NAME` makes one", "no_keys")
        raise ApiError(
            401, "no API key that counts: send `Authorization: Bearer sk-…`; `sluice api-keys new NAME` makes one",
            "invalid_api_key",
        )  # fmt: skip

    def _admit(self, call: Call) -> ApiKey:
        """Whose request it is, if there is room for one more. Raises ApiError: 401, 429 or 503."""
        if self.draining:  # it was on its way before a router heard of that; its connection takes no other one
            call.headers["connection"] = "close"
        key, limits = self._key(call), self.config.limits
        seconds = self.buckets.take(key.name, key.per_minute or limits.per_minute)
        if seconds:
            message = f"too many requests of the key {key.name}; wait {seconds} s"
            raise ApiError(429, message, "rate_limit_exceeded", headers={"retry-after": str(seconds)})
        if self.in_flight >= limits.in_flight:
            message = f"{limits.in_flight} requests are worked on, and no more at once; try again"
            raise ApiError(503, message, "overloaded", headers={"retry-after": "1"})
        return key

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def _check_room(self) -> None:
        if not self.journal.has_room:
            raise self._refused()

    def _refused(self) -> ApiError:
        self.metrics.log_refusals.inc()
        return log_full()


class Application:
    """All routes as one ASGI application: errors in one shape, and counted."""

    def __init__(self, gateway: Gateway) -> None:
        self._metrics = gateway.metrics
        self._routes: dict[str, tuple[str, Answering]] = {
            "/v1/chat/completions": ("POST", gateway.chat),
            "/v1/completions": ("POST", gateway.completion),
            "/v1/feedback": ("POST", gateway.feedback),
            "/v1/models": ("GET", gateway.models),
            ONE_MODEL: ("GET", gateway.model),
            "/healthz": ("GET", gateway.health),
            "/readyz": ("GET", gateway.ready),
            "/metrics": ("GET", gateway.metrics_),
            "/openapi.json": ("GET", gateway.describe),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope, receive, send)
        path = scope["path"]
        route = ONE_MODEL if path.startswith(ONE_MODEL) else path
        try:
            await self._answering(route, scope["method"])(call)
        except ApiError as error:
            await call.refuse(error)
        except Exception:  # noqa: BLE001 - a fault of ours is told in the same shape as everything else
            _LOG.exception("%s", route)
            await call.refuse(ApiError(500, "the gateway failed; ask whoever runs it", "internal_error"))
        finally:
            if route in self._routes:  # of others there are as many as somebody cares to try
                self._metrics.count(route, call.outcome, call.seconds)

    def _answering(self, route: str, method: str) -> Answering:
        """What answers there. Raises ApiError: 404, or 405 with the method that would do."""
        known, answering = self._routes.get(route, ("", None))
        if answering is None:
            raise ApiError(404, "there is no such route; /openapi.json names all", "unknown_route")
        if method != known and (method, known) != ("HEAD", "GET"):
            allow = {"allow": "GET, HEAD" if known == "GET" else known}
            raise ApiError(405, "not with this method; /openapi.json says how", "method_not_allowed", headers=allow)
        return answering
