"""One pure ASGI middleware that sees every request: correlation id, span, metrics, access log, size limit, last net for errors.

One instead of five, since each layer costs every request. The correlation id comes from the caller's ``X-Correlation-Id``
or is made here; it goes back in the answer, into the logs, into problem documents and into the events of the request.
"""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import unquote_plus

import structlog
from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lakefront.card_numbers import LONGEST_CARD_NUMBER, holds_card_number
from lakefront.ids import new_id
from lakefront.settings import settings
from lakefront.telemetry import correlation_id, tracer
from transactional.platform.access_log import AccessLog
from transactional.platform.errors import CardNumberSent, Problem, card_number_refused, problem_response
from transactional.platform.routing import GATEWAY_WEBHOOKS, IMAGES_OF_A_PRODUCT

REQUESTS = Histogram(
    "lakefront_http_request_seconds",
    "Time from the request's arrival to the end of its answer.",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10),
)
UNHANDLED = Counter("lakefront_http_unhandled_errors", "Errors that nothing expected.", ["route"])
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_KEPT_HEADERS = frozenset({b"x-session-id", b"x-correlation-id", b"idempotency-key"})
MOST_BODY_BYTES = 4 * 1024 * 1024
MOST_IMAGE_BYTES = 10 * 1024 * 1024
_QUIET = ("/health/live", "/health/ready", "/metrics")
log = structlog.get_logger(__name__)
_propagator = TraceContextTextMapPropagator()


def route_of(scope: Scope) -> str:
    """The route's template ("/api/v1/products/{product_id}"), so that metrics have few labels."""
    route = scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    return path if isinstance(path, str) else "unknown"


class TelemetryMiddleware:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._children: dict[tuple[str, str, int], Any] = {}
        self._tracer = tracer() if settings().otlp_endpoint else None  # no collector, no spans
        self._access_log = AccessLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        sent, traceparent, size = _sent(scope)
        correlation = sent or str(new_id())
        token = correlation_id.set(correlation)
        status, is_stream = 0, False

        async def observed(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = _is_stream(message)
                message["headers"] = [*message.get("headers", ()), (b"x-correlation-id", correlation.encode())]
            await send(message)

        span = span_token = None
        if self._tracer is not None:
            parent = _propagator.extract({"traceparent": traceparent}) if traceparent else None
            span = self._tracer.start_span(scope["method"], context=parent, kind=SpanKind.SERVER)
            span_token = context.attach(trace.set_span_in_context(span, parent))
        try:
            if size is not None and size > MOST_BODY_BYTES and size > (most := _most_bytes(scope)):
                await problem_response(_too_large(most))(scope, receive, observed)
            elif _head_holds_card_number(scope):
                await problem_response(card_number_refused())(scope, receive, observed)
            else:
                await self._app(scope, _read(scope, receive, size), observed)
        except Exception:
            UNHANDLED.labels(route_of(scope)).inc()
            log.exception("unhandled_error", method=scope["method"], path=scope["path"])
            if status:
                raise  # the answer has begun; the server must cut the connection
            await problem_response(_internal_error())(scope, receive, observed)
        finally:
            self._finish(scope, span, status, time.perf_counter() - began, is_stream)
            if span_token is not None:
                context.detach(span_token)
            correlation_id.reset(token)

    def _finish(self, scope: Scope, span: trace.Span | None, status: int, seconds: float, is_stream: bool) -> None:
        route = route_of(scope)
        method = scope["method"]
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = REQUESTS.labels(method, route, str(status))
        if not is_stream:  # how long somebody listens is no latency
            child.observe(seconds)
        if span is not None:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.request.method", method)
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            span.end()
        if scope["path"] not in _QUIET:
            self._access_log.write(method=method, route=route, path=scope["path"], status=status, seconds=seconds)


def _sent(scope: Scope) -> tuple[str | None, str | None, int | None]:
    """Correlation id, trace and size of a request; the size is None when the body comes in chunks of unknown number."""
    correlation = traceparent = None
    size: int | None = 0
    for name, value in scope["headers"]:
        if name == b"x-correlation-id":
            text = value.decode("latin-1")
            correlation = text if _ACCEPTABLE_ID.fullmatch(text) else None
        elif name == b"traceparent":
            traceparent = value.decode("latin-1")
        elif name == b"content-length" and value.isdigit():
            size = int(value)
        elif name == b"transfer-encoding":
            size = None
    return correlation, traceparent, size


def _is_stream(start: Message) -> bool:
    return any(
        name == b"content-type" and value.startswith(b"text/event-stream") for name, value in start.get("headers", ())
    )


def _internal_error() -> Problem:
    return Problem(500, "internal_error", "Something went wrong here", "The error was logged by its correlation id.")


def _most_bytes(scope: Scope) -> int:
    return MOST_IMAGE_BYTES if scope["path"].endswith(IMAGES_OF_A_PRODUCT) else MOST_BODY_BYTES


def _too_large(most: int) -> Problem:
    return Problem(413, "too_large", "The body is too large", f"At most {most:,} bytes are taken.")


def _head_holds_card_number(scope: Scope) -> bool:
    """Whether the address holds one, or a header whose value is kept."""
    query = scope["query_string"]
    return (
        holds_card_number(scope["path"])
        or (query != b"" and holds_card_number(unquote_plus(query.decode("latin-1"))))
        or any(name in _KEPT_HEADERS and holds_card_number(value) for name, value in scope["headers"])
    )


def _read(scope: Scope, receive: Receive, size: int | None) -> Receive:
    """How the body is read: not at all, as it is, counted, and looked through for card numbers."""
    if size == 0:
        return receive
    counted = receive if size is not None else _limited(receive, _most_bytes(scope))
    # Gateways name transactions by numbers that look like cards'; what we keep of their news are our own ids.
    return counted if scope["path"].startswith(GATEWAY_WEBHOOKS) else _guarded(counted)


def _guarded(receive: Receive) -> Receive:
    """Refuses a body that holds a card number, even one that comes in two parts."""
    tail = b""

    async def guarded() -> Message:
        nonlocal tail
        message = await receive()
        part = tail + message.get("body", b"")
        if holds_card_number(part):
            raise CardNumberSent
        tail = part[-LONGEST_CARD_NUMBER:] if message.get("more_body") else b""
        return message

    return guarded


def _limited(receive: Receive, most: int) -> Receive:
    """Counts a body of unknown size while it arrives."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(413)
        return message

    return counted
