"""Live updates of an order, by server-sent events and by WebSocket: parse, follow, send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, WebSocket
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.requests import HTTPConnection

from transactional.orders import service
from transactional.orders.live import has_ended, watch_of
from transactional.platform.authentication import CallerDep, caller_of
from transactional.platform.core import Core, CoreDep
from transactional.platform.errors import Problem, responses

router = APIRouter(prefix="/orders", tags=["orders"])
PROTOCOL = "lakefront.orders"
_CLOSE_CODES = {401: 4401, 404: 4404, 503: 1013}
_BEARER, _SESSION = "bearer.", "session."
LastEventId = Annotated[
    int | None,
    Header(ge=0, description="The last update that arrived before the connection broke.", examples=[2]),
]


async def visible_order(order_id: UUID, core: CoreDep, caller: CallerDep) -> UUID:
    """The order, if the caller may see it: looked up before the answer begins."""
    await service.check_visible(core, caller, order_id)
    return order_id


@router.get(
    "/{order_id}/updates",
    summary="An order's updates as they happen",
    description="Server-sent events, one for each fact so far and each that follows; the stream ends with the order "
    "(delivered or cancelled). After a break, send the last `id` as `Last-Event-ID`.",
    response_class=EventSourceResponse,
    responses=responses(401, 404, 503),
)
async def updates(
    core: CoreDep, _: CallerDep, order_id: Annotated[UUID, Depends(visible_order)], last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    async with aclosing(watch_of(core).follow(order_id, last_event_id or 0)) as news:
        async for fact in news:
            yield ServerSentEvent(data=fact, event="order", id=str(fact["sequence"]))


@router.websocket("/{order_id}/live")
async def live(socket: WebSocket, order_id: UUID) -> None:
    """The same updates as JSON messages. A browser, which cannot send headers, offers the subprotocols
    `lakefront.orders` and `bearer.<access token>` or `session.<session id>`."""
    core: Core = socket.app.state.core
    protocol = PROTOCOL if PROTOCOL in socket.scope.get("subprotocols", ()) else None
    opened = HTTPConnection({**socket.scope, "headers": [*socket.scope["headers"], *_credentials(socket)]})
    try:
        await service.check_visible(core, caller_of(opened), order_id)
    except Problem as problem:
        await socket.accept(subprotocol=protocol)
        await socket.close(_CLOSE_CODES.get(problem.status, 4400), problem.code)
        return
    await socket.accept(subprotocol=protocol)
    sending = asyncio.create_task(_send_news(core, socket, order_id))
    listening = asyncio.create_task(_until_disconnected(socket))
    await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
    if is_gone := listening.done():
        sending.cancel()
    listening.cancel()  # before closing: the server's close waits for whoever reads
    await asyncio.gather(sending, listening, return_exceptions=True)
    if not is_gone:
        await socket.close(*sending.result())


async def _send_news(core: Core, socket: WebSocket, order_id: UUID) -> tuple[int, str]:
    """Send until the order or the worker ends; returns with which code and reason to close."""
    fact = None
    try:
        async with aclosing(watch_of(core).follow(order_id)) as news:
            async for fact in news:
                await socket.send_json(fact)
    except Problem as problem:
        return _CLOSE_CODES.get(problem.status, 4400), problem.code
    return (1000, "order_ended") if fact and has_ended(fact["status"]) else (1012, "service_restart")


async def _until_disconnected(socket: WebSocket) -> None:
    """What a client says is not listened to, but that it goes has to be noticed."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _credentials(socket: WebSocket) -> list[tuple[bytes, bytes]]:
    """Headers for what the subprotocols name; a browser's only way to say who it is."""
    found = []
    for offered in socket.scope.get("subprotocols", ()):
        if offered.startswith(_BEARER):
            found.append((b"authorization", f"Bearer {offered.removeprefix(_BEARER)}".encode()))
        elif offered.startswith(_SESSION):
            found.append((b"x-session-id", offered.removeprefix(_SESSION).encode()))
    return found
