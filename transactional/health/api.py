"""Liveness, readiness and metrics, outside of /api/v1."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import orjson
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from transactional.health import service
from transactional.platform.core import CoreDep

router = APIRouter(tags=["operation"])
_READY_EXAMPLE = {"status": "ready", "parts": {"database": "ok", "bus": "ok", "store": "ok"}}


@router.get("/health/live", summary="Is this process alive", response_model=dict[str, str])
async def live() -> dict[str, str]:
    """Always 200 while the process answers at all; says nothing of the servers behind it."""
    return {"status": "alive"}


@router.get(
    "/health/ready",
    summary="Can this process serve",
    responses={
        200: {"content": {"application/json": {"example": _READY_EXAMPLE}}, "description": "Ready, or degraded"},
        503: {"description": "PostgreSQL does not answer"},
    },
)
async def ready(core: CoreDep) -> Response:
    """`ready`; `degraded` (200) while Redis is away, without which the shop still sells; `unready` (503) without PostgreSQL."""
    parts = await service.parts(core)
    if parts["database"] != "ok":
        status, code = "unready", 503
    else:
        status, code = ("ready" if all(state == "ok" for state in parts.values()) else "degraded"), 200
    return Response(orjson.dumps({"status": status, "parts": parts}), code, media_type="application/json")


@router.get(
    "/metrics",
    summary="Prometheus metrics of all workers",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text format"}},
)
async def metrics() -> Response:
    """Figures of all workers together, whichever of them answers."""
    body = await asyncio.to_thread(_collected)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _collected() -> bytes:
    registry: Any = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return generate_latest(registry)
