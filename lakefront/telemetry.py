"""Logs, spans and the correlation id of a process.

Logs are JSON lines on stdout (structlog; the standard library's loggers end there too). Spans go to an OpenTelemetry
collector where ``LAKEFRONT_OTLP_ENDPOINT`` names one; without it no span is recorded and only its ids are in the logs. The
correlation id travels from a request into its events' metadata.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import orjson
import structlog
from opentelemetry import trace

from lakefront.card_numbers import without_card_numbers
from lakefront.settings import settings

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""Joins what one request caused: in logs, spans and events' metadata."""

_TALKATIVE = ("httpx", "httpcore", "urllib3", "asyncio", "py4j", "alembic", "feast")


def configure(process: str) -> None:
    """Set up logs and spans of this process; call it once, first. ``process`` is its name in the Procfile."""
    level = logging.getLevelNamesMapping()[settings().log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_process(process),
        _add_ids,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_to_json)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=lambda value, **_: _to_json(value).decode()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    _configure_spans(process)


def logger(name: str) -> Any:
    """A structured logger: ``logger("relay").info("published", packs=3)``."""
    return structlog.get_logger(component=name)


def tracer() -> trace.Tracer:
    """The tracer of this process; without a collector its spans cost next to nothing."""
    return trace.get_tracer("lakefront")


@contextmanager
def correlated(value: str | None) -> Iterator[None]:
    """Let what happens in the block carry this correlation id."""
    token = correlation_id.set(value)
    try:
        yield
    finally:
        correlation_id.reset(token)


def _configure_spans(process: str) -> None:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    if isinstance(trace.get_tracer_provider(), TracerProvider):  # it can be set once only
        return
    endpoint = settings().otlp_endpoint.rstrip("/")
    if not endpoint:
        trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))  # ids, but no recording
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.namespace": "lakefront", "service.name": process})
    provider = TracerProvider(resource=resource)
    address = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    trace.set_tracer_provider(provider)


def _add_ids(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Put the correlation id and the ids of the current span beside a log line."""
    value = correlation_id.get()
    if value is not None:
        event.setdefault("correlation_id", value)
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


def _add_process(process: str) -> Any:
    def add(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        event.setdefault("process", process)
        return event

    return add


def _to_json(value: Any, **_: Any) -> bytes:
    return without_card_numbers(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))
