"""The shortest way to an answer that is kept: by its address, before routing, validation and dependencies.

FastAPI's way to a handler costs more than all else in such an answer. An address comes to stand here when the handler has
answered it once, so that what is valid and what may be kept is decided in one place only. What says nothing of who may keep
it is the caller's own.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from transactional.platform.cache import MEMORY, is_known, target_of
from transactional.platform.head_requests import as_get, without_body


class KnownAnswers:
    """Answers GET requests whose answer is kept, and hands on the others; HEAD is such a GET, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            entry = MEMORY.by_target.get(target_of(scope["path"], scope["query_string"]))
            if entry is not None and entry.cache.shows(entry):
                scope["route"] = entry.route
                for name, value in scope["headers"]:
                    if name == b"if-none-match" and is_known(value.decode("latin-1"), entry.etag):
                        await send({"type": "http.response.start", "status": 304, "headers": entry.headers[2:]})
                        await send({"type": "http.response.body"})
                        return
                await send({"type": "http.response.start", "status": 200, "headers": entry.headers})
                await send({"type": "http.response.body", "body": entry.body})
                return
            if scope["path"].startswith("/api/"):
                send = _private_unless_said(send)
        elif scope["type"] == "http" and scope["method"] == "HEAD" and (asked := as_get(scope)) is not None:
            try:
                await self(asked, receive, without_body(send))
            finally:
                scope["route"] = asked.get("route")  # by which it is measured
            return
        await self._app(scope, receive, send)


def _private_unless_said(send: Send) -> Send:
    """Carts and orders depend on a token or a session, which no cache on the way looks at."""

    async def said(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            if not any(name == b"cache-control" for name, _ in headers):
                message["headers"] = [*headers, (b"cache-control", b"private, no-store")]
        await send(message)

    return said
