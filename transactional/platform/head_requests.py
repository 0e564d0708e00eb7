"""HEAD, as crawlers, caches and ``curl -I`` send it: answered as GET is, without the body, where anybody may read.

No route knows of it, so the API's description is the same, and GET and POST pay nothing. What hangs on a caller stays refused:
among that are streams, whose headers come before an end that never comes.
"""

from __future__ import annotations

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Message, Scope, Send

from transactional.platform import authentication


def as_get(scope: Scope) -> Scope | None:
    """The same request as a GET; None where that would not be answered to anybody."""
    asked = {**scope, "method": "GET"}
    route = next((one for one in scope["app"].router.routes if one.matches(asked)[0] is Match.FULL), None)
    return asked if isinstance(route, APIRoute) and not _asks_for_caller(route.dependant) else None


def _asks_for_caller(dependant: Dependant) -> bool:
    return any(
        getattr(dependency.call, "__module__", "") == authentication.__name__ or _asks_for_caller(dependency)
        for dependency in dependant.dependencies
    )


def without_body(send: Send) -> Send:
    """Sends the headers as they are, ``Content-Length`` too, and nothing after them."""

    async def headers_only(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
        elif not message.get("more_body", False):
            await send({"type": "http.response.body"})

    return headers_only
